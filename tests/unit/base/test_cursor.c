/* A reader that passes its end would read a peer's length as truth and foreign memory as data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cursor.h"

static void test_fixed_width(void **state)
{
	(void)state;
	const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 };
	struct cursor cur = cursor_of(bytes, sizeof(bytes));
	uint8_t u8 = 0;
	uint16_t u16 = 0;
	uint32_t u24 = 0;
	uint32_t u32 = 0;
	uint64_t u64 = 0;
	assert_int_equal(cursor_u8(&cur, &u8), ERR_OK);
	assert_int_equal(cursor_u16(&cur, &u16), ERR_OK);
	assert_int_equal(cursor_u24(&cur, &u24), ERR_OK);
	assert_int_equal(cursor_u32(&cur, &u32), ERR_OK);
	assert_int_equal(cursor_u64(&cur, &u64), ERR_OK);
	assert_int_equal(u8, 1);
	assert_int_equal(u16, 0x0302);
	assert_int_equal(u24, 0x060504);
	assert_int_equal(u32, 0x0a090807);
	assert_true(u64 == 0x1211100f0e0d0c0b);
	assert_int_equal(cursor_left(&cur), 0);
}

static void test_missing_bytes_move_nothing(void **state)
{
	(void)state;
	const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7 };
	for (size_t count = 0; count < 8; count++) {
		struct cursor cur = cursor_of(bytes, count);
		uint8_t u8 = 0;
		uint16_t u16 = 0;
		uint32_t u32 = 0;
		uint64_t u64 = 99;
		struct str s = STR("x");
		assert_int_equal(cursor_u64(&cur, &u64), ERR_PROTOCOL);
		assert_true(u64 == 99);
		assert_int_equal(cursor_bytes(&cur, count + 1, &s), ERR_PROTOCOL);
		assert_int_equal(cursor_bytes(&cur, SIZE_MAX, &s), ERR_PROTOCOL);
		assert_int_equal(cursor_skip(&cur, count + 1), ERR_PROTOCOL);
		assert_int_equal(cursor_nul_str(&cur, &s), ERR_PROTOCOL);
		assert_int_equal(s.len, 1);
		assert_int_equal(cursor_left(&cur), count);
		assert_int_equal(cursor_u8(&cur, &u8), count >= 1 ? ERR_OK : ERR_PROTOCOL);
		cur = cursor_of(bytes, count);
		assert_int_equal(cursor_u16(&cur, &u16), count >= 2 ? ERR_OK : ERR_PROTOCOL);
		cur = cursor_of(bytes, count);
		assert_int_equal(cursor_u24(&cur, &u32), count >= 3 ? ERR_OK : ERR_PROTOCOL);
		cur = cursor_of(bytes, count);
		assert_int_equal(cursor_u32(&cur, &u32), count >= 4 ? ERR_OK : ERR_PROTOCOL);
	}
}

static void test_strings(void **state)
{
	(void)state;
	struct cursor cur = cursor_of_str((struct str){ "root\0\3abcrest", 12 + 1 });
	struct str s;
	assert_int_equal(cursor_nul_str(&cur, &s), ERR_OK);
	assert_true(str_equal(s, STR("root")));
	assert_int_equal(cursor_lenenc_str(&cur, &s), ERR_OK);
	assert_true(str_equal(s, STR("abc")));
	assert_int_equal(cursor_skip(&cur, 1), ERR_OK);
	assert_true(str_equal(cursor_rest(&cur), STR("est")));
	assert_int_equal(cursor_left(&cur), 0);
	assert_int_equal(cursor_rest(&cur).len, 0);
	struct cursor none = cursor_of(NULL, 0);
	assert_int_equal(cursor_left(&none), 0);
	assert_int_equal(cursor_nul_str(&none, &s), ERR_PROTOCOL);
}

static void test_lenenc_refuses_what_is_no_length(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t count;
	} rows[] = {
		{ "\xfb", 1 },
		{ "\xff", 1 },
		{ "\xfc\1", 2 },
		{ "\xfd\1\1", 3 },
		{ "\xfe\1\1\1\1\1\1\1", 8 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor cur = cursor_of(rows[i].bytes, rows[i].count);
		uint64_t value = 7;
		struct str s = STR("y");
		assert_int_equal(cursor_lenenc(&cur, &value), ERR_PROTOCOL);
		assert_int_equal(cursor_lenenc_str(&cur, &s), ERR_PROTOCOL);
		assert_true(value == 7);
		assert_int_equal(cursor_left(&cur), rows[i].count);
	}
}

static void test_length_beyond_the_end(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t count;
	} rows[] = {
		{ "\4abc", 4 },
		{ "\xfc\xff\xff"
		  "abc",
		  6 },
		{ "\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
		  "abc",
		  12 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor cur = cursor_of(rows[i].bytes, rows[i].count);
		struct str s = STR("y");
		assert_int_equal(cursor_lenenc_str(&cur, &s), ERR_PROTOCOL);
		assert_int_equal(s.len, 1);
		assert_int_equal(cursor_left(&cur), rows[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_width),
		cmocka_unit_test(test_missing_bytes_move_nothing),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_lenenc_refuses_what_is_no_length),
		cmocka_unit_test(test_length_beyond_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
