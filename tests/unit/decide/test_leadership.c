/* If this breaks, two managers may lead at once, or none ever again. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decide/leadership.h"

static const struct leadership_terms terms = { .duration_us = 1000,
					       .renew_us = 300,
					       .margin_us = 100 };

static enum leadership_act act_at(const struct leadership *leadership, uint64_t now_us)
{
	uint64_t due_us = 0;
	return leadership_next(leadership, &terms, now_us, &due_us);
}

static void test_a_first_manager_claims_at_once(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	assert_int_equal(act_at(&one, 10), LEADERSHIP_READ);
	leadership_saw(&one, 0, 0, false, 10);
	assert_int_equal(act_at(&one, 10), LEADERSHIP_CLAIM);
	leadership_wrote(&one, &terms, 1, 1, 20, 30);
	assert_true(leadership_leads(&one, 30));
	assert_int_equal(one.since_us, 30);
	assert_int_equal(one.until_us, 1020);
	assert_int_equal(act_at(&one, 319), LEADERSHIP_WAIT);
	assert_int_equal(act_at(&one, 320), LEADERSHIP_RENEW);
}

static void test_a_leader_ends_by_its_own_clock(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_wrote(&one, &terms, 1, 1, 20, 900);
	assert_true(leadership_leads(&one, 1019));
	assert_false(leadership_leads(&one, 1020));
	assert_int_equal(act_at(&one, 1020), LEADERSHIP_STEP_DOWN);
	leadership_stepped_down(&one);
	/* Its claim is still the newest one it knows of: nobody else has to be waited for. */
	assert_int_equal(act_at(&one, 1020), LEADERSHIP_CLAIM);
}

/* What it wrote when it still led may be carried out late, in its own term: what it reads after that would be void. */
static void test_a_renewal_that_comes_too_late_makes_no_leader(void **state)
{
	(void)state;
	for (unsigned noticed = 0; noticed < 2; noticed++) {
		struct leadership one = { 0 };
		uint64_t due;
		leadership_saw(&one, 0, 0, false, 10);
		leadership_wrote(&one, &terms, 1, 1, 20, 30);
		uint64_t late_us = 20 + terms.duration_us;
		if (noticed) {
			leadership_stepped_down(&one);
		}
		leadership_wrote(&one, &terms, 1, 2, late_us - 5, late_us);
		assert_false(leadership_leads(&one, late_us));
		assert_int_equal(leadership_next(&one, &terms, late_us, &due), LEADERSHIP_CLAIM);
		leadership_wrote(&one, &terms, 2, 3, late_us, late_us + 1);
		assert_true(leadership_leads(&one, late_us + 1));
		assert_int_equal(one.since_us, late_us + 1);
	}
}

static void test_a_follower_waits_for_the_whole_time(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_saw(&one, 3, 7, false, 100);
	assert_int_equal(act_at(&one, 1199), LEADERSHIP_WAIT);
	leadership_saw(&one, 3, 7, false, 1199); /* seen again, not renewed */
	assert_int_equal(act_at(&one, 1200), LEADERSHIP_CLAIM);
	leadership_saw(&one, 3, 8, false, 1201);
	assert_int_equal(act_at(&one, 2300), LEADERSHIP_WAIT);
	assert_int_equal(act_at(&one, 2301), LEADERSHIP_CLAIM);
}

static void test_a_refused_write_ends_it(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_wrote(&one, &terms, 1, 1, 20, 30);
	leadership_lost(&one);
	assert_false(leadership_leads(&one, 40));
	assert_int_equal(act_at(&one, 40), LEADERSHIP_READ);
	leadership_saw(&one, 2, 2, false, 50);
	assert_int_equal(act_at(&one, 51), LEADERSHIP_WAIT);
}

static void test_a_renewal_in_doubt_is_read_and_not_counted(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_wrote(&one, &terms, 1, 1, 20, 30);
	leadership_doubts(&one);
	assert_int_equal(act_at(&one, 400), LEADERSHIP_READ);
	assert_true(leadership_leads(&one, 400));
	leadership_saw(&one, 1, 2, true, 410);
	assert_int_equal(one.until_us, 1020);
	assert_int_equal(act_at(&one, 411), LEADERSHIP_RENEW);
}

static void test_a_claim_in_doubt_is_recognised(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_saw(&one, 1, 5, false, 100);
	leadership_doubts(&one);
	assert_int_equal(act_at(&one, 2000), LEADERSHIP_READ);
	leadership_saw(&one, 2, 6, true, 2100);
	assert_false(leadership_leads(&one, 2100));
	assert_int_equal(act_at(&one, 2100), LEADERSHIP_CLAIM);
}

static void test_a_leader_that_reads_another_ones_claim_ends(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_wrote(&one, &terms, 1, 1, 20, 30);
	leadership_saw(&one, 2, 2, false, 40);
	assert_false(leadership_leads(&one, 41));
}

static void test_a_leader_knows_the_newest_beat_before_its_own(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	/* Nobody has ever led here; what was granted under another store is not known. */
	leadership_saw(&one, 0, 0, false, 10);
	leadership_wrote(&one, &terms, 1, 1, 20, 30);
	assert_int_equal(one.former_us, 30);
	/* Its own renewals don't count; a claim of its own that follows does. */
	leadership_wrote(&one, &terms, 1, 2, 320, 340);
	assert_int_equal(one.former_us, 30);
	leadership_stepped_down(&one);
	leadership_wrote(&one, &terms, 2, 3, 1400, 1410);
	assert_int_equal(one.former_us, 340);
	/* Another one's: when its newest beat was seen. */
	leadership_lost(&one);
	leadership_saw(&one, 3, 4, false, 2000);
	leadership_saw(&one, 3, 5, false, 2300);
	leadership_saw(&one, 3, 5, false, 3300);
	leadership_wrote(&one, &terms, 4, 6, 3400, 3450);
	assert_int_equal(one.former_us, 2300);
}

static void test_a_store_that_comes_into_force_begins_anew(void **state)
{
	(void)state;
	struct leadership one = { 0 };
	leadership_saw(&one, 3, 5, false, 100);
	leadership_saw(&one, 3, 5, false, 900);
	leadership_anew(&one, 900);
	assert_int_equal(act_at(&one, 1999), LEADERSHIP_WAIT);
	assert_int_equal(act_at(&one, 2000), LEADERSHIP_CLAIM);
	leadership_wrote(&one, &terms, 4, 6, 2000, 2010);
	assert_int_equal(one.former_us, 900);
}

/* ---------------------------------------------------------------- many managers, any order of events */

enum { MANAGERS = 3, STEPS = 4000, RUNS = 200 };

/* A store that carries out writes at once, but whose answers may be late or lost. */
struct keys {
	uint64_t term;
	uint64_t beat;
	unsigned owner;
};

struct pending {
	bool open;
	bool lost;
	bool refused;
	uint64_t begun_us;
	uint64_t answer_us;
	uint64_t term;
	uint64_t beat;
};

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* A manager's own clock: up to 3 % off, from any start. */
static uint64_t local_us(unsigned who, uint64_t now_us)
{
	return 1000000ull * (who + 1) + now_us * (97 + 3ull * who) / 100;
}

static void write_keys(struct keys *keys, unsigned who, const struct leadership *one, bool claim,
		       struct pending *ret)
{
	bool fits = keys->term == one->term_version && (!claim || keys->beat == one->beat_version);
	ret->refused = !fits;
	if (fits) {
		keys->term += claim ? 1 : 0;
		keys->beat++;
		keys->owner = who;
	}
	ret->term = keys->term;
	ret->beat = keys->beat;
}

static void take_answer(struct leadership *one, struct pending *pending, uint64_t now_us)
{
	pending->open = false;
	if (pending->lost) {
		leadership_doubts(one);
	} else if (pending->refused) {
		leadership_lost(one);
	} else {
		leadership_wrote(one, &terms, pending->term, pending->beat, pending->begun_us,
				 now_us);
	}
}

static void take_part(unsigned who, struct leadership *one, struct keys *keys,
		      struct pending *pending, uint64_t now_us, uint64_t *seed)
{
	uint64_t due_us = 0;
	if (pending->open) {
		if (now_us >= pending->answer_us) {
			take_answer(one, pending, now_us);
		}
		return;
	}
	switch (leadership_next(one, &terms, now_us, &due_us)) {
	case LEADERSHIP_READ:
		leadership_saw(one, keys->term, keys->beat, keys->term && keys->owner == who,
			       now_us);
		break;
	case LEADERSHIP_CLAIM:
	case LEADERSHIP_RENEW:
		*pending = (struct pending){ .open = true,
					     .lost = random_next(seed) % 8 == 0,
					     .begun_us = now_us,
					     .answer_us = now_us + random_next(seed) % 400 };
		write_keys(keys, who, one, !one->leads, pending);
		break;
	case LEADERSHIP_STEP_DOWN:
		leadership_stepped_down(one);
		break;
	case LEADERSHIP_WAIT:
		if (!one->leads && random_next(seed) % 4 == 0) {
			leadership_saw(one, keys->term, keys->beat,
				       keys->term && keys->owner == who, now_us);
		}
		break;
	case LEADERSHIP_ACT_COUNT_:
		break;
	}
}

static void test_never_two_lead(void **state)
{
	(void)state;
	unsigned changes = 0;
	for (uint64_t run = 1; run <= RUNS; run++) {
		uint64_t seed = run * 0x9e3779b97f4a7c15ull;
		struct leadership all[MANAGERS] = { 0 };
		struct pending pending[MANAGERS] = { 0 };
		uint64_t asleep_until_us[MANAGERS] = { 0 };
		struct keys keys = { 0 };
		uint64_t now_us = 1;
		for (unsigned step = 0; step < STEPS; step++) {
			now_us += random_next(&seed) % 20;
			unsigned who = (unsigned)(random_next(&seed) % MANAGERS);
			if (random_next(&seed) % 500 == 0) {
				asleep_until_us[who] = now_us + random_next(&seed) % 3000;
			}
			if (now_us >= asleep_until_us[who]) {
				take_part(who, &all[who], &keys, &pending[who],
					  local_us(who, now_us), &seed);
			}
			unsigned leaders = 0;
			for (unsigned i = 0; i < MANAGERS; i++) {
				leaders += leadership_leads(&all[i], local_us(i, now_us)) ? 1 : 0;
			}
			assert_true(leaders <= 1);
		}
		assert_true(keys.term >= 1);
		changes += (unsigned)keys.term;
	}
	/* The runs are such that leaders are replaced. */
	assert_true(changes > 3 * RUNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_first_manager_claims_at_once),
		cmocka_unit_test(test_a_leader_ends_by_its_own_clock),
		cmocka_unit_test(test_a_renewal_that_comes_too_late_makes_no_leader),
		cmocka_unit_test(test_a_follower_waits_for_the_whole_time),
		cmocka_unit_test(test_a_refused_write_ends_it),
		cmocka_unit_test(test_a_renewal_in_doubt_is_read_and_not_counted),
		cmocka_unit_test(test_a_claim_in_doubt_is_recognised),
		cmocka_unit_test(test_a_leader_that_reads_another_ones_claim_ends),
		cmocka_unit_test(test_a_leader_knows_the_newest_beat_before_its_own),
		cmocka_unit_test(test_a_store_that_comes_into_force_begins_anew),
		cmocka_unit_test(test_never_two_lead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
