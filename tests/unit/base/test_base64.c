/* Without these a key or value comes back from the distributed store as another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"

/* The vectors of RFC 4648, section 10, and bytes of every kind. */
static void test_known_texts(void **state)
{
	(void)state;
	const struct {
		struct str bytes;
		const char *text;
	} cases[] = {
		{ STR(""), "" },
		{ STR("f"), "Zg==" },
		{ STR("fo"), "Zm8=" },
		{ STR("foo"), "Zm9v" },
		{ STR("foobar"), "Zm9vYmFy" },
		{ STR("\0\xff\xfe"), "AP/+" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text;
		struct buf back;
		buf_init(&text, 100);
		buf_init(&back, 100);
		base64_add(&text, cases[i].bytes);
		assert_string_equal(buf_text(&text), cases[i].text);
		assert_int_equal(base64_decode(buf_str(&text), &back, NULL), ERR_OK);
		assert_true(str_equal(buf_str(&back), cases[i].bytes));
		buf_fini(&text);
		buf_fini(&back);
	}
}

static void test_what_is_no_base64(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Z-_v", "=Zg=",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf back;
		buf_init(&back, 100);
		assert_int_equal(base64_decode(str_of(texts[i]), &back, NULL), ERR_PARSE);
		assert_int_equal(back.len, 0);
		buf_fini(&back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_texts),
		cmocka_unit_test(test_what_is_no_base64),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
