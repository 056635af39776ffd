/* The server that has the most is not always the one that may take over: then it gives what it has. A commit that
 * only such a server holds must neither be lost nor stop the failover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/election.h"
#include "world.h"

/* The primary dies after a commit that only `holder` received, everybody else's stream being cut before. */
static void lose_primary(struct world *world, uint32_t holder)
{
	for (uint32_t i = 1; i < world->record.server_count; i++) {
		if (i != holder) {
			world->seen.servers[i].status.replica.io = IO_CONNECTING;
		}
	}
	world_commit(world, 0, 1, BIT(holder));
	world->alive &= ~BIT(0);
	assert_true(world_until(world, GROUP_REVOKING, 20));
}

static bool has_last(const struct world *world, uint32_t server)
{
	return gtid_set_contains(&world->seen.servers[server].status.executed,
				 &world->seen.servers[0].status.executed);
}

static void test_one_that_is_never_promoted_gives_what_it_has(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[2].never_promote = true;
	lose_primary(&world, 2);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_true(has_last(&world, 1));
	world_fini(&world);
}

/* While it was fed, its source was gone for a moment: its receiver, stopped since, still tells of the dial that failed. */
static void test_a_source_that_could_not_be_dialled_may_be_followed_again(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[2].never_promote = true;
	lose_primary(&world, 2);
	struct replica_status *replica = &world.seen.servers[1].status.replica;
	replica->io = IO_NO;
	replica->io_errno = 2003;
	(void)snprintf(replica->source_host, sizeof(replica->source_host), "10.0.0.2");
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_true(has_last(&world, 1));
	world_fini(&world);
}

static void test_what_the_giver_has_not_applied_is_applied_first(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[2].never_promote = true;
	lose_primary(&world, 2);
	struct server_status *giver = &world.seen.servers[2].status;
	assert_int_equal(gtid_set_parse(STR("0-1-99"), GTID_MARIADB, &giver->received, NULL),
			 ERR_OK);
	world.slow_appliers = true;
	for (unsigned i = 0; i < 20; i++) {
		world_turn(&world);
		assert_int_not_equal(world.decision.steps[1], STEP_FEED);
	}
	assert_int_equal(world.decision.rule->id, 325);
	world.slow_appliers = false;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_true(gtid_set_contains(&world.seen.servers[1].status.executed, &giver->received));
	world_fini(&world);
}

static void test_a_candidate_with_something_left_to_apply_is_not_repointed(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[2].never_promote = true;
	lose_primary(&world, 2);
	/* Both hold 0-1-8, the giver 0-1-9 besides; the candidate hasn't applied it. */
	assert_int_equal(gtid_set_parse(STR("0-1-8"), GTID_MARIADB,
					&world.seen.servers[1].status.received, NULL),
			 ERR_OK);
	assert_int_equal(gtid_set_parse(STR("0-1-9"), GTID_MARIADB,
					&world.seen.servers[2].status.received, NULL),
			 ERR_OK);
	gtid_set_copy(&world.seen.servers[2].status.executed,
		      &world.seen.servers[2].status.received);
	world.slow_appliers = true;
	for (unsigned i = 0; i < 20; i++) {
		world_turn(&world);
		assert_int_not_equal(world.decision.steps[1], STEP_FEED);
	}
	/* Its applier fails for good: it can neither apply nor be repointed, so nobody is promoted. */
	world.seen.servers[1].status.replica.sql_errno = 1062;
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "never-promote"));
	world.seen.servers[1].status.replica.sql_errno = 0;
	world.slow_appliers = false;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	world_fini(&world);
}

static void test_a_preferred_one_is_fed_though_another_is_ready(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[1].weight = 200;
	lose_primary(&world, 2);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_true(has_last(&world, 1));
	assert_false(world.record.servers[2].diverged);
	world_fini(&world);
}

static void test_a_preferred_one_that_takes_too_long_is_passed_over(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[1].weight = 200;
	lose_primary(&world, 2);
	uint64_t since_us = world.now_us;
	world_turn(&world);
	world.no_steps = BIT(1); /* it was stopped, and can't be fed */
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	assert_int_equal(world.record.primary, 2);
	assert_true(world.now_us - since_us < 2 * world.options.feed_us);
	world_fini(&world);
}

static void test_a_feed_that_the_giver_refuses_is_given_up(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[1].weight = 200;
	lose_primary(&world, 2);
	struct replica_status *replica = &world.seen.servers[1].status.replica;
	world.cut = BIT(1);
	for (unsigned i = 0; i < 5; i++) {
		world_turn(&world);
	}
	assert_true(world.seen.servers[1].steps_done & BIT(STEP_FEED));
	assert_int_equal(world.decision.rule->id, 325);
	replica->io_errno = 1236; /* what it asks for was purged there */
	assert_true(world_until(&world, GROUP_STEADY, 50));
	assert_int_equal(world.record.primary, 2);
	world_fini(&world);
}

static void test_a_giver_that_dies_is_waited_for(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[2].never_promote = true;
	lose_primary(&world, 2);
	world.no_steps = BIT(1);
	for (unsigned i = 0; i < 5; i++) {
		world_turn(&world);
	}
	world.alive &= ~BIT(2);
	world.no_steps = 0;
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_int_equal(world.record.primary, SERVER_NONE);
	assert_non_null(strstr(world.decision.facts.missing, "s2"));
	world.alive |= BIT(2);
	assert_true(world_until(&world, GROUP_STEADY, 200));
	assert_int_equal(world.record.primary, 1);
	assert_true(has_last(&world, 1));
	world_fini(&world);
}

static void test_a_delayed_one_gives_what_it_has_once_it_has_applied_it(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct server_status *delayed = &world.seen.servers[2].status;
	lose_primary(&world, 2);
	delayed->replica.delay_s = 3600;
	assert_int_equal(gtid_set_parse(STR("0-1-99"), GTID_MARIADB, &delayed->received, NULL),
			 ERR_OK);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	gtid_set_copy(&delayed->executed, &delayed->received);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_true(gtid_set_contains(&world.seen.servers[1].status.executed, &delayed->received));
	world_fini(&world);
}

static void test_without_a_promise_the_failover_goes_on_without_what_cant_be_had(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 3);
	world.seen.servers[2].status.replica.filtered = true;
	lose_primary(&world, 2);
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	assert_int_equal(world.record.primary, 1);
	assert_false(has_last(&world, 1));
	world_fini(&world);
}

static void test_an_order_goes_to_the_one_that_was_named(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	/* Replication to all is cut, the primary goes on. */
	world.seen.servers[1].status.replica.io = IO_CONNECTING;
	world.seen.servers[2].status.replica.io = IO_CONNECTING;
	world_commit(&world, 0, 3, 0);
	world.record.ask = ASK_FAILOVER;
	world.record.ask_server = 2;
	assert_true(world_until(&world, GROUP_REVOKING, 5));
	for (uint32_t i = 1; i < 3; i++) {
		gtid_set_clear(&world.seen.servers[i].status.executed);
		gtid_set_clear(&world.seen.servers[i].status.received);
	}
	assert_true(world_until(&world, GROUP_STEADY, 200));
	assert_int_equal(world.record.primary, 2);
	assert_true(has_last(&world, 2));
	world_fini(&world);
}

static void test_what_is_being_applied_is_not_dropped_by_a_change_of_source(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 3);
	world.hung = BIT(2);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	assert_int_equal(world.record.primary, 1);
	/* s2 wakes with a tail of the old primary in its relay log: it applies that, and is found to have too much. */
	struct server_status *late = &world.seen.servers[2].status;
	assert_int_equal(gtid_set_parse(STR("0-1-99"), GTID_MARIADB, &late->received, NULL),
			 ERR_OK);
	late->replica.sql_running = true;
	world.hung = 0;
	for (unsigned i = 0; i < 50; i++) {
		world_turn(&world);
		assert_int_not_equal(world.decision.steps[2], STEP_REPOINT);
	}
	gtid_set_copy(&late->executed, &late->received);
	for (unsigned i = 0; i < 50; i++) {
		world_turn(&world);
	}
	assert_true(world.record.servers[2].diverged);
	assert_false(gtid_set_is_empty(&world.record.servers[2].extra));
	world_fini(&world);
}

static void test_who_needs_long_to_apply_comes_second(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[1].weight = 200;
	world.slow_appliers = true;
	struct observation_server *heavy = &world.seen.servers[1];
	assert_int_equal(
		gtid_set_parse(STR("0-1-2005"), GTID_MARIADB, &heavy->status.received, NULL),
		ERR_OK);
	gtid_set_copy(&world.seen.servers[2].status.received, &heavy->status.received);
	assert_true(election_drain_us(&world.seen, 1) ==
		    UINT64_MAX);    /* it was never seen at work */
	heavy->applied_per_s = 100; /* 20 s */
	world.seen.servers[2].applied_per_s = 1000;
	assert_true(election_drain_us(&world.seen, 1) == 20000000);
	struct election election;
	election_rehearse(&world.record, &world.seen, &election);
	assert_int_equal(election.candidate, 2);
	/* Not so long: the wish of people counts. */
	heavy->applied_per_s = 300;
	election_rehearse(&world.record, &world.seen, &election);
	assert_int_equal(election.candidate, 1);
	/* By name it is taken all the same. */
	heavy->applied_per_s = 100;
	world.record.ask_server = 1;
	election_rehearse(&world.record, &world.seen, &election);
	assert_int_equal(election.candidate, 1);
	world_fini(&world);
}

static void test_a_former_primary_ceases_to_wait_before_it_is_one_again(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	/* It was the primary until just now: all is applied, and its applier waits for an acknowledgement. */
	world.record.servers[1].weight = 200;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	world.seen.servers[1].status.semisync.source_enabled = true;
	bool off = false;
	for (unsigned i = 0; i < 100 && world.record.state != GROUP_OPENING; i++) {
		world_turn(&world);
		off = off || world.decision.steps[1] == STEP_SEMISYNC_SOURCE_OFF;
	}
	assert_true(off);
	assert_int_equal(world.record.primary, 1);
	assert_false(world.seen.servers[1].status.semisync.source_enabled);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

int scenarios_feed(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_is_never_promoted_gives_what_it_has),
		cmocka_unit_test(test_a_source_that_could_not_be_dialled_may_be_followed_again),
		cmocka_unit_test(test_what_the_giver_has_not_applied_is_applied_first),
		cmocka_unit_test(test_a_candidate_with_something_left_to_apply_is_not_repointed),
		cmocka_unit_test(test_a_preferred_one_is_fed_though_another_is_ready),
		cmocka_unit_test(test_a_preferred_one_that_takes_too_long_is_passed_over),
		cmocka_unit_test(test_a_feed_that_the_giver_refuses_is_given_up),
		cmocka_unit_test(test_a_giver_that_dies_is_waited_for),
		cmocka_unit_test(test_a_delayed_one_gives_what_it_has_once_it_has_applied_it),
		cmocka_unit_test(
			test_without_a_promise_the_failover_goes_on_without_what_cant_be_had),
		cmocka_unit_test(test_a_former_primary_ceases_to_wait_before_it_is_one_again),
		cmocka_unit_test(test_who_needs_long_to_apply_comes_second),
		cmocka_unit_test(test_an_order_goes_to_the_one_that_was_named),
		cmocka_unit_test(test_what_is_being_applied_is_not_dropped_by_a_change_of_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
