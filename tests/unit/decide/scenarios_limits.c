/* Failovers that nobody ordered have limits: whoever is paged by the third within an hour has to decide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void lose_and_mend(struct world *world)
{
	uint32_t old = world->record.primary;
	world->alive &= ~BIT(old);
	assert_true(world_until(world, GROUP_REVOKING, 50));
	assert_true(world_until(world, GROUP_STEADY, 100));
	world->seen.servers[old].status.read_only = true;
	world->alive |= BIT(old);
	assert_true(world_until_healthy(world, 200));
	world_turn(world);
}

static void test_a_group_that_goes_on_failing_is_left_to_a_person(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	for (unsigned i = 0; i < 3; i++) {
		lose_and_mend(&world);
		assert_false(world.record.cooling);
		assert_int_equal(world.record.failover_count, i + 1);
	}
	world.alive &= ~BIT(world.record.primary);
	assert_false(world_until(&world, GROUP_REVOKING, 500));
	assert_int_equal(world.decision.rule->id, 260);
	assert_non_null(strstr(world.decision.facts.missing, "3 automatic failovers"));
	assert_non_null(strstr(world.decision.facts.missing, "muster resume g"));
	/* An order is carried out, and counts begin anew. */
	world.record.ask = ASK_FAILOVER;
	assert_true(world_until(&world, GROUP_REVOKING, 5));
	assert_int_equal(world.record.failover_count, 0);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_old_failovers_are_forgiven(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	for (unsigned i = 0; i < 3; i++) {
		record_note_failover(&world.record, world.now_us);
	}
	world.record.cooling = false;
	/* The oldest of them is of before this observer's clock began. */
	world.record.failovers_us[2] =
		(int64_t)world.now_us - (int64_t)world.options.failover_window_us + 1000000;
	assert_true(world.record.failovers_us[2] < 0);
	world.alive &= ~BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_REVOKING, 100));
	assert_int_equal(world.record.failover_count, 4);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

/* A database that crashed and was started again by its supervisor is no failover: writes have to go on. */
static void test_a_primary_that_comes_back_is_opened_whatever_the_limits(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	for (unsigned i = 0; i < 3; i++) {
		lose_and_mend(&world);
	}
	uint32_t primary = world.record.primary;
	world.alive &= ~BIT(primary);
	assert_false(world_until(&world, GROUP_REVOKING, 100));
	world.seen.servers[primary].status.read_only = true;
	world.alive |= BIT(primary);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, primary);
	assert_int_equal(world.record.failover_count, 3);
	assert_true(world_until_healthy(&world, 200));
	/* But a person who paused finds it as it came back. */
	world.record.paused = true;
	world.seen.servers[primary].status.read_only = true;
	assert_false(world_until(&world, GROUP_REVOKING, 100));
	world.record.paused = false;
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	world_fini(&world);
}

static void test_pause_holds_during_a_switchover_too(void **state)
{
	(void)state;
	static const enum group_state states[] = { GROUP_DRAINING, GROUP_FREEZING, GROUP_UNDOING };
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct world world;
		world_begin(&world, POLICY_LOSSLESS, 3);
		world.record.state = states[i];
		world.record.state_since_us = world.now_us;
		world.record.ask = ASK_SWITCHOVER;
		world.record.paused = true;
		world.open_transactions = 1;
		world.alive &= ~BIT(0);
		for (unsigned turn = 0; turn < 20; turn++) {
			world_turn(&world);
			assert_int_not_equal(world.record.state, GROUP_REVOKING);
		}
		world.record.paused = false;
		assert_true(world_until(&world, GROUP_REVOKING, 50));
		world_fini(&world);
	}
}

int scenarios_limits(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_group_that_goes_on_failing_is_left_to_a_person),
		cmocka_unit_test(test_old_failovers_are_forgiven),
		cmocka_unit_test(test_pause_holds_during_a_switchover_too),
		cmocka_unit_test(test_a_primary_that_comes_back_is_opened_whatever_the_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
