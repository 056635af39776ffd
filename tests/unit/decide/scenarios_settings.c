/* What people said of single servers: in which data centre they are, that somebody works on them. A failover that goes
 * against it surprises exactly those who took care. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/election.h"
#include "decide/health.h"
#include "world.h"

static void place(struct world *world, uint32_t server, const char *dc)
{
	assert_int_equal(str_copy(str_of(dc), world->record.servers[server].dc, NAME_BYTES_MAX),
			 ERR_OK);
}

static void lose_primary(struct world *world)
{
	world->alive &= ~BIT(world->record.primary);
	assert_true(world_until(world, GROUP_REVOKING, 50));
}

static void test_the_primary_stays_in_its_data_centre_if_it_can(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	place(&world, 0, "west");
	place(&world, 1, "east");
	place(&world, 2, "west");
	world.record.servers[1].weight = 500;
	lose_primary(&world);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 2);
	/* A switchover without a name goes the same way. */
	world.alive |= BIT(0);
	world.seen.servers[0].status.read_only = true;
	assert_true(world_until_healthy(&world, 200));
	world.record.ask = ASK_SWITCHOVER;
	world.record.ask_server = SERVER_NONE;
	assert_true(world_until(&world, GROUP_FREEZING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_another_data_centre_is_for_a_person_to_choose(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	place(&world, 0, "west");
	place(&world, 1, "east");
	world.record.stay_in_dc = true;
	lose_primary(&world);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "another data centre"));
	world.record.ask = ASK_FAILOVER;
	assert_true(world_until(&world, GROUP_STEADY, 200));
	assert_int_not_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_without_a_promise_it_stays_in_its_data_centre_too(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 3);
	place(&world, 0, "west");
	place(&world, 1, "west");
	place(&world, 2, "east");
	world.record.stay_in_dc = true;
	world.seen.servers[1].status.replica.io = IO_CONNECTING;
	world.cut = BIT(1);
	world_commit(&world, 0, 1, BIT(2));
	lose_primary(&world);
	world.cut = 0;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1); /* and it has what s2 had */
	assert_true(gtid_set_contains(&world.seen.servers[1].status.executed,
				      &world.seen.servers[0].status.executed));
	world_fini(&world);
}

static void begin_downtime(struct world *world, uint32_t server, uint64_t left_us)
{
	world->record.servers[server].downtime_until_us = (int64_t)(world->now_us + left_us);
}

static void test_who_is_worked_on_is_not_elected(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.servers[1].weight = 500;
	begin_downtime(&world, 1, 60000000);
	lose_primary(&world);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 2);
	world_fini(&world);
}

static void test_who_is_worked_on_still_counts(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	begin_downtime(&world, 2, 60000000);
	/* It alone has the last commit, and says that the primary is gone. */
	world.seen.servers[1].status.replica.io = IO_NO;
	world.seen.servers[1].status.replica.io_errno = 1236;
	world_commit(&world, 0, 1, BIT(2));
	lose_primary(&world);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_true(gtid_set_contains(&world.seen.servers[1].status.executed,
				      &world.seen.servers[0].status.executed));
	world_fini(&world);
}

static void test_who_is_worked_on_is_left_alone_until_it_is_over(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	begin_downtime(&world, 1, 1000000);
	struct replica_status *replica = &world.seen.servers[1].status.replica;
	replica->sql_running = false;
	for (unsigned i = 0; i < 50; i++) {
		world_turn(&world);
		assert_int_equal(world.decision.steps[1], STEP_NONE);
	}
	assert_false(replica->sql_running);
	assert_true(health_check(&world.record, &world.seen, NULL)); /* nobody is to be woken */
	assert_non_null(health_problem(&world.record, &world.seen, 1));
	/* But nothing may write there. */
	world.seen.servers[1].status.read_only = false;
	world_turn(&world);
	world_turn(&world);
	assert_true(world.seen.servers[1].status.read_only);
	bool over = false;
	for (unsigned i = 0; i < 100; i++) {
		world_turn(&world);
		over = over || world.decision.downtime_over == BIT(1);
	}
	assert_true(over);
	assert_int_equal(world.record.servers[1].downtime_until_us, 0);
	assert_true(replica->sql_running);
	assert_true(world_until_healthy(&world, 50));
	world_fini(&world);
}

int scenarios_settings(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_primary_stays_in_its_data_centre_if_it_can),
		cmocka_unit_test(test_another_data_centre_is_for_a_person_to_choose),
		cmocka_unit_test(test_without_a_promise_it_stays_in_its_data_centre_too),
		cmocka_unit_test(test_who_is_worked_on_is_not_elected),
		cmocka_unit_test(test_who_is_worked_on_still_counts),
		cmocka_unit_test(test_who_is_worked_on_is_left_alone_until_it_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
