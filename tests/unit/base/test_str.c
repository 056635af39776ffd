/* Numbers and names from people pass here: a wrong one would be taken for another, silently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_compare(void **state)
{
	(void)state;
	static const struct {
		const char *a;
		const char *b;
		int order;
	} rows[] = {
		{ "", "", 0 },	   { "", "a", -1 },  { "a", "", 1 },
		{ "a", "a", 0 },   { "a", "b", -1 }, { "b", "a", 1 },
		{ "a", "ab", -1 }, { "ab", "a", 1 }, { "a", "\xff", -1 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str a = str_of(rows[i].a);
		struct str b = str_of(rows[i].b);
		int order = str_compare(a, b);
		assert_int_equal((order > 0) - (order < 0), rows[i].order);
		assert_int_equal(str_equal(a, b), rows[i].order == 0);
	}
	assert_true(str_equal(str_of(NULL), STR("")));
	assert_true(str_equal_nocase(STR("Gtid_Mode"), STR("gtid_mode")));
	assert_false(str_equal_nocase(STR("gtid[mode"), STR("gtid{mode")));
	assert_false(str_equal_nocase(STR("a"), STR("ab")));
}

static void test_parts(void **state)
{
	(void)state;
	struct str s = STR("binlog.000001");
	assert_true(str_starts_with(s, STR("binlog.")));
	assert_true(str_starts_with(s, STR("")));
	assert_false(str_starts_with(STR("bin"), STR("binlog")));
	assert_true(str_ends_with(s, STR(".000001")));
	assert_true(str_ends_with(s, STR("")));
	assert_false(str_ends_with(STR("1"), STR("01")));
	assert_true(str_contains(s, STR("log.0")));
	assert_true(str_contains(s, STR("")));
	assert_true(str_contains(STR(""), STR("")));
	assert_false(str_contains(STR("ab"), STR("abc")));
	assert_false(str_contains(s, STR("LOG")));
	assert_true(str_contains_nocase(s, STR("LOG")));
	assert_true(str_equal(str_slice(s, 0, 6), STR("binlog")));
	assert_true(str_equal(str_slice(s, 7, 99), STR("000001")));
	assert_int_equal(str_slice(s, 9, 3).len, 0);
	assert_int_equal(str_slice(s, 99, 100).len, 0);
	assert_true(str_equal(str_trim(STR(" \t a b\r\n")), STR("a b")));
	assert_int_equal(str_trim(STR(" \n ")).len, 0);
	assert_int_equal(str_trim(STR("")).len, 0);
}

static void test_next_walks_a_list(void **state)
{
	(void)state;
	static const struct {
		const char *list;
		const char *heads; /* joined with | */
	} rows[] = {
		{ "", "" },	 { "a", "a|" },	      { "a,b", "a|b|" },
		{ ",a", "|a|" }, { "a,,b", "a||b|" }, { "a,", "a|" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str rest = str_of(rows[i].list);
		struct str head;
		char heads[32] = "";
		size_t used = 0;
		while (str_next(&rest, ',', &head)) {
			assert_true(used + head.len + 2 < sizeof(heads));
			if (head.len) {
				memcpy(heads + used, head.ptr, head.len);
			}
			used += head.len;
			heads[used++] = '|';
			heads[used] = 0;
		}
		assert_string_equal(heads, rows[i].heads);
	}
}

static void test_nearest(void **state)
{
	(void)state;
	static const char *const words[] = { "status",	 "events",  "switchover",
					     "failover", "sandbox", "x" };
	static const struct {
		const char *word;
		const char *nearest;
	} rows[] = {
		{ "status", "status" },	       { "statsu", "status" },	   { "STATUS", "status" },
		{ "swichover", "switchover" }, { "fialover", "failover" }, { "sanbdox", "sandbox" },
		{ "replicate", NULL },	       { "quorum", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *nearest = str_nearest(str_of(rows[i].word), words, 6);
		if (rows[i].nearest) {
			assert_non_null(nearest);
			assert_string_equal(nearest, rows[i].nearest);
		} else {
			assert_null(nearest);
		}
	}
	char long_word[100];
	memset(long_word, 'x', sizeof(long_word));
	assert_null(str_nearest((struct str){ long_word, sizeof(long_word) }, words, 6));
	assert_null(str_nearest(STR("status"), words, 0));
}

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t min;
		uint64_t max;
		enum err rc;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 10, ERR_OK, 0 },
		{ "10", 0, 10, ERR_OK, 10 },
		{ "007", 0, 10, ERR_OK, 7 },
		{ "11", 0, 10, ERR_LIMIT, 0 },
		{ "4", 5, 10, ERR_LIMIT, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, ERR_OK, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, ERR_LIMIT, 0 },
		{ "99999999999999999999", 0, UINT64_MAX, ERR_LIMIT, 0 },
		{ "", 0, 10, ERR_PARSE, 0 },
		{ "-1", 0, 10, ERR_PARSE, 0 },
		{ "+1", 0, 10, ERR_PARSE, 0 },
		{ " 1", 0, 10, ERR_PARSE, 0 },
		{ "1 ", 0, 10, ERR_PARSE, 0 },
		{ "1k", 0, 10, ERR_PARSE, 0 },
		{ "0x1", 0, 10, ERR_PARSE, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;
		enum err rc = str_parse_u64(str_of(rows[i].text), rows[i].min, rows[i].max, &value);
		assert_int_equal(rc, rows[i].rc);
		assert_true(value == rows[i].value);
	}
	uint32_t small = 9;
	assert_int_equal(str_parse_u32(STR("4294967295"), 0, UINT32_MAX, &small), ERR_OK);
	assert_true(small == UINT32_MAX);
	assert_int_equal(str_parse_u32(STR("4294967296"), 0, UINT32_MAX, &small), ERR_LIMIT);
	assert_true(small == UINT32_MAX);
}

static void test_copy_fits_or_writes_nothing(void **state)
{
	(void)state;
	char to[5] = "keep";
	assert_int_equal(str_copy(STR("12345"), to, sizeof(to)), ERR_LIMIT);
	assert_string_equal(to, "keep");
	assert_int_equal(str_copy(STR("1234"), to, sizeof(to)), ERR_OK);
	assert_string_equal(to, "1234");
	assert_int_equal(str_copy(str_of(NULL), to, sizeof(to)), ERR_OK);
	assert_string_equal(to, "");
	assert_int_equal(str_copy(STR(""), to, 0), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_next_walks_a_list),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_copy_fits_or_writes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
