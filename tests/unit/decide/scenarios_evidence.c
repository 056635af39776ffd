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

int scenarios_evidence(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_replica_with_a_broken_applier_still_witnesses),
		cmocka_unit_test(test_a_primary_that_comes_back_empty_is_not_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
