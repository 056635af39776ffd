/* A back end that gets more than its weight falls over; one that is left for a single bad check makes the others do so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/routing/balance.h"

enum { ROWS_MAX = 4 };

/* What is chosen for so many clients, each of which stays when `stay`. */
struct row_of_table {
	const char *what;
	uint32_t count;
	struct balance_row rows[ROWS_MAX];
	bool stay;
	uint32_t clients;
	uint32_t expected[ROWS_MAX];
};

#define USED(weight_, connections_) \
	{ \
		.usable = true, .weight = (weight_), .connections = (connections_) \
	}

static const struct row_of_table table[] = {
	{ "equal weights go round",
	  3,
	  { USED(100, 0), USED(100, 0), USED(100, 0) },
	  false,
	  300,
	  { 100, 100, 100 } },
	{ "an idle service follows the weights",
	  3,
	  { USED(100, 0), USED(300, 0), USED(200, 0) },
	  false,
	  600,
	  { 100, 300, 200 } },
	{ "connections that stay follow the weights",
	  2,
	  { USED(1, 0), USED(3, 0) },
	  true,
	  400,
	  { 100, 300 } },
	{ "who has fewer gets more, until all are alike",
	  2,
	  { USED(100, 10), USED(100, 0) },
	  true,
	  10,
	  { 0, 10 } },
	{ "a heavy one with many is less loaded than a light one with few",
	  2,
	  { USED(10, 2), USED(1000, 100) },
	  true,
	  1,
	  { 0, 1 } },
	{ "who isn't usable gets nobody",
	  3,
	  { { .usable = false, .weight = 1000 }, USED(1, 50), { .usable = false, .weight = 1 } },
	  true,
	  7,
	  { 0, 7, 0 } },
	{ "the largest numbers don't overflow",
	  2,
	  { USED(1000, UINT32_MAX), USED(1000, UINT32_MAX - 1) },
	  false,
	  5,
	  { 0, 5 } },
};

static void choices(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct balance_row rows[ROWS_MAX];
		uint32_t got[ROWS_MAX] = { 0 };
		for (uint32_t k = 0; k < ROWS_MAX; k++) {
			rows[k] = table[i].rows[k];
		}
		for (uint32_t k = 0; k < table[i].clients; k++) {
			uint32_t chosen = balance_choose(rows, table[i].count);
			assert_in_range(chosen, 0, table[i].count - 1);
			got[chosen]++;
			rows[chosen].connections += table[i].stay ? 1 : 0;
		}
		for (uint32_t k = 0; k < table[i].count; k++) {
			if (got[k] != table[i].expected[k]) {
				fail_msg("%s: row %u got %u, not %u", table[i].what, k, got[k],
					 table[i].expected[k]);
			}
		}
	}
}

static void nobody_is_an_answer(void **state)
{
	struct balance_row none[2] = { { .weight = 5 }, { .weight = 7 } };
	(void)state;
	assert_int_equal(balance_choose(none, 2), BALANCE_NONE);
	assert_int_equal(balance_choose(none, 0), BALANCE_NONE);
	assert_int_equal(none[0].credit, 0);
}

/* A smooth one: the heavy back end's turns are spread among those of the others. */
static void turns_are_spread(void **state)
{
	struct balance_row rows[] = { USED(4, 0), USED(1, 0), USED(1, 0) };
	uint32_t in_a_row = 0;
	(void)state;
	for (int i = 0; i < 60; i++) {
		in_a_row = balance_choose(rows, 3) == 0 ? in_a_row + 1 : 0;
		assert_true(in_a_row <= 4);
	}
}

/* Each result is '+' or '-'; the states that follow, by their letters. */
static void health(void **state)
{
	static const struct {
		uint32_t rise;
		uint32_t fall;
		const char *results;
		const char *states; /* u: up, d: down */
	} rows[] = {
		{ 2, 3, "+--+---", "uuuuuud" }, { 2, 3, "-+-++", "ddddu" },
		{ 1, 1, "+-+-", "udud" },	{ 3, 2, "-++-+++--", "dddddduud" },
		{ 0, 0, "-+-", "dud" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct balance_health one = { .state = BALANCE_UNKNOWN };
		for (size_t k = 0; rows[i].results[k]; k++) {
			enum balance_state before = one.state;
			bool changed = balance_take(&one, rows[i].results[k] == '+', rows[i].rise,
						    rows[i].fall);
			assert_int_equal(one.state,
					 rows[i].states[k] == 'u' ? BALANCE_UP : BALANCE_DOWN);
			assert_int_equal(changed, before != one.state);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices),
		cmocka_unit_test(nobody_is_an_answer),
		cmocka_unit_test(turns_are_spread),
		cmocka_unit_test(health),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
