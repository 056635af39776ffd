/* If this breaks, a manager agrees that a node goes on, and later doesn't know that it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manager/nodes/consent.h"

static const struct lease_terms terms = { .duration_us = 1000, .renew_us = 200, .margin_us = 100 };

struct manager_now {
	bool leads;
	uint64_t now_us;
};

static bool leads(void *ctx, uint64_t *ret_now_us)
{
	const struct manager_now *now = ctx;
	*ret_now_us = now->now_us;
	return now->leads;
}

static void test_what_it_agrees_to_it_remembers(void **state)
{
	(void)state;
	struct consent *consent = consent_new(&terms);
	struct manager_now now = { .now_us = 500 };
	assert_int_equal(consent_until_us(consent, STR("n1")), 0);
	assert_int_equal(consent_ask(consent, STR("n1"), STR("shop"), 3, leads, &now),
			 LEASE_AGREES);
	assert_int_equal(consent_until_us(consent, STR("n1")), 1500);
	assert_int_equal(consent_until_us(consent, STR("n2")), 0);
	(void)consent_free(consent);
}

static void test_one_that_leads_never_agrees(void **state)
{
	(void)state;
	struct consent *consent = consent_new(&terms);
	struct manager_now now = { .leads = true, .now_us = 500 };
	assert_int_equal(consent_ask(consent, STR("n1"), STR("shop"), 3, leads, &now),
			 LEASE_REFUSES);
	assert_int_equal(consent_until_us(consent, STR("n1")), 0);
	(void)consent_free(consent);
}

static void test_a_newer_epoch_is_not_passed_by(void **state)
{
	(void)state;
	struct consent *consent = consent_new(&terms);
	struct manager_now now = { .now_us = 500 };
	consent_set_epoch(consent, STR("shop"), 4);
	assert_int_equal(consent_ask(consent, STR("n1"), STR("shop"), 3, leads, &now),
			 LEASE_REFUSES);
	assert_int_equal(consent_ask(consent, STR("n1"), STR("shop"), 4, leads, &now),
			 LEASE_AGREES);
	assert_int_equal(consent_ask(consent, STR("n2"), STR("other"), 1, leads, &now),
			 LEASE_AGREES);
	/* A group of that name that was made anew begins with the first epoch. */
	consent_set_epoch(consent, STR("shop"), 1);
	assert_int_equal(consent_ask(consent, STR("n1"), STR("shop"), 1, leads, &now),
			 LEASE_AGREES);
	(void)consent_free(consent);
}

static void test_it_answers_since_its_door_is_open(void **state)
{
	(void)state;
	struct consent *consent = consent_new(&terms);
	assert_int_equal(consent_answering_us(consent), 0);
	consent_open(consent, 700);
	assert_int_equal(consent_answering_us(consent), 700);
	assert_null(consent_free(consent));
	assert_null(consent_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_agrees_to_it_remembers),
		cmocka_unit_test(test_one_that_leads_never_agrees),
		cmocka_unit_test(test_a_newer_epoch_is_not_passed_by),
		cmocka_unit_test(test_it_answers_since_its_door_is_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
