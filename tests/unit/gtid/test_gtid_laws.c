/* What would break for the user: an interval lost in a rare mix of overlaps is a transaction that a
 * failover loses without saying so. Random sets are held against a table of single transactions.
 *
 * GTID_SEED=<number> repeats a run. */
#include "gtid/gtid_set.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/prng.h"

enum { CASES = 1000, KEYS = 4, NUMBERS = 24, TEXT_BYTES = 16 * 1024 };

/* has[k][n]: transaction n+1 of key k is in. */
struct model {
	bool has[KEYS][NUMBERS];
};

static uint64_t seed = 20240229;

/* MariaDB: two servers in domain 0, one in 1, one in 2. */
static const char *const mariadb_keys[KEYS] = { "0-1-", "0-2-", "1-1-", "2-9-" };
static const char *const mysql_keys[KEYS] = {
	"00000000-0000-0000-0000-000000000001:",
	"00000000-0000-0000-0000-000000000001:tag:",
	"00000000-0000-0000-0000-000000000001:tag_b:",
	"ffffffff-0000-0000-0000-000000000001:",
};

static void random_model(struct prng *prng, struct model *model)
{
	memset(model, 0, sizeof(*model));
	uint64_t density = prng_below(prng, 5);
	for (size_t k = 0; k < KEYS; k++) {
		if (prng_below(prng, 4) == 0) {
			continue;
		}
		for (size_t n = 0; n < NUMBERS; n++) {
			model->has[k][n] = prng_below(prng, 4) < density;
		}
	}
}

/* The model's transactions as a text of pieces in random order, some said twice. */
static struct gtid_set built(struct prng *prng, enum gtid_flavor flavor, const struct model *model)
{
	static const char *const separators[] = { ",", ", ", ",\n" };
	struct buf text;
	buf_init(&text, TEXT_BYTES);
	size_t start = prng_below(prng, KEYS);
	bool backwards = prng_below(prng, 2);
	for (size_t i = 0; i < (size_t)KEYS * NUMBERS; i++) {
		size_t k = (start + i / NUMBERS) % KEYS;
		size_t n = backwards ? NUMBERS - 1 - i % NUMBERS : i % NUMBERS;
		if (!model->has[k][n]) {
			continue;
		}
		size_t to = n;
		while (to + 1 < NUMBERS && model->has[k][to + 1] && prng_below(prng, 3)) {
			to++;
		}
		const char *key = flavor == GTID_MYSQL ? mysql_keys[k] : mariadb_keys[k];
		const char *dash = flavor == GTID_MYSQL ? "-" : "..";
		buf_printf(&text, "%s%s%zu%s%zu", text.len ? separators[prng_below(prng, 3)] : "",
			   key, n + 1, dash, to + 1);
	}
	struct gtid_set set = { 0 };
	assert_int_equal(buf_finish(&text), ERR_OK);
	assert_int_equal(gtid_set_parse(buf_str(&text), flavor, &set, NULL), ERR_OK);
	buf_fini(&text);
	return set;
}

/* Order, gaps, counts: what every set must keep. */
static void assert_in_order(const struct gtid_set *set)
{
	size_t first = 0;
	for (size_t i = 0; i < set->item_count; i++) {
		const struct gtid_item *item = &set->items[i];
		assert_true(item->count > 0);
		assert_int_equal(item->first, first);
		first += item->count;
		for (size_t j = 0; j < item->count; j++) {
			struct gtid_interval one = set->intervals[item->first + j];
			assert_true(one.from >= 1 && one.from <= one.to);
			if (j) {
				assert_true(set->intervals[item->first + j - 1].to + 1 < one.from);
			}
		}
	}
	assert_int_equal(first, set->interval_count);
}

static size_t key_of(const struct gtid_key *key)
{
	if (key->flavor == GTID_MYSQL) {
		if (key->uuid[0]) {
			return 3;
		}
		return !key->tag[0] ? 0 : strcmp(key->tag, "tag") == 0 ? 1 : 2;
	}
	return key->domain ? key->domain + 1 : key->server - 1;
}

static void assert_is(const struct gtid_set *set, const struct model *model)
{
	struct model seen = { 0 };
	assert_in_order(set);
	for (size_t i = 0; i < set->item_count; i++) {
		const struct gtid_item *item = &set->items[i];
		for (size_t j = 0; j < item->count; j++) {
			struct gtid_interval one = set->intervals[item->first + j];
			for (uint64_t n = one.from; n <= one.to; n++) {
				seen.has[key_of(&item->key)][n - 1] = true;
			}
		}
	}
	assert_memory_equal(&seen, model, sizeof(seen));
}

static void assert_round_trip(const struct gtid_set *set, enum gtid_flavor flavor)
{
	struct gtid_set again = { 0 };
	struct buf text;
	buf_init(&text, TEXT_BYTES);
	gtid_set_print(set, &text);
	assert_int_equal(buf_finish(&text), ERR_OK);
	assert_int_equal(gtid_set_parse(buf_str(&text), flavor, &again, NULL), ERR_OK);
	assert_true(gtid_set_equal(set, &again));
	assert_in_order(&again);
	buf_fini(&text);
	gtid_set_fini(&again);
}

static uint64_t model_distance(enum gtid_flavor flavor, const struct model *a,
			       const struct model *b)
{
	uint64_t sum = 0;
	uint64_t top[2][3] = { { 0 }, { 0 } };
	for (size_t k = 0; k < KEYS; k++) {
		size_t domain = k < 2 ? 0 : k - 1;
		for (size_t n = 0; n < NUMBERS; n++) {
			sum += flavor == GTID_MYSQL && a->has[k][n] && !b->has[k][n];
			if (a->has[k][n] && top[0][domain] < n + 1) {
				top[0][domain] = n + 1;
			}
			if (b->has[k][n] && top[1][domain] < n + 1) {
				top[1][domain] = n + 1;
			}
		}
	}
	for (size_t d = 0; flavor == GTID_MARIADB && d < 3; d++) {
		sum += top[0][d] > top[1][d] ? top[0][d] - top[1][d] : 0;
	}
	return sum;
}

static void check_pair(enum gtid_flavor flavor, const struct gtid_set *a, const struct model *am,
		       const struct gtid_set *b, const struct model *bm)
{
	struct model both;
	struct model minus;
	bool a_has_all = true;
	bool b_has_all = true;
	bool meet = false;
	for (size_t k = 0; k < KEYS; k++) {
		for (size_t n = 0; n < NUMBERS; n++) {
			bool x = am->has[k][n];
			bool y = bm->has[k][n];
			both.has[k][n] = x || y;
			minus.has[k][n] = x && !y;
			a_has_all = a_has_all && (x || !y);
			b_has_all = b_has_all && (y || !x);
			meet = meet || (x && y);
		}
	}
	struct gtid_set ret = { 0 };
	gtid_set_copy(&ret, a);
	assert_is(&ret, am);
	gtid_set_add(&ret, b);
	assert_is(&ret, &both);
	assert_true(gtid_set_contains(&ret, a) && gtid_set_contains(&ret, b));
	gtid_set_subtract(a, b, &ret);
	assert_is(&ret, &minus);
	assert_false(gtid_set_intersects(&ret, b));
	assert_round_trip(&ret, flavor);
	gtid_set_add(&ret, b);
	assert_is(&ret, &both);
	gtid_set_fini(&ret);

	assert_true(gtid_set_contains(a, b) == a_has_all);
	assert_true(gtid_set_contains(b, a) == b_has_all);
	assert_true(gtid_set_intersects(a, b) == meet);
	assert_true(gtid_set_equal(a, b) == (a_has_all && b_has_all));
	assert_int_equal(gtid_set_compare(a, b),
			 a_has_all ? (b_has_all ? GTID_EQUAL : GTID_AHEAD)
				   : (b_has_all ? GTID_BEHIND : GTID_DIVERGED));
	assert_int_equal(gtid_set_distance(a, b), model_distance(flavor, am, bm));
}

static void check_laws(enum gtid_flavor flavor)
{
	struct prng prng = { seed };
	for (int i = 0; i < CASES; i++) {
		struct model am;
		struct model bm;
		random_model(&prng, &am);
		random_model(&prng, &bm);
		if (prng_below(&prng, 4) == 0) { /* close to each other, as servers are */
			bm = am;
			bm.has[prng_below(&prng, KEYS)][prng_below(&prng, NUMBERS)] ^= true;
		}
		struct gtid_set a = built(&prng, flavor, &am);
		struct gtid_set b = built(&prng, flavor, &bm);
		assert_is(&a, &am);
		assert_is(&b, &bm);
		assert_round_trip(&a, flavor);
		check_pair(flavor, &a, &am, &b, &bm);
		check_pair(flavor, &a, &am, &a, &am);
		gtid_set_fini(&a);
		gtid_set_fini(&b);
	}
}

static void test_mysql(void **state)
{
	(void)state;
	check_laws(GTID_MYSQL);
}

static void test_mariadb(void **state)
{
	(void)state;
	check_laws(GTID_MARIADB);
}

int main(void)
{
	const char *wish = getenv("GTID_SEED");
	if (wish && str_parse_u64(str_of(wish), 0, UINT64_MAX, &seed) != ERR_OK) {
		print_error("GTID_SEED is no number\n");
		return 2;
	}
	print_message("seed %" PRIu64 "\n", seed);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mysql),
		cmocka_unit_test(test_mariadb),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
