/* Without these a password with a quote in it could run a command in somebody's shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/log_tail.h"
#include "sandbox/sandbox_view.h"

static void test_shell_quotes(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		const char *line;
	} rows[] = {
		{ "plain", "A='plain'\n" },
		{ "", "A=''\n" },
		{ "a b $c `d` \\ \" !", "A='a b $c `d` \\ \" !'\n" },
		{ "it's", "A='it'\\''s'\n" },
		{ "'", "A=''\\'''\n" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf text;
		json_t *variables = json_pack("{s:s}", "A", rows[i].value);
		buf_init(&text, 1000);
		sandbox_view_shell(variables, &text);
		assert_string_equal(buf_text(&text), rows[i].line);
		json_decref(variables);
		buf_fini(&text);
	}
}

static void test_log_tail(void **state)
{
	(void)state;
	static const struct {
		const char *log;
		const char *said;
	} rows[] = {
		{ "", "it said nothing" },
		{ "\n \n", "it said nothing" },
		{ "one\ntwo\n\n", "two" },
		{ "[ERROR] why\nlater\n", "[ERROR] why" },
		{ "[ERROR] first\n[ERROR] last\r\nbye", "[ERROR] last" },
		{ "[ERROR] why\n[ERROR] Aborting\n", "[ERROR] why" },
		{ "a\tb\001c", "a b c" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[] = "/tmp/muster-tail-XXXXXX";
		char said[LOG_TAIL_BYTES_MAX];
		size_t bytes = strlen(rows[i].log);
		int fd = mkstemp(path);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, rows[i].log, bytes), bytes);
		(void)close(fd);
		log_tail_read(path, "ERROR", said);
		assert_string_equal(said, rows[i].said);
		(void)unlink(path);
		log_tail_read(path, "ERROR", said);
		assert_string_equal(said, "it said nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shell_quotes),
		cmocka_unit_test(test_log_tail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
