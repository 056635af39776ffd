/* Who may acknowledge, and what the record says of it. Each of these was found by tests/sim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		world_turn(world);
	}
}

/* s1 is out of sight when its primary s0 falls over and is opened again: it still follows it, and acknowledges. */
static void test_who_may_acknowledge_out_of_sight_stays_a_member(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.deaf = BIT(1);
	turns(&world, 5);
	world.seen.servers[0].status.read_only = true;
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 500));
	assert_int_equal(world.record.primary, 0);
	assert_true(record_is_member(&world.record, 1));
	/* So s2 alone is not enough when s0 is lost. */
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	world.deaf = 0;
	assert_true(world_until(&world, GROUP_STEADY, 500));
	world_fini(&world);
}

static void test_who_was_seen_silent_is_not_waited_for(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_OPENING, 50));
	uint32_t primary = world.record.primary;
	assert_false(record_is_member(&world.record, 0));
	/* It was a primary: it acknowledged nobody's commits. */
	assert_false(world.record.servers[0].acknowledges);
	assert_true(world.record.servers[primary == 1 ? 2 : 1].acknowledges);
	world_fini(&world);
}

/* What s2 has besides was never acknowledged: s0 itself is there, and has everything that was. */
static void test_an_errant_replica_does_not_contradict_the_fenced_primary(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.servers[2].status.replica.io = IO_NO;
	world.seen.servers[2].status.replica.sql_running = false;
	world_commit(&world, 2, 1, 0);
	world_commit(&world, 0, 1, BIT(1));
	world.seen.servers[0].status.read_only = true;
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 500));
	assert_int_not_equal(world.record.primary, 2);
	turns(&world, 100);
	assert_true(world.record.servers[2].diverged);
	world_fini(&world);
}

/* A primary of an earlier epoch that is to take over has to stop waiting for acknowledgements itself. */
static void test_a_candidate_whose_applier_waits_is_told_not_to(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.slow_appliers = true;
	struct server_status *status = &world.seen.servers[1].status;
	gtid_set_clear(&status->executed);
	status->semisync.source_enabled = true;
	world.alive &= ~BIT(0);
	bool told = false;
	for (unsigned i = 0; i < 100; i++) {
		world_turn(&world);
		told = told || world.decision.steps[1] == STEP_SEMISYNC_SOURCE_OFF;
		assert_false(!told && world.decision.steps[1] == STEP_DRAIN);
	}
	assert_true(told);
	world.slow_appliers = false;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_no_promise_while_the_primary_is_being_told_to_go_on_alone(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.record.acks = 0;
	world.record.sync_set = 0;
	world.seen.servers[0].steps_running = BIT(STEP_SEMISYNC_SOURCE_OFF);
	turns(&world, 20);
	assert_int_equal(world.record.acks, 0);
	world.seen.servers[0].steps_running = 0;
	assert_true(world_until_healthy(&world, 50));
	assert_int_equal(world.record.acks, 1);
	world_fini(&world);
}

/* MySQL counts a commit as executed when it was acknowledged; a replica may have applied it before that. */
static void test_what_waits_on_the_primary_is_not_too_much_on_a_replica(void **state)
{
	(void)state;
	static const char uuid[] = "00000001-0000-0000-0000-000000000000";
	struct observation seen = { 0 };
	struct record record;
	record_init(&record);
	struct server_status *primary = &seen.servers[0].status;
	struct server_status *replica = &seen.servers[1].status;
	struct err_ctx err;
	char text[128];
	seen.servers[0].status_us = 20;
	seen.servers[1].status_us = 10;
	seen.servers[1].status_end_us = 11;
	memcpy(primary->server_uuid, uuid, sizeof(uuid));
	(void)snprintf(text, sizeof(text), "%s:1-5", uuid);
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MYSQL, &primary->executed, &err), 0);
	(void)snprintf(text, sizeof(text), "%s:1-6", uuid);
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MYSQL, &replica->executed, &err), 0);
	primary->semisync.source_wait_sessions = 1;
	assert_int_equal(server_facts_compare(&record, &seen, 1, 0), SERVER_ORDER_UNKNOWN);
	primary->semisync.source_wait_sessions = 0;
	assert_int_equal(server_facts_compare(&record, &seen, 1, 0), SERVER_ORDER_EXTRA);
	/* Of somebody else's numbering: nobody waits for that. */
	primary->semisync.source_wait_sessions = 1;
	(void)snprintf(text, sizeof(text), "%s:1-5,00000002-0000-0000-0000-000000000000:1", uuid);
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MYSQL, &replica->executed, &err), 0);
	assert_int_equal(server_facts_compare(&record, &seen, 1, 0), SERVER_ORDER_EXTRA);
	gtid_set_fini(&primary->executed);
	gtid_set_fini(&replica->executed);
}

/* A diverged member may acknowledge a commit alone until it is kept out. */
static void test_a_diverged_member_is_counted_on_until_others_have_everything(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.no_steps = BIT(2);
	world_commit(&world, 2, 1, 0);
	for (unsigned i = 0; i < 100 && !world.record.servers[2].diverged; i++) {
		world_turn(&world);
	}
	assert_true(world.record.servers[2].diverged);
	turns(&world, 20);
	assert_true(record_is_member(&world.record, 2));
	world.no_steps = 0;
	turns(&world, 20);
	assert_false(record_is_member(&world.record, 2));
	assert_true(world.record.servers[2].diverged);
	world_fini(&world);
}

/* Moves the role from s0 to s1, up to the first turn of the new primary. */
static void switch_over(struct world *world)
{
	world->record.ask = ASK_SWITCHOVER;
	world->record.ask_server = 1;
	assert_true(world_until(world, GROUP_OPENING, 100));
	assert_true(world_until(world, GROUP_STEADY, 100));
	assert_int_equal(world->record.primary, 1);
}

static bool follows_the_new_primary(const struct world *world, uint32_t server)
{
	return record_follows(&world->record, &world->seen, server, world->record.primary);
}

/* Of two servers the former primary is the only one that can acknowledge: every commit waits for it. */
static void test_a_former_primary_that_alone_can_acknowledge_comes_at_once(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.options.rush_us = world.options.press_us;
	switch_over(&world);
	turns(&world, 2);
	assert_true(follows_the_new_primary(&world, 0));
	world_fini(&world);
}

/* A changed source costs the disk and the processor what the first commits wait for. */
static void test_the_former_primary_waits_until_another_one_acknowledges(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.options.moment_us = 0;
	world.cut = BIT(2);
	switch_over(&world);
	turns(&world, 20);
	assert_true(follows_the_new_primary(&world, 2));
	assert_false(follows_the_new_primary(&world, 0));
	assert_true(world.seen.servers[1].status.replica.configured);
	world.cut = 0;
	turns(&world, 3);
	assert_true(follows_the_new_primary(&world, 0));
	assert_false(world.seen.servers[1].status.replica.configured);
	world_fini(&world);
}

/* Else a group whose other replica can't get there would stand still. */
static void test_the_former_primary_waits_for_a_moment_only(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.options.moment_us = 0;
	world.cut = BIT(2);
	switch_over(&world);
	turns(&world, 110);
	assert_true(follows_the_new_primary(&world, 0));
	assert_false(world.seen.servers[1].status.replica.configured);
	world_fini(&world);
}

static void test_the_only_one_who_can_acknowledge_does_not_wait(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	switch_over(&world);
	turns(&world, 2);
	assert_true(follows_the_new_primary(&world, 0));
	world_fini(&world);
}

/* MySQL's appliers need not be stopped before a primary opens to which all was handed over; after a crash half a transaction
 * may hold its locks. */
static void test_only_a_switchover_hands_over(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	assert_false(world.record.handed);
	switch_over(&world);
	assert_true(world.record.handed);
	assert_true(world_until_healthy(&world, 200));
	world.alive &= ~BIT(1);
	assert_true(world_until(&world, GROUP_OPENING, 200));
	assert_false(world.record.handed);
	world_fini(&world);
}

/* Restarted between promotion and opening, with replication that starts by itself: what the old primary has that was never
 * acknowledged would come in while clients write. */
static void test_a_new_primary_that_replicates_again_is_not_opened(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.seen.hooks.before_runs = true;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_OPENING, 50));
	turns(&world, 3);
	assert_true(world.seen.servers[1].steps_done & BIT(STEP_PROMOTE));
	world.seen.hooks.before_runs = false;
	/* Nothing is known of it for a moment; then it is back. */
	world.deaf = BIT(1);
	world_turn(&world);
	assert_int_equal(world.decision.steps[1], STEP_NONE);
	world.deaf = 0;
	world.seen.servers[1].status.replica.io = IO_CONNECTING;
	world.seen.servers[1].status.replica.sql_running = true;
	world_turn(&world);
	assert_int_equal(world.decision.steps[1], STEP_PROMOTE);
	assert_true(world.seen.servers[1].status.read_only);
	assert_true(world_until(&world, GROUP_STEADY, 10));
	assert_int_equal(world.seen.servers[1].status.replica.io, IO_NO);
	world_fini(&world);
}

int scenarios_promise(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_may_acknowledge_out_of_sight_stays_a_member),
		cmocka_unit_test(test_who_was_seen_silent_is_not_waited_for),
		cmocka_unit_test(test_an_errant_replica_does_not_contradict_the_fenced_primary),
		cmocka_unit_test(test_a_candidate_whose_applier_waits_is_told_not_to),
		cmocka_unit_test(test_no_promise_while_the_primary_is_being_told_to_go_on_alone),
		cmocka_unit_test(test_what_waits_on_the_primary_is_not_too_much_on_a_replica),
		cmocka_unit_test(test_a_diverged_member_is_counted_on_until_others_have_everything),
		cmocka_unit_test(test_a_former_primary_that_alone_can_acknowledge_comes_at_once),
		cmocka_unit_test(test_the_former_primary_waits_until_another_one_acknowledges),
		cmocka_unit_test(test_the_former_primary_waits_for_a_moment_only),
		cmocka_unit_test(test_the_only_one_who_can_acknowledge_does_not_wait),
		cmocka_unit_test(test_only_a_switchover_hands_over),
		cmocka_unit_test(test_a_new_primary_that_replicates_again_is_not_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
