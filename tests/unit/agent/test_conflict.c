/* An address that is taken although somebody has it breaks two hosts' clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/conflict.h"
#include "base/clock.h"

static const uint64_t begun = 1000 * (uint64_t)US_PER_S;
static const struct mac rival = { { 2, 0, 0, 0, 0, 7 } };

static uint64_t at(unsigned ms)
{
	return begun + ms * (uint64_t)US_PER_MS;
}

static void test_probing(void **state)
{
	struct conflict_probing probing;
	(void)state;
	conflict_probing_begin(&probing, begun);
	assert_int_equal(conflict_probing_next(&probing, at(0)), CONFLICT_SEND);
	assert_int_equal(conflict_probing_next(&probing, at(0)), CONFLICT_WAIT);
	assert_int_equal(conflict_probing_next(&probing, at(99)), CONFLICT_WAIT);
	assert_int_equal(conflict_probing_next(&probing, at(100)), CONFLICT_SEND);
	assert_int_equal(conflict_probing_next(&probing, at(200)), CONFLICT_SEND);
	assert_int_equal(conflict_probing_next(&probing, at(299)), CONFLICT_WAIT);
	assert_int_equal(conflict_probing_next(&probing, at(300)), CONFLICT_NOBODY);
}

static void test_probing_late(void **state)
{
	struct conflict_probing probing;
	(void)state;
	conflict_probing_begin(&probing, begun);
	for (unsigned i = 0; i < CONFLICT_PROBES; i++) {
		assert_int_equal(conflict_probing_next(&probing, at(i * 100)), CONFLICT_SEND);
	}
	/* Asleep when the answers would have come: from the start. */
	assert_int_equal(conflict_probing_next(&probing, at(5000)), CONFLICT_SEND);
	assert_int_equal(conflict_probing_next(&probing, at(5100)), CONFLICT_SEND);
	assert_int_equal(conflict_probing_next(&probing, at(5200)), CONFLICT_SEND);
	assert_int_equal(conflict_probing_next(&probing, at(5300)), CONFLICT_NOBODY);
}

static void test_watch(void **state)
{
	struct conflict_watch watch;
	(void)state;
	conflict_watch_begin(&watch, begun);
	assert_false(conflict_watch_probe_due(&watch, at(1999)));
	assert_true(conflict_watch_probe_due(&watch, at(2000)));
	assert_false(conflict_watch_is_over(&watch, at(2000)));
	/* The first word is answered, those that follow not before the interval: two that defend at each other's
	 * defence would never end. */
	assert_true(conflict_watch_heard(&watch, &rival, at(2001)));
	assert_true(watch.contested);
	assert_false(conflict_watch_heard(&watch, &rival, at(2002)));
	assert_false(conflict_watch_heard(&watch, &rival, at(12000)));
	assert_true(conflict_watch_heard(&watch, &rival, at(12001)));
	/* Silence, asked twice: over, once. */
	assert_true(conflict_watch_probe_due(&watch, at(12100)));
	assert_false(conflict_watch_is_over(&watch, at(12700)));
	assert_true(conflict_watch_probe_due(&watch, at(12700)));
	assert_true(conflict_watch_is_over(&watch, at(12700)));
	assert_false(conflict_watch_is_over(&watch, at(12700)));
	assert_false(watch.contested);
}

static void test_watch_is_quick_when_contested(void **state)
{
	struct conflict_watch watch;
	(void)state;
	conflict_watch_begin(&watch, begun);
	(void)conflict_watch_heard(&watch, &rival, at(10));
	assert_true(conflict_watch_probe_due(&watch, at(260)));
	assert_true(conflict_watch_probe_due(&watch, at(510)));
	assert_false(conflict_watch_is_over(&watch, at(609)));
	assert_true(conflict_watch_is_over(&watch, at(610)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probing),
		cmocka_unit_test(test_probing_late),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_watch_is_quick_when_contested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
