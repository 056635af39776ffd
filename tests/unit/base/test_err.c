/* An error whose words are lost or cut silently leaves a person with nothing to act on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void test_set_and_wrap(void **state)
{
	(void)state;
	struct err_ctx err = { .server_errno = 1290 };
	assert_int_equal(err_set(&err, ERR_PARSE, "line %d: no value", 7), ERR_PARSE);
	assert_int_equal(err.server_errno, 0);
	assert_int_equal(err_wrap(&err, ERR_CONFIG, "config '%s'", "a.cnf"), ERR_CONFIG);
	assert_string_equal(err.text, "config 'a.cnf': line 7: no value");
	assert_int_equal(err.code, ERR_CONFIG);
}

static void test_wrap_keeps_the_server_errno(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	(void)err_set(&err, ERR_SERVER, "read only");
	err.server_errno = 1290;
	(void)err_wrap(&err, ERR_SERVER, "server 's1'");
	assert_int_equal(err.server_errno, 1290);
}

static void test_wrap_of_nothing_uses_the_table(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	(void)err_wrap(&err, ERR_DEADLINE, "server 's1'");
	assert_string_equal(err.text, "server 's1': deadline passed");
}

static void test_null_context(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
	assert_int_equal(err_wrap(NULL, ERR_IO, "x"), ERR_IO);
	assert_string_equal(err_text(ERR_REFUSED, NULL), "refused by a safety rule");
	struct err_ctx err = { 0 };
	assert_string_equal(err_text(ERR_REFUSED, &err), "refused by a safety rule");
	(void)err_set(&err, ERR_REFUSED, "why");
	assert_string_equal(err_text(ERR_REFUSED, &err), "why");
}

static void test_cut_is_visible(void **state)
{
	(void)state;
	char text[ERR_TEXT_BYTES_MAX + 8];
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	struct err_ctx err = { 0 };
	(void)err_set(&err, ERR_IO, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES_MAX - 1);
	assert_string_equal(err.text + ERR_TEXT_BYTES_MAX - 4, "...");
	(void)err_set(&err, ERR_IO, "%.*s", ERR_TEXT_BYTES_MAX - 1, text);
	assert_string_equal(err.text + ERR_TEXT_BYTES_MAX - 4, "aaa");
	(void)err_wrap(&err, ERR_IO, "wrapped");
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES_MAX - 1);
	assert_memory_equal(err.text, "wrapped: aaa", 12);
	assert_string_equal(err.text + ERR_TEXT_BYTES_MAX - 4, "...");
	(void)err_wrap(&err, ERR_IO, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES_MAX - 1);
	assert_string_equal(err.text + ERR_TEXT_BYTES_MAX - 4, "...");
}

static void test_every_row(void **state)
{
	(void)state;
	for (enum err code = 0; code < ERR_COUNT_; code++) {
		assert_non_null(err_name(code));
		assert_memory_equal(err_name(code), "ERR_", 4);
		assert_true(err_text(code, NULL)[0] != 0);
		assert_int_equal(err_from_name(err_name(code)), code);
		assert_in_range(err_exit_status(code), 0, 6);
		assert_true((err_exit_status(code) == 0) == (code == ERR_OK));
		assert_in_range(err_http_status(code), 200, 599);
		assert_true((err_http_status(code) < 400) == (code == ERR_OK));
	}
	assert_true(err_is_retryable(ERR_AGAIN));
	assert_false(err_is_retryable(ERR_REFUSED));
	assert_int_equal(err_from_name("ERR_NO_SUCH_THING"), ERR_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_wrap),
		cmocka_unit_test(test_wrap_keeps_the_server_errno),
		cmocka_unit_test(test_wrap_of_nothing_uses_the_table),
		cmocka_unit_test(test_null_context),
		cmocka_unit_test(test_cut_is_visible),
		cmocka_unit_test(test_every_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
