/* A server whose data are being replaced is none: counted as a member it would be trusted with commits that are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		world_turn(world);
	}
}

static void begin_reclone(struct world *world, uint32_t server)
{
	world->record.servers[server].recloning = true;
	world->record.servers[server].diverged = true;
}

static void stop_receiver(struct world *world, uint32_t server)
{
	world->seen.servers[server].status.replica.io = IO_NO;
	world->seen.servers[server].status.replica.sql_running = false;
}

static void test_it_leaves_the_sync_set_when_it_can_acknowledge_no_more(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	begin_reclone(&world, 2);
	turns(&world, 20);
	/* It still receives, so a commit may be there alone. */
	assert_true(record_is_member(&world.record, 2));
	assert_int_equal(world.decision.server_rules[2]->id, 1026);
	stop_receiver(&world, 2);
	turns(&world, 5);
	assert_false(record_is_member(&world.record, 2));
	assert_true(record_is_member(&world.record, 1));
	world_fini(&world);
}

static void test_it_stays_while_nobody_else_has_everything(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	begin_reclone(&world, 2);
	stop_receiver(&world, 2);
	world_turn(&world);
	world.record.idle_since_us[2] = world.now_us;
	world.record.sync_set |= BIT(2);
	/* What the primary commits from here on, s1 doesn't get. */
	world_commit(&world, 0, 5, 0);
	stop_receiver(&world, 1);
	world.no_steps = BIT(1);
	turns(&world, 5);
	assert_true(record_is_member(&world.record, 2));
	world_fini(&world);
}

static void test_nothing_is_done_to_it_until_it_is_made(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	begin_reclone(&world, 2);
	stop_receiver(&world, 2);
	turns(&world, 100);
	/* It has nothing that the primary lacks, and is left alone all the same, by a new manager too. */
	assert_int_equal(world.decision.steps[2], STEP_NONE);
	assert_true(world.record.servers[2].diverged);
	assert_int_equal(world.seen.servers[2].status.replica.io, IO_NO);
	memset(world.record.idle_since_us, 0, sizeof(world.record.idle_since_us));
	turns(&world, 20);
	assert_int_equal(world.decision.steps[2], STEP_NONE);
	/* Nobody is promoted who is being made. */
	world.record.ask = ASK_FAILOVER;
	world.record.ask_server = 2;
	turns(&world, 100);
	assert_int_not_equal(world.record.primary, 2);
	world.record.ask = ASK_NONE;
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	world.record.servers[2].recloning = false;
	world.record.servers[2].diverged = false;
	assert_true(world_until_healthy(&world, 300));
	assert_true(record_is_member(&world.record, 2) || world.record.primary == 2);
	world_fini(&world);
}

static void test_the_server_that_takes_part_is_known_by_its_uuid(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	memcpy(world.seen.servers[0].status.server_uuid, "first", 6);
	memcpy(world.seen.servers[1].status.server_uuid, "second", 7);
	turns(&world, 3);
	assert_string_equal(world.record.servers[0].uuid, "first");
	assert_string_equal(world.record.servers[1].uuid, "second");
	uint64_t version = world.record.version;
	turns(&world, 3);
	assert_int_equal(world.record.version, version);
	world_fini(&world);
}

int scenarios_rejoin(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_leaves_the_sync_set_when_it_can_acknowledge_no_more),
		cmocka_unit_test(test_it_stays_while_nobody_else_has_everything),
		cmocka_unit_test(test_nothing_is_done_to_it_until_it_is_made),
		cmocka_unit_test(test_the_server_that_takes_part_is_known_by_its_uuid),
	};
	return cmocka_run_group_tests_name("rejoin", tests, NULL, NULL);
}
