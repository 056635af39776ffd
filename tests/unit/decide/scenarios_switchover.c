/* What goes before a planned switchover: clients wait only when everything that can be done before is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/health.h"
#include "world.h"

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		world_turn(world);
	}
}

static void ask(struct world *world, uint32_t to)
{
	world->record.ask = ASK_SWITCHOVER;
	world->record.ask_server = to;
}

static bool follows(const struct world *world, uint32_t server, uint32_t source)
{
	return record_follows(&world->record, &world->seen, server, source);
}

static void test_the_others_are_below_the_successor_before_clients_wait(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 4);
	ask(&world, SERVER_NONE);
	while (world.record.state == GROUP_STEADY) {
		world_turn(&world);
		/* They leave the sync set before they leave the primary. */
		for (uint32_t i = 1; i < 4; i++) {
			assert_true(follows(&world, i, 0) || !record_is_member(&world.record, i));
		}
		assert_true(world.record.sync_set != 0);
	}
	assert_int_equal(world.record.state, GROUP_DRAINING);
	uint32_t heir = world.record.ask_server;
	assert_int_equal(world.record.sync_set, BIT(heir));
	for (uint32_t i = 1; i < 4; i++) {
		assert_true(follows(&world, i, i == heir ? 0 : heir));
	}
	/* From here on nobody but the former primary is repointed, and who was moved acknowledges. */
	while (world.record.state != GROUP_STEADY) {
		world_turn(&world);
		for (uint32_t i = 1; i < 4; i++) {
			assert_int_not_equal(world.decision.steps[i], STEP_REPOINT);
		}
	}
	assert_int_equal(world.record.primary, heir);
	assert_int_equal(world.record.sync_set & 0xe, 0xe & ~BIT(heir));
	assert_true(world_until_healthy(&world, 100));
	world_fini(&world);
}

static void test_they_go_back_when_it_does_not_come_to_it(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	/* Open transactions don't end. */
	world.open_transactions = 1;
	ask(&world, 1);
	assert_true(world_until(&world, GROUP_DRAINING, 50));
	assert_true(follows(&world, 2, 1));
	assert_true(world_until(&world, GROUP_UNDOING, 1000));
	assert_true(world_until_healthy(&world, 100));
	assert_true(follows(&world, 2, 0));
	assert_int_equal(world.record.sync_set, BIT(1) | BIT(2));
	/* The successor dies while they move. */
	world.no_steps = BIT(2);
	ask(&world, 1);
	turns(&world, 10);
	world.alive &= ~BIT(1);
	world.no_steps = 0;
	turns(&world, 100);
	assert_int_equal(world.record.ask, ASK_NONE);
	assert_true(follows(&world, 2, 0));
	assert_true(record_is_member(&world.record, 2));
	world_fini(&world);
}

static void test_one_that_cannot_move_holds_it_up_for_a_moment_only(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.no_steps = BIT(2);
	ask(&world, 1);
	uint64_t since_us = world.now_us;
	assert_false(world_until(&world, GROUP_DRAINING, 100));
	assert_int_equal(world.decision.rule->id, 245);
	assert_true(world_until(&world, GROUP_DRAINING, 1000));
	assert_true(world.now_us - since_us >= world.options.moment_us);
	world.no_steps = 0;
	assert_true(world_until_healthy(&world, 300));
	assert_int_equal(world.record.primary, 1);
	world_fini(&world);
}

static void test_a_backlog_is_waited_for_before_clients_are(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	struct server_status *next = &world.seen.servers[1].status;
	world_commit(&world, 0, 1000, 0);
	gtid_set_add(&next->received, &world.seen.servers[0].status.executed);
	world.stalled = BIT(0); /* so that nothing is applied */
	ask(&world, 1);
	turns(&world, 50);
	assert_int_equal(world.record.state, GROUP_STEADY);
	assert_int_equal(world.decision.rule->id, 245);
	world.stalled = 0;
	assert_true(world_until(&world, GROUP_DRAINING, 5));
	world_fini(&world);
}

/* Where commits wait for nobody, nobody has to be there to acknowledge. */
static void test_without_acknowledgements_nobody_moves(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 3);
	ask(&world, 1);
	assert_true(world_until(&world, GROUP_DRAINING, 5));
	assert_true(follows(&world, 2, 0));
	world_fini(&world);
}

int scenarios_switchover(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_others_are_below_the_successor_before_clients_wait),
		cmocka_unit_test(test_they_go_back_when_it_does_not_come_to_it),
		cmocka_unit_test(test_one_that_cannot_move_holds_it_up_for_a_moment_only),
		cmocka_unit_test(test_a_backlog_is_waited_for_before_clients_are),
		cmocka_unit_test(test_without_acknowledgements_nobody_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
