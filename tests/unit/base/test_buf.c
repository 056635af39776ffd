/* A byte too many written, or an overflow overlooked, would put a cut packet on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cursor.h"

static void assert_content(const struct buf *buf, const char *bytes, size_t count)
{
	assert_int_equal(buf->len, count);
	if (count) {
		assert_memory_equal(buf->ptr, bytes, count);
	}
}

static void test_little_endian(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 64);
	buf_add_u8(&buf, 0x01);
	buf_add_u16(&buf, 0x0302);
	buf_add_u24(&buf, 0x060504);
	buf_add_u32(&buf, 0x0a090807);
	buf_add_u64(&buf, 0x1211100f0e0d0c0b);
	assert_int_equal(buf_finish(&buf), ERR_OK);
	assert_content(&buf, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22", 18);
	buf_fini(&buf);
	assert_null(buf.ptr);
}

static void test_lenenc(void **state)
{
	(void)state;
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t count;
	} rows[] = {
		{ 0, "\0", 1 },
		{ 250, "\xfa", 1 },
		{ 251, "\xfc\xfb\0", 3 },
		{ 0xffff, "\xfc\xff\xff", 3 },
		{ 0x10000, "\xfd\0\0\1", 4 },
		{ 0xffffff, "\xfd\xff\xff\xff", 4 },
		{ 0x1000000, "\xfe\0\0\0\1\0\0\0\0", 9 },
		{ UINT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf buf;
		buf_init(&buf, 16);
		buf_add_lenenc(&buf, rows[i].value);
		assert_content(&buf, rows[i].bytes, rows[i].count);
		struct cursor cur = cursor_of(buf.ptr, buf.len);
		uint64_t back = 0;
		assert_int_equal(cursor_lenenc(&cur, &back), ERR_OK);
		assert_true(back == rows[i].value);
		assert_int_equal(cursor_left(&cur), 0);
		buf_fini(&buf);
	}
}

static void test_limit_is_exact_and_sticky(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 8);
	buf_add_text(&buf, "12345678");
	assert_int_equal(buf_finish(&buf), ERR_OK);
	buf_add_char(&buf, '9');
	assert_int_equal(buf_finish(&buf), ERR_LIMIT);
	assert_content(&buf, "12345678", 8);
	buf_consume(&buf, 8);
	buf_add_char(&buf, 'a');
	assert_int_equal(buf_finish(&buf), ERR_LIMIT);
	assert_int_equal(buf.len, 0);
	buf_clear(&buf);
	buf_add_char(&buf, 'a');
	assert_int_equal(buf_finish(&buf), ERR_OK);
	buf_fini(&buf);
}

static void test_huge_count_does_not_wrap(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, SIZE_MAX);
	buf_add_char(&buf, 'a');
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf_finish(&buf), ERR_LIMIT);
	buf_fini(&buf);
}

static void test_fixed_memory_never_grows(void **state)
{
	(void)state;
	char memory[5] = "....";
	struct buf buf;
	buf_init_fixed(&buf, memory, 4);
	buf_printf(&buf, "%d", 123);
	assert_int_equal(buf_finish(&buf), ERR_OK);
	assert_string_equal(buf_text(&buf), "123");
	buf_add_text(&buf, "45");
	assert_int_equal(buf_finish(&buf), ERR_LIMIT);
	assert_int_equal(memory[4], 0);
	buf_fini(&buf);
}

static void test_text_grows_and_ends_with_nul(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 10000);
	for (int i = 0; i < 900; i++) {
		buf_printf(&buf, "%03d,", i % 1000);
	}
	const char *text = buf_text(&buf);
	assert_int_equal(strlen(text), 3600);
	assert_memory_equal(text + 3596, "899,", 5);
	assert_int_equal(buf.len, 3600);
	buf_fini(&buf);
	struct buf empty;
	buf_init(&empty, 4);
	assert_string_equal(buf_text(&empty), "");
	buf_fini(&empty);
	struct buf full;
	buf_init(&full, 2);
	buf_add_text(&full, "ab");
	assert_string_equal(buf_text(&full), "");
	assert_int_equal(buf_finish(&full), ERR_LIMIT);
	buf_fini(&full);
}

static void test_reserve_commit_consume(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 1024);
	uint8_t *to = buf_reserve(&buf, 600);
	assert_non_null(to);
	memcpy(to, "abcdef", 6);
	buf_commit(&buf, 6);
	buf_consume(&buf, 2);
	assert_content(&buf, "cdef", 4);
	buf_consume(&buf, 0);
	buf_add_zeros(&buf, 2);
	buf_add_lenenc_str(&buf, STR("xy"));
	assert_content(&buf, "cdef\0\0\2xy", 9);
	assert_true(str_equal(buf_str(&buf), (struct str){ "cdef\0\0\2xy", 9 }));
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_little_endian),
		cmocka_unit_test(test_lenenc),
		cmocka_unit_test(test_limit_is_exact_and_sticky),
		cmocka_unit_test(test_huge_count_does_not_wrap),
		cmocka_unit_test(test_fixed_memory_never_grows),
		cmocka_unit_test(test_text_grows_and_ends_with_nul),
		cmocka_unit_test(test_reserve_commit_consume),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
