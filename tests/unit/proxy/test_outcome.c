/* A wrong row repeats a write that committed, or calls a commit a rollback: walks every fact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/session/outcome.h"

static struct outcome_facts facts_of(unsigned index)
{
	return (struct outcome_facts){
		.kind = (enum outcome_kind)(index % OUTCOME_KIND_COUNT_),
		.sent = (enum outcome_sent)(index / OUTCOME_KIND_COUNT_ % OUTCOME_SENT_COUNT_),
		.visible = index / 21 & 1,
		.retained = index / 42 & 1,
		.in_transaction = index / 84 & 1,
		.autocommit = index / 168 & 1,
	};
}

/* Every combination, against the rules in words. */
static void every_fact(void **state)
{
	(void)state;
	assert_int_equal(OUTCOME_KIND_COUNT_ * OUTCOME_SENT_COUNT_, 21);
	for (unsigned i = 0; i < 21 * 16; i++) {
		struct outcome_facts f = facts_of(i);
		enum outcome outcome = outcome_decide(&f);
		bool whole = f.sent == OUTCOME_SENT_WHOLE;
		bool commits =
			f.kind == OUTCOME_MAY_COMMIT ||
			(f.kind == OUTCOME_WRITE && !f.in_transaction && f.autocommit) ||
			(f.in_transaction && (f.kind == OUTCOME_COMMIT || f.kind == OUTCOME_BEGIN));
		assert_int_equal(outcome == OUTCOME_CLOSE, f.visible);
		if (f.visible) {
			continue;
		}
		/* exactly what was sent whole and may have committed is unknown */
		assert_int_equal(outcome == OUTCOME_UNKNOWN, whole && commits);
		/* nothing is sent again out of a transaction, without its bytes, or when unknown */
		if (outcome == OUTCOME_RESEND) {
			assert_false(f.in_transaction);
			assert_true(f.retained);
			assert_false(whole && (commits || f.kind == OUTCOME_WRITE));
		}
		if (outcome == OUTCOME_DONE) {
			assert_int_equal(f.kind, OUTCOME_ROLLBACK);
		}
		if (f.in_transaction && f.kind != OUTCOME_ROLLBACK && !(whole && commits)) {
			assert_int_equal(outcome, OUTCOME_ROLLED_BACK);
		}
	}
}

static void the_common_cases(void **state)
{
	static const struct {
		struct outcome_facts facts;
		enum outcome outcome;
	} rows[] = {
		{ { OUTCOME_READ, OUTCOME_SENT_WHOLE, false, true, false, true }, OUTCOME_RESEND },
		{ { OUTCOME_READ, OUTCOME_SENT_WHOLE, false, true, true, true },
		  OUTCOME_ROLLED_BACK },
		{ { OUTCOME_WRITE, OUTCOME_SENT_WHOLE, false, true, false, true },
		  OUTCOME_UNKNOWN },
		{ { OUTCOME_WRITE, OUTCOME_SENT_WHOLE, false, true, false, false },
		  OUTCOME_ROLLED_BACK },
		{ { OUTCOME_WRITE, OUTCOME_SENT_PART, false, true, false, true }, OUTCOME_RESEND },
		{ { OUTCOME_COMMIT, OUTCOME_SENT_WHOLE, false, true, true, true },
		  OUTCOME_UNKNOWN },
		{ { OUTCOME_COMMIT, OUTCOME_SENT_NOTHING, false, true, true, true },
		  OUTCOME_ROLLED_BACK },
		{ { OUTCOME_ROLLBACK, OUTCOME_SENT_WHOLE, false, true, true, true }, OUTCOME_DONE },
		{ { OUTCOME_BEGIN, OUTCOME_SENT_WHOLE, false, true, false, true }, OUTCOME_RESEND },
		{ { OUTCOME_WRITE, OUTCOME_SENT_WHOLE, true, true, false, true }, OUTCOME_CLOSE },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(outcome_decide(&rows[i].facts), rows[i].outcome);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fact),
		cmocka_unit_test(the_common_cases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
