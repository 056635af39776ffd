/* Neighbours that missed one announcement would send to a dead host for minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/announce.h"
#include "base/clock.h"

static const uint64_t begun = 1000 * (uint64_t)US_PER_S;

static uint64_t at(unsigned seconds)
{
	return begun + seconds * (uint64_t)US_PER_S;
}

static void test_schedule(void **state)
{
	static const struct {
		unsigned at_s;
		uint32_t count;
	} rows[] = { { 0, 5 },	{ 1, 1 },  { 5, 1 },   { 10, 1 },
		     { 30, 1 }, { 90, 1 }, { 150, 1 }, { 210, 1 } };
	struct announce announce;
	(void)state;
	announce_begin(&announce, begun);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t due_us = at(rows[i].at_s);
		assert_int_equal(announce.next_us, due_us);
		if (rows[i].at_s) {
			assert_int_equal(announce_due(&announce, due_us - 1), 0);
		}
		assert_int_equal(announce_due(&announce, due_us), rows[i].count);
		assert_int_equal(announce_due(&announce, due_us), 0);
	}
	announce_stop(&announce);
	assert_int_equal(announce_due(&announce, at(100000)), 0);
}

static void test_late(void **state)
{
	struct announce announce;
	(void)state;
	announce_begin(&announce, begun);
	assert_int_equal(announce_due(&announce, begun), 5);
	/* A loop that slept doesn't send all that it missed at once. */
	assert_int_equal(announce_due(&announce, at(20)), 1);
	assert_int_equal(announce_due(&announce, at(20)), 0);
	assert_int_equal(announce_due(&announce, at(21)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
