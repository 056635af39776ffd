/* If this breaks, a node that nobody hears of may go on writing to an old primary, or traffic stops without need. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/lease.h"

static const struct lease_terms terms = { .duration_us = 1000, .renew_us = 200, .margin_us = 100 };

static void test_the_node_ends_before_the_manager_believes_it(void **state)
{
	(void)state;
	/* Sent at 100, received at 130, good for 1000: whatever was on the way, the node's time is counted from 100. */
	struct lease_holder holder = { 0 };
	const struct lease_node node = { .carries = true, .until_us = 1130 };
	assert_false(lease_holds(&holder, 0));
	lease_renewed(&holder, 1000, 100);
	assert_true(lease_holds(&holder, 1099));
	assert_false(lease_holds(&holder, 1100));
	assert_true(lease_may_hold(&node, &terms, 50, 1229));
	assert_false(lease_may_hold(&node, &terms, 50, 1230));
	/* A late answer to an older report takes nothing away. */
	lease_renewed(&holder, 1000, 40);
	assert_int_equal(holder.until_us, 1100);
}

static void test_a_leader_grants_no_more_than_its_beat_leaves(void **state)
{
	(void)state;
	assert_int_equal(lease_grant(&terms, 5000, 5000), 1000);
	assert_int_equal(lease_grant(&terms, 5000, 5010), 1000); /* renewed since the report came */
	assert_int_equal(lease_grant(&terms, 5400, 5000), 600);
	assert_int_equal(lease_grant(&terms, 6000, 5000), 0);
	assert_int_equal(lease_grant(&terms, 7000, 5000), 0);
	assert_int_equal(lease_grant(&terms, 7000, 0), 0); /* it doesn't lead */
}

static void test_a_new_leader_waits_for_what_the_old_one_granted(void **state)
{
	(void)state;
	const struct lease_node node = { .carries = true };
	uint64_t unknown_until_us = lease_unknown_until(&terms, 5000, 700);
	assert_true(lease_may_hold(&node, &terms, unknown_until_us, 6099));
	assert_false(lease_may_hold(&node, &terms, unknown_until_us, 6100));
	/* Its process began later than the old one ended: the circle may have agreed without it. */
	unknown_until_us = lease_unknown_until(&terms, 5000, 5800);
	assert_true(lease_may_hold(&node, &terms, unknown_until_us, 6899));
	assert_false(lease_may_hold(&node, &terms, unknown_until_us, 6900));
	/* And still may, while nothing reaches it. */
	unknown_until_us = lease_unknown_until(&terms, 5000, 0);
	assert_true(lease_may_hold(&node, &terms, unknown_until_us, UINT64_MAX - 1));
}

static void test_what_was_agreed_to_is_remembered(void **state)
{
	(void)state;
	struct lease_memory memory = { 0 };
	assert_int_equal(lease_remembered(&memory, STR("a")), 0);
	lease_remember(&memory, &terms, STR("a"), 100);
	lease_remember(&memory, &terms, STR("b"), 300);
	lease_remember(&memory, &terms, STR("a"), 400);
	assert_int_equal(lease_remembered(&memory, STR("a")), 1400);
	assert_int_equal(lease_remembered(&memory, STR("b")), 1300);
	assert_int_equal(lease_remembered(&memory, STR("c")), 0);
	const struct lease_node node = { .carries = true, .until_us = 1400 };
	assert_true(lease_may_hold(&node, &terms, 200, 1499));
	assert_false(lease_may_hold(&node, &terms, 200, 1500));
}

static void test_more_names_than_places_only_wait_longer(void **state)
{
	(void)state;
	struct lease_memory memory = { 0 };
	char name[16];
	for (uint64_t i = 0; i < LEASE_NODES_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "n%" PRIu64, i);
		lease_remember(&memory, &terms, str_of(name), 100 * i);
	}
	/* The first five made room: what the last of them was agreed to counts for each that has no place. */
	assert_int_equal(lease_remembered(&memory, STR("n0")), 1400);
	assert_int_equal(lease_remembered(&memory, STR("n4")), 1400);
	assert_int_equal(lease_remembered(&memory, STR("stranger")), 1400);
	assert_int_equal(lease_remembered(&memory, STR("n5")), 1500);
	assert_int_equal(lease_remembered(&memory, str_of(name)),
			 1000 + 100 * (LEASE_NODES_MAX + 4));
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* A clock that is up to 4 % fast or slow. */
static uint64_t shows_us(uint64_t true_us, int64_t speed)
{
	return (uint64_t)((int64_t)true_us * (100 + speed) / 100);
}

/* A leader that beats at `beat` and takes a report, a node that sent it, and a successor that saw the beat: all in true
 * time, each by a clock of its own. The node's time must be over when the successor believes so. */
static void test_nobody_holds_what_the_next_leader_takes_for_over(void **state)
{
	(void)state;
	const struct lease_terms slow = { .duration_us = 1000000, .margin_us = 100000 };
	uint64_t seed = 88172645463325252ull;
	for (unsigned i = 0; i < 100000; i++) {
		int64_t leader = (int64_t)(random_next(&seed) % 9) - 4;
		int64_t carrier = (int64_t)(random_next(&seed) % 9) - 4;
		int64_t next = (int64_t)(random_next(&seed) % 9) - 4;
		uint64_t beat = 5000000 + random_next(&seed) % 1000;
		uint64_t seen = beat + random_next(&seed) % 300000;
		uint64_t received = beat + random_next(&seed) % 1500000;
		uint64_t sent = received - random_next(&seed) % 300000;
		uint64_t good_us =
			lease_grant(&slow, shows_us(received, leader), shows_us(beat, leader));
		struct lease_holder holder = { 0 };
		lease_renewed(&holder, good_us, shows_us(sent, carrier));
		const struct lease_node node = { .carries = true };
		uint64_t unknown_until_us = lease_unknown_until(&slow, shows_us(seen, next), 1);
		uint64_t now = sent + random_next(&seed) % 2000000;
		assert_false(lease_holds(&holder, shows_us(now, carrier)) &&
			     !lease_may_hold(&node, &slow, unknown_until_us, shows_us(now, next)));
	}
}

static void test_routes_of_all_nodes(void **state)
{
	(void)state;
	struct lease_node nodes[3] = {
		{ .carries = true,
		  .until_us = 6000,
		  .epoch = 4,
		  .revision = 9,
		  .held = true,
		  .transactions_open = 2 },
		{ .carries = true,
		  .until_us = 5500,
		  .epoch = 4,
		  .revision = 7,
		  .held = false,
		  .transactions_open = 3 },
		{ .carries = false, .until_us = 6000 },
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
	nodes[1].until_us = 0;
	nodes[1].epoch = 0;
	lease_routes(nodes, 3, &terms, 5900, 4, 5600, &routes);
	assert_int_equal(routes.epoch, 0);
	lease_routes(nodes, 0, &terms, 5900, 4, 5600, &routes);
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

/* A leader may have waited for the end of it, have made another primary, and be gone: nobody is left who would refuse. */
static void test_a_round_gives_no_lease_back(void **state)
{
	(void)state;
	struct lease_holder holder = { 0 };
	assert_false(lease_go_on(&holder, &terms, 100, 110));
	assert_false(lease_holds(&holder, 110));
	lease_renewed(&holder, terms.duration_us, 100);
	uint64_t end_us = holder.until_us;
	assert_true(lease_go_on(&holder, &terms, end_us - 50, end_us - 1));
	assert_int_equal(holder.until_us, end_us - 50 + terms.duration_us);
	end_us = holder.until_us;
	/* Begun in time, and answered too late. */
	assert_false(lease_go_on(&holder, &terms, end_us - 50, end_us));
	assert_int_equal(holder.until_us, end_us);
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
		cmocka_unit_test(test_a_leader_grants_no_more_than_its_beat_leaves),
		cmocka_unit_test(test_a_new_leader_waits_for_what_the_old_one_granted),
		cmocka_unit_test(test_what_was_agreed_to_is_remembered),
		cmocka_unit_test(test_more_names_than_places_only_wait_longer),
		cmocka_unit_test(test_nobody_holds_what_the_next_leader_takes_for_over),
		cmocka_unit_test(test_routes_of_all_nodes),
		cmocka_unit_test(test_a_round_needs_everyone),
		cmocka_unit_test(test_a_round_gives_no_lease_back),
		cmocka_unit_test(test_who_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
