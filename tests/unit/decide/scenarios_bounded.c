/* Under `bounded` somebody said how much a failover may cost. More than that is never lost without a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/bound.h"
#include "decide/election.h"
#include "world.h"

static void begin(struct world *world, uint32_t count)
{
	world_init(world, POLICY_BOUNDED, count);
	world->record.max_loss_s = 1;
	assert_true(world_until_healthy(world, 200));
	world_commit(world, 0, 5, 0);
	assert_true(world_until_healthy(world, 20));
	assert_int_equal(world->record.acks, 0);
}

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		world_turn(world);
	}
}

static void test_a_small_loss_is_taken(void **state)
{
	(void)state;
	struct world world;
	begin(&world, 3);
	/* Both streams are cut for half a second of commits. */
	world.cut = BIT(1) | BIT(2);
	for (unsigned i = 0; i < 50; i++) {
		world_commit(&world, 0, 1, 0);
		world_turn(&world);
	}
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_not_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_a_loss_that_is_too_big_is_left_to_a_person(void **state)
{
	(void)state;
	struct world world;
	begin(&world, 3);
	world.cut = BIT(1) | BIT(2);
	for (unsigned i = 0; i < 150; i++) {
		world_commit(&world, 0, 1, 0);
		world_turn(&world);
	}
	world.alive &= ~BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 500));
	assert_int_equal(world.decision.rule->id, 260);
	assert_non_null(strstr(world.decision.facts.missing, "max-loss-s is 1"));
	assert_non_null(strstr(world.decision.facts.missing, "--accept-loss"));
	/* Ordered without the words, it is refused as well; with them it is done. */
	world.record.ask = ASK_FAILOVER;
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "max-loss-s is 1"));
	world.record.ask = ASK_FAILOVER;
	world.record.ask_accept_loss = true;
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	assert_int_not_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_a_replica_that_was_behind_and_one_that_was_not(void **state)
{
	(void)state;
	struct world world;
	begin(&world, 3);
	world.record.servers[1].weight = 200;
	world.cut = BIT(1);
	for (unsigned i = 0; i < 150; i++) {
		world_commit(&world, 0, 1, 0);
		world_turn(&world);
	}
	world.cut = 0;
	world.seen.servers[1].status.replica.io = IO_CONNECTING;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_STEADY, 5));
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1); /* fed from s2 */
	assert_true(gtid_set_contains(&world.seen.servers[1].status.executed,
				      &world.seen.servers[0].status.executed));
	world_fini(&world);
}

static void test_what_is_not_known_counts_as_too_much(void **state)
{
	(void)state;
	struct world world;
	begin(&world, 3);
	turns(&world, 200); /* until there is no mark left of when it was empty */
	char text[240];
	struct gtid_set *received = &world.seen.servers[1].status.received;
	assert_true(
		bound_holds(&world.record, &world.seen, 0, 1, world.now_us, text, sizeof(text)));
	assert_false(bound_holds(&world.record, &world.seen, 0, 1, 0, text, sizeof(text)));
	gtid_set_clear(received);
	assert_false(
		bound_holds(&world.record, &world.seen, 0, 1, world.now_us, text, sizeof(text)));
	assert_non_null(strstr(text, "not known"));
	/* Marks of another primary say nothing of this one. */
	world.seen.marks_of = 2;
	assert_false(
		bound_holds(&world.record, &world.seen, 0, 1, world.now_us, text, sizeof(text)));
	world_fini(&world);
}

static void test_a_hang_counts_until_the_failover_begins(void **state)
{
	(void)state;
	struct world world;
	begin(&world, 3);
	/* Silent for longer than may be lost: it may have committed all that time. */
	world.hung = BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 1000));
	assert_int_equal(world.decision.rule->id, 260);
	world.record.max_loss_s = 60;
	assert_true(world_until(&world, GROUP_REVOKING, 10));
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	world_fini(&world);
}

static void test_the_lost_primary_itself_lacks_nothing(void **state)
{
	(void)state;
	struct world world;
	begin(&world, 3);
	world.cut = BIT(1) | BIT(2);
	for (unsigned i = 0; i < 150; i++) {
		world_commit(&world, 0, 1, 0);
		world_turn(&world);
	}
	/* Its process was started again, read-only. */
	world.seen.servers[0].status.read_only = true;
	turns(&world, 5);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 0);
	world_fini(&world);
}

int scenarios_bounded(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_small_loss_is_taken),
		cmocka_unit_test(test_a_loss_that_is_too_big_is_left_to_a_person),
		cmocka_unit_test(test_a_replica_that_was_behind_and_one_that_was_not),
		cmocka_unit_test(test_what_is_not_known_counts_as_too_much),
		cmocka_unit_test(test_a_hang_counts_until_the_failover_begins),
		cmocka_unit_test(test_the_lost_primary_itself_lacks_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
