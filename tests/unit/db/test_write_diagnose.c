/* A word of the server that is read wrongly costs a primary its role, or leaves one in it that can't write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "db/health/heartbeat.h"
#include "db/health/write_diagnose.h"

/* As measured: docs/evidence.md. */
static void states_are_known(void **state)
{
	(void)state;
	static const struct {
		const char *state;
		enum write_trouble trouble;
	} cases[] = {
		{ "Waiting for semi-sync ACK from slave", WRITE_UNACKNOWLEDGED },
		{ "Waiting for semi-sync ACK from replica", WRITE_UNACKNOWLEDGED },
		{ "Waiting for someone to free space", WRITE_DISK_FULL },
		{ "Waiting for backup lock", WRITE_LOCKED },
		{ "Waiting for global read lock", WRITE_LOCKED },
		{ "Waiting for commit lock", WRITE_LOCKED },
		{ "Waiting for table metadata lock", WRITE_QUEUED },
		{ "Commit", WRITE_DISK_STALLED },
		{ "waiting for handler commit", WRITE_DISK_STALLED },
		{ "Waiting for prior transaction to commit", WRITE_DISK_STALLED },
		{ "Updating", WRITE_THROUGH },
		{ "updating", WRITE_THROUGH },
		{ "", WRITE_THROUGH },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(write_diagnose_state(str_of(cases[i].state)), cases[i].trouble);
	}
}

static void errors_are_known(void **state)
{
	(void)state;
	static const struct {
		unsigned number;
		const char *text;
		enum write_trouble trouble;
	} cases[] = {
		{ 1021, "Disk full (/tmp/#sql)", WRITE_DISK_FULL },
		{ 1114, "The table 'heartbeat' is full", WRITE_DISK_FULL },
		{ 1026, "Error writing file './binlog' (errno: 28 \"No space left on device\")",
		  WRITE_DISK_FULL },
		{ 1026, "Error writing file './binlog' (errno: 5 \"I/O error\")", WRITE_REFUSED },
		{ 1290, "running with the --super-read-only option", WRITE_READ_ONLY },
		{ 1836, "Running in read-only mode", WRITE_READ_ONLY },
		{ 1205, "Lock wait timeout exceeded", WRITE_QUEUED },
		{ 1142, "UPDATE command denied", WRITE_REFUSED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(write_diagnose_error(cases[i].number, str_of(cases[i].text)),
				 cases[i].trouble);
	}
}

static void the_probes_own_statements_are_known(void **state)
{
	(void)state;
	assert_true(heartbeat_is_write(STR("UPDATE muster.heartbeat SET epoch=1")));
	assert_true(heartbeat_is_write(STR("INSERT IGNORE INTO muster.heartbeat (group_name")));
	assert_false(heartbeat_is_write(STR("SELECT epoch FROM muster.heartbeat")));
	assert_false(heartbeat_is_write(STR("SHOW PROCESSLIST")));
	assert_true(heartbeat_is_missing(1146));
	assert_true(heartbeat_is_missing(1049));
	assert_false(heartbeat_is_missing(1142));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_are_known),
		cmocka_unit_test(errors_are_known),
		cmocka_unit_test(the_probes_own_statements_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
