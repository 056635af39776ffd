/* A password with a quote in it must neither break a statement nor become part of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "db/conn_text.h"

static void literals_are_quoted(void **state)
{
	(void)state;
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{ { "", 0 }, "''" },
		{ { "abc", 3 }, "'abc'" },
		{ { "o'b", 3 }, "'o\\'b'" },
		{ { "a\\", 2 }, "'a\\\\'" },
		{ { "'; DROP", 7 }, "'\\'; DROP'" },
		{ { "\n\r\x1a\0x", 5 }, "'\\n\\r\\Z\\0x'" },
		{ { "\"`%", 3 }, "'\"`%'" },
		{ { "\xc3\xa9", 2 }, "'\xc3\xa9'" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf sql;
		buf_init(&sql, 1024);
		conn_text_quote(&sql, rows[i].in);
		assert_string_equal(buf_text(&sql), rows[i].out);
		buf_fini(&sql);
	}
}

static void the_systems_error_is_found(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{ "Can't connect to server on '127.0.0.1' (111)", 111 },
		{ "Can't connect to MySQL server on 'db1' (113)", 113 },
		{ "Can't connect to local server through socket '/run/x (3).sock' (2)", 2 },
		{ "Lost connection to server at 'reading authorization packet', system error: 104",
		  104 },
		{ "Lost connection to server at 'handshake: reading initial communication packet', "
		  "system error: 11",
		  11 },
		{ "Lost connection to server during query", 0 },
		{ "Server has gone away", 0 },
		{ "Access denied for user 'x'@'y' (using password: YES)", 0 },
		{ "odd (99999999999)", 0 },
		{ "()", 0 },
		{ ")", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(conn_text_os_errno(str_of(rows[i].text)), rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_quoted),
		cmocka_unit_test(the_systems_error_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
