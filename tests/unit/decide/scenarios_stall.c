/* Scenarios: a primary that answers and can't write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/health.h"
#include "decide/verdict.h"
#include "world.h"

#define BIT(i) (1u << (i))

static void begin(struct world *world, enum policy policy, uint32_t count)
{
	world_init(world, policy, count);
	assert_true(world_until_healthy(world, 200));
	assert_int_equal(world->record.primary, 0);
	world_commit(world, 0, 5, 0);
	assert_true(world_until_healthy(world, 20));
}

static void stall(struct world *world, enum write_trouble trouble)
{
	world->stalled = BIT(0);
	world->trouble = trouble;
}

static void test_a_stalled_disk_costs_the_role_after_its_time(void **state)
{
	(void)state;
	static const enum write_trouble troubles[] = { WRITE_DISK_STALLED, WRITE_DISK_FULL };
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		struct world world;
		begin(&world, POLICY_LOSSLESS, 3);
		uint64_t since_us = world.now_us;
		uint64_t epoch = world.record.epoch;
		stall(&world, troubles[i]);
		world_commit(&world, 0, 1, 0); /* written, and acknowledged by nobody */
		assert_true(world_until(&world, GROUP_REVOKING, 2000));
		assert_int_equal(world.decision.rule->id, 215);
		assert_true(world.now_us - since_us >= world.options.write_stall_us);
		/* It answers, can't be fenced, and has a commit more than the others: it isn't waited for. */
		assert_true(world_until(&world, GROUP_STEADY, 100));
		assert_int_equal(world.record.epoch, epoch + 1);
		assert_int_not_equal(world.record.primary, 0);
		assert_false(world.seen.servers[0].status.read_only);
		/* The disk is back: it is fenced, and its tail is listed. */
		world.stalled = 0;
		for (unsigned turn = 0; turn < 100; turn++) {
			world_turn(&world);
		}
		assert_true(world.seen.servers[0].status.read_only);
		assert_true(world.record.servers[0].diverged);
		assert_int_equal(world.record.epoch, epoch + 1);
		assert_null(strstr(health_problem(&world.record, &world.seen, 0), "disk"));
		world_fini(&world);
	}
}

static void test_one_that_can_be_fenced_is_not_opened_again_for_what_it_alone_has(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS, 3);
	stall(&world, WRITE_DISK_FULL);
	world_commit(&world, 0, 1, 0);
	assert_true(world_until(&world, GROUP_REVOKING, 2000));
	assert_true(world.record.stalled);
	world.stalled = 0; /* the fence goes through, and frees what hung */
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_not_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_what_explains_it_otherwise_is_only_told(void **state)
{
	(void)state;
	static const enum write_trouble troubles[] = { WRITE_UNEXPLAINED, WRITE_LOCKED,
						       WRITE_QUEUED, WRITE_UNACKNOWLEDGED,
						       WRITE_REFUSED };
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		struct world world;
		begin(&world, POLICY_LOSSLESS, 3);
		uint64_t epoch = world.record.epoch;
		stall(&world, troubles[i]);
		assert_false(world_until(&world, GROUP_REVOKING, 2000));
		enum verdict verdict = verdict_of_answers(&world.record, &world.seen, 0)->verdict;
		assert_int_equal(health_check(&world.record, &world.seen, NULL),
				 !verdict_is_harm(verdict));
		world.stalled = 0;
		assert_true(world_until_healthy(&world, 20));
		assert_int_equal(world.record.epoch, epoch);
		world_fini(&world);
	}
}

static void test_a_stall_that_ends_in_time_changes_nothing(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	for (unsigned round = 0; round < 3; round++) {
		stall(&world, WRITE_DISK_STALLED);
		assert_false(world_until(&world, GROUP_REVOKING, 900));
		assert_false(health_check(&world.record, &world.seen, NULL));
		world.stalled = 0;
		assert_true(world_until_healthy(&world, 20));
	}
	assert_int_equal(world.record.epoch, epoch);
	world_fini(&world);
}

static void test_pause_zero_and_a_lack_of_successors_hold_it_back(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	stall(&world, WRITE_DISK_STALLED);
	world.record.paused = true;
	assert_false(world_until(&world, GROUP_REVOKING, 2000));
	assert_int_equal(world.decision.rule->id, 265);
	assert_non_null(strstr(world.decision.facts.missing, "paused"));
	world.record.paused = false;
	world.options.write_stall_us = 0;
	assert_false(world_until(&world, GROUP_REVOKING, 2000));
	assert_int_equal(world.decision.rule->id, 270);
	/* Nobody could take over: the primary may at least be read. */
	world.options.write_stall_us = 10000000;
	world.record.servers[1].never_promote = true;
	world.record.servers[2].never_promote = true;
	assert_false(world_until(&world, GROUP_REVOKING, 2000));
	assert_int_equal(world.decision.rule->id, 270);
	assert_non_null(strstr(world.decision.facts.missing, "never-promote"));
	assert_int_equal(world.record.epoch, epoch);
	world.record.servers[2].never_promote = false;
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	world_fini(&world);
}

static void test_a_primary_whose_disk_came_back_serves_when_nobody_else_can(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS, 3);
	stall(&world, WRITE_DISK_STALLED);
	assert_true(world_until(&world, GROUP_REVOKING, 2000));
	/* Both others die at the worst moment, one after the other. */
	world.alive &= ~(BIT(1) | BIT(2));
	world.stalled = 0;
	assert_true(world_until(&world, GROUP_STEADY, 3000));
	assert_int_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_old_evidence_does_not_count_against_a_new_primary(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS, 3);
	/* Found when it was the primary before; nothing has been told since. */
	world.seen.servers[1].write = (struct observation_write){
		.trouble = WRITE_DISK_STALLED, .since_us = 1, .late_us = 2, .seen_us = 3
	};
	world.record.ask = ASK_SWITCHOVER;
	world.record.ask_server = 1;
	assert_true(world_until(&world, GROUP_OPENING, 100));
	assert_true(world_until_healthy(&world, 100));
	assert_int_equal(world.record.primary, 1);
	world_fini(&world);
}

int scenarios_stall(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stalled_disk_costs_the_role_after_its_time),
		cmocka_unit_test(
			test_one_that_can_be_fenced_is_not_opened_again_for_what_it_alone_has),
		cmocka_unit_test(test_what_explains_it_otherwise_is_only_told),
		cmocka_unit_test(test_a_stall_that_ends_in_time_changes_nothing),
		cmocka_unit_test(test_pause_zero_and_a_lack_of_successors_hold_it_back),
		cmocka_unit_test(test_a_primary_whose_disk_came_back_serves_when_nobody_else_can),
		cmocka_unit_test(test_old_evidence_does_not_count_against_a_new_primary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
