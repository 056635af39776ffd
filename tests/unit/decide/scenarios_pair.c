/* The active-passive pair: a long change on the passive side must cost no acknowledged commit, reach everybody, and never
 * put a server in charge that is in the middle of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/health.h"
#include "decide/tree.h"
#include "world.h"

enum { ACTIVE = 0, PASSIVE = 1, BELOW_ACTIVE = 2, BELOW_PASSIVE = 3, SERVERS = 4 };

static bool is_changing(const struct world *world)
{
	return world->record.pair.state == PAIR_CHANGING;
}

/* One turn; what must be true at every moment. */
static void turn(struct world *world)
{
	world_turn(world);
	const struct record *record = &world->record;
	for (uint32_t i = 0; i < record->server_count && is_changing(world); i++) {
		bool out = pair_is_out(record, i);
		assert_false(out && record_is_member(record, i));
		assert_false(out && world->seen.servers[i].status.parallel_mode[0]);
		assert_false(out && world->seen.servers[i].status.semisync.replica_enabled &&
			     record_follows(record, &world->seen, i, record->primary));
	}
}

static void turns(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		turn(world);
	}
}

static bool until_pair(struct world *world, enum pair_state state, unsigned count)
{
	for (unsigned i = 0; i < count && world->record.pair.state != state; i++) {
		turn(world);
	}
	return world->record.pair.state == state;
}

static void begin(struct world *world, enum policy policy)
{
	world_begin(world, policy, SERVERS);
	struct record_pair *pair = &world->record.pair;
	world->record.servers[BELOW_ACTIVE].below = 1 + ACTIVE;
	world->record.servers[BELOW_PASSIVE].below = 1 + PASSIVE;
	pair->set = true;
	pair->domain = PAIR_DOMAIN_DEFAULT;
	pair->masters[0] = ACTIVE;
	pair->masters[1] = PASSIVE;
	turns(world, 200);
	assert_true(health_check(&world->record, &world->seen, NULL));
	assert_true(record_follows(&world->record, &world->seen, BELOW_PASSIVE, PASSIVE));
}

static void take_out(struct world *world)
{
	world->record.pair.state = PAIR_OUT;
	world->record.pair.out = PASSIVE;
}

static void add(struct world *world, uint32_t server, const char *text)
{
	struct gtid_set set;
	struct server_status *status = &world->seen.servers[server].status;
	gtid_set_init(&set);
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MARIADB, &set, NULL), ERR_OK);
	gtid_set_add(&status->executed, &set);
	gtid_set_add(&status->received, &set);
	gtid_set_fini(&set);
}

static bool has(const struct world *world, uint32_t server, const char *text)
{
	struct gtid_set set;
	gtid_set_init(&set);
	assert_int_equal(gtid_set_parse(str_of(text), GTID_MARIADB, &set, NULL), ERR_OK);
	bool has = gtid_set_contains(&world->seen.servers[server].status.executed, &set);
	gtid_set_fini(&set);
	return has;
}

/* Until the passive side is changed: two statements are through. */
static void change(struct world *world)
{
	take_out(world);
	assert_true(until_pair(world, PAIR_CHANGING, 100));
	turns(world, 3);
	assert_int_equal(world->seen.servers[PASSIVE].status.gtid_domain, PAIR_DOMAIN_DEFAULT);
	add(world, PASSIVE, "1000-2-2");
	world_commit(world, world->record.primary, 3, 0);
	turns(world, 20);
	assert_true(is_changing(world));
}

static void ask(struct world *world, enum pair_ask ask, bool discard)
{
	world->record.pair.ask = ask;
	world->record.pair.discard = discard;
}

/* How it has to end: everybody has the change, the roles have switched, all is as before. */
static void assert_completed(struct world *world)
{
	assert_int_equal(world->record.pair.ended, 2510);
	assert_true(gtid_set_is_empty(&world->record.pair.change));
	for (uint32_t i = 0; i < SERVERS; i++) {
		assert_true(has(world, i, "1000-2-2"));
		assert_false(world->record.servers[i].diverged);
		assert_int_equal(world->seen.servers[i].status.gtid_domain, 0);
	}
	assert_true(world_until_healthy(world, 300));
	turns(world, 200);
	for (uint32_t i = 0; i < SERVERS; i++) {
		assert_string_equal(world->seen.servers[i].status.parallel_mode, "optimistic");
		assert_string_equal(world->record.servers[i].parallel_mode, "");
	}
}

static void test_a_change_goes_round_and_comes_back(void **state)
{
	(void)state;
	for (enum policy policy = 0; policy < POLICY_COUNT_; policy++) {
		struct world world;
		begin(&world, policy);
		change(&world);
		assert_int_equal(world.record.sync_set,
				 policy == POLICY_LOSSLESS ? BIT(BELOW_ACTIVE) : 0);
		assert_true(has(&world, BELOW_PASSIVE, "1000-2-2"));
		assert_false(has(&world, ACTIVE, "1000-2-1"));
		ask(&world, PAIR_ASK_DONE, false);
		assert_true(until_pair(&world, PAIR_NONE, 200));
		assert_int_equal(world.record.primary, PASSIVE);
		assert_completed(&world);
		/* The other way round, in the same domain. */
		world.record.pair.state = PAIR_OUT;
		world.record.pair.out = ACTIVE;
		assert_true(until_pair(&world, PAIR_CHANGING, 100));
		turns(&world, 3);
		add(&world, ACTIVE, "1000-1-3");
		turns(&world, 5);
		ask(&world, PAIR_ASK_DONE, false);
		assert_true(until_pair(&world, PAIR_NONE, 200));
		assert_int_equal(world.record.primary, ACTIVE);
		assert_true(has(&world, BELOW_PASSIVE, "1000-1-3"));
		world_fini(&world);
	}
}

static void test_nobody_applies_what_needs_the_change_before_it(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	world.no_steps = BIT(BELOW_ACTIVE);
	turns(&world, 100);
	assert_int_equal(world.record.pair.state, PAIR_BACK);
	world.no_steps = 0;
	world.cut = BIT(ACTIVE) | BIT(BELOW_ACTIVE);
	assert_true(until_pair(&world, PAIR_FOLLOWING, 100));
	for (unsigned i = 0; i < 30; i++) {
		turn(&world);
		const struct server_status *old = &world.seen.servers[ACTIVE].status;
		assert_true(!old->replica.configured || old->parallel_mode[0] == 0);
		assert_string_equal(world.seen.servers[BELOW_ACTIVE].status.parallel_mode, "");
	}
	world.cut = 0;
	assert_true(until_pair(&world, PAIR_NONE, 100));
	assert_completed(&world);
	world_fini(&world);
}

static void test_what_is_too_much_besides_the_change_is_divergence(void **state)
{
	(void)state;
	static const char *const texts[] = { "0-2-90", "1000-4-7", "77-2-1" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct world world;
		begin(&world, POLICY_LOSSLESS);
		change(&world);
		assert_false(world.record.servers[PASSIVE].diverged);
		add(&world, PASSIVE, texts[i]);
		turns(&world, 50);
		assert_true(world.record.servers[PASSIVE].diverged);
		ask(&world, PAIR_ASK_DONE, false);
		turns(&world, 100);
		assert_int_equal(world.record.primary, ACTIVE);
		world_fini(&world);
	}
	/* What is written after the change was said to be complete is no part of it. */
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	world.no_steps = BIT(BELOW_ACTIVE);
	assert_true(until_pair(&world, PAIR_BACK, 100));
	add(&world, PASSIVE, "1000-2-3");
	turns(&world, 50);
	assert_true(world.record.servers[PASSIVE].diverged);
	world_fini(&world);
}

static void test_the_active_side_alone_fails_over_during_a_change(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	change(&world);
	world.alive &= ~BIT(ACTIVE);
	assert_true(world_until(&world, GROUP_REVOKING, 400));
	assert_true(world_until(&world, GROUP_STEADY, 400));
	assert_int_equal(world.record.primary, BELOW_ACTIVE);
	turns(&world, 100);
	assert_true(is_changing(&world));
	assert_false(world.record.servers[PASSIVE].diverged);
	assert_true(record_follows(&world.record, &world.seen, PASSIVE, BELOW_ACTIVE));
	world.alive |= BIT(ACTIVE);
	turns(&world, 100);
	ask(&world, PAIR_ASK_DONE, false);
	assert_true(until_pair(&world, PAIR_NONE, 300));
	assert_int_equal(world.record.primary, PASSIVE);
	assert_completed(&world);
	world_fini(&world);
}

static void test_half_changed_servers_take_over_by_a_persons_word_only(void **state)
{
	(void)state;
	for (unsigned changed = 0; changed < 2; changed++) {
		struct world world;
		begin(&world, POLICY_LOSSLESS);
		take_out(&world);
		assert_true(until_pair(&world, PAIR_CHANGING, 100));
		if (changed) {
			add(&world, PASSIVE, "1000-2-2");
		}
		turns(&world, 10);
		world.alive &= ~(BIT(ACTIVE) | BIT(BELOW_ACTIVE));
		world.record.ask = ASK_FAILOVER;
		assert_true(world_until(&world, GROUP_REFUSED, 2000));
		assert_non_null(strstr(world.decision.facts.missing, "being changed"));
		turns(&world, 50);
		assert_int_equal(world.record.state, GROUP_REFUSED);
		world.record.ask = ASK_FAILOVER;
		world.record.ask_accept_loss = true;
		assert_true(world_until(&world, GROUP_STEADY, 2000));
		assert_int_equal(world.record.primary, PASSIVE);
		assert_true(until_pair(&world, changed ? PAIR_FOLLOWING : PAIR_NONE, 50));
		world.alive |= BIT(ACTIVE) | BIT(BELOW_ACTIVE);
		assert_true(until_pair(&world, PAIR_NONE, 300));
		assert_int_equal(world.record.pair.ended, changed ? 2510 : 2215);
		world_fini(&world);
	}
}

static void test_a_complete_side_takes_over_when_the_active_dies(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	/* It can't switch yet, since the other replica of the active one applies in parallel still. */
	world.no_steps = BIT(BELOW_ACTIVE);
	assert_true(until_pair(&world, PAIR_BACK, 100));
	turns(&world, 50);
	assert_true(record_is_member(&world.record, PASSIVE));
	world.no_steps = 0;
	world.alive &= ~BIT(ACTIVE);
	assert_true(world_until(&world, GROUP_REVOKING, 400));
	assert_true(world_until(&world, GROUP_STEADY, 400));
	assert_int_equal(world.record.primary, PASSIVE);
	assert_int_equal(world.record.pair.state, PAIR_FOLLOWING);
	world.alive |= BIT(ACTIVE);
	assert_true(until_pair(&world, PAIR_NONE, 300));
	assert_completed(&world);
	world_fini(&world);
}

static void test_a_replica_without_the_change_may_take_over_and_the_change_goes_on(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_ASYNC);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	world.cut = BIT(ACTIVE) | BIT(BELOW_ACTIVE);
	assert_true(until_pair(&world, PAIR_FOLLOWING, 100));
	assert_true(world_until(&world, GROUP_STEADY, 100));
	turns(&world, 50);
	/* The changed side is lost before anybody else got the change. */
	world.alive = BIT(ACTIVE) | BIT(BELOW_ACTIVE);
	world.cut = 0;
	world.record.ask = ASK_FAILOVER;
	assert_true(until_pair(&world, PAIR_BACK, 2000));
	assert_int_equal(world.record.primary, ACTIVE);
	world.alive |= BIT(PASSIVE) | BIT(BELOW_PASSIVE);
	turns(&world, 300);
	assert_false(world.record.servers[PASSIVE].diverged);
	assert_true(until_pair(&world, PAIR_NONE, 2000));
	assert_int_equal(world.record.primary, PASSIVE);
	assert_completed(&world);
	world_fini(&world);
}

static void test_it_is_called_off_as_long_as_nothing_was_changed(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	/* While it leaves. */
	take_out(&world);
	ask(&world, PAIR_ASK_ABORT, false);
	assert_true(until_pair(&world, PAIR_NONE, 5));
	/* While it could be changed. */
	take_out(&world);
	assert_true(until_pair(&world, PAIR_CHANGING, 100));
	turns(&world, 5);
	ask(&world, PAIR_ASK_ABORT, false);
	assert_true(until_pair(&world, PAIR_NONE, 20));
	assert_true(world_until_healthy(&world, 100));
	/* Said to be complete, and nothing was changed. */
	take_out(&world);
	assert_true(until_pair(&world, PAIR_CHANGING, 100));
	turns(&world, 5);
	ask(&world, PAIR_ASK_DONE, false);
	assert_true(until_pair(&world, PAIR_NONE, 20));
	assert_int_equal(world.record.primary, ACTIVE);
	/* Something was changed. */
	change(&world);
	ask(&world, PAIR_ASK_ABORT, false);
	turns(&world, 10);
	assert_true(is_changing(&world));
	assert_int_equal(world.record.pair.ask, PAIR_ASK_NONE);
	ask(&world, PAIR_ASK_ABORT, true);
	assert_true(until_pair(&world, PAIR_NONE, 20));
	turns(&world, 100);
	assert_true(world.record.servers[PASSIVE].diverged);
	assert_int_equal(world.record.primary, ACTIVE);
	world_fini(&world);
}

static void test_a_complete_change_may_be_discarded_and_the_wait_be_ended(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	world.no_steps = BIT(BELOW_ACTIVE);
	assert_true(until_pair(&world, PAIR_BACK, 100));
	ask(&world, PAIR_ASK_ABORT, true);
	assert_true(until_pair(&world, PAIR_NONE, 5));
	world_fini(&world);

	begin(&world, POLICY_LOSSLESS);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	assert_true(until_pair(&world, PAIR_SWITCHING, 100));
	world.alive &= ~BIT(BELOW_ACTIVE);
	assert_true(until_pair(&world, PAIR_FOLLOWING, 100));
	turns(&world, 50);
	assert_int_equal(world.record.pair.state, PAIR_FOLLOWING);
	ask(&world, PAIR_ASK_ABORT, false);
	assert_true(until_pair(&world, PAIR_NONE, 5));
	assert_false(world.record.servers[ACTIVE].diverged);
	world_fini(&world);
}

static void test_a_switch_that_is_given_up_is_tried_again(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	change(&world);
	ask(&world, PAIR_ASK_DONE, false);
	world.open_transactions = 1;
	assert_true(until_pair(&world, PAIR_SWITCHING, 100));
	assert_true(until_pair(&world, PAIR_BACK, 2000));
	assert_int_equal(world.record.primary, ACTIVE);
	world.open_transactions = 0;
	assert_true(until_pair(&world, PAIR_NONE, 2000));
	assert_completed(&world);
	world_fini(&world);
}

static void test_the_passive_takes_over_before_it_is_changed(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	/* It can't leave: nothing tells it to acknowledge no more. */
	world.no_steps = BIT(PASSIVE);
	take_out(&world);
	turns(&world, 10);
	world.no_steps = 0;
	world.alive &= ~BIT(ACTIVE);
	world.record.state = GROUP_REVOKING;
	world.record.previous = ACTIVE;
	world.record.primary = SERVER_NONE;
	world.record.epoch++;
	world.record.stage++;
	world.record.state_since_us = world.now_us;
	assert_true(world_until(&world, GROUP_STEADY, 400));
	assert_int_equal(world.record.primary, PASSIVE);
	assert_true(until_pair(&world, PAIR_NONE, 20));
	assert_int_equal(world.record.pair.ended, 2120);
	world_fini(&world);
}

static void test_the_other_one_of_the_pair_is_preferred_and_its_branch_stays(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	/* A replica of the active one has more than the passive one: it is caught up from there first. */
	world_commit(&world, ACTIVE, 2, BIT(BELOW_ACTIVE));
	world.alive &= ~BIT(ACTIVE);
	assert_true(world_until(&world, GROUP_REVOKING, 400));
	assert_true(world_until(&world, GROUP_STEADY, 400));
	assert_int_equal(world.record.primary, PASSIVE);
	turns(&world, 100);
	assert_false(world.seen.servers[PASSIVE].status.replica.configured);
	assert_true(record_follows(&world.record, &world.seen, BELOW_PASSIVE, PASSIVE));
	assert_true(record_follows(&world.record, &world.seen, BELOW_ACTIVE, PASSIVE));
	world_fini(&world);
}

static void test_a_dead_passive_one_leaves_its_branch_in_use(void **state)
{
	(void)state;
	struct world world;
	begin(&world, POLICY_LOSSLESS);
	world.alive &= ~BIT(PASSIVE);
	turns(&world, 100);
	assert_int_equal(world.record.state, GROUP_STEADY);
	assert_true(record_follows(&world.record, &world.seen, BELOW_PASSIVE, ACTIVE));
	assert_false(world.seen.servers[ACTIVE].status.replica.configured);
	world_fini(&world);
}

int scenarios_pair(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_goes_round_and_comes_back),
		cmocka_unit_test(test_nobody_applies_what_needs_the_change_before_it),
		cmocka_unit_test(test_what_is_too_much_besides_the_change_is_divergence),
		cmocka_unit_test(test_the_active_side_alone_fails_over_during_a_change),
		cmocka_unit_test(test_half_changed_servers_take_over_by_a_persons_word_only),
		cmocka_unit_test(test_a_complete_side_takes_over_when_the_active_dies),
		cmocka_unit_test(
			test_a_replica_without_the_change_may_take_over_and_the_change_goes_on),
		cmocka_unit_test(test_it_is_called_off_as_long_as_nothing_was_changed),
		cmocka_unit_test(test_a_complete_change_may_be_discarded_and_the_wait_be_ended),
		cmocka_unit_test(test_a_switch_that_is_given_up_is_tried_again),
		cmocka_unit_test(test_the_passive_takes_over_before_it_is_changed),
		cmocka_unit_test(test_the_other_one_of_the_pair_is_preferred_and_its_branch_stays),
		cmocka_unit_test(test_a_dead_passive_one_leaves_its_branch_in_use),
	};
	return cmocka_run_group_tests_name("pair", tests, NULL, NULL);
}
