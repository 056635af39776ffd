/* A log line that cannot be split into its fields again is lost to every tool that reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

struct recorder {
	struct buf lines;
	unsigned count;
};

static void record(void *ctx, const struct log_line *line)
{
	struct recorder *recorder = ctx;
	log_format(line, &recorder->lines);
	buf_add_char(&recorder->lines, '\n');
	recorder->count++;
}

static void test_fields_and_quotes(void **state)
{
	(void)state;
	struct recorder recorder = { 0 };
	buf_init(&recorder.lines, 4096);
	const struct log log = { LOG_INFO, record, &recorder };
	log_event(&log, LOG_INFO, "revoke.done", "enough stopped", LOG_TEXT("group", "a"),
		  LOG_U64("epoch", 17));
	log_event(&log, LOG_ERROR, "x", "plain");
	log_event(&log, LOG_WARN, "x", "", LOG_TEXT("a", "say \"hi\" \\ a=b\nc"));
	assert_string_equal(buf_text(&recorder.lines),
			    "level=info evt=revoke.done group=a epoch=17 msg=\"enough stopped\"\n"
			    "level=error evt=x msg=plain\n"
			    "level=warn evt=x a=\"say \\\"hi\\\" \\\\ a=b\\nc\" msg=\"\"\n");
	buf_fini(&recorder.lines);
}

static void test_level_is_asked_first(void **state)
{
	(void)state;
	struct recorder recorder = { 0 };
	buf_init(&recorder.lines, 4096);
	const struct log log = { LOG_WARN, record, &recorder };
	unsigned built = 0;
	log_event(&log, LOG_INFO, "x", "not wanted", LOG_U64("n", ++built));
	log_event(&log, LOG_WARN, "x", "wanted", LOG_U64("n", ++built));
	assert_int_equal(recorder.count, 1);
	assert_int_equal(built, 1);
	assert_false(log_wants(NULL, LOG_ERROR));
	log_event((const struct log *)NULL, LOG_ERROR, "x", "nobody listens");
	buf_fini(&recorder.lines);
}

static void test_level_names(void **state)
{
	(void)state;
	assert_string_equal(log_level_name(LOG_ERROR), "error");
	assert_string_equal(log_level_name(LOG_WARN), "warn");
	assert_string_equal(log_level_name(LOG_INFO), "info");
	assert_string_equal(log_level_name(LOG_DEBUG), "debug");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_and_quotes),
		cmocka_unit_test(test_level_is_asked_first),
		cmocka_unit_test(test_level_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
