/* If this breaks, a node that nobody hears of may go on writing to an old primary, or traffic stops without need. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "decide/lease.h"

static const struct lease_terms terms = { .duration_us = 1000, .renew_us = 200, .margin_us = 100 };

static void test_the_node_ends_before_the_manager_believes_it(void **state)
{
	(void)state;
	/* Sent at 100, answered at 130: whatever was on the way, the node's time is counted from 100. */
	struct lease_holder holder = { 0 };
	const struct lease_node node = { .carries = true, .answered_us = 130 };
	assert_false(lease_holds(&holder, 0));
	lease_renewed(&holder, &terms, 100);
	assert_true(lease_holds(&holder, 1099));
	assert_false(lease_holds(&holder, 1100));
	assert_true(lease_may_hold(&node, &terms, 50, 1229));
	assert_false(lease_may_hold(&node, &terms, 50, 1230));
	/* A late answer to an older report takes nothing away. */
	lease_renewed(&holder, &terms, 40);
	assert_int_equal(holder.until_us, 1100);
}

static void test_a_new_leader_waits_for_what_the_old_one_granted(void **state)
{
	(void)state;
	const struct lease_node node = { .carries = true };
	assert_true(lease_may_hold(&node, &terms, 5000, 6099));
	assert_false(lease_may_hold(&node, &terms, 5000, 6100));
}

static void test_routes_of_all_nodes(void **state)
{
	(void)state;
	struct lease_node nodes[3] = {
		{ .carries = true,
		  .answered_us = 5000,
		  .epoch = 4,
		  .revision = 9,
		  .held = true,
		  .transactions_open = 2 },
		{ .carries = true,
		  .answered_us = 4500,
		  .epoch = 4,
		  .revision = 7,
		  .held = false,
		  .transactions_open = 3 },
		{ .carries = false, .answered_us = 5000 },
	};
	struct observation_routes routes;
	lease_routes(nodes, 3, &terms, 0, 4, 5010, &routes);
	assert_int_equal(routes.epoch, 4);
	assert_int_equal(routes.revision, 7);
	assert_false(routes.held);
	assert_int_equal(routes.transactions_open, 5);
	/* The second falls silent: once its lease is over it counts no more. */
	lease_routes(nodes, 3, &terms, 0, 4, 5600, &routes);
	assert_int_equal(routes.revision, 9);
	assert_true(routes.held);
	assert_int_equal(routes.transactions_open, 2);
	/* One that was never heard of in this leadership has nothing in force, as far as is known. */
	nodes[1].answered_us = 0;
	nodes[1].epoch = 0;
	lease_routes(nodes, 3, &terms, 4900, 4, 5600, &routes);
	assert_int_equal(routes.epoch, 0);
	lease_routes(nodes, 0, &terms, 4900, 4, 5600, &routes);
	assert_int_equal(routes.epoch, 4);
	assert_true(routes.held);
}

static void test_a_round_needs_everyone(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum lease_answer answers[3];
		uint32_t count;
		bool agrees;
	} cases[] = {
		{ "nobody else", { LEASE_SILENT }, 0, true },
		{ "all agree", { LEASE_AGREES, LEASE_AGREES, LEASE_AGREES }, 3, true },
		{ "a process is gone", { LEASE_AGREES, LEASE_GONE, LEASE_AGREES }, 3, true },
		{ "one is silent", { LEASE_AGREES, LEASE_SILENT, LEASE_AGREES }, 3, false },
		{ "one leads", { LEASE_AGREES, LEASE_AGREES, LEASE_REFUSES }, 3, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (lease_round_agrees(cases[i].answers, cases[i].count) != cases[i].agrees) {
			fail_msg("%s", cases[i].name);
		}
	}
}

static void test_who_agrees(void **state)
{
	(void)state;
	assert_int_equal(lease_consent(false, 4, 9, 4, 9), LEASE_AGREES);
	assert_int_equal(lease_consent(false, 0, 0, 4, 9), LEASE_AGREES);
	assert_int_equal(lease_consent(false, 4, 9, 5, 1), LEASE_AGREES);
	assert_int_equal(lease_consent(false, 5, 1, 4, 9), LEASE_REFUSES);
	assert_int_equal(lease_consent(false, 4, 10, 4, 9), LEASE_REFUSES);
	assert_int_equal(lease_consent(true, 4, 9, 4, 9), LEASE_REFUSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_node_ends_before_the_manager_believes_it),
		cmocka_unit_test(test_a_new_leader_waits_for_what_the_old_one_granted),
		cmocka_unit_test(test_routes_of_all_nodes),
		cmocka_unit_test(test_a_round_needs_everyone),
		cmocka_unit_test(test_who_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
