#include "sim_check.h"

#include <inttypes.h>
#include <string.h>

#include "decide/health.h"
#include "lemmas.h"
#include "sim_fault.h"
#include "sim_group.h"
#include "sim_gtid.h"
#include "sim_manager.h"
#include "sim_server.h"
#include "sim_story.h"
#include "sim_task.h"

enum {
	CAUSE_US = 1000 * 1000,
	REST_US = 10 * 1000 * 1000,
	QUIET_US = 300 * 1000, /* longer than it takes until a server is looked at again */
	SAME_US = 100 * 1000,
	BOUND_SLACK_US = 50 * 1000, /* clocks differ in speed */
	WRITES_AT_REST_MAX = 3
};

static bool lossless(const struct sim_world *world)
{
	return world->setup.policy == POLICY_LOSSLESS;
}

/* The first acknowledged transaction that the server lacks; SIM_TXNS_MAX when there is none. */
static uint32_t find_lacking(const struct sim_world *world, const struct sim_server *server,
			     const uint64_t *excused)
{
	for (uint32_t i = 0; i < SIM_TXN_WORDS; i++) {
		uint64_t lacks = world->ledger.acked[i] & ~server->has[i];
		lacks &= excused ? ~excused[i] : ~(uint64_t)0;
		if (lacks) {
			return i * 64 + (uint32_t)__builtin_ctzll(lacks);
		}
	}
	return SIM_TXNS_MAX;
}

static void fail_lost(struct sim_world *world, uint32_t server, uint32_t txn, const char *when)
{
	sim_story_fail(world, "%s lacks the acknowledged write %u (transaction %u-%u) %s",
		       sim_story_host(server), world->txns[txn].op, world->txns[txn].origin,
		       world->txns[txn].seq, when);
}

/* ---------------------------------------------------------------- clients */

void sim_check_given(struct sim_world *world, uint16_t txn)
{
	world->ledger.acked[txn / 64] |= (uint64_t)1 << (txn % 64);
	world->ledger.acked_us[txn] = 0;
}

void sim_check_written(struct sim_world *world, uint32_t server, uint16_t txn)
{
	if (!world->servers[server].waits_for_acks && lossless(world) &&
	    world->store.record.acks > 0 && world->store.record.primary == server &&
	    world->store.record.state == GROUP_STEADY) {
		sim_story_fail(
			world, "%s commits %u-%u alone, though the record says that commits wait",
			sim_story_host(server), world->txns[txn].origin, world->txns[txn].seq);
	}
}

static bool holds(const struct sim_world *world, uint32_t at, uint32_t txn)
{
	const struct sim_server *server = &world->servers[at];
	if (sim_server_has(server, txn)) {
		return true;
	}
	for (uint32_t i = server->relay_first; i < server->relay_count; i++) {
		if (server->relay[i] == txn) {
			return true;
		}
	}
	return false;
}

/* Whether the rules pass the member over: its process is not the one that the record counts on. What it had received and not
 * applied went with that one, so no election is complete by it until it has received again what the primary had after that. */
static bool is_void(const struct sim_world *world, const struct record *record, uint32_t at)
{
	uint64_t counted_s = record->servers[at].started_s;
	return counted_s != 0 && counted_s != sim_server_started_s(&world->servers[at]);
}

/* The promise on the record: every acknowledged commit is in the base, or on `acks` members. An election is complete by all
 * members but `acks` - 1, void ones left out; so what is void may lack the commit, and breaks no promise: a member that is
 * killed and back between its acknowledgement and the client's answer makes an election wait for the old primary. */
static bool is_promised(const struct sim_world *world, const struct record *record, uint32_t txn)
{
	const struct sim_txn *one = &world->txns[txn];
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->setup.servers && count < record->acks; i++) {
		bool counts = record_is_member(record, i) &&
			      (holds(world, i, txn) || is_void(world, record, i));
		count += counts ? 1 : 0;
	}
	return count >= record->acks || sim_gtid_has(&record->base, one->origin, one->seq);
}

void sim_check_acked(struct sim_world *world, uint32_t op)
{
	struct sim_ledger *ledger = &world->ledger;
	const struct sim_op *one = &world->ops[op];
	ledger->acked[one->txn / 64] |= (uint64_t)1 << (one->txn % 64);
	ledger->acked_us[one->txn] = world->now_us;
	ledger->acked_count++;
	ledger->acked_in_calm += world->calm ? 1 : 0;
	if (ledger->opened_epoch > one->epoch && ledger->opened != one->server &&
	    !sim_server_has(&world->servers[ledger->opened], one->txn)) {
		sim_story_fail(world,
			       "write %u is acknowledged by %s in epoch %" PRIu64
			       " after %s was opened in epoch %" PRIu64,
			       op, sim_story_host(one->server), one->epoch,
			       sim_story_host(ledger->opened), ledger->opened_epoch);
		return;
	}
	if (lossless(world) && !is_promised(world, &world->store.record, one->txn)) {
		sim_story_fail(world,
			       "write %u is acknowledged, but not where the record promises it: "
			       "sync set %#x, acks %u",
			       op, world->store.record.sync_set, world->store.record.acks);
	}
}

/* ---------------------------------------------------------------- decisions */

static void check_failover(struct sim_world *world, const struct sim_manager *manager)
{
	struct sim_ledger *ledger = &world->ledger;
	const struct rule *rule = manager->decision.rule;
	uint32_t lost = manager->record.previous;
	bool ordered = (manager->decision.facts.set & FACT_ORDERED) != 0;
	ledger->failovers++;
	if (ordered) {
		if (!(ledger->asked & (1u << ASK_FAILOVER))) {
			sim_story_fail(world, "rule %u: a failover that nobody ordered", rule->id);
		}
		return;
	}
	if (rule->from != GROUP_OPENING && manager->record.paused) {
		sim_story_fail(world, "rule %u: an automatic failover although it is paused",
			       rule->id);
	}
	if (lost < world->setup.servers && !world->servers[lost].read_only &&
	    !sim_fault_troubled(world, lost, CAUSE_US)) {
		sim_story_fail(world, "rule %u: a failover although nothing is wrong with %s",
			       rule->id, sim_story_host(lost));
	}
}

/* An automatic failover is on the record: not soon after another one. */
static void check_cooldown(struct sim_world *world, uint32_t manager, const struct record *next)
{
	struct sim_ledger *ledger = &world->ledger;
	const struct record *old = &world->store.record;
	bool begins = next->epoch > old->epoch && old->primary != SERVER_NONE &&
		      next->previous == old->primary && next->primary == SERVER_NONE;
	/* One that a person ordered ends the cool-down. */
	if (begins && !next->cooling) {
		ledger->failover_us = 0;
	}
	if (!next->cooling) {
		return;
	}
	uint64_t clock_us = sim_world_clock(world, (uint32_t)SIM_HOST_MANAGER + manager);
	uint64_t at_us = world->now_us - (clock_us - (uint64_t)next->failovers_us[0]);
	/* One whose primary only came back read-only is not counted: the newest is still the one before. */
	bool counted = next->failover_count > 0 && at_us > ledger->failover_us + SAME_US;
	if (!counted) {
		return;
	}
	/* It began in a state that could not be stored: whether it was allowed can't be told from the record. */
	if (!begins) {
		ledger->failover_us = at_us;
		return;
	}
	uint64_t since_us = at_us - ledger->failover_us;
	if (old->state != GROUP_OPENING && ledger->failover_us != 0 && !ledger->healthy_since &&
	    since_us < world->setup.options.cooldown_us * 98 / 100) {
		sim_story_fail(world,
			       "a second automatic failover after %" PRIu64
			       " ms, without a healthy group in between",
			       since_us / SIM_MS);
	}
	ledger->failover_us = at_us;
	ledger->healthy_since = false;
}

/* Nobody becomes primary by itself who is not meant to. */
static void check_chosen(struct sim_world *world, const struct record *record)
{
	const struct record_server *next = &record->servers[record->primary];
	const struct record_server *old =
		record->previous == SERVER_NONE ? next : &record->servers[record->previous];
	if (next->never_promote || record_in_downtime(record, record->primary)) {
		sim_story_fail(world, "%s becomes primary, which it is not to be now",
			       sim_story_host(record->primary));
	}
	if (record->stay_in_dc && record->ask == ASK_NONE && strcmp(next->dc, old->dc) != 0) {
		sim_story_fail(world, "a failover to another data centre that nobody ordered");
	}
}

/* Under `bounded`: what the elected one lacks was acknowledged shortly before the old primary was lost, or after. */
static void check_bound(struct sim_world *world, uint32_t manager)
{
	const struct record *record = &world->managers[manager].record;
	if (record->policy != POLICY_BOUNDED || record->previous == SERVER_NONE ||
	    record->ask_accept_loss || record->lost_us == 0) {
		return;
	}
	uint64_t clock_us = sim_world_clock(world, (uint32_t)SIM_HOST_MANAGER + manager);
	uint64_t ago_us = clock_us - record->lost_us + BOUND_SLACK_US +
			  (uint64_t)record->max_loss_s * 1000000;
	for (uint32_t i = 0; i < world->txn_count; i++) {
		bool acked = (world->ledger.acked[i / 64] >> (i % 64) & 1) != 0;
		/* What an earlier failover lost is not lost again. */
		acked = acked && sim_server_has(&world->servers[record->previous], i);
		if (acked && !holds(world, record->primary, i) &&
		    world->ledger.acked_us[i] + ago_us < world->now_us) {
			sim_story_fail(world, "%s is elected, and lacks write %u of %.0f ms ago",
				       sim_story_host(record->primary), world->txns[i].op,
				       (double)(world->now_us - world->ledger.acked_us[i]) /
					       SIM_MS);
			return;
		}
	}
}

static void check_elected(struct sim_world *world, uint32_t at)
{
	const struct sim_manager *manager = &world->managers[at];
	uint32_t primary = manager->record.primary;
	check_chosen(world, &manager->record);
	check_bound(world, at);
	uint32_t lacking = find_lacking(world, &world->servers[primary], NULL);
	if (lossless(world) && lacking < SIM_TXNS_MAX) {
		fail_lost(world, primary, lacking, "when it is elected");
	}
}

static void check_handed(struct sim_world *world, const struct sim_manager *manager)
{
	const struct record *record = &manager->record;
	const struct sim_server *old = &world->servers[record->previous];
	const struct sim_server *next = &world->servers[record->primary];
	world->ledger.switchovers++;
	if (!(world->ledger.asked & (1u << ASK_SWITCHOVER))) {
		sim_story_fail(world, "a switchover that nobody asked for");
	}
	if (!old->read_only && sim_world_runs(world, record->previous)) {
		sim_story_fail(world, "handed over from %s, which still takes writes",
			       sim_story_host(record->previous));
	}
	for (uint32_t i = 0; i < old->engine_count; i++) {
		if (!sim_server_has(next, old->log[i])) {
			sim_story_fail(world, "handed over to %s, which lacks write %u of %s",
				       sim_story_host(record->primary), world->txns[old->log[i]].op,
				       sim_story_host(record->previous));
			return;
		}
	}
}

void sim_check_decided(struct sim_world *world, uint32_t manager)
{
	const struct sim_manager *one = &world->managers[manager];
	if (lemmas_broken(group_lemmas, GROUP_LEMMAS, one->decision.facts.set)) {
		sim_story_fail(world, "the facts %#x contradict each other",
			       one->decision.facts.set);
	}
	switch (one->decision.rule->act) {
	case ACT_NEW_EPOCH:
		check_failover(world, one);
		break;
	case ACT_ELECT:
		check_elected(world, manager);
		break;
	case ACT_HAND_OVER:
		check_handed(world, one);
		break;
	case ACT_NONE:
	case ACT_GIVE_UP:
	case ACT_SETTLE:
	case ACT_COUNT_:
		break;
	}
	world->ledger.healthy_since =
		world->ledger.healthy_since || health_check(&one->record, &one->seen, NULL);
}

/* ---------------------------------------------------------------- the record */

static void note_reported(struct sim_world *world, const struct record *record)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		const struct record_server *server = &record->servers[i];
		for (uint32_t k = 0; server->diverged && k < world->txn_count; k++) {
			const struct sim_txn *txn = &world->txns[k];
			if (sim_server_has(&world->servers[i], k) &&
			    sim_gtid_has(&server->extra, txn->origin, txn->seq)) {
				world->ledger.reported[k / 64] |= (uint64_t)1 << (k % 64);
			}
		}
	}
}

/* A record that promises more than the one before: a member counts again, leaves, or the base does. */
static void check_promise(struct sim_world *world, const struct record *next)
{
	for (uint32_t i = 0; lossless(world) && i < world->txn_count; i++) {
		bool acked = (world->ledger.acked[i / 64] >> (i % 64) & 1) != 0;
		if (acked && !is_promised(world, next, i)) {
			sim_story_fail(world,
				       "the acknowledged write %u (transaction %u-%u) is not where "
				       "the next record promises it: sync set %#x, acks %u",
				       world->txns[i].op, world->txns[i].origin, world->txns[i].seq,
				       next->sync_set, next->acks);
			return;
		}
	}
}

void sim_check_stored(struct sim_world *world, uint32_t manager, const struct record *next)
{
	const struct record *old = &world->store.record;
	if (next->epoch < old->epoch || next->version < old->version) {
		sim_story_fail(world,
			       "the record goes back: epoch %" PRIu64 " version %" PRIu64
			       " replaces epoch %" PRIu64 " version %" PRIu64,
			       next->epoch, next->version, old->epoch, old->version);
		return;
	}
	if (next->primary < world->setup.servers && next->epoch < SIM_EPOCHS_MAX) {
		uint32_t *primary = &world->ledger.primary_of[next->epoch];
		if (*primary != SERVER_NONE && *primary != next->primary) {
			sim_story_fail(world, "epoch %" PRIu64 " has two primaries: %s and %s",
				       next->epoch, sim_story_host(*primary),
				       sim_story_host(next->primary));
		}
		*primary = next->primary;
	}
	if (next->acks == 0 && next->sync_set != 0) {
		sim_story_fail(world, "the record has a sync set %#x that promises nothing",
			       next->sync_set);
	}
	check_promise(world, next);
	check_cooldown(world, manager, next);
	note_reported(world, next);
}

/* ---------------------------------------------------------------- steps */

static bool is_allowed(const struct record *record, const struct sim_task *task)
{
	bool primary = task->server == record->primary;
	bool revoking = record->state == GROUP_REVOKING || record->state == GROUP_REFUSED ||
			record->state == GROUP_FORMING;
	switch (task->step) {
	case STEP_STOP_RECEIVER:
	case STEP_DRAIN:
	case STEP_FEED:
		return revoking;
	case STEP_FENCE:
		return revoking || !primary;
	case STEP_FREEZE:
		return primary && record->state == GROUP_FREEZING;
	case STEP_CATCH_UP:
		return !primary && record->state == GROUP_FREEZING;
	case STEP_PROMOTE:
		return primary && record->state == GROUP_OPENING;
	case STEP_OPEN:
		return primary &&
		       (record->state == GROUP_OPENING || record->state == GROUP_UNDOING);
	case STEP_REPOINT:
	case STEP_KEEP_OUT:
		return !primary && record->primary != SERVER_NONE;
	case STEP_FORGET_SOURCE:
		return primary;
	case STEP_SEMISYNC_REPLICA_ON:
	case STEP_SEMISYNC_REPLICA_OFF:
	case STEP_SEMISYNC_SOURCE_ON:
		return true;
	case STEP_SEMISYNC_SOURCE_OFF:
		return !primary || record->acks == 0;
	case STEP_ADMIT_CHANGE: /* no pair in this world */
	case STEP_END_CHANGE:
	case STEP_APPLY_IN_ORDER:
	case STEP_APPLY_AS_BEFORE:
	case STEP_COUNT_:
		break;
	}
	return false;
}

void sim_check_step(struct sim_world *world, uint32_t manager, const struct sim_task *task)
{
	const struct sim_manager *one = &world->managers[manager];
	const struct sim_store *store = &world->store;
	world->ledger.steps++;
	if (store->record.version < one->record.version) {
		sim_story_fail(world, "%s of %s is begun before the record says so",
			       step_key(task->step), sim_story_host(task->server));
	}
	bool present = world->setup.managers == 1 || store->term_manager == manager;
	if (present && !(store->journal[task->server] & (1u << task->step))) {
		sim_story_fail(world, "%s of %s is begun before it is on the journal",
			       step_key(task->step), sim_story_host(task->server));
	}
	if (!is_allowed(&one->record, task)) {
		sim_story_fail(world, "%s of %s is not what the record allows (%s, primary %s)",
			       step_key(task->step), sim_story_host(task->server),
			       group_state_name(one->record.state),
			       sim_story_host(one->record.primary));
	}
}

void sim_check_opened(struct sim_world *world, const struct sim_task *task)
{
	struct sim_ledger *ledger = &world->ledger;
	const struct record *record = &world->store.record;
	if (task->epoch != record->epoch || task->server != record->primary) {
		return; /* a late one: it opens for nobody, and is closed again */
	}
	uint32_t lacking = find_lacking(world, &world->servers[task->server], NULL);
	if (lossless(world) && lacking < SIM_TXNS_MAX) {
		fail_lost(world, task->server, lacking, "when it is opened");
		return;
	}
	const struct sim_stream *stream = &world->servers[task->server].stream;
	if (stream->io != IO_NO || (stream->sql && !task->handed)) {
		sim_story_fail(world, "%s is opened while it still replicates",
			       sim_story_host(task->server));
	}
	ledger->opened_epoch = task->epoch;
	ledger->opened = task->server;
}

void sim_check_server(struct sim_world *world, uint32_t at)
{
	const struct sim_server *server = &world->servers[at];
	const struct record *record = &world->store.record;
	if (lossless(world) && record->state == GROUP_STEADY && record->primary == at &&
	    record->acks > 0 && !server->read_only && !server->waits_for_acks) {
		sim_story_fail(world, "%s does not wait for acknowledgements, as the record says",
			       sim_story_host(at));
	}
}

/* ---------------------------------------------------------------- the end */

static void end_badly(struct sim_world *world)
{
	uint32_t leader = sim_manager_leader(world);
	if (leader == SIM_MANAGERS_MAX) {
		sim_story_fail(world, "no progress: nobody leads");
		return;
	}
	const struct sim_manager *manager = &world->managers[leader];
	struct buf missing;
	buf_init(&missing, 1024);
	(void)health_check(&manager->record, &manager->seen, &missing);
	sim_story_fail(world, "no progress: %s, %s; %s; %u writes acknowledged in the calm",
		       group_state_name(manager->record.state), manager->decision.facts.missing,
		       buf_text(&missing), world->ledger.acked_in_calm);
	buf_fini(&missing);
}

/* A person rebuilds what can't come back by itself. */
static void repair(struct sim_world *world, const struct sim_manager *manager)
{
	const struct record *record = &manager->record;
	if (record->state != GROUP_STEADY || record->primary == SERVER_NONE ||
	    world->now_us < world->setup.calm_us + world->setup.options.cooldown_us) {
		return;
	}
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		const struct sim_stream *stream = &world->servers[i].stream;
		bool broken =
			stream->sql_errno != 0 || (stream->io == IO_NO && stream->io_errno != 0);
		if (i != record->primary && sim_world_runs(world, i) &&
		    world->servers[i].started_us + world->setup.options.cooldown_us / 2 <
			    world->now_us &&
		    (record->servers[i].diverged || broken)) {
			sim_server_rebuild(world, i, record->primary);
		}
	}
}

/* Whether nothing was done to a server for a while, nor is about to be. What was asked of it while the world was broken may come to
 * its end seconds later, and hold up what else it needs, though the group is healthy meanwhile; and what a manager asked that has
 * died since is seen when it is done. */
static bool is_quiet(struct sim_world *world, const struct sim_manager *manager)
{
	uint64_t *since_us = &world->ledger.quiet_since_us;
	bool busy = sim_task_under_way(world);
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		busy = busy || manager->decision.steps[i] != STEP_NONE;
	}
	if (busy || *since_us == 0) {
		*since_us = world->now_us;
	}
	return world->now_us - *since_us >= QUIET_US;
}

void sim_check_judge(struct sim_world *world)
{
	uint32_t leader = sim_manager_leader(world);
	if (leader < SIM_MANAGERS_MAX) {
		struct sim_manager *manager = &world->managers[leader];
		if (manager->record.paused) {
			(void)sim_manager_pause(world, leader, false);
		}
		bool quiet = is_quiet(world, manager);
		if (manager->healthy && quiet && sim_group_in_place(world) &&
		    world->ledger.acked_in_calm >= 3 &&
		    world->now_us - manager->healthy_since_us >= (uint64_t)600 * SIM_MS) {
			world->stopped = true;
			world->ledger.writes_at_rest = world->store.writes;
			world->ledger.steps_at_rest = world->ledger.steps;
			sim_world_later(world, (uint64_t)800 * SIM_MS, SIM_NOBODY, EV_FINAL, 0, 0,
					0);
			return;
		}
		repair(world, manager);
	}
	if (world->now_us >= world->setup.end_us) {
		end_badly(world);
		return;
	}
	sim_world_later(world, (uint64_t)100 * SIM_MS, SIM_NOBODY, EV_JUDGE, 0, 0, 0);
}

static void check_content(struct sim_world *world, uint32_t at, uint32_t primary)
{
	const struct sim_server *server = &world->servers[at];
	const struct sim_server *other = &world->servers[primary];
	for (uint32_t i = 0; i < SIM_TXN_WORDS; i++) {
		uint64_t differs = server->has[i] ^ other->has[i];
		if (differs) {
			uint32_t txn = i * 64 + (uint32_t)__builtin_ctzll(differs);
			sim_story_fail(
				world,
				"%s and the primary %s differ in silence: write %u (%u-%u) is "
				"on %s only",
				sim_story_host(at), sim_story_host(primary), world->txns[txn].op,
				world->txns[txn].origin, world->txns[txn].seq,
				sim_story_host(sim_server_has(server, txn) ? at : primary));
			return;
		}
	}
}

/* What waits for its acknowledgement may still be on its way; the primary does not count it as executed. */
static bool is_on_its_way(const struct sim_world *world, uint32_t to)
{
	const struct sim_server *source = &world->servers[world->store.record.primary];
	for (uint32_t i = source->engine_count; i < source->log_count; i++) {
		if (!sim_server_has(&world->servers[to], source->log[i])) {
			return true;
		}
	}
	return false;
}

/* Whether every server says that it has what the primary has. */
static bool is_at_rest(const struct sim_world *world)
{
	uint32_t primary = world->store.record.primary;
	for (uint32_t i = 0; primary != SERVER_NONE && i < world->setup.servers; i++) {
		const struct sim_server *server = &world->servers[i];
		if (server->relay_first != server->relay_count || is_on_its_way(world, i) ||
		    !gtid_set_contains(&server->executed, &world->servers[primary].executed)) {
			return false;
		}
	}
	return true;
}

void sim_check_final(struct sim_world *world)
{
	const struct record *record = &world->store.record;
	if (!is_at_rest(world) && world->now_us < world->setup.end_us + REST_US) {
		sim_world_later(world, (uint64_t)100 * SIM_MS, SIM_NOBODY, EV_FINAL, 0, 0, 0);
		return;
	}
	world->over = true;
	if (record->state != GROUP_STEADY || record->primary == SERVER_NONE) {
		sim_story_fail(world, "the group did not stay as it was, though nothing happened");
		return;
	}
	if (world->store.writes > world->ledger.writes_at_rest + WRITES_AT_REST_MAX) {
		sim_story_fail(world,
			       "the record is written again and again, though nothing happens");
		return;
	}
	if (world->ledger.steps > world->ledger.steps_at_rest) {
		sim_story_fail(world, "a step is begun, though nothing happens");
		return;
	}
	const uint64_t *excused = lossless(world) ? NULL : world->ledger.reported;
	uint32_t lacking = find_lacking(world, &world->servers[record->primary], excused);
	if (lacking < SIM_TXNS_MAX) {
		fail_lost(world, record->primary, lacking,
			  lossless(world) ? "at the end" : "at the end, and nobody was told");
		return;
	}
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		uint32_t count = 0;
		for (uint32_t k = 0; k < SIM_TXN_WORDS; k++) {
			count += (uint32_t)__builtin_popcountll(world->servers[i].has[k]);
		}
		if (count != world->servers[i].log_count) {
			sim_story_fail(world, "%s has a write twice", sim_story_host(i));
		}
		if (i != record->primary) {
			check_content(world, i, record->primary);
		}
	}
}
