/* What counts as evidence: to believe the wrong witness costs an outage, to trust an empty server costs the data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void test_a_replica_with_a_broken_applier_still_witnesses(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct replica_status *replica = &world.seen.servers[1].status.replica;
	replica->sql_running = false;
	replica->sql_errno = 1062;
	world.alive &= ~BIT(2);
	world.deaf |= BIT(0); /* only the manager has lost the primary */
	assert_false(world_until(&world, GROUP_REVOKING, 1000));
	assert_non_null(strstr(world.decision.facts.missing, "still receives"));
	world_fini(&world);
}

static void test_a_primary_that_comes_back_empty_is_not_opened(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.paused = true; /* it is back before anybody could take over */
	world.alive &= ~BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 20));
	struct server_status *status = &world.seen.servers[0].status;
	gtid_set_clear(&status->executed);
	gtid_set_clear(&status->received);
	status->read_only = true;
	world.alive |= BIT(0);
	world.record.paused = false;
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_STEADY, 200));
	assert_int_not_equal(world.record.primary, 0);
	world_fini(&world);
}

/* The same from a backup of this epoch, with no replica in reach: only the record knows that something is missing. */
static void test_a_primary_from_a_backup_is_not_opened(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	struct gtid_set backup;
	gtid_set_init(&backup);
	gtid_set_copy(&backup, &world.seen.servers[0].status.executed);
	world_commit(&world, 0, 7, BIT(1) | BIT(2));
	for (uint64_t from_us = world.now_us; world.now_us - from_us < 31000000;) {
		world_turn(&world);
	}
	assert_true(gtid_set_contains(&world.record.base, &world.seen.servers[0].status.executed));
	world.alive = 0;
	assert_false(world_until(&world, GROUP_REVOKING, 20));
	struct server_status *status = &world.seen.servers[0].status;
	gtid_set_clear(&status->executed);
	gtid_set_copy(&status->executed, &backup);
	gtid_set_clear(&status->received);
	gtid_set_copy(&status->received, &backup);
	status->read_only = true;
	world.alive = BIT(0);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "s0, the most advanced, lacks"));
	gtid_set_fini(&backup);
	world_fini(&world);
}

/* A commit that one member lacks may be lost with the others: it must not stand in the way of a failover to that one. */
static void test_only_what_every_member_has_goes_on_the_record(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.servers[2].status.replica.sql_running =
		false; /* in this world it receives no more, too */
	world.seen.servers[2].status.replica.sql_errno = 1062;
	world_commit(&world, 0, 7, BIT(1));
	for (uint64_t from_us = world.now_us; world.now_us - from_us < 31000000;) {
		world_turn(&world);
	}
	assert_true(record_is_member(&world.record, 2));
	assert_false(gtid_set_contains(&world.record.base, &world.seen.servers[0].status.executed));
	world_fini(&world);
}

int scenarios_evidence(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_replica_with_a_broken_applier_still_witnesses),
		cmocka_unit_test(test_a_primary_that_comes_back_empty_is_not_opened),
		cmocka_unit_test(test_a_primary_from_a_backup_is_not_opened),
		cmocka_unit_test(test_only_what_every_member_has_goes_on_the_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
