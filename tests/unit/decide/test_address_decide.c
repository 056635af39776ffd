/* If this breaks, two hosts hold one floating address, or nobody does. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/address.h"

enum { NODES = 3 };

static void nodes_init(struct address_node *nodes)
{
	memset(nodes, 0, NODES * sizeof(*nodes));
	for (unsigned i = 0; i < NODES; i++) {
		(void)snprintf(nodes[i].name, sizeof(nodes[i].name), "n%u", i);
		nodes[i].may_hold = true;
		nodes[i].alive = true;
		nodes[i].able = true;
		nodes[i].carries = true;
		nodes[i].weight = 100;
	}
}

static void record_hold(struct address_record *record, enum address_place place, const char *holder)
{
	*record = (struct address_record){ .text = "192.0.2.10/24", .place = place };
	(void)snprintf(record->holder, sizeof(record->holder), "%s", holder);
}

static void test_the_first_holder(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	nodes[2].weight = 200;
	record_hold(&record, ADDRESS_AT_PROXY, "");
	address_decide(&record, nodes, NODES, &decision);
	assert_true(decision.changed);
	assert_int_equal(decision.hold, 2);
	assert_string_equal(record.holder, "n2");
}

static void test_it_follows_the_primary_only_after_it_was_let_go(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	nodes[0].beside_primary = true;
	record_hold(&record, ADDRESS_AT_PRIMARY, "n0");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0);
	/* Between two primaries it is let go, and leads nowhere. */
	nodes[0].beside_primary = false;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	assert_int_equal(decision.hold, NODE_NONE);
	nodes[1].beside_primary = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	assert_int_equal(decision.hold, NODE_NONE);
	assert_string_equal(record.holder, "n0");
	nodes[0].absent = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_true(decision.changed);
	assert_int_equal(decision.hold, 1);
	assert_string_equal(record.holder, "n1");
}

static void test_a_silent_holder_is_waited_for(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	record_hold(&record, ADDRESS_AT_PROXY, "n1");
	nodes[1].alive = false;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 1);
	assert_false(decision.changed);
	nodes[1].may_hold = false;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0);
	assert_true(decision.changed);
}

static void test_fail_back_only_where_it_is_wanted(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	nodes[2].weight = 200;
	record_hold(&record, ADDRESS_AT_PROXY, "n0");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0);
	record.fail_back = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	nodes[2].weight = 100; /* an equal one is not better */
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0);
}

static void test_nobody_is_fit(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i].able = false;
	}
	record_hold(&record, ADDRESS_AT_PROXY, "n0");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0);
	record_hold(&record, ADDRESS_AT_PRIMARY, "");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, NODE_NONE);
	assert_int_equal(decision.release, NODE_NONE);
}

static void test_a_conflict_leads_elsewhere_or_is_waited_for(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	record_hold(&record, ADDRESS_AT_PROXY, "n0");
	nodes[0].conflict = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	nodes[0].absent = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 1);
	/* All of them met it: the one that has it on the record tries on. */
	nodes[1].conflict = true;
	nodes[2].conflict = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 1);
	assert_false(decision.changed);
	/* At the primary there is nobody else. */
	nodes[0].beside_primary = true;
	record_hold(&record, ADDRESS_AT_PRIMARY, "n0");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0);
}

static void test_an_ordered_move(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	record_hold(&record, ADDRESS_AT_PROXY, "n0");
	(void)snprintf(record.prefer, sizeof(record.prefer), "n2");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0); /* it is preferred, but fail_back is off */
	record.moving = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	nodes[0].absent = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 2);
	assert_false(record.moving);
	/* An order for where it is already ends at once. */
	nodes[0].absent = false;
	record.moving = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_true(decision.changed);
	assert_false(record.moving);
	assert_int_equal(decision.hold, 2);
}

static void test_draining_and_removal(void **state)
{
	(void)state;
	struct address_node nodes[NODES];
	struct address_record record;
	struct address_decision decision;
	nodes_init(nodes);
	nodes[0].draining = true;
	nodes[0].beside_primary = true;
	record_hold(&record, ADDRESS_AT_PRIMARY, "n0");
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, 0); /* its database is the primary all the same */
	record.place = ADDRESS_AT_PROXY;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	record.removing = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.release, 0);
	assert_string_equal(record.holder, "n0");
	nodes[0].absent = true;
	address_decide(&record, nodes, NODES, &decision);
	assert_int_equal(decision.hold, NODE_NONE);
	assert_true(decision.changed);
	assert_string_equal(record.holder, "");
}

/* Whatever the nodes say: the holder changes only when the one before can't have it any more. */
static void test_every_combination(void **state)
{
	(void)state;
	for (uint32_t bits = 0; bits < 1u << 14; bits++) {
		struct address_node nodes[NODES];
		struct address_record record;
		struct address_decision decision;
		nodes_init(nodes);
		for (unsigned i = 0; i < 2; i++) {
			uint32_t own = bits >> (6 * i);
			nodes[i].may_hold = own & 1;
			nodes[i].alive = own & 2;
			nodes[i].able = own & 4;
			nodes[i].beside_primary = own & 8;
			nodes[i].absent = own & 16;
			nodes[i].conflict = own & 32;
		}
		nodes[2].alive = false;
		record_hold(&record, bits & 1u << 12 ? ADDRESS_AT_PRIMARY : ADDRESS_AT_PROXY, "n0");
		record.fail_back = bits & 1u << 13;
		address_decide(&record, nodes, NODES, &decision);
		bool moved = strcmp(record.holder, "n0") != 0;
		assert_int_equal(moved, decision.changed);
		if (decision.hold == 1 || moved) {
			assert_true(nodes[0].absent || !nodes[0].may_hold);
		}
		if (decision.hold != NODE_NONE) {
			assert_int_equal(decision.release, NODE_NONE);
			assert_string_equal(nodes[decision.hold].name, record.holder);
		}
		assert_non_null(decision.why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_holder),
		cmocka_unit_test(test_it_follows_the_primary_only_after_it_was_let_go),
		cmocka_unit_test(test_a_silent_holder_is_waited_for),
		cmocka_unit_test(test_fail_back_only_where_it_is_wanted),
		cmocka_unit_test(test_nobody_is_fit),
		cmocka_unit_test(test_a_conflict_leads_elsewhere_or_is_waited_for),
		cmocka_unit_test(test_an_ordered_move),
		cmocka_unit_test(test_draining_and_removal),
		cmocka_unit_test(test_every_combination),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
