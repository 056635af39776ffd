/* One proof at a time is missing, and the others are there: whoever acts all the same acts on half of the evidence. Each
 * of these is a mutant of the rules that the simulator alone does not notice (tests/sim/mutate.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/election.h"
#include "decide/promise.h"
#include "world.h"

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		world_turn(world);
	}
}

static uint32_t facts_of(const struct world *world)
{
	struct facts facts;
	facts_find(&world->record, &world->seen, &world->options, world->now_us, &facts);
	return facts.set;
}

static uint32_t server_facts_of(const struct world *world, uint32_t server)
{
	return server_facts_find(&world->record, &world->seen, &world->options, server,
				 world->now_us);
}

/* Nothing happens in between: what is seen stays as the test has set it. */
static void decide_again(struct world *world)
{
	decide(&world->record, &world->seen, &world->options, world->now_us, &world->decision);
}

static void set_to(struct gtid_set *set, const char *text)
{
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MARIADB, set, NULL), ERR_OK);
}

static void lose(struct world *world, uint32_t server, uint32_t misses)
{
	struct observation_server *one = &world->seen.servers[server];
	one->reach = REACH_NOBODY_LISTENS;
	one->misses = misses;
	one->contact_us = world->now_us;
	one->refused_since_us = world->now_us;
}

/* s0 is lost, and everything is stopped that is to be. */
static void begin_election(struct world *world, enum policy policy)
{
	world_begin(world, policy, 3);
	world->record.state = GROUP_REVOKING;
	world->record.previous = 0;
	world->record.primary = SERVER_NONE;
	lose(world, 0, 2);
	for (uint32_t i = 1; i < 3; i++) {
		world->seen.servers[i].steps_done = BIT(STEP_STOP_RECEIVER);
		world->seen.servers[i].status.replica.io = IO_NO;
	}
}

static bool is_complete(const struct world *world)
{
	struct election election;
	election_hold(&world->record, &world->seen, ELECTION_HURRIED, &election);
	return election.complete;
}

/* ---------------------------------------------------------------- elections */

static void test_stopped_is_who_was_told_and_is_seen_to_be(void **state)
{
	(void)state;
	struct world world;
	begin_election(&world, POLICY_LOSSLESS);
	struct observation_server *one = &world.seen.servers[2];
	assert_true(is_complete(&world));
	one->status.replica.io = IO_YES;
	assert_false(is_complete(&world));
	one->status.replica.io = IO_NO;
	one->steps_done = 0;
	assert_false(is_complete(&world));
	world_fini(&world);
}

static void test_fenced_is_who_was_told_and_is_seen_to_be(void **state)
{
	(void)state;
	struct world world;
	begin_election(&world, POLICY_LOSSLESS);
	world.seen.servers[1].steps_done = 0;
	struct observation_server *one = &world.seen.servers[0];
	one->reach = REACH_ANSWERS;
	one->steps_done = BIT(STEP_FENCE);
	one->status.read_only = true;
	assert_true(is_complete(&world));
	one->status.read_only = false;
	assert_false(is_complete(&world));
	one->status.read_only = true;
	one->steps_done = 0;
	assert_false(is_complete(&world));
	world_fini(&world);
}

/* What a diverged server has too much would be merged into the group: it is nobody's source, and proves nothing. */
static void test_a_diverged_server_takes_no_part(void **state)
{
	(void)state;
	struct world world;
	struct election election;
	begin_election(&world, POLICY_ASYNC);
	world_commit(&world, 2, 3, 0);
	world.record.servers[2].diverged = true;
	election_hold(&world.record, &world.seen, ELECTION_HURRIED, &election);
	assert_true(election.safe);
	assert_int_equal(election.candidate, 1);
	assert_int_equal(election.best, 1);
	world_fini(&world);
	begin_election(&world, POLICY_LOSSLESS);
	world.record.servers[2].diverged = true;
	assert_false(is_complete(&world));
	world_fini(&world);
}

/* Nor is one whose side is half changed, not even while it receives from one that was stopped. */
static void test_a_half_changed_side_takes_no_part(void **state)
{
	(void)state;
	struct world world;
	struct election election;
	begin_election(&world, POLICY_ASYNC);
	struct record_pair *pair = &world.record.pair;
	pair->set = true;
	pair->masters[0] = 0;
	pair->masters[1] = 2;
	pair->state = PAIR_CHANGING;
	pair->out = 2;
	world_commit(&world, 2, 3, 0);
	for (unsigned fed = 0; fed < 2; fed++) {
		struct replica_status *replica = &world.seen.servers[2].status.replica;
		memcpy(replica->source_host, world.record.servers[1].host,
		       sizeof(replica->source_host));
		replica->io = fed ? IO_YES : IO_NO;
		election_hold(&world.record, &world.seen, ELECTION_HURRIED, &election);
		assert_true(election.safe);
		assert_int_equal(election.best, 1);
	}
	world_fini(&world);
}

static void test_what_is_received_counts_before_it_is_applied(void **state)
{
	(void)state;
	struct world world;
	struct election election;
	begin_election(&world, POLICY_LOSSLESS);
	set_to(&world.record.base, "0-1-9");
	for (uint32_t i = 1; i < 3; i++) {
		set_to(&world.seen.servers[i].status.received, "0-1-9");
		set_to(&world.seen.servers[i].status.executed, "0-1-5");
	}
	election_hold(&world.record, &world.seen, ELECTION_HURRIED, &election);
	assert_true(election.safe);
	for (uint32_t i = 1; i < 3; i++) {
		set_to(&world.seen.servers[i].status.received, "0-1-8");
	}
	election_hold(&world.record, &world.seen, ELECTION_HURRIED, &election);
	assert_false(election.safe);
	world_fini(&world);
}

static void test_who_committed_alone_is_named(void **state)
{
	(void)state;
	struct world world;
	struct election election;
	begin_election(&world, POLICY_LOSSLESS);
	world.record.acks = 0;
	world.record.sync_set = 0;
	election_hold(&world.record, &world.seen, ELECTION_HURRIED, &election);
	assert_false(election.complete);
	assert_non_null(strstr(election.missing, "committed alone"));
	world_fini(&world);
}

/* ---------------------------------------------------------------- evidence */

static void test_refused_once_is_not_dead(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.now_us += 1000;
	for (uint32_t i = 1; i < 3; i++) {
		world.seen.servers[i].status_us = world.now_us;
		world.seen.servers[i].status.replica.io = IO_CONNECTING;
	}
	lose(&world, 0, 1);
	assert_false(facts_of(&world) & FACT_GONE);
	lose(&world, 0, 2);
	assert_true(facts_of(&world) & FACT_GONE);
	lose(&world, 2, 1);
	assert_false(server_facts_of(&world, 2) & SERVER_DEAD);
	lose(&world, 2, 2);
	assert_true(server_facts_of(&world, 2) & SERVER_DEAD);
	world_fini(&world);
}

static void test_paths_are_closed_by_this_record_alone(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct observation_routes *routes = &world.seen.routes;
	const struct observation_routes closed = { .epoch = world.record.epoch,
						   .revision = world.record.version,
						   .held = true };
	*routes = closed;
	assert_true(facts_of(&world) & FACT_PATHS_CLOSED);
	assert_true(facts_of(&world) & FACT_DRAINED);
	routes->held = false;
	assert_false(facts_of(&world) & FACT_PATHS_CLOSED);
	*routes = closed;
	routes->epoch--;
	assert_false(facts_of(&world) & FACT_PATHS_CLOSED);
	*routes = closed;
	routes->revision--;
	assert_false(facts_of(&world) & FACT_PATHS_CLOSED);
	*routes = closed;
	routes->transactions_open = 1;
	assert_false(facts_of(&world) & FACT_DRAINED);
	world_fini(&world);
}

static void test_frozen_and_caught_up_are_seen(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.record.ask = ASK_SWITCHOVER;
	world.record.ask_server = 1;
	world.record.state = GROUP_FREEZING;
	struct observation_server *old = &world.seen.servers[0];
	old->steps_done = BIT(STEP_FREEZE);
	old->status.read_only = true;
	world.seen.servers[1].steps_done = BIT(STEP_CATCH_UP);
	const uint32_t both = FACT_FROZEN | FACT_CAUGHT_UP;
	assert_int_equal(facts_of(&world) & both, both);
	old->status.read_only = false;
	assert_int_equal(facts_of(&world) & both, 0);
	old->status.read_only = true;
	old->reach = REACH_HUNG;
	assert_int_equal(facts_of(&world) & both, 0);
	old->reach = REACH_ANSWERS;
	set_to(&old->status.executed, "0-1-99");
	assert_int_equal(facts_of(&world) & both, FACT_FROZEN);
	world_fini(&world);
}

static void test_an_answer_from_before_the_pause_is_none(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	assert_true(observation_answers(&world.seen, 0));
	world.seen.started_us = world.seen.servers[0].status_us + 1;
	assert_false(observation_answers(&world.seen, 0));
	world_fini(&world);
}

/* ---------------------------------------------------------------- the promise */

static void test_waiting_is_promised_when_one_has_caught_up(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.record.acks = 0;
	world.record.sync_set = 0;
	set_to(&world.seen.servers[1].status.received, "");
	assert_null(promise_update(&world.record, &world.seen, &world.options, world.now_us));
	assert_int_equal(world.record.acks, 0);
	world.now_us++;
	world.seen.servers[1].status_us = world.now_us;
	gtid_set_copy(&world.seen.servers[1].status.received,
		      &world.seen.servers[0].status.executed);
	assert_non_null(promise_update(&world.record, &world.seen, &world.options, world.now_us));
	assert_int_equal(world.record.acks, 1);
	world_fini(&world);
}

/* The replica's reading has to begin when that of the primary has ended: what came in between is not in it. */
static void test_caught_up_is_read_after_the_primary(void **state)
{
	(void)state;
	struct observation seen = { 0 };
	struct observation_server *primary = &seen.servers[0];
	struct observation_server *one = &seen.servers[1];
	primary->status_us = 10;
	primary->status_end_us = 12;
	set_to(&primary->status.executed, "0-1-5");
	set_to(&one->status.received, "0-1-5");
	one->status_us = 13;
	assert_true(server_facts_caught_up(&seen, 1, 0, 9));
	assert_false(server_facts_caught_up(&seen, 1, 0, 10));
	one->status_us = 12;
	assert_false(server_facts_caught_up(&seen, 1, 0, 9));
	gtid_set_fini(&primary->status.executed);
	gtid_set_fini(&one->status.received);
}

/* A member that is dead is covered by another member, and only by what that one received since. */
static void test_covered_by_a_member_and_since(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct observation_server *primary = &world.seen.servers[0];
	lose(&world, 1, 2);
	world.seen.servers[1].refused_since_us = primary->older.begun_us - 1;
	world.seen.servers[2].status_us = primary->status_end_us + 1;
	assert_true(server_facts_of(&world, 1) & GROUP_COVERED);
	world.seen.servers[1].refused_since_us = primary->status_us;
	assert_false(server_facts_of(&world, 1) & GROUP_COVERED);
	world.seen.servers[1].refused_since_us = primary->older.begun_us - 1;
	world.record.sync_set = BIT(1);
	assert_false(server_facts_of(&world, 1) & GROUP_COVERED);
	world_fini(&world);
}

static void test_what_is_too_much_has_to_last(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	set_to(&world.seen.servers[2].status.executed, "0-1-5,0-3-9");
	world.seen.servers[0].status_us = world.seen.servers[2].status_end_us + 1;
	world.record.extra_since_us[2] = world.now_us - world.options.extra_us + 1;
	assert_false(server_facts_of(&world, 2) & SERVER_EXTRA);
	world.record.extra_since_us[2]--;
	assert_true(server_facts_of(&world, 2) & SERVER_EXTRA);
	world_fini(&world);
}

/* ---------------------------------------------------------------- rows of the group */

static void test_no_switchover_from_a_primary_that_takes_no_writes(void **state)
{
	(void)state;
	static const enum hook_answer answers[] = { HOOK_GO, HOOK_OPEN };
	for (size_t i = 0; i < 2; i++) {
		struct world world;
		world_begin(&world, POLICY_LOSSLESS, 3);
		/* Paused, so that it is not opened again by itself. */
		world.record.paused = true;
		world.seen.servers[0].status.read_only = true;
		world.seen.hooks.switchover.answer = answers[i];
		world.record.ask = ASK_SWITCHOVER;
		world.record.ask_server = SERVER_NONE;
		world_turn(&world);
		assert_int_equal(world.decision.rule->id, 250);
		assert_int_equal(world.record.ask, ASK_NONE);
		world_fini(&world);
	}
}

static void test_a_successor_that_is_lost_while_draining_is_not_waited_on(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.open_transactions = 1;
	world.record.ask = ASK_SWITCHOVER;
	world.record.ask_server = 1;
	assert_true(world_until(&world, GROUP_DRAINING, 10));
	world.alive &= ~BIT(1);
	turns(&world, 3);
	world.open_transactions = 0;
	/* Frozen for nobody, the primary would take no writes for a time. */
	for (unsigned i = 0; i < 1000 && world.record.state == GROUP_DRAINING; i++) {
		world_turn(&world);
		assert_int_not_equal(world.record.state, GROUP_FREEZING);
	}
	assert_int_equal(world.record.state, GROUP_UNDOING);
	world_fini(&world);
}

static void test_revoking_says_what_it_waits_for(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(0);
	world.seen.servers[1].status.replica.io = IO_NO;
	world_commit(&world, 1, 1, 0);
	world_commit(&world, 2, 1, 0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	turns(&world, 20);
	/* Complete, and nobody can be fed: the two contradict each other. */
	assert_true(world.decision.facts.set & FACT_COMPLETE);
	assert_int_equal(world.decision.rule->id, 330);
	world_fini(&world);
}

static void test_a_refused_failover_is_not_begun_again_for_nothing(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	struct server_status *candidate = &world.seen.servers[1].status;
	set_to(&candidate->received, "0-1-99");
	world.slow_appliers = true;
	candidate->replica.sql_errno = 1062;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REFUSED, 3000));
	uint64_t version = world.record.version;
	for (unsigned i = 0; i < 100; i++) {
		world_turn(&world);
		assert_int_equal(world.record.state, GROUP_REFUSED);
	}
	assert_int_equal(world.record.version, version);
	world_fini(&world);
}

/* ---------------------------------------------------------------- rows of servers */

/* No step, and nothing new on the record. */
static void assert_rests(struct world *world)
{
	uint64_t version = world->record.version;
	for (unsigned n = 0; n < 20; n++) {
		world_turn(world);
		for (uint32_t i = 0; i < world->record.server_count; i++) {
			assert_int_equal(world->decision.steps[i], STEP_NONE);
		}
	}
	assert_int_equal(world->record.version, version);
}

static void test_a_group_at_rest_is_left_alone(void **state)
{
	(void)state;
	for (enum policy policy = 0; policy < POLICY_COUNT_; policy++) {
		struct world world;
		world_begin(&world, policy, 3);
		turns(&world, 20);
		assert_rests(&world);
		/* One is dead. */
		world.alive &= ~BIT(2);
		turns(&world, 500);
		assert_int_equal(world.decision.server_rules[2]->id, 1180);
		assert_rests(&world);
		/* Diverged, and dead; then kept out. */
		world.record.servers[2].diverged = true;
		turns(&world, 20);
		assert_int_equal(world.decision.server_rules[2]->id, 1180);
		assert_rests(&world);
		world_commit(&world, 2, 1, 0);
		world.alive |= BIT(2);
		turns(&world, 50);
		assert_int_equal(world.decision.server_rules[2]->id, 1050);
		assert_rests(&world);
		world.record.servers[2].recloning = true;
		turns(&world, 20);
		assert_int_equal(world.decision.server_rules[2]->id, 1026);
		assert_rests(&world);
		world_fini(&world);
	}
}

static void test_nobody_is_a_member_while_nothing_is_promised(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 3);
	world.seen.servers[1].status.replica.sql_running = false;
	memset(&world.seen.servers[2].status.replica, 0, sizeof(struct replica_status));
	world_turn(&world);
	assert_int_equal(world.decision.steps[1], STEP_REPOINT);
	assert_int_equal(world.decision.steps[2], STEP_REPOINT);
	assert_int_equal(world.record.sync_set, 0);
	world_fini(&world);
}

/* Behind, it could not be counted on: commits would wait for it, and a failover would have to reach it. */
static void test_who_is_behind_joins_nothing(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	turns(&world, 5);
	struct server_status *status = &world.seen.servers[2].status;
	status->semisync.replica_enabled = false;
	status->semisync.replica_active = false;
	set_to(&status->executed, "");
	set_to(&status->received, "");
	world.record.sync_set = BIT(1);
	decide_again(&world);
	assert_int_equal(world.decision.server_rules[2]->id, 1160);
	assert_int_equal(world.record.sync_set, BIT(1));
	world.record.sync_set = 0;
	world.record.acks = 0;
	world.seen.servers[0].status.semisync.source_active = false;
	decide_again(&world);
	assert_int_equal(world.decision.server_rules[2]->id, 1160);
	assert_int_equal(world.decision.steps[2], STEP_NONE);
	/* Who acknowledges already is not told to. */
	assert_int_equal(world.decision.steps[1], STEP_NONE);
	world_fini(&world);
}

/* The group became async while its new primary is made: nobody is told any more to acknowledge. */
static void test_a_policy_that_asks_for_nothing_is_obeyed_at_once(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.hooks.before_runs = true;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_OPENING, 50));
	turns(&world, 10);
	uint32_t replica = world.record.primary == 1 ? 2 : 1;
	assert_true(record_is_member(&world.record, replica));
	world.record.policy = POLICY_ASYNC;
	decide_again(&world);
	assert_int_equal(world.decision.steps[replica], STEP_SEMISYNC_REPLICA_OFF);
	world.seen.servers[replica].status.semisync.replica_active = false;
	decide_again(&world);
	assert_int_equal(world.decision.steps[replica], STEP_NONE);
	world_fini(&world);
}

/* In a pair the new primary's first commits wait for the old one: it is repointed before anything else is done to it. */
static void test_a_former_primary_is_repointed_first(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.record.ask = ASK_SWITCHOVER;
	world.record.ask_server = SERVER_NONE;
	assert_true(world_until(&world, GROUP_OPENING, 50));
	world.seen.servers[0].status.semisync.source_enabled = true;
	for (unsigned i = 0; i < 10 && world.decision.steps[0] == STEP_NONE; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.decision.steps[0], STEP_REPOINT);
	world_fini(&world);
}

static void test_a_broken_replica_is_not_said_to_replicate(void **state)
{
	(void)state;
	for (enum policy policy = 0; policy < POLICY_COUNT_; policy++) {
		struct world world;
		world_begin(&world, policy, 3);
		world.seen.servers[1].status.replica.sql_running = false;
		world.seen.servers[1].status.replica.sql_errno = 1062;
		world_turn(&world);
		assert_int_equal(world.decision.server_rules[1]->id, 1170);
		/* It has everything, and can't be counted on all the same. */
		world.record.sync_set &= ~BIT(1);
		world.record.servers[1].acknowledges = false;
		world_turn(&world);
		assert_false(record_is_member(&world.record, 1));
		assert_int_equal(world.decision.server_rules[1]->id, 1170);
		world_fini(&world);
	}
}

/* s2 was given a delay: it is to acknowledge no more, and is on the record until it is seen not to. */
static void test_who_leaves_acknowledges_on_the_record(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.servers[2].status.replica.delay_s = 60;
	world.record.sync_set = BIT(1);
	decide_again(&world);
	assert_true(record_is_member(&world.record, 2));
	decide_again(&world);
	assert_int_equal(world.decision.server_rules[2]->id, 1105);
	assert_int_equal(world.decision.steps[2], STEP_SEMISYNC_REPLICA_OFF);
	world.seen.servers[2].status.semisync.replica_active = false;
	decide_again(&world);
	assert_int_equal(world.decision.steps[2], STEP_NONE);
	assert_true(record_is_member(&world.record, 2));
	world_fini(&world);
}

static void test_who_stands_below_another_one_is_not_asked_to_acknowledge(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[2].below = 1 + 1;
	turns(&world, 200);
	assert_true(record_follows(&world.record, &world.seen, 2, 1));
	world.record.sync_set = 0;
	world.record.acks = 0;
	world.seen.servers[0].status.semisync.source_active = false;
	world.seen.servers[1].reach = REACH_HUNG;
	decide_again(&world);
	assert_int_equal(world.decision.server_rules[2]->id, 1160);
	assert_int_equal(world.decision.steps[2], STEP_NONE);
	world_fini(&world);
}

int scenarios_proofs(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stopped_is_who_was_told_and_is_seen_to_be),
		cmocka_unit_test(test_fenced_is_who_was_told_and_is_seen_to_be),
		cmocka_unit_test(test_a_diverged_server_takes_no_part),
		cmocka_unit_test(test_a_half_changed_side_takes_no_part),
		cmocka_unit_test(test_what_is_received_counts_before_it_is_applied),
		cmocka_unit_test(test_who_committed_alone_is_named),
		cmocka_unit_test(test_refused_once_is_not_dead),
		cmocka_unit_test(test_paths_are_closed_by_this_record_alone),
		cmocka_unit_test(test_frozen_and_caught_up_are_seen),
		cmocka_unit_test(test_an_answer_from_before_the_pause_is_none),
		cmocka_unit_test(test_waiting_is_promised_when_one_has_caught_up),
		cmocka_unit_test(test_caught_up_is_read_after_the_primary),
		cmocka_unit_test(test_covered_by_a_member_and_since),
		cmocka_unit_test(test_what_is_too_much_has_to_last),
		cmocka_unit_test(test_no_switchover_from_a_primary_that_takes_no_writes),
		cmocka_unit_test(test_a_successor_that_is_lost_while_draining_is_not_waited_on),
		cmocka_unit_test(test_revoking_says_what_it_waits_for),
		cmocka_unit_test(test_a_refused_failover_is_not_begun_again_for_nothing),
		cmocka_unit_test(test_a_group_at_rest_is_left_alone),
		cmocka_unit_test(test_nobody_is_a_member_while_nothing_is_promised),
		cmocka_unit_test(test_who_is_behind_joins_nothing),
		cmocka_unit_test(test_a_policy_that_asks_for_nothing_is_obeyed_at_once),
		cmocka_unit_test(test_a_former_primary_is_repointed_first),
		cmocka_unit_test(test_a_broken_replica_is_not_said_to_replicate),
		cmocka_unit_test(test_who_leaves_acknowledges_on_the_record),
		cmocka_unit_test(test_who_stands_below_another_one_is_not_asked_to_acknowledge),
	};
	return cmocka_run_group_tests_name("proofs", tests, NULL, NULL);
}
