/* What is said of the future is what then happens: a forecast that differs would be believed at night. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/explain.h"
#include "world.h"

#define BIT(i) (1u << (i))

static void begin(struct world *world, enum policy policy, uint32_t count)
{
	world_init(world, policy, count);
	assert_true(world_until_healthy(world, 200));
	world_commit(world, 0, 5, 0);
	assert_true(world_until_healthy(world, 20));
}

static void explain(const struct world *world, struct explain *ret)
{
	explain_find(&world->record, &world->seen, &world->options, world->now_us, ret);
}

static void foresee(const struct world *world, struct foresee *ret)
{
	foresee_run(&world->record, &world->seen, &world->options, world->now_us, ret);
}

static const struct foresee_move *last_move(const struct foresee *course)
{
	return &course->moves[course->move_count - 1];
}

static bool has_step(const struct foresee *course, enum group_state state, uint32_t server,
		     enum step step)
{
	for (uint32_t i = 0; i < course->step_count; i++) {
		const struct foresee_step *one = &course->steps[i];
		if (course->moves[one->move].state == state && one->server == server &&
		    one->step == step) {
			return true;
		}
	}
	return false;
}

static void test_a_healthy_group_stays_as_it_is(void **state)
{
	(void)state;
	struct world world;
	struct explain all;
	begin(&world, POLICY_LOSSLESS, 3);
	explain(&world, &all);
	assert_int_equal(all.decision.rule->id, 270);
	assert_true(all.course.settled);
	assert_int_equal(all.course.move_count, 1);
	assert_int_equal(all.course.step_count, 0);
	assert_string_equal(all.course.refusal, "");
	world_fini(&world);
}

static void test_each_row_of_the_state_says_what_it_lacks(void **state)
{
	(void)state;
	struct world world;
	struct explain all;
	begin(&world, POLICY_LOSSLESS, 3);
	explain(&world, &all);
	bool matched = false;
	for (uint32_t i = 0; i < all.rule_count; i++) {
		const struct explain_rule *row = &all.rules[i];
		assert_int_equal(row->rule->from, GROUP_STEADY);
		assert_int_equal(row->have | row->lack, row->rule->need);
		assert_int_equal(row->have & row->lack, 0);
		matched = matched || row->lack == 0;
		assert_int_equal(matched, i + 1 == all.rule_count);
		if (row->rule->id == 210) {
			assert_int_equal(row->have, FACT_MAY_FAIL_OVER);
			assert_int_equal(row->lack, FACT_GONE);
		}
	}
	assert_int_equal(all.rules[all.rule_count - 1].rule->id, all.decision.rule->id);
	assert_null(all.servers[0].rule);
	assert_int_equal(all.servers[1].rule->id, 1110);
	assert_true(all.servers[1].facts & SERVER_MEMBER);
	world_fini(&world);
}

static void test_each_fact_has_words_for_both(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < FACT_COUNT_; i++) {
		assert_string_not_equal(explain_fact(i, true), explain_fact(i, false));
	}
	for (uint32_t i = 0; i < SERVER_FACT_COUNT_; i++) {
		assert_string_not_equal(explain_server_fact(i, true),
					explain_server_fact(i, false));
	}
}

static void test_the_death_of_the_primary_is_foreseen_as_it_comes(void **state)
{
	(void)state;
	for (enum policy policy = 0; policy < POLICY_COUNT_; policy++) {
		for (uint32_t count = 2; count <= 5; count++) {
			struct world world;
			struct explain all;
			begin(&world, policy, count);
			world_commit(&world, 0, 3, BIT(count - 1)); /* only the last has it */
			explain(&world, &all);
			assert_true(all.rehearsed && all.rehearsal.safe);
			assert_int_equal(all.rehearsal.candidate, count - 1);
			assert_int_equal(all.unreceived, 0);
			assert_true(all.death.settled);
			assert_int_equal(last_move(&all.death)->primary, count - 1);
			assert_true(has_step(&all.death, GROUP_OPENING, count - 1, STEP_PROMOTE));
			uint32_t predicted[FORESEE_MOVES_MAX];
			uint32_t moves = all.death.move_count;
			for (uint32_t i = 1; i < moves; i++) {
				predicted[i] = all.death.moves[i].rule->id;
			}
			/* Now it happens. */
			world.alive &= ~BIT(0);
			uint32_t at = 1;
			for (unsigned turns = 0; turns < 200; turns++) {
				world_turn(&world);
				if (world.decision.moved) {
					assert_true(at < moves);
					assert_int_equal(world.decision.rule->id, predicted[at++]);
				}
			}
			assert_int_equal(at, moves);
			assert_int_equal(world.record.primary, count - 1);
			world_fini(&world);
		}
	}
}

static void test_a_failover_that_would_be_refused_says_so(void **state)
{
	(void)state;
	struct world world;
	struct explain all;
	begin(&world, POLICY_LOSSLESS, 3);
	world.hung = BIT(2); /* it may have acknowledged something alone */
	for (unsigned i = 0; i < 20; i++) {
		world_turn(&world);
	}
	explain(&world, &all);
	assert_false(all.rehearsal.safe);
	assert_false(all.death.settled);
	assert_int_equal(last_move(&all.death)->state, GROUP_REFUSED);
	assert_non_null(strstr(all.death.refusal, "s2"));
	assert_int_equal(world.record.state, GROUP_STEADY);
	world_fini(&world);
}

static void test_a_switchover_is_foreseen_and_nothing_is_touched(void **state)
{
	(void)state;
	struct world world;
	struct foresee course;
	begin(&world, POLICY_LOSSLESS, 3);
	uint64_t version = world.record.version;
	world.record.ask = ASK_SWITCHOVER;
	world.record.ask_server = 2;
	foresee(&world, &course);
	assert_true(course.settled);
	assert_int_equal(course.move_count, 5);
	assert_int_equal(course.moves[1].state, GROUP_DRAINING);
	assert_int_equal(course.moves[2].state, GROUP_FREEZING);
	assert_int_equal(course.moves[3].state, GROUP_OPENING);
	assert_int_equal(course.moves[4].state, GROUP_STEADY);
	assert_int_equal(course.moves[4].primary, 2);
	assert_true(has_step(&course, GROUP_FREEZING, 0, STEP_FREEZE));
	assert_true(has_step(&course, GROUP_FREEZING, 2, STEP_CATCH_UP));
	assert_int_equal(world.record.primary, 0);
	assert_int_equal(world.record.version, version);
	assert_false(world.seen.servers[0].status.read_only);
	/* A hook that has not answered doesn't stop the forecast; one that said no does. */
	world.seen.hooks.switchover.answer = HOOK_OPEN;
	world.seen.hooks.before_runs = true;
	foresee(&world, &course);
	assert_true(course.settled);
	world.seen.hooks.switchover.answer = HOOK_VETO;
	memcpy(world.seen.hooks.switchover.words, "busy", sizeof("busy"));
	foresee(&world, &course);
	assert_int_equal(course.move_count, 1);
	assert_non_null(strstr(course.refusal, "busy"));
	world_fini(&world);
}

static void test_a_switchover_that_is_not_possible_says_why(void **state)
{
	(void)state;
	struct world world;
	struct foresee course;
	begin(&world, POLICY_LOSSLESS, 2);
	world.record.servers[1].never_promote = true;
	world.record.ask = ASK_SWITCHOVER;
	foresee(&world, &course);
	assert_int_equal(last_move(&course)->primary, 0);
	assert_non_null(strstr(course.refusal, "never-promote"));
	world_fini(&world);
}

static void test_what_holds_a_failover_back_is_named(void **state)
{
	(void)state;
	struct world world;
	struct explain all;
	begin(&world, POLICY_LOSSLESS, 3);
	world.record.paused = true;
	world.hung = BIT(0);
	for (unsigned i = 0; i < 5; i++) {
		world_turn(&world);
	}
	explain(&world, &all);
	assert_non_null(strstr(all.waits.held, "paused"));
	assert_true(all.waits.silent_us > world.now_us);
	assert_false(all.course.settled);
	assert_non_null(strstr(all.course.refusal, "paused"));
	world.record.paused = false;
	record_note_failover(&world.record, world.now_us);
	explain(&world, &all);
	assert_non_null(strstr(all.waits.held, "cooling down"));
	record_forget_failovers(&world.record);
	world.seen.hooks.failover.answer = HOOK_OPEN;
	assert_false(world_until(&world, GROUP_REVOKING, 300));
	explain(&world, &all);
	assert_true(all.waits.hook);
	assert_string_equal(all.waits.held, "");
	assert_int_equal(all.waits.silent_us, 0);
	/* It is silent by now, so that a failover comes next. */
	assert_true(all.course.settled);
	assert_int_equal(all.course.moves[1].state, GROUP_REVOKING);
	world.seen.hooks.failover.answer = HOOK_GO;
	assert_true(world_until(&world, GROUP_REVOKING, 5));
	explain(&world, &all);
	assert_true(all.waits.deadline_us > world.now_us);
	assert_false(all.rehearsed);
	world_fini(&world);
}

static void test_a_broken_applier_is_not_foreseen_to_mend(void **state)
{
	(void)state;
	struct world world;
	struct explain all;
	begin(&world, POLICY_LOSSLESS, 2);
	struct server_status *status = &world.seen.servers[1].status;
	status->replica.sql_running = false;
	status->replica.sql_errno = 1062;
	memcpy(status->replica.sql_error, "Duplicate entry", sizeof("Duplicate entry"));
	world_commit(&world, 0, 1, 0);
	gtid_set_add(&status->received, &world.seen.servers[0].status.executed);
	explain(&world, &all);
	assert_int_equal(all.unapplied, 1);
	assert_false(all.death.settled);
	assert_non_null(strstr(all.death.refusal, "Duplicate entry"));
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_healthy_group_stays_as_it_is),
		cmocka_unit_test(test_each_row_of_the_state_says_what_it_lacks),
		cmocka_unit_test(test_each_fact_has_words_for_both),
		cmocka_unit_test(test_the_death_of_the_primary_is_foreseen_as_it_comes),
		cmocka_unit_test(test_a_failover_that_would_be_refused_says_so),
		cmocka_unit_test(test_a_switchover_is_foreseen_and_nothing_is_touched),
		cmocka_unit_test(test_a_switchover_that_is_not_possible_says_why),
		cmocka_unit_test(test_what_holds_a_failover_back_is_named),
		cmocka_unit_test(test_a_broken_applier_is_not_foreseen_to_mend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
