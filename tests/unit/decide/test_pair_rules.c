/* The table of a pair's change walked exhaustively: a situation without an answer, a row that can't be reached, or a
 * switch of roles without its proof would surprise somebody in the middle of a long change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decide/pair.h"

static void test_every_state_and_fact_set_has_a_row_and_every_row_is_hit(void **state)
{
	(void)state;
	unsigned hits[64] = { 0 };
	assert_true(pair_rules_count < 64);
	for (enum pair_state from = 0; from < PAIR_STATE_COUNT_; from++) {
		for (uint32_t facts = 0; facts < 1u << PAIR_FACT_COUNT_; facts++) {
			const struct pair_rule *rule = pair_rules_match(from, facts);
			assert_int_equal(rule->from, from);
			assert_int_equal(facts & rule->need, rule->need);
			hits[rule - pair_rules]++;
		}
	}
	for (uint32_t i = 0; i < pair_rules_count; i++) {
		if (hits[i] == 0) {
			fail_msg("rule %u can never match", pair_rules[i].id);
		}
	}
}

static void test_every_act_is_proven_by_its_row(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < pair_rules_count; i++) {
		uint32_t proof = pair_act_proof[pair_rules[i].act];
		if ((pair_rules[i].need & proof) != proof) {
			fail_msg("rule %u lacks a proof of its act", pair_rules[i].id);
		}
		/* The record knows of a change exactly as long as one is under way. */
		assert_int_equal(pair_rules[i].act == PAIR_ACT_END,
				 pair_rules[i].to == PAIR_NONE && pair_rules[i].from != PAIR_NONE);
	}
}

static void test_ids_ascend_and_every_state_is_reached(void **state)
{
	(void)state;
	uint32_t reached = 1u << PAIR_OUT | 1u << PAIR_NONE; /* a person begins */
	for (uint32_t i = 1; i < pair_rules_count; i++) {
		assert_true(pair_rules[i].id > pair_rules[i - 1].id);
	}
	for (unsigned round = 0; round < PAIR_STATE_COUNT_; round++) {
		for (uint32_t i = 0; i < pair_rules_count; i++) {
			if (reached & (1u << pair_rules[i].from)) {
				reached |= 1u << pair_rules[i].to;
			}
		}
	}
	assert_int_equal(reached, (1u << PAIR_STATE_COUNT_) - 1);
}

static void test_a_person_gets_out_of_every_state(void **state)
{
	(void)state;
	const uint32_t leave = PAIR_ABORT | PAIR_DISCARD;
	for (enum pair_state from = PAIR_OUT; from < PAIR_STATE_COUNT_; from++) {
		/* The switch of roles has deadlines of its own. */
		if (from != PAIR_SWITCHING) {
			assert_int_equal(pair_rules_match(from, leave)->to, PAIR_NONE);
		}
	}
	assert_int_equal(pair_rules_match(PAIR_SWITCHING, 0)->to, PAIR_BACK);
}

static void test_roles_never_switch_half_done(void **state)
{
	(void)state;
	for (uint32_t facts = 0; facts < 1u << PAIR_FACT_COUNT_; facts++) {
		const struct pair_rule *rule = pair_rules_match(PAIR_CHANGING, facts);
		if (rule->to == PAIR_BACK) {
			assert_int_equal(facts & (PAIR_DONE | PAIR_SHUT | PAIR_CHANGED),
					 PAIR_DONE | PAIR_SHUT | PAIR_CHANGED);
		}
		assert_true(rule->to != PAIR_SWITCHING);
		/* What was changed is never forgotten without a person's word. */
		if (rule->to == PAIR_NONE && (facts & PAIR_CHANGED)) {
			assert_true((facts & PAIR_DISCARD) || (facts & PAIR_TAKEN) ||
				    (facts & PAIR_UNCHANGED));
		}
		const struct pair_rule *back = pair_rules_match(PAIR_BACK, facts);
		if (back->to == PAIR_SWITCHING) {
			assert_true((facts & PAIR_READY) && (facts & PAIR_ACTIVE));
		}
	}
}

/* A change would be ended while somebody can still write there, or given up without a word. */
static void test_half_of_the_evidence_moves_nothing(void **state)
{
	(void)state;
	static const struct {
		enum pair_state from;
		uint32_t facts;
	} cases[] = {
		{ PAIR_CHANGING, PAIR_DISCARD },
		{ PAIR_CHANGING, PAIR_ABORT | PAIR_UNCHANGED },
		{ PAIR_CHANGING, PAIR_ABORT | PAIR_CHANGED },
		{ PAIR_CHANGING, PAIR_ABORT | PAIR_SHUT },
		{ PAIR_CHANGING, PAIR_SHUT | PAIR_UNCHANGED },
		{ PAIR_CHANGING, PAIR_DONE | PAIR_UNCHANGED },
		{ PAIR_CHANGING, PAIR_DONE | PAIR_SHUT },
		{ PAIR_BACK, PAIR_DISCARD },
		{ PAIR_BACK, PAIR_ABORT },
		{ PAIR_BACK, PAIR_ACTIVE | PAIR_READY },
		{ PAIR_FOLLOWING, PAIR_LACKS },
		{ PAIR_FOLLOWING, PAIR_ACTIVE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pair_rule *rule = pair_rules_match(cases[i].from, cases[i].facts);
		if (rule->to != cases[i].from || rule->act != PAIR_ACT_NONE) {
			fail_msg("case %zu: rule %u, %s", i, rule->id, rule->why);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_fact_set_has_a_row_and_every_row_is_hit),
		cmocka_unit_test(test_every_act_is_proven_by_its_row),
		cmocka_unit_test(test_ids_ascend_and_every_state_is_reached),
		cmocka_unit_test(test_a_person_gets_out_of_every_state),
		cmocka_unit_test(test_roles_never_switch_half_done),
		cmocka_unit_test(test_half_of_the_evidence_moves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
