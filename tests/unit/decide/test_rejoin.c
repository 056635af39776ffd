/* A server that comes back is classed by what it has: a wrong class would merge what must not be merged, or keep a
 * good server out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "decide/rejoin.h"

#define U "11111111-1111-1111-1111-111111111111:"
#define V "22222222-2222-2222-2222-222222222222:"

enum { TABLES = 1, TAKEN = 2, STRANGER = 4, REMADE = 8 };

struct row {
	enum rejoin_class class;
	const char *mine; /* NULL: can't be read */
	const char *theirs;
	const char *purged;
	unsigned bits;
};

static const struct row table[] = {
	{ REJOIN_NEW, "", "0-1-5", "", 0 },
	{ REJOIN_NEW, "", U "1-5", "", 0 },
	{ REJOIN_NEW, "", "", "", 0 },
	{ REJOIN_NEW, "", "0-1-5", "", STRANGER },
	{ REJOIN_PURGED, "", "0-1-5", "0-1-3", 0 },
	{ REJOIN_PURGED, "", U "1-5", U "1-3", 0 },
	{ REJOIN_UNKNOWN, "", "0-1-5", "", TABLES },
	{ REJOIN_IDENTICAL, "0-1-5", "0-1-5", "0-1-3", TABLES },
	{ REJOIN_IDENTICAL, U "1-5", U "1-5", U "1-5", TABLES },
	{ REJOIN_IDENTICAL, "0-1-5", "0-1-5", NULL, 0 },
	{ REJOIN_BEHIND, "0-1-4", "0-1-5", "0-1-3", TABLES },
	{ REJOIN_BEHIND, "0-1-4", "0-1-4,0-2-9", "", TABLES },
	{ REJOIN_BEHIND, "0-1-4", "0-1-4,0-2-9", "0-1-4", TABLES },
	{ REJOIN_BEHIND, U "1-4", U "1-4," V "1-9", U "1-4", TABLES },
	{ REJOIN_BEHIND, U "1-4", U "1-5", "", STRANGER },
	/* A copy knows the last of the domain alone, whoever wrote it. */
	{ REJOIN_BEHIND, "0-2-8", "0-1-4,0-2-9", "0-1-4,0-2-6", TABLES },
	{ REJOIN_UNKNOWN, "0-1-4", "0-1-5", NULL, TABLES },
	{ REJOIN_PURGED, "0-1-4", "0-1-9", "0-1-6", TABLES },
	{ REJOIN_PURGED, "0-1-4", "0-1-4,0-2-9", "0-1-4,0-2-6", TABLES },
	{ REJOIN_PURGED, U "1-4", U "1-9", U "1-6", TABLES },
	/* A hole of MySQL's that the primary can't fill any more. */
	{ REJOIN_PURGED, U "1-2:4-9", U "1-10", U "1-3", TABLES },
	{ REJOIN_AHEAD, "0-1-6", "0-1-5", "", TABLES },
	{ REJOIN_AHEAD, U "1-6", U "1-5", U "1-3", TABLES },
	{ REJOIN_AHEAD, "0-1-6", "", "", TABLES },
	{ REJOIN_DIVERGED, "0-1-105", "0-1-103,0-2-110", "", TABLES },
	{ REJOIN_DIVERGED, U "1-6", U "1-5," V "1-2", "", TABLES },
	{ REJOIN_OTHER, "0-1-6", "0-1-5", "", TABLES | STRANGER },
	{ REJOIN_OTHER, U "1-6", V "1-6", "", TABLES },
	{ REJOIN_OTHER, "0-1-6", "0-2-6", "", TABLES },
	{ REJOIN_OTHER, "0-1-5", "0-1-5", "", TAKEN },
	{ REJOIN_OTHER, NULL, NULL, NULL, TAKEN },
	{ REJOIN_UNKNOWN, NULL, "0-1-5", "", TABLES },
	{ REJOIN_UNKNOWN, "0-1-5", NULL, NULL, TABLES },
	{ REJOIN_UNKNOWN, "0-1-5", "0-1-5", "", REMADE },
};

static const struct gtid_set *read_set(const char *text, struct gtid_set *set)
{
	gtid_set_init(set);
	if (!text) {
		return NULL;
	}
	assert_int_equal(gtid_set_parse(str_of(text), GTID_NONE, set, NULL), ERR_OK);
	return set;
}

static void test_table(void **state)
{
	(void)state;
	unsigned hits[REJOIN_CLASS_COUNT_] = { 0 };
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *row = &table[i];
		struct gtid_set mine;
		struct gtid_set theirs;
		struct gtid_set purged;
		const struct rejoin_facts facts = {
			.mine = read_set(row->mine, &mine),
			.theirs = read_set(row->theirs, &theirs),
			.purged = read_set(row->purged, &purged),
			.holds_tables = (row->bits & TABLES) != 0,
			.id_taken = (row->bits & TAKEN) != 0,
			.stranger = (row->bits & STRANGER) != 0,
			.remade = (row->bits & REMADE) != 0,
		};
		enum rejoin_class class = rejoin_classify(&facts);
		if (class != row->class) {
			fail_msg("row %zu: %s, wanted %s", i, rejoin_name(class),
				 rejoin_name(row->class));
		}
		hits[class]++;
		/* What comes back by itself can't lose anything. */
		if (rejoin_is_automatic(class)) {
			assert_true(gtid_set_contains(&theirs, &mine));
			assert_false(rejoin_has_tail(class));
		}
		gtid_set_fini(&mine);
		gtid_set_fini(&theirs);
		gtid_set_fini(&purged);
	}
	for (unsigned i = 0; i < REJOIN_CLASS_COUNT_; i++) {
		assert_true(hits[i] > 0);
	}
}

static void test_each_class_has_its_words(void **state)
{
	(void)state;
	for (enum rejoin_class i = 0; i < REJOIN_CLASS_COUNT_; i++) {
		assert_non_null(rejoin_name(i));
		assert_non_null(rejoin_meaning(i));
		assert_non_null(rejoin_remedy(i));
		assert_false(rejoin_is_automatic(i) && rejoin_has_tail(i));
	}
	assert_true(rejoin_can_reclone(REJOIN_PURGED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_each_class_has_its_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
