/* A replica that is restarted loses what it had acknowledged and not applied: to count on it may lose a commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/health.h"
#include "world.h"

/* Another process on the same data: nothing replicates yet. */
static void restart(struct world *world, uint32_t server)
{
	struct server_status *status = &world->seen.servers[server].status;
	status->started_s += 5;
	status->replica.io = IO_NO;
	status->replica.sql_running = false;
	gtid_set_copy(&status->received, &status->executed);
}

static void test_a_member_restarted_with_the_loss_of_the_primary_proves_nothing(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(0);
	restart(&world, 1);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "the relay log of s1"));
	/* The primary itself has every commit. */
	world.seen.servers[0].status.read_only = true;
	world.alive |= BIT(0);
	assert_true(world_until(&world, GROUP_STEADY, 200));
	assert_true(world_until_healthy(&world, 200));
	world_fini(&world);
}

static void test_a_member_counts_again_once_it_has_received_what_the_primary_has(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t before_s = world.record.servers[1].started_s;
	assert_int_equal(before_s, world.seen.servers[1].status.started_s);
	restart(&world, 1);
	world_turn(&world);
	assert_int_equal(world.record.servers[1].started_s, before_s);
	assert_true(world_until_healthy(&world, 100));
	for (unsigned i = 0; i < 5; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.record.servers[1].started_s, before_s + 5);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

/* Within its first second, however long that is, it gets all it needs but is not counted on. */
static void begin_anew(struct world *world, uint32_t server)
{
	struct server_status *status = &world->seen.servers[server].status;
	restart(world, server);
	status->uptime_s = 0;
	for (unsigned i = 0; i < 100; i++) {
		world_turn(world);
	}
	assert_true(status->replica.io == IO_YES && status->semisync.replica_active);
}

/* A server tells to the second when its process began: two that begin within one second look the same. */
static void test_a_process_in_its_first_second_does_not_count(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct server_status *status = &world.seen.servers[1].status;
	begin_anew(&world, 1);
	/* It acknowledges a commit alone, and both end; another process begins at once. */
	world.alive &= ~BIT(0);
	restart(&world, 1);
	status->started_s -= 5;
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "the relay log of s1"));
	world_fini(&world);
}

static void test_a_process_counts_after_its_first_second(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct server_status *status = &world.seen.servers[1].status;
	begin_anew(&world, 1);
	assert_false(health_check(&world.record, &world.seen, NULL));
	status->uptime_s = 1;
	assert_true(world_until_healthy(&world, 5));
	assert_int_equal(world.record.servers[1].started_s, status->started_s);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_a_process_of_unknown_age_counts(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	for (uint32_t i = 0; i < 3; i++) {
		world.record.servers[i].started_s = 0; /* a record of an older version */
	}
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

int scenarios_restart(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_member_restarted_with_the_loss_of_the_primary_proves_nothing),
		cmocka_unit_test(
			test_a_member_counts_again_once_it_has_received_what_the_primary_has),
		cmocka_unit_test(test_a_process_in_its_first_second_does_not_count),
		cmocka_unit_test(test_a_process_counts_after_its_first_second),
		cmocka_unit_test(test_a_process_of_unknown_age_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
