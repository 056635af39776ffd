/* What would break for the user: a wrong order between two sets promotes a server that lacks
 * transactions, or refuses one that has them all. */
#include "gtid/gtid_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

#define U1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define U2 "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static struct gtid_set parsed(const char *text)
{
	struct gtid_set set = { 0 };
	struct err_ctx err = { 0 };
	enum err rc = gtid_set_parse(str_of(text), GTID_NONE, &set, &err);
	if (rc) {
		print_error("'%s': %s\n", text, err.text);
	}
	assert_int_equal(rc, ERR_OK);
	return set;
}

static void assert_prints(const struct gtid_set *set, const char *text)
{
	struct buf out;
	buf_init(&out, GTID_TEXT_BYTES_MAX);
	gtid_set_print(set, &out);
	assert_int_equal(buf_finish(&out), ERR_OK);
	assert_string_equal(buf_text(&out), text);
	buf_fini(&out);
}

static const struct {
	enum gtid_flavor flavor;
	const char *text;
	const char *printed;
} good[] = {
	{ GTID_MARIADB, "", "" },
	{ GTID_MYSQL, " \n", "" },
	{ GTID_MARIADB, "0-1-105", "0-1-105" },
	{ GTID_MARIADB, "0-1-105,1-7-5", "0-1-105,1-7-5" },
	{ GTID_MARIADB, "1-7-5, 0-2-110,\n0-1-103", "0-1-103,0-2-110,1-7-5" },
	{ GTID_MARIADB, "0-1-0", "" },
	{ GTID_MARIADB, "0-1-0,0-2-3", "0-2-3" },
	{ GTID_MARIADB, "0-1-104..105", "0-1-104..105" },
	{ GTID_MARIADB, "0-1-105..105", "0-1-105..105" },
	{ GTID_MARIADB, "0-1-1..105", "0-1-105" },
	{ GTID_MARIADB, "0-1-5,0-1-6..9", "0-1-9" },
	{ GTID_MARIADB, "0-1-5,0-1-7..9", "0-1-5,0-1-7..9" },
	{ GTID_MARIADB, "0-1-7..9,0-1-5", "0-1-5,0-1-7..9" },
	{ GTID_MARIADB, "4294967295-4294967295-18446744073709551615",
	  "4294967295-4294967295-18446744073709551615" },
	{ GTID_MARIADB, "0-1-18446744073709551615..18446744073709551615,0-1-4",
	  "0-1-4,0-1-18446744073709551615..18446744073709551615" },
	{ GTID_MYSQL, U1 ":1-5", U1 ":1-5" },
	{ GTID_MYSQL, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5", U1 ":1-5" },
	{ GTID_MYSQL, U1 ":7:1-3:5", U1 ":1-3:5:7" },
	{ GTID_MYSQL, U1 ":1-3:4-6", U1 ":1-6" },
	{ GTID_MYSQL, U2 ":1,\n" U1 ":2", U1 ":2," U2 ":1" },
	{ GTID_MYSQL, U1 ":1-2," U2 ":9," U1 ":3", U1 ":1-3," U2 ":9" },
	{ GTID_MYSQL, U1 ":1-3:Tag_1:4:6-8:b:1", U1 ":1-3:b:1:tag_1:4:6-8" },
	{ GTID_MYSQL, U1 ":t:4," U1 ":1", U1 ":1:t:4" },
	{ GTID_MYSQL, U1 ":t:4," U2 ":1", U1 ":t:4," U2 ":1" },
	{ GTID_MYSQL, U1 ":9223372036854775806", U1 ":9223372036854775806" },
	{ GTID_NONE, "0-1-5," U1 ":1", U1 ":1,0-1-5" },
};

static void test_reads_and_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct gtid_set set = { 0 };
		struct err_ctx err = { 0 };
		enum err rc = gtid_set_parse(str_of(good[i].text), good[i].flavor, &set, &err);
		if (rc) {
			print_error("'%s': %s\n", good[i].text, err.text);
		}
		assert_int_equal(rc, ERR_OK);
		assert_prints(&set, good[i].printed);
		gtid_set_fini(&set);
		set = parsed(good[i].text);
		assert_prints(&set, good[i].printed);
		gtid_set_fini(&set);
	}
}

static const struct {
	enum gtid_flavor flavor;
	const char *text;
	const char *message;
} bad[] = {
	{ GTID_MARIADB, "0", "GTID set: offset 1: no '-' behind the domain" },
	{ GTID_MARIADB, "0-1", "GTID set: offset 3: no '-' behind the server" },
	{ GTID_MARIADB, "0-1-", "GTID set: offset 4: no number" },
	{ GTID_MARIADB, "0-1-5,", "GTID set: offset 6: no number" },
	{ GTID_MARIADB, "0-1-5 6", "GTID set: offset 6: no ',' between entries" },
	{ GTID_MARIADB, "4294967296-1-5", "GTID set: offset 0: number out of range" },
	{ GTID_MARIADB, "0-1-18446744073709551616", "GTID set: offset 4: number out of range" },
	{ GTID_MARIADB, "0-1-999999999999999999999999", "GTID set: offset 4: number out of range" },
	{ GTID_MARIADB, "0-1-0..4", "GTID set: offset 5: a range from 0" },
	{ GTID_MARIADB, "0-1-4.5", "GTID set: offset 6: no '..'" },
	{ GTID_MARIADB, "0-1-4..3", "GTID set: offset 7: number out of range" },
	{ GTID_MARIADB, "-1-1-4", "GTID set: offset 0: no number" },
	{ GTID_MARIADB, U1 ":1-5", "GTID set: offset 1: no '-' behind the domain" },
	{ GTID_MYSQL, "0-1-105", "GTID set: offset 1: no hexadecimal digit of a UUID" },
	{ GTID_MYSQL, U1, "GTID set: offset 36: no ':' behind a UUID" },
	{ GTID_MYSQL, U1 ":", "GTID set: offset 37: no number" },
	{ GTID_MYSQL, U1 ":0", "GTID set: offset 37: number out of range" },
	{ GTID_MYSQL, U1 ":0-5", "GTID set: offset 37: number out of range" },
	{ GTID_MYSQL, U1 ":5-4", "GTID set: offset 39: number out of range" },
	{ GTID_MYSQL, U1 ":1-9223372036854775807", "GTID set: offset 39: number out of range" },
	{ GTID_MYSQL, U1 ":t", "GTID set: offset 38: no ':' behind a tag" },
	{ GTID_MYSQL, U1 ":t:", "GTID set: offset 39: no number" },
	{ GTID_MYSQL, U1 ":t:u:1", "GTID set: offset 39: no number" },
	{ GTID_MYSQL, U1 ":a23456789_123456789_123456789_123:1",
	  "GTID set: offset 69: tag too long" },
	{ GTID_MYSQL, U1 ":1,,", "GTID set: offset 39: no hexadecimal digit of a UUID" },
	{ GTID_MYSQL, "3e11fa4771ca11e19e33c80aa9429562:1",
	  "GTID set: offset 8: no '-' of a UUID" },
};

static void test_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gtid_set set = parsed("0-9-9");
		struct err_ctx err = { 0 };
		enum err rc = gtid_set_parse(str_of(bad[i].text), bad[i].flavor, &set, &err);
		assert_int_equal(rc, ERR_PARSE);
		assert_string_equal(err.text, bad[i].message);
		assert_prints(&set, "0-9-9");
		gtid_set_fini(&set);
	}
	struct gtid_set set = { 0 };
	assert_int_equal(gtid_set_parse((struct str){ "0-1-5\0", 6 }, GTID_MARIADB, &set, NULL),
			 ERR_PARSE);
}

/* A server that answers with a huge text must not take the manager's memory. */
static void test_limits(void **state)
{
	(void)state;
	struct gtid_set set = { 0 };
	char *text = mem_need(GTID_TEXT_BYTES_MAX + 1);
	for (size_t i = 0; i <= GTID_TEXT_BYTES_MAX; i++) {
		text[i] = ' ';
	}
	assert_int_equal(gtid_set_parse((struct str){ text, GTID_TEXT_BYTES_MAX + 1 }, GTID_MYSQL,
					&set, NULL),
			 ERR_LIMIT);
	assert_int_equal(
		gtid_set_parse((struct str){ text, GTID_TEXT_BYTES_MAX }, GTID_MYSQL, &set, NULL),
		ERR_OK);
	(void)mem_free(text);

	struct buf buf;
	buf_init(&buf, GTID_TEXT_BYTES_MAX);
	for (unsigned i = 0; i <= GTID_ITEMS_MAX; i++) {
		buf_printf(&buf, "%s0-%u-1", i ? "," : "", i);
	}
	assert_int_equal(buf_finish(&buf), ERR_OK);
	assert_int_equal(gtid_set_parse(buf_str(&buf), GTID_MARIADB, &set, NULL), ERR_LIMIT);

	buf_clear(&buf);
	buf_add_text(&buf, U1);
	for (unsigned i = 0; i < GTID_INTERVALS_MAX / 2; i++) {
		buf_printf(&buf, ":%u", 3 * i % 99991 + 1);
	}
	assert_int_equal(buf_finish(&buf), ERR_OK);
	assert_int_equal(gtid_set_parse(buf_str(&buf), GTID_MYSQL, &set, NULL), ERR_OK);
	gtid_set_clear(&set);
	assert_true(gtid_set_is_empty(&set));

	buf_clear(&buf);
	for (unsigned i = 0; i <= GTID_INTERVALS_MAX; i++) {
		buf_add_text(&buf, i % 2 ? ":1" : ":3");
	}
	struct buf whole;
	buf_init(&whole, GTID_TEXT_BYTES_MAX);
	buf_add_text(&whole, U1);
	buf_add_str(&whole, buf_str(&buf));
	assert_int_equal(buf_finish(&whole), ERR_OK);
	assert_int_equal(gtid_set_parse(buf_str(&whole), GTID_MYSQL, &set, NULL), ERR_LIMIT);
	buf_fini(&whole);
	buf_fini(&buf);
	gtid_set_fini(&set);
}

static const struct {
	const char *a;
	const char *b;
	enum gtid_order order;
	const char *a_minus_b;
	const char *b_minus_a;
	uint64_t distance; /* of a ahead of b */
	bool intersect;
} pairs[] = {
	{ "", "", GTID_EQUAL, "", "", 0, false },
	{ "", "0-1-5", GTID_BEHIND, "", "0-1-5", 0, false },
	{ "0-1-5", "", GTID_AHEAD, "0-1-5", "", 5, false },
	/* The old primary kept two that nobody else has, although the new one's numbers are higher. */
	{ "0-1-105", "0-1-103,0-2-110", GTID_DIVERGED, "0-1-104..105", "0-2-110", 0, true },
	/* The old primary lacks only what the new one wrote. */
	{ "0-1-103", "0-1-103,0-2-110", GTID_BEHIND, "", "0-2-110", 0, true },
	{ "0-1-103,0-2-110", "0-1-103", GTID_AHEAD, "0-2-110", "", 7, true },
	{ "0-1-103,1-1-20", "0-1-100,1-1-30", GTID_DIVERGED, "0-1-101..103", "1-1-21..30", 3,
	  true },
	{ "0-1-10,1-1-20,5-1-4", "1-2-15,3-1-9", GTID_DIVERGED, "0-1-10,1-1-20,5-1-4",
	  "1-2-15,3-1-9", 19, false },
	{ "0-1-104..105", "0-1-103", GTID_DIVERGED, "0-1-104..105", "0-1-103", 2, false },
	{ "0-1-18446744073709551615,1-1-1", "", GTID_AHEAD, "0-1-18446744073709551615,1-1-1", "",
	  UINT64_MAX, false },
	{ "0-1-18446744073709551615", "0-1-18446744073709551614", GTID_AHEAD,
	  "0-1-18446744073709551615..18446744073709551615", "", 1, true },
	{ U1 ":1-10", U1 ":1-10", GTID_EQUAL, "", "", 0, true },
	{ U1 ":1-10", U1 ":1-4:6-10", GTID_AHEAD, U1 ":5", "", 1, true },
	{ U1 ":1-10", U1 ":2:4-5:8-12", GTID_DIVERGED, U1 ":1:3:6-7", U1 ":11-12", 4, true },
	{ U1 ":1-3:5-7:9-11", U1 ":2-10", GTID_DIVERGED, U1 ":1:11", U1 ":4:8", 2, true },
	{ U1 ":1-3", U2 ":1-3", GTID_DIVERGED, U1 ":1-3", U2 ":1-3", 3, false },
	{ U1 ":1-3", U1 ":1-3," U2 ":1-5", GTID_BEHIND, "", U2 ":1-5", 0, true },
	{ U1 ":1-3:t:1-2", U1 ":1-3", GTID_AHEAD, U1 ":t:1-2", "", 2, true },
	{ U1 ":t:1-2", U1 ":1-2", GTID_DIVERGED, U1 ":t:1-2", U1 ":1-2", 2, false },
	{ U1 ":1-3", U1 ":4-6", GTID_DIVERGED, U1 ":1-3", U1 ":4-6", 3, false },
	{ U1 ":9223372036854775806", U1 ":1", GTID_DIVERGED, U1 ":9223372036854775806", U1 ":1", 1,
	  false },
	/* Servers of two kinds in one group: nothing of one is in the other. */
	{ U1 ":1-3", "0-1-3", GTID_DIVERGED, U1 ":1-3", "0-1-3", 3, false },
	{ U1 ":1-3,0-1-3", "0-1-3", GTID_AHEAD, U1 ":1-3", "", 3, true },
};

static void test_algebra(void **state)
{
	(void)state;
	static const enum gtid_order mirrored[] = { GTID_EQUAL, GTID_AHEAD, GTID_BEHIND,
						    GTID_DIVERGED };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct gtid_set a = parsed(pairs[i].a);
		struct gtid_set b = parsed(pairs[i].b);
		struct gtid_set ret = { 0 };

		assert_int_equal(gtid_set_compare(&a, &b), pairs[i].order);
		assert_int_equal(gtid_set_compare(&b, &a), mirrored[pairs[i].order]);
		assert_true(gtid_set_equal(&a, &b) == (pairs[i].order == GTID_EQUAL));
		gtid_set_subtract(&a, &b, &ret);
		assert_prints(&ret, pairs[i].a_minus_b);
		gtid_set_subtract(&b, &a, &ret);
		assert_prints(&ret, pairs[i].b_minus_a);
		assert_int_equal(gtid_set_distance(&a, &b), pairs[i].distance);
		assert_true(gtid_set_intersects(&a, &b) == pairs[i].intersect);
		assert_true(gtid_set_intersects(&b, &a) == pairs[i].intersect);

		gtid_set_copy(&ret, &a);
		gtid_set_add(&ret, &b);
		assert_true(gtid_set_contains(&ret, &a));
		assert_true(gtid_set_contains(&ret, &b));
		gtid_set_subtract(&ret, &a, &ret);
		assert_prints(&ret, pairs[i].b_minus_a);
		gtid_set_fini(&ret);
		gtid_set_fini(&a);
		gtid_set_fini(&b);
	}
}

/* A set may meet itself: callers that hold one pointer twice must not lose it. */
static void test_itself(void **state)
{
	(void)state;
	struct gtid_set set = parsed("0-1-5,1-2-7");
	gtid_set_add(&set, &set);
	assert_prints(&set, "0-1-5,1-2-7");
	gtid_set_copy(&set, &set);
	assert_prints(&set, "0-1-5,1-2-7");
	gtid_set_subtract(&set, &set, &set);
	assert_true(gtid_set_is_empty(&set));
	gtid_set_add(&set, &set);
	assert_true(gtid_set_is_empty(&set));
	gtid_set_fini(&set);
	assert_string_equal(gtid_set_order_name(GTID_DIVERGED), "diverged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_and_prints), cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_limits),		 cmocka_unit_test(test_algebra),
		cmocka_unit_test(test_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
