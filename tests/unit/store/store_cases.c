#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store_cases.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static struct store *(*open_empty)(void);
static struct store *(*open_again)(void);

static struct store_change put(const char *key, const char *value)
{
	return (struct store_change){ .key = str_of(key), .value = str_of(value) };
}

static void commit(struct store *store, struct store_change change)
{
	struct err_ctx err = { 0 };
	enum err rc = store_commit(store, &change, 1, &err);
	if (rc != ERR_OK) {
		fail_msg("%s", err_text(rc, &err));
	}
}

static void assert_value(struct store *store, const char *key, const char *value, uint64_t version)
{
	struct buf got;
	buf_init(&got, STORE_VALUE_BYTES_MAX);
	uint64_t got_version = 0;
	assert_int_equal(store_get(store, str_of(key), &got, &got_version, NULL), ERR_OK);
	assert_string_equal(buf_text(&got), value);
	assert_int_equal(got_version, version);
	buf_fini(&got);
}

static void assert_missing(struct store *store, const char *key)
{
	struct buf got;
	buf_init(&got, STORE_VALUE_BYTES_MAX);
	uint64_t version = 77;
	assert_int_equal(store_get(store, str_of(key), &got, &version, NULL), ERR_NOT_FOUND);
	assert_int_equal(version, 77);
	buf_fini(&got);
}

/* What was stored is there after the next start, with its version. */
static void test_values_survive_reopening(void **state)
{
	(void)state;
	struct store *store = open_empty();
	commit(store, put("group/a", "one"));
	commit(store, put("group/a", "two"));
	commit(store, put("group/b", ""));
	assert_value(store, "group/a", "two", 2);
	(void)store_close(store);
	store = open_again();
	assert_value(store, "group/a", "two", 2);
	assert_value(store, "group/b", "", 1);
	assert_missing(store, "group/c");
	commit(store, (struct store_change){ .key = STR("group/a"), .remove = true });
	assert_missing(store, "group/a");
	commit(store, put("group/a", "again"));
	assert_value(store, "group/a", "again", 1);
	(void)store_close(store);
}

/* A deposed writer can't overwrite what it hasn't seen, and a refused commit changes nothing at all. */
static void test_conflict_changes_nothing(void **state)
{
	(void)state;
	struct store *store = open_empty();
	commit(store, put("a", "1"));
	const struct {
		uint64_t version;
		bool remove;
		enum err rc;
	} cases[] = { { 0, false, ERR_CONFLICT },
		      { 2, false, ERR_CONFLICT },
		      { 0, true, ERR_CONFLICT },
		      { 1, false, ERR_OK },
		      { 1, false, ERR_CONFLICT } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_change changes[] = {
			put("b", "must not stay"),
			{ .key = STR("a"),
			  .value = STR("2"),
			  .remove = cases[i].remove,
			  .check_version = true,
			  .version = cases[i].version },
		};
		struct err_ctx err = { 0 };
		assert_int_equal(store_commit(store, changes, 2, &err), cases[i].rc);
		if (cases[i].rc == ERR_OK) {
			assert_value(store, "a", "2", 2);
			commit(store, (struct store_change){ .key = STR("b"), .remove = true });
		} else {
			assert_non_null(strstr(err.text, "'a' has version"));
			assert_missing(store, "b");
		}
	}
	(void)store_close(store);
}

/* Without the token nothing is written, not even what nobody else has touched. */
static void test_fence(void **state)
{
	(void)state;
	struct store *store = open_empty();
	struct err_ctx err = { 0 };
	struct store_change change = put("a", "1");
	store_fence(store, STR("term"), 1);
	assert_int_equal(store_commit(store, &change, 1, &err), ERR_CONFLICT);
	assert_string_equal(err.text, "store: 'term' has version 0, version 1 was expected");
	assert_missing(store, "a");
	store_fence(store, STR(""), 0);
	commit(store, put("term", "me"));
	store_fence(store, STR("term"), 1);
	commit(store, put("a", "1"));
	store_fence(store, STR(""), 0);
	commit(store, put("term", "another"));
	store_fence(store, STR("term"), 1);
	assert_int_equal(store_commit(store, &change, 1, &err), ERR_CONFLICT);
	assert_value(store, "a", "1", 1);
	/* The key itself may be written by its holder. */
	store_fence(store, STR("term"), 2);
	commit(store, put("term", "me"));
	assert_value(store, "term", "me", 3);
	(void)store_close(store);
}

struct seen {
	char text[256];
	size_t rows;
	size_t rows_max;
};

static bool see(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct seen *seen = ctx;
	size_t used = strlen(seen->text);
	(void)snprintf(seen->text + used, sizeof(seen->text) - used, "%.*s=%.*s@%d ", STR_ARG(key),
		       STR_ARG(value), (int)version);
	return ++seen->rows < seen->rows_max;
}

/* A prefix finds its keys and no others, whatever bytes are in it. */
static void test_list(void **state)
{
	(void)state;
	struct store *store = open_empty();
	static const char *const keys[] = { "g/b", "g/a", "g0", "g%", "h/a", "G/a", "g/\xff" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		commit(store, put(keys[i], "v"));
	}
	static const struct {
		const char *prefix;
		const char *after;
		size_t rows_max;
		const char *expected;
	} cases[] = {
		{ "g/", "", 99, "g/a=v@1 g/b=v@1 g/\xff=v@1 " },
		{ "g%", "", 99, "g%=v@1 " },
		{ "x", "", 99, "" },
		{ "g/", "", 1, "g/a=v@1 " },
		{ "", "", 2, "G/a=v@1 g%=v@1 " },
		{ "g/\xff", "", 99, "g/\xff=v@1 " },
		{ "g/", "g/a", 99, "g/b=v@1 g/\xff=v@1 " },
		{ "g/", "g/aa", 1, "g/b=v@1 " },
		{ "g/", "g/\xff", 99, "" },
		{ "g/", "a", 1, "g/a=v@1 " },
		{ "g/", "z", 99, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen seen = { .rows_max = cases[i].rows_max };
		assert_int_equal(store_list_after(store, str_of(cases[i].prefix),
						  str_of(cases[i].after), see, &seen, NULL),
				 ERR_OK);
		assert_string_equal(seen.text, cases[i].expected);
	}
	(void)store_close(store);
}

struct count {
	uint32_t rows;
	uint32_t wrong;
};

static bool count_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct count *count = ctx;
	char expected[32];
	(void)snprintf(expected, sizeof(expected), "event/%04u", count->rows++);
	if (!str_equal(key, str_of(expected)) || !str_equal(value, key) || version != 1) {
		count->wrong++;
	}
	return true;
}

/* A long list comes whole and in order, however it is read. */
static void test_long_list(void **state)
{
	(void)state;
	enum { COMMITS = 10, PER_COMMIT = 50 };
	struct store *store = open_empty();
	static char keys[PER_COMMIT][16];
	for (uint32_t c = 0; c < COMMITS; c++) {
		struct store_change changes[PER_COMMIT];
		for (uint32_t i = 0; i < PER_COMMIT; i++) {
			(void)snprintf(keys[i], sizeof(keys[i]), "event/%04u", c * PER_COMMIT + i);
			changes[i] = put(keys[i], keys[i]);
		}
		assert_int_equal(store_commit(store, changes, PER_COMMIT, NULL), ERR_OK);
	}
	struct count count = { 0 };
	assert_int_equal(store_list(store, STR("event/"), count_row, &count, NULL), ERR_OK);
	assert_int_equal(count.rows, COMMITS * PER_COMMIT);
	assert_int_equal(count.wrong, 0);
	(void)store_close(store);
}

/* Over a limit is an error with the limit in it, not a cut value. */
static void test_limits(void **state)
{
	(void)state;
	struct store *store = open_empty();
	char *big = mem_need(STORE_VALUE_BYTES_MAX + 1);
	memset(big, 'x', STORE_VALUE_BYTES_MAX + 1);
	struct err_ctx err = { 0 };
	struct store_change change = { .key = STR("big"),
				       .value = { big, STORE_VALUE_BYTES_MAX + 1 } };
	assert_int_equal(store_commit(store, &change, 1, &err), ERR_LIMIT);
	assert_missing(store, "big");
	change.value.len--;
	assert_int_equal(store_commit(store, &change, 1, &err), ERR_OK);
	struct buf small;
	buf_init(&small, 10);
	uint64_t version = 0;
	assert_int_equal(store_get(store, STR("big"), &small, &version, &err), ERR_LIMIT);
	buf_fini(&small);
	change =
		(struct store_change){ .key = { big, STORE_KEY_BYTES_MAX + 1 }, .value = STR("v") };
	assert_int_equal(store_commit(store, &change, 1, &err), ERR_LIMIT);
	change.key.len = 0;
	assert_int_equal(store_commit(store, &change, 1, &err), ERR_LIMIT);
	assert_int_equal(store_commit(store, &change, STORE_CHANGES_MAX + 1, &err), ERR_LIMIT);
	mem_free(big);
	(void)store_close(store);
}

int store_cases_run(struct store *(*empty)(void), struct store *(*again)(void))
{
	open_empty = empty;
	open_again = again;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_survive_reopening),
		cmocka_unit_test(test_conflict_changes_nothing),
		cmocka_unit_test(test_fence),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
