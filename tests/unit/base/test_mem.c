/* Ownership words that free twice or never, and lists that lose a member, end in a crash later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/prng.h"
#include "base/secret.h"

static void test_memory_is_zeroed(void **state)
{
	(void)state;
	CLEANUP(mem_freep) uint8_t *bytes = mem_need(64);
	for (size_t i = 0; i < 64; i++) {
		assert_int_equal(bytes[i], 0);
	}
	void *none = mem_try(0);
	assert_non_null(none);
	assert_null(mem_free(none));
	assert_null(mem_free(NULL));
}

static void test_out_of_memory_is_reported(void **state)
{
	(void)state;
	assert_null(mem_try(SIZE_MAX / 2));
	CLEANUP(mem_freep) char *text = mem_dup_text("abc", 3);
	assert_null(mem_resize(text, SIZE_MAX / 2));
	assert_string_equal(text, "abc");
}

static void test_dup_of_a_part(void **state)
{
	(void)state;
	CLEANUP(mem_freep) char *part = mem_dup_text("abcdef", 3);
	CLEANUP(mem_freep) char *empty = mem_dup_text(NULL, 0);
	assert_string_equal(part, "abc");
	assert_string_equal(empty, "");
}

static char *made_and_handed_over(void)
{
	CLEANUP(mem_freep) char *text = mem_dup_text("kept", 4);
	return TAKE(text);
}

static void test_take_hands_over(void **state)
{
	(void)state;
	char *text = made_and_handed_over();
	assert_string_equal(text, "kept");
	mem_freep(&text);
	assert_null(text);
}

struct thing {
	int number;
	struct list member;
};

static int sum_of(const struct list *head)
{
	int sum = 0;
	LIST_EACH (head, cursor) {
		sum = sum * 10 + LIST_ENTRY(cursor, struct thing, member)->number;
	}
	return sum;
}

static void test_list(void **state)
{
	(void)state;
	struct list head;
	struct thing things[3] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
	list_init(&head);
	assert_true(list_is_empty(&head));
	assert_null(list_pop(&head));
	for (size_t i = 0; i < 3; i++) {
		list_add_tail(&head, &things[i].member);
	}
	assert_int_equal(sum_of(&head), 123);
	list_remove(&things[1].member);
	list_remove(&things[1].member);
	assert_int_equal(sum_of(&head), 13);
	LIST_EACH (&head, cursor) {
		list_remove(cursor);
	}
	assert_true(list_is_empty(&head));
	list_add_tail(&head, &things[2].member);
	assert_ptr_equal(list_pop(&head), &things[2].member);
	assert_true(list_is_empty(&head));
}

static void test_prng_repeats_with_its_seed(void **state)
{
	(void)state;
	struct prng a = { 42 };
	struct prng b = { 42 };
	struct prng c = { 43 };
	bool differs = false;
	for (int i = 0; i < 100; i++) {
		uint64_t value = prng_next(&a);
		assert_true(value == prng_next(&b));
		differs = differs || value != prng_next(&c);
		assert_true(prng_below(&a, 7) < 7);
		assert_true(prng_below(&b, 7) < 7);
	}
	assert_true(differs);
}

static void test_secret(void **state)
{
	(void)state;
	struct secret secret = { "" };
	char too_long[SECRET_BYTES_MAX];
	memset(too_long, 'a', sizeof(too_long));
	assert_int_equal(secret_set(&secret, STR("pass word")), ERR_OK);
	assert_int_equal(secret_set(&secret, (struct str){ too_long, sizeof(too_long) }),
			 ERR_LIMIT);
	assert_string_equal(secret.text, "pass word");
	secret_wipe(&secret);
	for (size_t i = 0; i < SECRET_BYTES_MAX; i++) {
		assert_int_equal(secret.text[i], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed),
		cmocka_unit_test(test_out_of_memory_is_reported),
		cmocka_unit_test(test_dup_of_a_part),
		cmocka_unit_test(test_take_hands_over),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_prng_repeats_with_its_seed),
		cmocka_unit_test(test_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
