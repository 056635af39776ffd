/* Without these a DBA would see cut numbers, shifted columns, or a server's escape sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/output/table.h"

static const struct table_column columns[] = {
	{ "name", "SERVER", TABLE_TEXT, 0 },
	{ "lag", "LAG", TABLE_NUMBER, 2 },
	{ "gtid", "GTID", TABLE_LONG, 3 },
	{ "health", "HEALTH", TABLE_HEALTH, 0 },
};

static const char *const rows_text = "[{\"name\":\"s1\",\"lag\":null,\"gtid\":\"0-1-100,1-2-"
				     "345678901234567890,2-1-17\",\"health\":\"ok\"},"
				     "{\"name\":\"stra\xc3\x9f"
				     "e\",\"lag\":12345,\"gtid\":\"\",\"health\":\"bad\"},"
				     "{\"name\":\"e\\u001b[31m\",\"lag\":0.25,\"gtid\":true}]";

static void assert_table(struct table_style style, const char *expected)
{
	struct buf out;
	json_error_t where;
	json_t *rows = json_loads(rows_text, 0, &where);
	assert_non_null(rows);
	buf_init(&out, 65536);
	table_print(&style, columns, 4, rows, &out);
	assert_string_equal(buf_text(&out), expected);
	buf_fini(&out);
	json_decref(rows);
}

static void test_unlimited(void **state)
{
	(void)state;
	assert_table((struct table_style){ 0 },
		     "SERVER    LAG  GTID                                  HEALTH\n"
		     "s1          -  0-1-100,1-2-34567..1234567890,2-1-17  ok\n"
		     "stra\xc3\x9f"
		     "e  12345  -                                     bad\n"
		     "e?[31m    0.2  yes                                   -\n");
}

static void test_wide(void **state)
{
	(void)state;
	assert_table((struct table_style){ .wide = true, .no_header = true },
		     "s1          -  0-1-100,1-2-345678901234567890,2-1-17  ok\n"
		     "stra\xc3\x9f"
		     "e  12345  -                                      bad\n"
		     "e?[31m    0.2  yes                                    -\n");
}

static void test_narrow(void **state)
{
	(void)state;
	assert_table((struct table_style){ .term = { .width = 40 }, .no_header = true },
		     "s1          -  0-1-100..,2-1-17  ok\n"
		     "stra\xc3\x9f"
		     "e  12345  -                 bad\n"
		     "e?[31m    0.2  yes               -\n");
	assert_table((struct table_style){ .term = { .width = 22 } }, "SERVER    LAG  HEALTH\n"
								      "s1          -  ok\n"
								      "stra\xc3\x9f"
								      "e  12345  bad\n"
								      "e?[31m    0.2  -\n");
}

static void test_color(void **state)
{
	(void)state;
	assert_table((struct table_style){ .term = { .width = 16, .color = true } },
		     "SERVER  HEALTH\n"
		     "s1      \033[32mok\033[0m\n"
		     "stra\xc3\x9f"
		     "e  \033[31mbad\033[0m\n"
		     "e?[31m  -\n");
}

static void test_empty(void **state)
{
	(void)state;
	struct buf out;
	struct table_style style = { 0 };
	buf_init(&out, 65536);
	table_print(&style, columns, 4, NULL, &out);
	assert_string_equal(buf_text(&out), "SERVER  LAG  GTID  HEALTH\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unlimited), cmocka_unit_test(test_wide),
		cmocka_unit_test(test_narrow),	  cmocka_unit_test(test_color),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
