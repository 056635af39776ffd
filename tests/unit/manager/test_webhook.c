/* Which events are told, and which configurations can't work. Deliveries: tests/integration/test_webhooks.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "manager/hooks/webhook.h"

static void test_events_are_chosen_by_the_beginnings_of_their_names(void **state)
{
	(void)state;
	static const struct {
		const char *events;
		const char *evt;
		bool wanted;
	} rows[] = {
		{ "failover,switchover", "failover.done", true },
		{ "failover, switchover", "switchover.done", true },
		{ "failover,switchover", "group.state", false },
		{ "group.unhealthy", "group.unhealthy", true },
		{ "group.unhealthy", "group.healthy", false },
		{ "", "server.reach", true },
		{ " ", "server.reach", true },
		{ ",", "server.reach", false },
		{ "", "webhook.dropped", false },
		{ "webhook", "webhook.dropped", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct webhook_options options = { 0 };
		(void)snprintf(options.events, sizeof(options.events), "%s", rows[i].events);
		assert_int_equal(webhook_wants(&options, rows[i].evt), rows[i].wanted);
	}
}

static void test_what_cannot_work_is_found_at_once(void **state)
{
	(void)state;
	static const struct {
		const char *urls;
		const char *events;
		const char *words; /* NULL: right */
	} rows[] = {
		{ "", "", NULL },
		{ "http://a.example/x  https://b.example:8443/y?key=1", "failover,group.state",
		  NULL },
		{ "http://[::1]:80/", "", NULL },
		{ "ftp://a.example/", "", "http://" },
		{ "file:///etc/passwd", "", "http://" },
		{ "a.example/x", "", "http://" },
		{ "http://", "", "http://" },
		{ "http://a/ http://a/ http://a/ http://a/ http://a/ http://a/ http://a/ http://a/ "
		  "http://a/",
		  "", "more than 8" },
		{ "http://a.example/", "Failover!", "no list of event names" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct webhook_options options = { 0 };
		struct err_ctx err = { 0 };
		(void)snprintf(options.urls, sizeof(options.urls), "%s", rows[i].urls);
		(void)snprintf(options.events, sizeof(options.events), "%s", rows[i].events);
		enum err rc = webhook_check(&options, &err);
		assert_int_equal(rc, rows[i].words ? ERR_CONFIG : ERR_OK);
		if (rows[i].words) {
			assert_non_null(strstr(err.text, rows[i].words));
		}
	}
}

static void test_a_refusal_does_not_show_the_key_in_a_url(void **state)
{
	(void)state;
	struct webhook_options options = { .urls = "ftp://hooks.a.example/0123456789/SECRETKEY" };
	struct err_ctx err = { 0 };
	assert_int_equal(webhook_check(&options, &err), ERR_CONFIG);
	assert_null(strstr(err.text, "SECRET"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_are_chosen_by_the_beginnings_of_their_names),
		cmocka_unit_test(test_what_cannot_work_is_found_at_once),
		cmocka_unit_test(test_a_refusal_does_not_show_the_key_in_a_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
