/* The tables walked exhaustively: a situation without an answer, a rule that can't be reached, a destructive act
 * without its proof, or a wait that nothing ends would surprise somebody at night. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "decide/rules.h"
#include "decide/server_rules.h"

static void test_every_state_and_fact_set_has_a_row_and_every_row_is_hit(void **state)
{
	(void)state;
	unsigned hits[64] = { 0 };
	assert_true(rules_count < 64);
	for (enum group_state from = 0; from < GROUP_STATE_COUNT_; from++) {
		for (uint32_t facts = 0; facts < 1u << FACT_COUNT_; facts++) {
			const struct rule *rule = rules_match(from, facts);
			assert_int_equal(rule->from, from);
			assert_int_equal(facts & rule->need, rule->need);
			hits[rule - rules]++;
		}
	}
	for (uint32_t i = 0; i < rules_count; i++) {
		if (hits[i] == 0) {
			fail_msg("rule %u can never match", rules[i].id);
		}
	}
}

static void test_every_act_is_proven_by_its_row(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < rules_count; i++) {
		uint32_t proof = act_proof[rules[i].act];
		if ((rules[i].need & proof) != proof) {
			fail_msg("rule %u: act %s lacks a proof", rules[i].id,
				 act_name(rules[i].act));
		}
	}
}

static void test_ids_ascend_and_are_grouped(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < rules_count; i++) {
		assert_true(rules[i].id > rules[i - 1].id);
	}
	for (uint32_t i = 1; i < server_rules_count; i++) {
		assert_true(server_rules[i].id > server_rules[i - 1].id);
	}
}

static void test_every_state_is_reached(void **state)
{
	(void)state;
	uint32_t reached = 1u << GROUP_FORMING;
	for (unsigned round = 0; round < GROUP_STATE_COUNT_; round++) {
		for (uint32_t i = 0; i < rules_count; i++) {
			if (reached & (1u << rules[i].from)) {
				reached |= 1u << rules[i].to;
			}
		}
	}
	assert_int_equal(reached, (1u << GROUP_STATE_COUNT_) - 1);
}

static bool is_resting(enum group_state state)
{
	return state == GROUP_FORMING || state == GROUP_STEADY || state == GROUP_REFUSED;
}

static void test_no_wait_is_without_an_end(void **state)
{
	(void)state;
	for (enum group_state from = 0; from < GROUP_STATE_COUNT_; from++) {
		const struct rule *late = rules_match(from, FACT_DEADLINE);
		if (!is_resting(from) && late->to == from) {
			fail_msg("%s has no row that its deadline ends", group_state_name(from));
		}
	}
}

static void test_no_failover_starts_without_evidence(void **state)
{
	(void)state;
	/* Nothing but these may take the primary's role away. */
	const uint32_t evidence = FACT_GONE | FACT_ORDERED | FACT_SHUT | FACT_STALLED;
	for (uint32_t facts = 0; facts < 1u << FACT_COUNT_; facts++) {
		const struct rule *rule = rules_match(GROUP_STEADY, facts);
		if (rule->act == ACT_NEW_EPOCH) {
			assert_true(facts & evidence);
			/* One that came back read-only is not lost: it may always be opened again. */
			assert_true(facts & (FACT_MAY_FAIL_OVER | FACT_SHUT));
		}
	}
}

static void test_every_server_row_is_hit(void **state)
{
	(void)state;
	unsigned hits[64] = { 0 };
	assert_true(server_rules_count < 64);
	for (uint32_t facts = 0; facts < 1u << SERVER_FACT_COUNT_; facts++) {
		hits[server_rules_match(facts) - server_rules]++;
	}
	for (uint32_t i = 0; i < server_rules_count; i++) {
		if (hits[i] == 0) {
			fail_msg("server rule %u can never match", server_rules[i].id);
		}
	}
}

static void test_no_server_is_repointed_without_proof(void **state)
{
	(void)state;
	for (uint32_t facts = 0; facts < 1u << SERVER_FACT_COUNT_; facts++) {
		const struct server_rule *rule = server_rules_match(facts);
		if (rule->step == STEP_REPOINT) {
			assert_true(facts & SERVER_SUBSET);
			assert_true(facts & SERVER_SETTLED);
			assert_true(facts & SERVER_ANSWERS);
			assert_false(facts & (SERVER_DIVERGED | SERVER_RECLONING));
		}
		/* Who acknowledges has to be on the record; who doesn't is put there only if it may. */
		if (rule->act == SERVER_ACT_ADMIT) {
			assert_true(facts & (SERVER_MAY_ACK | SERVER_ACKS));
		}
		if (rule->act == SERVER_ACT_EVICT) {
			assert_true(facts & GROUP_COVERED);
			assert_true(facts & (SERVER_DEAD | SERVER_RECLONING | SERVER_DIVERGED |
					     SERVER_LEAVES));
			assert_false((facts & SERVER_REPLICATING) && (facts & SERVER_DIVERGED) &&
				     !(facts & (SERVER_DEAD | SERVER_RECLONING | SERVER_LEAVES)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_fact_set_has_a_row_and_every_row_is_hit),
		cmocka_unit_test(test_every_act_is_proven_by_its_row),
		cmocka_unit_test(test_ids_ascend_and_are_grouped),
		cmocka_unit_test(test_every_state_is_reached),
		cmocka_unit_test(test_no_wait_is_without_an_end),
		cmocka_unit_test(test_no_failover_starts_without_evidence),
		cmocka_unit_test(test_every_server_row_is_hit),
		cmocka_unit_test(test_no_server_is_repointed_without_proof),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
