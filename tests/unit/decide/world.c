#include "world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/health.h"

enum { TURN_US = 10 * 1000, RULE_ID_MAX = 3000 };

static bool seen_rules[RULE_ID_MAX];

static void assert_seen(uint32_t id)
{
	if (!seen_rules[id]) {
		fail_msg("no scenario here makes rule %u match", id);
	}
}

void world_assert_every_rule_seen(void)
{
	for (uint32_t i = 0; i < rules_count; i++) {
		assert_seen(rules[i].id);
	}
	for (uint32_t i = 0; i < pair_rules_count; i++) {
		assert_seen(pair_rules[i].id);
	}
	for (uint32_t i = 0; i < server_rules_count; i++) {
		assert_seen(server_rules[i].id);
	}
}

void world_init(struct world *world, enum policy policy, uint32_t count)
{
	memset(world, 0, sizeof(*world));
	record_init(&world->record);
	world->now_us = 1000000;
	world->seen.started_us = world->now_us;
	world->alive = (1u << count) - 1;
	world->options = (struct decide_options){
		.silence_us = 2000000,
		.stream_silence_us = 1250000,
		.revoke_us = 10000000,
		.feed_us = 2000000,
		.open_us = 10000000,
		.drain_us = 5000000,
		.freeze_us = 3000000,
		.press_us = 1000000,
		.moment_us = 3000000,
		.undo_us = 10000000,
		.parent_us = 1000000,
		.base_us = 30000000,
		.alone_us = 4000000,
		.extra_us = 100000,
		.cooldown_us = 600000000,
		.failovers_max = 3,
		.failover_window_us = 21600000000,
		.slow_us = 500000,
		.write_stall_us = 10000000,
	};
	struct record *record = &world->record;
	(void)snprintf(record->group, sizeof(record->group), "g");
	record->policy = policy;
	record->max_loss_s = policy == POLICY_BOUNDED ? 30 : 0;
	record->epoch = 1;
	record->version = 1;
	record->ask_server = 0;
	record->server_count = count;
	record->state_since_us = world->now_us;
	for (uint32_t i = 0; i < count; i++) {
		struct record_server *server = &record->servers[i];
		(void)snprintf(server->name, sizeof(server->name), "s%u", i);
		(void)snprintf(server->host, sizeof(server->host), "10.0.0.%u", i);
		server->port = 3306;
		server->weight = 100;
		struct server_status *status = &world->seen.servers[i].status;
		status->flavor = GTID_MARIADB;
		status->server_id = i + 1;
		(void)snprintf(status->parallel_mode, sizeof(status->parallel_mode), "optimistic");
		status->started_s = 1790000000 + i;
		status->uptime_s = 3600;
		status->read_only = true;
		status->log_bin = true;
		status->log_replica_updates = true;
		status->gtid_on = true;
		status->semisync.available = true;
	}
}

void world_fini(struct world *world)
{
	observation_fini(&world->seen);
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		gtid_set_fini(&world->looked[i]);
	}
	record_fini(&world->record);
}

static uint32_t source_of(const struct world *world, uint32_t server)
{
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		if (record_follows(&world->record, &world->seen, server, i)) {
			return i;
		}
	}
	return SERVER_NONE;
}

static bool bit(uint32_t set, uint32_t i)
{
	return (set & (1u << i)) != 0;
}

static void run_streams(struct world *world)
{
	uint32_t clients[SERVERS_MAX] = { 0 };
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		struct server_status *status = &world->seen.servers[i].status;
		struct replica_status *replica = &status->replica;
		uint32_t source = source_of(world, i);
		if (!bit(world->alive, i) || bit(world->hung, i) || replica->io == IO_NO ||
		    source == SERVER_NONE) {
			continue;
		}
		bool writes = !bit(world->stalled, source);
		bool lives = bit(world->alive, source) && !bit(world->hung, source) &&
			     !bit(world->cut, i);
		if (!bit(world->alive, source) || bit(world->cut, i)) {
			replica->io = IO_CONNECTING;
		} else if (lives) {
			replica->io = IO_YES;
			replica->received_ticks++;
			world->seen.servers[i].stream_us = world->now_us;
		}
		status->semisync.replica_active =
			replica->io == IO_YES && status->semisync.replica_enabled;
		clients[source] += status->semisync.replica_active ? 1 : 0;
		if (replica->sql_running && replica->io == IO_YES && lives && writes) {
			gtid_set_add(&status->executed,
				     &world->seen.servers[source].status.executed);
			gtid_set_add(&status->received, &status->executed);
		}
	}
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		world->seen.servers[i].status.semisync.source_clients = clients[i];
	}
}

static void look(struct world *world, uint32_t i)
{
	if (i >= SERVERS_MAX) {
		fail();
		return; /* for the compiler: a test that fails doesn't come back */
	}
	struct observation_server *one = &world->seen.servers[i];
	one->contact_us = world->now_us;
	if (bit(world->alive, i)) {
		one->refused_since_us = 0;
	} else if (one->refused_since_us == 0) {
		one->refused_since_us = world->now_us;
	}
	if (!bit(world->alive, i) || bit(world->hung, i) || bit(world->deaf, i)) {
		one->misses++;
		one->reach = bit(world->alive, i)
				     ? (bit(world->deaf, i) ? REACH_SILENT : REACH_HUNG)
				     : REACH_NOBODY_LISTENS;
		return;
	}
	one->misses = 0;
	one->reach = REACH_ANSWERS;
	one->answered_us = world->now_us;
	gtid_set_clear(&one->older.executed);
	gtid_set_copy(&one->older.executed, &world->looked[i]);
	one->older.begun_us = one->status_us;
	one->older.ended_us = one->status_end_us;
	one->older.read_only = world->looked_read_only & (1u << i);
	one->status_us = world->now_us;
	one->status_end_us = world->now_us;
	gtid_set_clear(&world->looked[i]);
	gtid_set_copy(&world->looked[i], &one->status.executed);
	world->looked_read_only &= ~(1u << i);
	world->looked_read_only |= one->status.read_only ? 1u << i : 0;
	if (i == world->record.primary && world->record.policy == POLICY_BOUNDED) {
		observation_mark(&world->seen, i, (uint64_t)world->record.max_loss_s * 125000);
	}
}

/* The probe writes on the primary of a steady group alone; what it found last stays. */
static void probe_writes(struct world *world)
{
	const uint64_t timeout_us = 2000000;
	uint32_t primary = world->record.primary;
	if (primary == SERVER_NONE || world->record.state != GROUP_STEADY ||
	    !bit(world->alive, primary) || world->seen.servers[primary].status.read_only) {
		return;
	}
	struct observation_write *write = &world->seen.servers[primary].write;
	write->seen_us = world->now_us;
	if (!bit(world->stalled, primary)) {
		*write = (struct observation_write){ .seen_us = world->now_us };
	} else if (write->since_us == 0) {
		write->since_us = world->now_us;
		write->late_us = world->now_us + timeout_us;
		write->trouble = world->trouble;
	}
}

static void carry_out(struct world *world, uint32_t i, enum step step)
{
	struct observation_server *one = &world->seen.servers[i];
	struct server_status *status = &one->status;
	struct replica_status *replica = &status->replica;
	uint32_t primary = world->record.primary;
	uint32_t source = world->decision.steps_source[i];
	switch (step) {
	case STEP_STOP_RECEIVER:
		replica->io = IO_NO;
		break;
	case STEP_DRAIN:
		if (!world->slow_appliers && replica->delay_s == 0) {
			gtid_set_copy(&status->executed, &status->received);
		}
		break;
	case STEP_FENCE:
	case STEP_FREEZE:
		status->read_only = true;
		status->semisync.source_enabled =
			step == STEP_FREEZE && status->semisync.source_enabled;
		break;
	case STEP_CATCH_UP:
		gtid_set_add(&status->executed, &world->seen.servers[primary].status.executed);
		gtid_set_add(&status->received, &status->executed);
		break;
	case STEP_PROMOTE:
		replica->io = IO_NO;
		replica->sql_running = false;
		status->semisync.source_enabled = world->record.acks > 0;
		break;
	case STEP_OPEN:
		status->read_only = false;
		break;
	case STEP_REPOINT:
	case STEP_FEED:
		/* Both dialects forget what they received and didn't apply. */
		gtid_set_copy(&status->received, &status->executed);
		replica->configured = true;
		replica->gtid_position = true;
		replica->io = IO_YES;
		replica->sql_running = true;
		replica->source_port = world->record.servers[source].port;
		memcpy(replica->source_host, world->record.servers[source].host,
		       sizeof(replica->source_host));
		status->semisync.replica_enabled =
			(world->decision.steps_acknowledge & (1u << i)) != 0;
		if (pair_wants_order(&world->record, &world->seen, i)) {
			status->parallel_mode[0] = 0;
		}
		break;
	case STEP_FORGET_SOURCE:
		memset(replica, 0, sizeof(*replica));
		break;
	case STEP_KEEP_OUT:
		status->read_only = true;
		replica->io = IO_NO;
		replica->sql_running = false;
		break;
	case STEP_SEMISYNC_REPLICA_ON:
	case STEP_SEMISYNC_REPLICA_OFF:
		status->semisync.replica_enabled = step == STEP_SEMISYNC_REPLICA_ON;
		break;
	case STEP_SEMISYNC_SOURCE_ON:
	case STEP_SEMISYNC_SOURCE_OFF:
		status->semisync.source_enabled = step == STEP_SEMISYNC_SOURCE_ON;
		break;
	case STEP_ADMIT_CHANGE:
	case STEP_END_CHANGE:
		status->gtid_domain = step == STEP_ADMIT_CHANGE ? world->record.pair.domain
								: world->record.pair.home_domain;
		status->admins_write = step == STEP_ADMIT_CHANGE;
		break;
	case STEP_APPLY_IN_ORDER:
		status->parallel_mode[0] = 0;
		break;
	case STEP_APPLY_AS_BEFORE:
		memcpy(status->parallel_mode, world->record.servers[i].parallel_mode,
		       sizeof(status->parallel_mode));
		break;
	case STEP_COUNT_:
		break;
	}
	status->semisync.source_active = status->semisync.source_enabled;
	one->steps_done |= 1u << step;
}

void world_turn(struct world *world)
{
	world->now_us += TURN_US;
	run_streams(world);
	probe_writes(world);
	/* Replicas and primary are looked at one after the other, in an order that changes. */
	bool forward = world->now_us / TURN_US % 2 == 0;
	for (uint32_t n = 0; n < world->record.server_count; n++) {
		world->now_us++;
		look(world, forward ? n : world->record.server_count - 1 - n);
	}
	if (!world->routes_stuck) {
		world->seen.routes = (struct observation_routes){
			.epoch = world->record.epoch,
			.revision = world->record.version,
			.held = world->record.state != GROUP_STEADY,
			.transactions_open = world->open_transactions,
		};
	}
	decide(&world->record, &world->seen, &world->options, world->now_us, &world->decision);
	seen_rules[world->decision.rule->id] = true;
	if (world->decision.pair_rule) {
		seen_rules[world->decision.pair_rule->id] = true;
	}
	if (world->decision.moved) {
		for (uint32_t i = 0; i < SERVERS_MAX; i++) {
			world->seen.servers[i].steps_done = 0;
		}
	}
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		const struct server_rule *rule = world->decision.server_rules[i];
		if (rule) {
			seen_rules[rule->id] = true;
		}
		enum step step = world->decision.steps[i];
		if (step != STEP_NONE && bit(world->alive, i) && !bit(world->hung, i) &&
		    !bit(world->no_steps | world->stalled, i)) {
			carry_out(world, i, step);
		}
	}
	/* The invariant of everything here: never two servers that take writes in one epoch, as seen by who routes. */
	uint32_t writable = 0;
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		bool opened_here = (world->seen.servers[i].steps_done & (1u << STEP_OPEN)) != 0;
		writable += opened_here ? 1 : 0;
	}
	assert_true(writable <= 1);
}

bool world_until(struct world *world, enum group_state state, unsigned turns)
{
	for (unsigned i = 0; i < turns && world->record.state != state; i++) {
		world_turn(world);
	}
	return world->record.state == state;
}

bool world_until_healthy(struct world *world, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++) {
		world_turn(world);
		if (health_check(&world->record, &world->seen, NULL)) {
			return true;
		}
	}
	struct buf missing;
	buf_init(&missing, 4096);
	(void)health_check(&world->record, &world->seen, &missing);
	print_message("not healthy: %s (%s)\n", buf_text(&missing), world->decision.facts.missing);
	buf_fini(&missing);
	return false;
}

void world_commit(struct world *world, uint32_t server, uint64_t number, uint32_t received)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		const struct gtid_set *set = &world->seen.servers[i].status.executed;
		for (size_t k = 0; k < set->interval_count; k++) {
			last = set->intervals[k].to > last ? set->intervals[k].to : last;
		}
	}
	char text[64];
	struct gtid_set set;
	gtid_set_init(&set);
	(void)snprintf(text, sizeof(text), "0-%u-%" PRIu64, server + 1, last + number);
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MARIADB, &set, NULL), ERR_OK);
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		if (i == server || bit(received, i)) {
			gtid_set_add(&world->seen.servers[i].status.executed, &set);
			gtid_set_add(&world->seen.servers[i].status.received, &set);
		}
	}
	gtid_set_fini(&set);
}

void world_begin(struct world *world, enum policy policy, uint32_t count)
{
	world_init(world, policy, count);
	assert_true(world_until_healthy(world, 200));
	assert_int_equal(world->record.primary, 0);
	world_commit(world, 0, 5, 0);
	assert_true(world_until_healthy(world, 20));
}
