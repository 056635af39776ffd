/* A living server taken for dead is a failover for nothing; a dead one taken for busy is an outage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "db/health/evidence.h"

struct row {
	enum contact_phase phase;
	unsigned server_errno;
	int os_errno;
	bool deadline;
	enum reach expected;
};

static const struct row rows[] = {
	/* A deadline proves what its phase says, whatever else is known. */
	{ CONTACT_RESOLVING, 0, 0, true, REACH_NAME },
	{ CONTACT_CONNECTING, 0, 0, true, REACH_SILENT },
	{ CONTACT_GREETING, 0, 0, true, REACH_HUNG },
	{ CONTACT_LOGIN, 0, 0, true, REACH_HUNG },
	{ CONTACT_QUERY, 0, 0, true, REACH_HUNG },
	{ CONTACT_QUERY, 2013, EINTR, true, REACH_HUNG },
	/* Names. */
	{ CONTACT_RESOLVING, 2005, 0, false, REACH_NAME },
	{ CONTACT_CONNECTING, 2005, 0, false, REACH_NAME },
	/* Nobody there. */
	{ CONTACT_CONNECTING, 2003, ECONNREFUSED, false, REACH_NOBODY_LISTENS },
	{ CONTACT_CONNECTING, 2002, ECONNREFUSED, false, REACH_NOBODY_LISTENS },
	{ CONTACT_CONNECTING, 2002, ENOENT, false, REACH_NOBODY_LISTENS },
	{ CONTACT_CONNECTING, 2003, ECONNRESET, false, REACH_NOBODY_LISTENS },
	{ CONTACT_GREETING, 2013, ECONNRESET, false, REACH_NOBODY_LISTENS },
	{ CONTACT_GREETING, 2013, 0, false, REACH_NOBODY_LISTENS },
	/* Silence. */
	{ CONTACT_CONNECTING, 2003, EHOSTUNREACH, false, REACH_SILENT },
	{ CONTACT_CONNECTING, 2003, ENETUNREACH, false, REACH_SILENT },
	{ CONTACT_CONNECTING, 2003, ETIMEDOUT, false, REACH_SILENT },
	{ CONTACT_CONNECTING, 2003, 0, false, REACH_SILENT },
	{ CONTACT_GREETING, 2013, ETIMEDOUT, false, REACH_SILENT },
	{ CONTACT_QUERY, 2013, ETIMEDOUT, false, REACH_SILENT },
	/* Our own trouble proves nothing. */
	{ CONTACT_CONNECTING, 2003, EMFILE, false, REACH_UNKNOWN },
	{ CONTACT_CONNECTING, 2003, EADDRNOTAVAIL, false, REACH_UNKNOWN },
	/* An established connection that ended: killed, or dead. */
	{ CONTACT_QUERY, 2013, ECONNRESET, false, REACH_UNKNOWN },
	{ CONTACT_QUERY, 2006, EPIPE, false, REACH_UNKNOWN },
	{ CONTACT_LOGIN, 2013, 0, false, REACH_UNKNOWN },
};

static void each_row_proves_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct contact_end end = { .phase = rows[i].phase,
					   .server_errno = rows[i].server_errno,
					   .os_errno = rows[i].os_errno,
					   .deadline = rows[i].deadline };
		if (evidence_reach(&end) != rows[i].expected) {
			fail_msg("row %zu: %s", i, evidence_reach_name(evidence_reach(&end)));
		}
	}
}

static void who_refuses_us_lives(void **state)
{
	(void)state;
	static const unsigned numbers[] = { 1040, 1042, 1043, 1044, 1045, 1053, 1129, 1130,
					    1203, 1226, 1251, 1275, 1290, 2026, 2059, 2061,
					    3032, 1064, 1193, 4151, 4031, 13114 };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (int phase = CONTACT_GREETING; phase < CONTACT_PHASE_COUNT_; phase++) {
			struct contact_end end = { .phase = (enum contact_phase)phase,
						   .server_errno = numbers[i] };
			if (evidence_reach(&end) != REACH_REFUSES_US) {
				fail_msg("%u while %s", numbers[i], evidence_phase_name(end.phase));
			}
		}
	}
}

static void privileges_are_told_apart(void **state)
{
	(void)state;
	assert_true(evidence_is_privilege(1045));
	assert_true(evidence_is_privilege(1227));
	assert_true(evidence_is_privilege(1142));
	assert_false(evidence_is_privilege(1040));
	assert_false(evidence_is_privilege(0));
	assert_true(evidence_is_refusal(1040));
	assert_false(evidence_is_refusal(2013));
}

static void every_value_has_a_name(void **state)
{
	(void)state;
	for (int reach = 0; reach < REACH_COUNT_; reach++) {
		assert_string_not_equal(evidence_reach_name((enum reach)reach), "?");
	}
	for (int phase = 0; phase < CONTACT_PHASE_COUNT_; phase++) {
		assert_string_not_equal(evidence_phase_name((enum contact_phase)phase), "?");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_proves_what_it_says),
		cmocka_unit_test(who_refuses_us_lives),
		cmocka_unit_test(privileges_are_told_apart),
		cmocka_unit_test(every_value_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
