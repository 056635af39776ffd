/* Scenarios: what happens to the group when servers, network, people or the manager fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/election.h"
#include "world.h"

static void test_a_new_group_gets_its_primary_and_its_sync_set(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 5; count++) {
		struct world world;
		world_begin(&world, POLICY_LOSSLESS, count);
		assert_int_equal(world.record.sync_set, (BIT(count) - 1) & ~BIT(0));
		assert_int_equal(world.record.acks, count > 1 ? 1 : 0);
		world_fini(&world);
	}
}

static void test_a_new_group_waits_for_all_servers(void **state)
{
	(void)state;
	struct world world;
	world_init(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(2);
	assert_false(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, SERVER_NONE);
	world.alive |= BIT(2);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_a_crash_is_failed_over_and_the_old_primary_returns(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	world_commit(&world, 0, 1, BIT(2)); /* acknowledged by s2 alone */
	world.seen.servers[1].status.replica.io = IO_CONNECTING;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 20));
	assert_true(world.record.servers[0].may_rewind);
	assert_false(record_may_rewind(&world.record,
				       0)); /* it may be the only one that has everything */
	assert_true(world_until(&world, GROUP_STEADY, 50));
	assert_int_equal(world.record.primary, 2);
	assert_true(record_may_rewind(&world.record, 0));
	assert_true(world.record.epoch > epoch);
	assert_int_equal(world.record.acks, 1);
	assert_int_equal(world.record.sync_set, BIT(1));
	memset(&world.seen.servers[0].status.semisync, 0, sizeof(struct semisync_status));
	world.seen.servers[0].status.semisync.available = true;
	world.seen.servers[0].status.read_only = true;
	world.alive |= BIT(0);
	assert_true(world_until_healthy(&world, 100));
	assert_int_equal(world.record.primary, 2);
	assert_int_equal(world.record.sync_set, BIT(0) | BIT(1));
	assert_false(world.record.servers[0].may_rewind);
	world_fini(&world);
}

static void test_nothing_is_done_when_the_manager_is_cut_off(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	world.deaf = BIT(0) | BIT(1) | BIT(2);
	assert_false(world_until(&world, GROUP_REVOKING, 1000));
	/* Only the way to the primary is cut: the replicas still receive from it. */
	world.deaf = BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 1000));
	assert_non_null(strstr(world.decision.facts.missing, "still receives"));
	world.deaf = 0;
	assert_true(world_until_healthy(&world, 100));
	assert_int_equal(world.record.epoch, epoch);
	world_fini(&world);
}

static void test_a_hang_is_failed_over_and_fenced_when_it_wakes(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t since_us = world.now_us;
	world.hung = BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 1000));
	assert_true(world.now_us - since_us >= world.options.silence_us - 20000);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_not_equal(world.record.primary, 0);
	world_commit(&world, 0, 3, 0); /* what had been queued in it */
	world.hung = 0;
	for (unsigned i = 0; i < 100; i++) {
		world_turn(&world);
	}
	assert_true(world.seen.servers[0].status.read_only);
	assert_true(world.record.servers[0].diverged);
	assert_false(gtid_set_is_empty(&world.record.servers[0].extra));
	assert_false(world.seen.servers[0].status.replica.sql_running);
	/* Somebody makes it replicate all the same. */
	world.seen.servers[0].status.replica.sql_running = true;
	world.seen.servers[0].status.replica.configured = true;
	for (unsigned i = 0; i < 5; i++) {
		world_turn(&world);
	}
	assert_false(world.seen.servers[0].status.replica.sql_running);
	/* Made anew from nothing, it is taken back. */
	gtid_set_clear(&world.seen.servers[0].status.executed);
	gtid_set_clear(&world.seen.servers[0].status.received);
	assert_true(world_until_healthy(&world, 100));
	assert_false(world.record.servers[0].diverged);
	world_fini(&world);
}

static void test_a_commit_that_may_be_elsewhere_stops_the_failover(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.hung = BIT(2); /* hung, not dead: it may have acknowledged something alone */
	for (unsigned i = 0; i < 20; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.record.sync_set, BIT(1) | BIT(2));
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_int_equal(world.record.primary, SERVER_NONE);
	assert_non_null(strstr(world.decision.facts.missing, "s2"));
	/* It wakes up: now it is certain, and the failover goes on by itself. */
	world.hung = 0;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_a_person_may_accept_the_loss(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.hung = BIT(2);
	world_turn(&world);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	world.record.ask = ASK_FAILOVER;
	assert_true(world_until(&world, GROUP_REVOKING, 3));
	assert_true(world_until(&world, GROUP_REFUSED, 2000)); /* ordered, but not with loss */
	world.record.ask = ASK_FAILOVER;
	world.record.ask_accept_loss = true;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 1);
	assert_false(world.record.ask_accept_loss);
	world_fini(&world);
}

static void test_the_old_primary_alone_is_enough(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.alive = 0; /* the power fails everywhere */
	assert_false(world_until(&world, GROUP_REVOKING, 100));
	world.seen.servers[0].status.read_only = true;
	world.seen.servers[0].status.semisync.source_enabled = false;
	memset(&world.seen.servers[1].status.replica, 0, sizeof(struct replica_status));
	world.alive = BIT(0);
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_true(world_until(&world, GROUP_REVOKING,
				10)); /* read-only, and nobody here asked for it */
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 0);
	assert_int_equal(world.record.acks, 0);
	world.alive = BIT(0) | BIT(1);
	assert_true(world_until_healthy(&world, 200));
	assert_int_equal(world.record.acks, 1);
	world_fini(&world);
}

static void test_a_primary_goes_on_alone_on_the_record_and_then_cant_be_failed_over(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	world.alive &= ~BIT(1);
	for (unsigned i = 0; i < 10; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.record.acks, 0);
	assert_int_equal(world.record.sync_set, 0);
	assert_false(world.seen.servers[0].status.semisync.source_enabled);
	world_commit(&world, 0, 7, 0); /* committed alone */
	/* The primary dies, and the replica that knows nothing of it comes back: it must not be promoted. */
	world.alive = BIT(1);
	world.seen.servers[1].status.replica.io = IO_CONNECTING;
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "alone"));
	world.seen.servers[0].status.read_only = true;
	world.alive |= BIT(0);
	assert_true(world_until_healthy(&world, 200));
	assert_int_equal(world.record.primary, 0);
	world_fini(&world);
}

static void test_a_dead_replica_leaves_the_sync_set_and_comes_back(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(1);
	for (unsigned i = 0; i < 10; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.record.sync_set, BIT(2));
	assert_int_equal(world.record.acks, 1);
	world.seen.servers[1].status.semisync.replica_enabled = false;
	world.seen.servers[1].status.replica.io = IO_NO;
	world.seen.servers[1].status.replica.sql_running = false;
	world.alive |= BIT(1);
	assert_true(world_until_healthy(&world, 100));
	assert_int_equal(world.record.sync_set, BIT(1) | BIT(2));
	world_fini(&world);
}

static void test_async_elects_the_most_advanced(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_ASYNC, 5);
	assert_int_equal(world.record.acks, 0);
	world.seen.servers[1].status.replica.io = IO_NO; /* stopped by somebody: started again */
	assert_true(world_until_healthy(&world, 20));
	world_commit(&world, 0, 3, BIT(3));
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 20));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_equal(world.record.primary, 3);
	assert_false(world.record.servers[0].may_rewind);
	world_fini(&world);
}

static void test_pause_and_cooldown_hold_a_failover_back(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.paused = true;
	world.alive &= ~BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 100));
	assert_int_equal(world.decision.rule->id, 260);
	world.record.paused = false;
	record_note_failover(&world.record, world.now_us);
	world.options.cooldown_us = 2000000;
	assert_false(world_until(&world, GROUP_REVOKING, 100));
	assert_non_null(strstr(world.decision.facts.missing, "muster resume g"));
	assert_true(world_until(&world, GROUP_REVOKING, 200));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void ask_switchover(struct world *world, uint32_t to)
{
	world->record.ask = ASK_SWITCHOVER;
	world->record.ask_server = to;
}

static void test_a_switchover_moves_the_primary(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	world.open_transactions = 3;
	ask_switchover(&world, 2);
	assert_true(world_until(&world, GROUP_DRAINING, 30));
	for (unsigned i = 0; i < 20; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.record.state, GROUP_DRAINING);
	world.open_transactions = 0;
	assert_true(world_until(&world, GROUP_STEADY, 50));
	assert_int_equal(world.record.primary, 2);
	assert_int_equal(world.record.epoch, epoch + 1);
	assert_true(world_until_healthy(&world, 100));
	assert_true(world.seen.servers[0].status.read_only);
	world_fini(&world);
}

static void test_a_switchover_goes_to_the_heaviest_and_then_to_the_readiest(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 4);
	world.seen.servers[1].status.semisync.source_enabled = true;
	world.no_steps = BIT(1);
	assert_int_equal(gtid_set_parse(STR("0-1-99"), GTID_MARIADB,
					&world.seen.servers[2].status.received, NULL),
			 ERR_OK);
	struct facts facts;
	ask_switchover(&world, SERVER_NONE);
	facts_find(&world.record, &world.seen, &world.options, world.now_us, &facts);
	assert_int_equal(facts.candidate, 3); /* s1 is busy, s2 has something left to apply */
	world.record.servers[1].weight = 200;
	facts_find(&world.record, &world.seen, &world.options, world.now_us, &facts);
	assert_int_equal(facts.candidate, 1);
	world_fini(&world);
}

static void test_a_switchover_that_cant_be_done_is_undone(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	/* Open transactions don't end. */
	world.open_transactions = 1;
	ask_switchover(&world, 1);
	assert_true(world_until(&world, GROUP_UNDOING, 1000));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world.open_transactions = 0;
	/* The successor doesn't catch up. */
	world.no_steps = BIT(1);
	ask_switchover(&world, 1);
	assert_true(world_until(&world, GROUP_FREEZING, 100));
	assert_true(world_until(&world, GROUP_UNDOING, 1000));
	world.no_steps = 0;
	assert_true(world_until_healthy(&world, 100));
	assert_int_equal(world.record.primary, 0);
	assert_int_equal(world.record.epoch, epoch);
	assert_false(world.seen.servers[0].status.read_only);
	/* Nobody is fit. */
	world.record.servers[1].never_promote = true;
	world.record.servers[2].never_promote = true;
	ask_switchover(&world, SERVER_NONE);
	world_turn(&world);
	assert_int_equal(world.decision.rule->id, 250);
	assert_int_equal(world.record.ask, ASK_NONE);
	world_fini(&world);
}

static void test_a_primary_that_dies_during_a_switchover_is_failed_over(void **state)
{
	(void)state;
	static const enum group_state moments[] = { GROUP_DRAINING, GROUP_FREEZING, GROUP_UNDOING };
	for (unsigned i = 0; i < 3; i++) {
		struct world world;
		world_begin(&world, POLICY_LOSSLESS, 3);
		world.open_transactions = moments[i] == GROUP_FREEZING ? 0 : 1;
		world.no_steps = BIT(0);
		ask_switchover(&world, 1);
		assert_true(world_until(&world, moments[i], 1000));
		world.alive &= ~BIT(0);
		world.no_steps = 0;
		assert_true(world_until(&world, GROUP_REVOKING, 100));
		assert_true(world_until(&world, GROUP_STEADY, 100));
		assert_int_not_equal(world.record.primary, 0);
		world_fini(&world);
	}
}

static void test_an_undo_that_cant_be_done_ends(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	ask_switchover(&world, 1);
	world.no_steps = BIT(1);
	assert_true(world_until(&world, GROUP_UNDOING, 1000));
	world.no_steps = BIT(0);
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	world.no_steps = 0;
	assert_true(world_until_healthy(&world, 300));
	world_fini(&world);
}

static void test_a_new_primary_that_dies_at_once_is_replaced_without_loss(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world_commit(&world, 0, 1, BIT(1)); /* acknowledged by s1 alone */
	world.seen.servers[2].status.replica.io = IO_CONNECTING;
	world.alive &= ~BIT(0);
	world.no_steps = 0;
	assert_true(world_until(&world, GROUP_OPENING, 50));
	assert_int_equal(world.record.primary, 1);
	/* It dies before anybody has followed it: only it had that commit. */
	world.no_steps = BIT(2);
	world.alive &= ~BIT(1);
	for (unsigned i = 0; i < 50; i++) {
		world_turn(&world);
	}
	world.no_steps = 0;
	world.record.ask = ASK_FAILOVER; /* without accepting loss */
	for (unsigned i = 0; i < 1500; i++) {
		world_turn(&world);
	}
	assert_int_not_equal(world.record.primary, 2);
	/* It comes back and is found to be the one. */
	world.seen.servers[1].status.read_only = true;
	world.alive |= BIT(1);
	assert_true(world_until(&world, GROUP_STEADY, 2000));
	assert_int_equal(world.record.primary, 1);
	world_fini(&world);
}

static void test_a_new_primary_that_cant_be_opened_is_given_up(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	assert_true(world_until(&world, GROUP_OPENING, 50));
	uint64_t epoch = world.record.epoch;
	world.no_steps = BIT(world.record.primary);
	assert_true(world_until(&world, GROUP_REVOKING, 2000));
	assert_true(world.record.epoch > epoch);
	world.no_steps = 0;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_a_long_backlog_is_waited_for_and_a_broken_applier_is_told(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 2);
	struct server_status *candidate = &world.seen.servers[1].status;
	assert_int_equal(gtid_set_parse(STR("0-1-99"), GTID_MARIADB, &candidate->received, NULL),
			 ERR_OK);
	world.slow_appliers = true;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 20));
	assert_false(world_until(&world, GROUP_REFUSED, 2000));
	candidate->replica.sql_errno = 1062;
	(void)!str_copy(STR("duplicate"), candidate->replica.sql_error, SERVER_ERROR_BYTES_MAX);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_string_equal(world.decision.facts.missing, "duplicate");
	/* A person mends it. */
	candidate->replica.sql_errno = 0;
	world.slow_appliers = false;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_nothing_opens_while_a_path_to_the_old_primary_is_open(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	world.routes_stuck = true;
	world.seen.routes.epoch = world.record.epoch - 1;
	assert_false(world_until(&world, GROUP_OPENING, 500));
	world.routes_stuck = false;
	assert_true(world_until(&world, GROUP_STEADY, 100));
	world_fini(&world);
}

static void test_replicas_that_contradict_each_other_stop_the_failover(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.alive &= ~BIT(0);
	world_commit(&world, 1, 1, 0);
	world_commit(&world, 2, 1, 0);
	assert_true(world_until(&world, GROUP_REFUSED, 2000));
	assert_non_null(strstr(world.decision.facts.missing, "contradict"));
	world_fini(&world);
}

static void test_a_live_primary_is_replaced_on_order(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.ask = ASK_FAILOVER;
	world.record.ask_server = SERVER_NONE;
	assert_true(world_until(&world, GROUP_REVOKING, 5));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	assert_int_not_equal(world.record.primary, 0);
	assert_true(world_until_healthy(&world, 200));
	assert_true(world.seen.servers[0].status.read_only);
	world_fini(&world);
}

static void test_an_ordered_failover_waits_for_another_one_than_the_fenced_primary(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.ask = ASK_FAILOVER;
	world.no_steps = BIT(1) | BIT(2); /* the replicas take their time */
	assert_false(world_until(&world, GROUP_OPENING, 50));
	assert_true(world.seen.servers[0].status.read_only);
	assert_non_null(strstr(world.decision.facts.missing, "waiting for s1, s2 to stop"));
	world.no_steps = 0;
	assert_true(world_until(&world, GROUP_STEADY, 50));
	assert_int_not_equal(world.record.primary, 0);
	/* Nobody else can be had in time: the fenced one has everything, and goes on. */
	assert_true(world_until_healthy(&world, 200));
	uint32_t old = world.record.primary;
	world.record.ask = ASK_FAILOVER;
	world.no_steps = 7 & ~BIT(old);
	assert_true(world_until(&world, GROUP_REVOKING, 5));
	assert_true(world_until(&world, GROUP_OPENING, 2000));
	assert_int_equal(world.record.primary, old);
	world_fini(&world);
}

static void test_the_policy_can_be_changed_both_ways(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.record.policy = POLICY_ASYNC;
	for (unsigned i = 0; i < 20; i++) {
		world_turn(&world);
	}
	assert_int_equal(world.record.acks, 0);
	assert_false(world.seen.servers[0].status.semisync.source_enabled);
	assert_false(world.seen.servers[1].status.semisync.replica_enabled);
	world.record.policy = POLICY_LOSSLESS;
	assert_true(world_until_healthy(&world, 100));
	assert_int_equal(world.record.acks, 1);
	world_fini(&world);
}

static void test_drift_is_mended(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	/* Somebody stops replication, switches acknowledging off, opens a replica, a second source waits. */
	world.seen.servers[1].status.replica.io = IO_NO;
	world.seen.servers[1].status.replica.sql_running = false;
	world.seen.servers[2].status.semisync.replica_enabled = false;
	world.seen.servers[2].status.semisync.source_enabled = true;
	assert_true(world_until_healthy(&world, 100));
	world.seen.servers[1].status.read_only = false;
	world.seen.servers[0].status.semisync.source_enabled = false;
	for (unsigned i = 0; i < 5; i++) {
		world_turn(&world);
	}
	assert_true(world.seen.servers[1].status.read_only);
	assert_true(world.seen.servers[0].status.semisync.source_enabled);
	/* Out of the sync set, and acknowledges already: back in before anything else. */
	world.record.sync_set &= ~BIT(1);
	assert_true(world_until_healthy(&world, 10));
	/* Out of the sync set, and doesn't acknowledge: in once it has caught up. */
	world.record.sync_set &= ~BIT(2);
	world.seen.servers[2].status.semisync.replica_enabled = false;
	assert_true(world_until_healthy(&world, 10));
	world_fini(&world);
}

static void test_a_manager_that_paused_believes_nothing_old(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	/* For ten seconds the manager did not run; all that it has is old. */
	world.now_us += 10000000;
	world.seen.started_us = world.now_us;
	for (uint32_t i = 0; i < 3; i++) {
		world.seen.servers[i].reach = REACH_HUNG;
		world.seen.servers[i].misses = 5;
	}
	struct facts facts;
	facts_find(&world.record, &world.seen, &world.options, world.now_us, &facts);
	assert_false(facts.set & FACT_GONE);
	assert_true(world_until_healthy(&world, 20));
	world_fini(&world);
}

static void test_a_veto_holds_a_failover_back_until_it_is_lifted(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	uint64_t epoch = world.record.epoch;
	world.seen.hooks.failover.answer = HOOK_OPEN;
	world_turn(&world);
	assert_null(world.decision.withheld); /* nothing is to be asked while all is well */
	assert_string_equal(world.decision.facts.missing, "");
	world.alive &= ~BIT(0);
	assert_false(world_until(&world, GROUP_REVOKING, 50));
	assert_int_equal(world.decision.rule->id, 260);
	assert_int_equal(world.decision.withheld->id, 210);
	assert_non_null(strstr(world.decision.facts.missing, "has not answered"));
	world.seen.hooks.failover.answer = HOOK_VETO;
	memcpy(world.seen.hooks.failover.words, "backup runs", sizeof("backup runs"));
	assert_false(world_until(&world, GROUP_REVOKING, 50));
	assert_non_null(strstr(world.decision.facts.missing, "says no: backup runs"));
	/* What else stands in the way comes first: there is nothing to ask then. */
	world.record.paused = true;
	world_turn(&world);
	assert_null(world.decision.withheld);
	assert_non_null(strstr(world.decision.facts.missing, "paused"));
	world.record.paused = false;
	assert_int_equal(world.record.epoch, epoch);
	world.seen.hooks.failover.answer = HOOK_GO;
	assert_true(world_until(&world, GROUP_REVOKING, 5));
	assert_true(world_until(&world, GROUP_STEADY, 50));
	assert_int_equal(world.record.epoch, epoch + 1);
	world_fini(&world);
}

static void test_a_persons_failover_is_not_vetoed(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.hooks.failover.answer = HOOK_VETO;
	world.record.ask = ASK_FAILOVER;
	world_turn(&world);
	assert_int_equal(world.decision.rule->id, 220);
	world_fini(&world);
}

static void test_a_switchover_waits_for_the_hooks_and_heeds_their_veto(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.hooks.switchover.answer = HOOK_OPEN;
	ask_switchover(&world, 1);
	assert_false(world_until(&world, GROUP_DRAINING, 50));
	assert_int_equal(world.decision.rule->id, 245);
	assert_int_equal(world.decision.withheld->id, 240);
	assert_int_equal(world.record.ask, ASK_SWITCHOVER);
	world.seen.hooks.switchover.answer = HOOK_VETO;
	memcpy(world.seen.hooks.switchover.words, "not at noon", sizeof("not at noon"));
	world_turn(&world);
	assert_int_equal(world.decision.rule->id, 250);
	assert_non_null(strstr(world.decision.facts.missing, "says no: not at noon"));
	assert_int_equal(world.record.ask, ASK_NONE);
	ask_switchover(&world, 1);
	world.seen.hooks.switchover.answer = HOOK_GO;
	assert_true(world_until(&world, GROUP_DRAINING, 30));
	/* Once it has begun it doesn't depend on an answer. */
	world.seen.hooks.switchover.answer = HOOK_OPEN;
	assert_true(world_until(&world, GROUP_STEADY, 50));
	assert_int_equal(world.record.primary, 1);
	/* The primary is lost: the switchover can't wait for a hook then. */
	ask_switchover(&world, 0);
	world.alive &= ~BIT(1);
	assert_true(world_until(&world, GROUP_REVOKING, 50));
	world_fini(&world);
}

static void test_a_new_primary_opens_when_the_hook_before_it_has_ended(void **state)
{
	(void)state;
	struct world world;
	world_begin(&world, POLICY_LOSSLESS, 3);
	world.seen.hooks.before_runs = true;
	world.alive &= ~BIT(0);
	assert_true(world_until(&world, GROUP_OPENING, 50));
	assert_false(world_until(&world, GROUP_STEADY, 50));
	uint32_t primary = world.record.primary;
	assert_true(world.seen.servers[primary].steps_done & (1u << STEP_PROMOTE));
	assert_true(world.seen.servers[primary].status.read_only);
	world.seen.hooks.before_runs = false;
	assert_true(world_until(&world, GROUP_STEADY, 5));
	world_fini(&world);
}

/* What a server has is known from a reading that ended before the primary's began; from an older one only when it
 * could not be written to since. */
static void test_an_older_reading_proves_less(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t
			primary_us; /* the primary's reading; the server's are at 10 to 12 and 20 to 22 */
		bool older_read_only;
		const char *older;
		const char *present;
		enum server_order order;
	} cases[] = {
		{ "read after it", 23, false, "0-1-5", "0-1-5", SERVER_ORDER_SUBSET },
		{ "read after it, more", 23, false, "0-1-5", "0-1-9", SERVER_ORDER_EXTRA },
		{ "read before it, read-only since", 15, true, "0-1-5", "0-1-6",
		  SERVER_ORDER_SUBSET },
		{ "just fenced", 15, false, "0-1-5", "0-1-9", SERVER_ORDER_UNKNOWN },
		{ "had more all along", 15, false, "0-1-9", "0-1-9", SERVER_ORDER_EXTRA },
		{ "read before both", 5, true, "0-1-5", "0-1-5", SERVER_ORDER_UNKNOWN },
	};
	struct record record;
	record_init(&record);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct observation seen = { 0 };
		struct observation_server *one = &seen.servers[1];
		struct err_ctx err;
		one->older.begun_us = 10;
		one->older.ended_us = 12;
		one->older.read_only = cases[i].older_read_only;
		one->status_us = 20;
		one->status_end_us = 22;
		seen.servers[0].status_us = cases[i].primary_us;
		assert_int_equal(gtid_set_parse(str_of("0-1-5"), GTID_MARIADB,
						&seen.servers[0].status.executed, &err),
				 ERR_OK);
		assert_int_equal(gtid_set_parse(str_of(cases[i].older), GTID_MARIADB,
						&one->older.executed, &err),
				 ERR_OK);
		assert_int_equal(gtid_set_parse(str_of(cases[i].present), GTID_MARIADB,
						&one->status.executed, &err),
				 ERR_OK);
		if (server_facts_compare(&record, &seen, 1, 0) != cases[i].order) {
			fail_msg("%s", cases[i].name);
		}
		gtid_set_fini(&seen.servers[0].status.executed);
		gtid_set_fini(&one->older.executed);
		gtid_set_fini(&one->status.executed);
	}
}

static void test_every_rule_has_a_scenario(void **state)
{
	(void)state;
	world_assert_every_rule_seen();
}

/* The scenarios of all files run in one process: together they have to make every rule match. */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_group_gets_its_primary_and_its_sync_set),
		cmocka_unit_test(test_a_new_group_waits_for_all_servers),
		cmocka_unit_test(test_a_crash_is_failed_over_and_the_old_primary_returns),
		cmocka_unit_test(test_nothing_is_done_when_the_manager_is_cut_off),
		cmocka_unit_test(test_a_hang_is_failed_over_and_fenced_when_it_wakes),
		cmocka_unit_test(test_a_commit_that_may_be_elsewhere_stops_the_failover),
		cmocka_unit_test(test_a_person_may_accept_the_loss),
		cmocka_unit_test(test_the_old_primary_alone_is_enough),
		cmocka_unit_test(
			test_a_primary_goes_on_alone_on_the_record_and_then_cant_be_failed_over),
		cmocka_unit_test(test_a_dead_replica_leaves_the_sync_set_and_comes_back),
		cmocka_unit_test(test_async_elects_the_most_advanced),
		cmocka_unit_test(test_pause_and_cooldown_hold_a_failover_back),
		cmocka_unit_test(test_a_switchover_moves_the_primary),
		cmocka_unit_test(test_a_switchover_goes_to_the_heaviest_and_then_to_the_readiest),
		cmocka_unit_test(test_a_switchover_that_cant_be_done_is_undone),
		cmocka_unit_test(test_a_primary_that_dies_during_a_switchover_is_failed_over),
		cmocka_unit_test(test_an_undo_that_cant_be_done_ends),
		cmocka_unit_test(test_a_new_primary_that_dies_at_once_is_replaced_without_loss),
		cmocka_unit_test(test_a_new_primary_that_cant_be_opened_is_given_up),
		cmocka_unit_test(test_a_long_backlog_is_waited_for_and_a_broken_applier_is_told),
		cmocka_unit_test(test_nothing_opens_while_a_path_to_the_old_primary_is_open),
		cmocka_unit_test(test_replicas_that_contradict_each_other_stop_the_failover),
		cmocka_unit_test(test_a_live_primary_is_replaced_on_order),
		cmocka_unit_test(
			test_an_ordered_failover_waits_for_another_one_than_the_fenced_primary),
		cmocka_unit_test(test_the_policy_can_be_changed_both_ways),
		cmocka_unit_test(test_drift_is_mended),
		cmocka_unit_test(test_a_manager_that_paused_believes_nothing_old),
		cmocka_unit_test(test_a_veto_holds_a_failover_back_until_it_is_lifted),
		cmocka_unit_test(test_a_persons_failover_is_not_vetoed),
		cmocka_unit_test(test_a_switchover_waits_for_the_hooks_and_heeds_their_veto),
		cmocka_unit_test(test_a_new_primary_opens_when_the_hook_before_it_has_ended),
		cmocka_unit_test(test_an_older_reading_proves_less),
	};
	const struct CMUnitTest last[] = {
		cmocka_unit_test(test_every_rule_has_a_scenario),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed += scenarios_bounded();
	failed += scenarios_feed();
	failed += scenarios_evidence();
	failed += scenarios_limits();
	failed += scenarios_pair();
	failed += scenarios_promise();
	failed += scenarios_proofs();
	failed += scenarios_rejoin();
	failed += scenarios_restart();
	failed += scenarios_settings();
	failed += scenarios_stall();
	failed += scenarios_switchover();
	failed += scenarios_tree();
	return failed + cmocka_run_group_tests(last, NULL, NULL);
}
