/* Replicas below replicas: when one in the middle fails, those below it must neither stand still nor move around more
 * than they have to, and none of this may cost an acknowledged commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/health.h"
#include "decide/tree.h"
#include "world.h"

/* One turn; what must be true at every moment. */
static void turn(struct world *world)
{
	world_turn(world);
	for (uint32_t i = 0; i < world->record.server_count; i++) {
		uint32_t source = world->decision.steps_source[i];
		/* A change of source forgets what was acknowledged and not applied. */
		if (world->decision.steps[i] == STEP_REPOINT && source != world->record.primary) {
			assert_false(record_is_member(&world->record, i));
		}
		if ((world->alive & BIT(i)) &&
		    record_follows(&world->record, &world->seen, i, world->record.primary) &&
		    world->record.acks > 0 && world->record.state == GROUP_STEADY &&
		    world->seen.servers[i].status.semisync.replica_active) {
			assert_true(record_is_member(&world->record, i));
		}
	}
}

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		turn(world);
	}
}

static bool follows(const struct world *world, uint32_t server, uint32_t source)
{
	return record_follows(&world->record, &world->seen, server, source);
}

/* s0 is the primary, s1 and s2 follow it, s3 is below s1. */
static void begin(struct world *world, enum policy policy)
{
	world_begin(world, policy, 4);
	world->record.servers[3].below = 1 + 1;
	turns(world, 200);
	assert_true(health_check(&world->record, &world->seen, NULL));
	assert_true(follows(world, 3, 1));
	assert_int_equal(world->record.sync_set, policy == POLICY_LOSSLESS ? BIT(1) | BIT(2) : 0);
}

static void test_a_server_goes_below_its_parent_and_acknowledges_no_more(void **state)
{
	(void)state;
	for (enum policy policy = 0; policy < POLICY_COUNT_; policy++) {
		struct world world;
		begin(&world, policy);
		world_commit(&world, 0, 3, 0);
		turns(&world, 5);
		assert_true(gtid_set_equal(&world.seen.servers[3].status.executed,
					   &world.seen.servers[0].status.executed));
		world_fini(&world);
	}
}

static void test_the_last_one_that_acknowledges_stays(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	/* Nobody else acknowledges, so s2 can't cease to. */
	world.no_steps = BIT(1);
	world.seen.servers[1].status.semisync.replica_enabled = false;
	world.record.sync_set = BIT(2);
	world.record.servers[2].below = 1 + 1;
	turns(&world, 300);
	assert_true(follows(&world, 2, 0));
	assert_true(record_is_member(&world.record, 2));
	world.no_steps = 0;
	turns(&world, 300);
	assert_true(follows(&world, 2, 1));
	assert_int_equal(world.record.sync_set, BIT(1));
	world_fini(&world);
}

static void test_a_parent_that_dies_is_left_and_come_back_to(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	world.alive &= ~BIT(1);
	turns(&world, 10);
	assert_true(follows(&world, 3, 0));
	assert_true(record_is_member(&world.record, 3));
	world.alive |= BIT(1);
	turns(&world, 50);
	assert_true(follows(&world, 3, 0)); /* not at once */
	turns(&world, 200);
	assert_true(follows(&world, 3, 1));
	assert_true(world_until_healthy(&world, 10));
	assert_int_equal(world.record.sync_set, BIT(1) | BIT(2));
	world_fini(&world);
}

static void test_a_hiccup_moves_nobody(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	world.hung = BIT(1);
	turns(&world, 150); /* shorter than it takes to be silent */
	assert_true(follows(&world, 3, 1));
	world.hung = 0;
	turns(&world, 10);
	world.seen.servers[1].status.replica.sql_running = false;
	turns(&world, 10);
	assert_true(follows(&world, 3, 1));
	/* One that stays so is left. */
	world.hung = BIT(1);
	turns(&world, 300);
	assert_true(follows(&world, 3, 0));
	world_fini(&world);
}

static void test_the_nearest_one_above_takes_over(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 5);
	/* s2 below s1, s3 below s2, s4 direct. */
	world.record.servers[2].below = 1 + 1;
	world.record.servers[3].below = 2 + 1;
	turns(&world, 300);
	assert_true(follows(&world, 2, 1));
	assert_true(follows(&world, 3, 2));
	world.alive &= ~BIT(2);
	turns(&world, 10);
	assert_true(follows(&world, 3, 1));
	assert_false(record_is_member(&world.record, 3));
	world_fini(&world);
}

static void test_a_parent_that_becomes_the_primary_keeps_its_children(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	world.record.servers[1].weight = 200;
	world.alive &= ~BIT(0);
	for (unsigned i = 0; i < 300; i++) {
		turn(&world);
		assert_true(follows(&world, 3, 1));
	}
	assert_int_equal(world.record.primary, 1);
	assert_int_equal(world.record.sync_set, BIT(2) | BIT(3));
	world_fini(&world);
}

static void test_a_tree_moves_as_one_below_another_primary(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	world.record.servers[2].weight = 200;
	world.alive &= ~BIT(0);
	for (unsigned i = 0; i < 300; i++) {
		turn(&world);
		assert_true(follows(&world, 3, 1));
	}
	assert_int_equal(world.record.primary, 2);
	assert_true(follows(&world, 1, 2));
	assert_int_equal(world.record.sync_set, BIT(1));
	world_fini(&world);
}

static void test_a_leaf_may_become_the_primary(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	world_commit(&world, 0, 1, 0);
	turns(&world, 5);
	world.record.ask = ASK_FAILOVER;
	world.record.ask_server = 3;
	turns(&world, 300);
	assert_int_equal(world.record.primary, 3);
	assert_true(follows(&world, 1, 3));
	assert_true(world_until_healthy(&world, 10));
	world_fini(&world);
}

static void test_a_parent_that_sends_nothing_is_left_for_longer_each_time(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	unsigned moves = 0;
	uint32_t before = 1;
	for (unsigned i = 0; i < 3000; i++) {
		/* From s1 nothing gets through to s3; from s0 it does. */
		bool below = follows(&world, 3, 1);
		world.cut = below ? BIT(3) : 0;
		world.seen.servers[3].status.replica.io_errno = below ? 1045 : 0;
		turn(&world);
		uint32_t now = follows(&world, 3, 1) ? 1 : 0;
		moves += now != before ? 1 : 0;
		before = now;
	}
	assert_true(moves >= 3);
	assert_true(moves <= 9); /* in 30 s */
	world_fini(&world);
}

static void test_a_delayed_replica_does_not_acknowledge(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.servers[2].status.replica.delay_s = 3600;
	turns(&world, 50);
	assert_int_equal(world.record.sync_set, BIT(1));
	assert_false(world.seen.servers[2].status.semisync.replica_enabled);
	assert_true(world_until_healthy(&world, 10));
	world_fini(&world);
}

static void test_nobody_is_below_itself(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 4);
	struct record *record = &world.record;
	record->servers[3].below = 2 + 1;
	record->servers[2].below = 1 + 1;
	assert_true(tree_makes_circle(record, 1, 3));
	assert_true(tree_makes_circle(record, 1, 1));
	assert_false(tree_makes_circle(record, 3, 1));
	assert_false(tree_makes_circle(record, 0, 3));
	/* A record that has one all the same ends at the primary. */
	record->servers[1].below = 3 + 1;
	world.alive = BIT(0) | BIT(3);
	turns(&world, 300);
	assert_true(follows(&world, 3, 0));
	world_fini(&world);
}

/* Ordered when it was to acknowledge, a step may make it acknowledge after it was seen not to. */
static void test_who_is_being_told_to_acknowledge_stays_a_member(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	assert_true(record_is_member(&world.record, 2));
	world.record.servers[2].below = 1 + 1;
	world.seen.servers[2].steps_running = 1u << STEP_REPOINT;
	for (unsigned i = 0; i < 300; i++) {
		world_turn(&world);
	}
	assert_true(record_is_member(&world.record, 2));
	world.seen.servers[2].steps_running = 0;
	for (unsigned i = 0; i < 300; i++) {
		world_turn(&world);
	}
	assert_false(record_is_member(&world.record, 2));
	world_fini(&world);
}

int scenarios_tree(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_being_told_to_acknowledge_stays_a_member),
		cmocka_unit_test(test_a_server_goes_below_its_parent_and_acknowledges_no_more),
		cmocka_unit_test(test_the_last_one_that_acknowledges_stays),
		cmocka_unit_test(test_a_parent_that_dies_is_left_and_come_back_to),
		cmocka_unit_test(test_a_hiccup_moves_nobody),
		cmocka_unit_test(test_the_nearest_one_above_takes_over),
		cmocka_unit_test(test_a_parent_that_becomes_the_primary_keeps_its_children),
		cmocka_unit_test(test_a_tree_moves_as_one_below_another_primary),
		cmocka_unit_test(test_a_leaf_may_become_the_primary),
		cmocka_unit_test(test_a_parent_that_sends_nothing_is_left_for_longer_each_time),
		cmocka_unit_test(test_a_delayed_replica_does_not_acknowledge),
		cmocka_unit_test(test_nobody_is_below_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
