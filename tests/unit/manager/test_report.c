/* A report that a killed manager left open is told to its end by the next one, under its own name and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "manager/records/report.h"
#include "manager/records/text_json.h"

#define WALL_US ((uint64_t)1790000000 * US_PER_S + 250 * US_PER_MS)

static void begin(struct report *report)
{
	struct record record;
	record_init(&record);
	memcpy(record.group, "shop", sizeof("shop"));
	memset(report, 0, sizeof(*report));
	report->id = 6;
	report_begin(report, &record, false, "the primary is gone", 1000000, 1400000, WALL_US);
	memcpy(report->from, "db1", sizeof("db1"));
	report->epoch = 9;
	report->after_due = true;
	report_mark(report, PHASE_DETECTED, 1400000);
	report_mark(report, PHASE_DECIDED, 1450000);
	json_t *hooks = json_pack("[{s:s}]", "hook", "veto");
	report_add_hooks(report, hooks);
	json_decref(hooks);
	assert_int_equal(gtid_set_parse(STR("0-1-5"), GTID_MARIADB, &report->lost, NULL), ERR_OK);
}

static void test_a_report_is_gone_on_with(void **state)
{
	(void)state;
	struct report report;
	struct report again = { 0 };
	begin(&report);
	json_t *json = report_to_json(&report);
	/* Two seconds later, on a host whose clock began anew. */
	assert_int_equal(
		report_from_json(json, 50 * US_PER_S, WALL_US + 2 * US_PER_S, &again, NULL),
		ERR_OK);
	assert_true(again.open && again.after_due && !again.planned);
	assert_int_equal(again.id, 7);
	assert_int_equal(again.epoch, 9);
	assert_string_equal(again.group, "shop");
	assert_string_equal(again.from, "db1");
	assert_string_equal(again.cause, "the primary is gone");
	assert_true(gtid_set_equal(&again.lost, &report.lost));
	assert_int_equal(again.started_us, 50 * US_PER_S - 2400 * US_PER_MS);
	assert_int_equal(again.ends_us[PHASE_DETECTED], again.started_us + 400 * US_PER_MS);
	assert_int_equal(again.ends_us[PHASE_DECIDED], again.started_us + 450 * US_PER_MS);
	assert_int_equal(again.ends_us[PHASE_FENCED], 0);
	json_t *second = report_to_json(&again);
	assert_true(json_equal(json, second));
	json_decref(json);
	json_decref(second);
	report_fini(&report);
	report_fini(&again);
}

static void test_what_is_no_report_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{}",
		"{\"kind\":\"failover\",\"id\":0,\"epoch\":1,\"started\":\"2026-01-31T12:00:00."
		"000Z\"}",
		"{\"kind\":\"failover\",\"id\":1,\"epoch\":1,\"started\":\"yesterday\"}",
		"{\"kind\":\"failover\",\"id\":1,\"epoch\":1,\"started\":\"2026-01-31T12:00:00\"}",
		"{\"kind\":\"failover\",\"id\":1,\"epoch\":-1,\"started\":\"2026-01-31T12:00:00."
		"000Z\"}",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct report report = { 0 };
		json_t *json = json_loads(texts[i], 0, NULL);
		assert_non_null(json);
		assert_int_equal(report_from_json(json, 1, WALL_US, &report, NULL), ERR_PARSE);
		report_fini(&report);
		json_decref(json);
	}
}

static void test_hooks_are_kept_up_to_a_limit(void **state)
{
	(void)state;
	struct report report;
	begin(&report);
	json_t *hooks = json_pack("[{s:s}]", "hook", "veto");
	for (unsigned i = 0; i < 2 * REPORT_HOOKS_MAX; i++) {
		report_add_hooks(&report, hooks);
	}
	assert_int_equal(json_array_size(report.hooks), REPORT_HOOKS_MAX);
	json_decref(hooks);
	report_fini(&report);
}

static void test_any_bytes_become_json(void **state)
{
	(void)state;
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{ { "plain \xc3\xa4", 8 }, "plain \xc3\xa4" },
		{ { "\xff\xc3\xa4\xc3", 4 }, "?\xc3\xa4?" },
		{ { "\xe2\x82", 2 }, "??" },
		{ { "\xed\xa0\x80", 3 }, "???" }, /* a surrogate */
		{ { "\xf0\x9f\x98\x80!", 5 }, "\xf0\x9f\x98\x80!" },
		{ { "\xf8\x88\x80\x80\x80", 5 }, "?????" },
		{ { NULL, 0 }, "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *json = text_to_json(rows[i].in);
		assert_non_null(json);
		assert_string_equal(json_string_value(json), rows[i].out);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_report_is_gone_on_with),
		cmocka_unit_test(test_what_is_no_report_is_refused),
		cmocka_unit_test(test_hooks_are_kept_up_to_a_limit),
		cmocka_unit_test(test_any_bytes_become_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
