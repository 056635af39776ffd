/* The wrong dialect makes every command to a server fail in the middle of a failover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "db/dialect/dialect.h"

static void versions_are_parsed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t expected; /* 0: refused */
	} rows[] = {
		{ "10.11.19-MariaDB-0+deb12u1-log", 101119 },
		{ "5.5.5-10.11.19-MariaDB-0+deb12u1", 101119 },
		{ "11.8.6-MariaDB-0+deb13u1 from Debian-log", 110806 },
		{ "9.7.4-2", 90704 },
		{ "8.0.23", 80023 },
		{ "8.4.10-log", 80410 },
		{ "26.7.1", 260701 },
		{ "5.5.5-log", 50505 },
		{ "9.7", 0 },
		{ "9.", 0 },
		{ "", 0 },
		{ "x.1.2", 0 },
		{ "9.7.x", 0 },
		{ "9..1", 0 },
		{ "9.700.1", 0 },
		{ "99999.1.1", 0 },
		{ "-9.1.1", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t number = 0;
		enum err rc = dialect_parse_version(str_of(rows[i].text), &number);
		assert_int_equal(rc, rows[i].expected ? ERR_OK : ERR_PARSE);
		assert_int_equal(number, rows[i].expected);
	}
}

static void the_dialect_is_chosen(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const struct dialect *expected;
		enum err rc;
	} rows[] = {
		{ "10.11.19-MariaDB-0+deb12u1-log", &dialect_mariadb, ERR_OK },
		{ "11.8.6-MariaDB-0+deb13u1 from Debian-log", &dialect_mariadb, ERR_OK },
		{ "10.6.0-MariaDB", &dialect_mariadb, ERR_OK },
		{ "10.5.29-MariaDB", NULL, ERR_REFUSED },
		{ "9.7.4-2", &dialect_mysql, ERR_OK },
		{ "8.0.23", &dialect_mysql, ERR_OK },
		{ "8.0.22", NULL, ERR_REFUSED },
		{ "5.7.44-log", NULL, ERR_REFUSED },
		{ "nonsense", NULL, ERR_PARSE },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dialect *dialect = NULL;
		assert_int_equal(dialect_choose(str_of(rows[i].text), &dialect, NULL), rows[i].rc);
		assert_ptr_equal(dialect, rows[i].expected);
	}
}

/* A statement missing in a dialect would be a crash the first time it is needed. */
static void every_dialect_is_complete(void **state)
{
	(void)state;
	static const struct dialect *const all[] = {
#define X(symbol, name, mark, oldest) &(symbol),
#include "db/dialect/dialects.def"
#undef X
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct dialect *d = all[i];
		const char *const statements[] = {
			d->probe_sql,
			d->read_only_sql,
			d->open_sql,
			d->position_sql,
			d->stop_sql,
			d->start_sql,
			d->stop_receiver_sql,
			d->start_receiver_sql,
			d->reset_sql,
			d->replica_status_sql,
			d->replicas_sql,
			d->accounts_sql,
			d->identified_by,
			d->replication_privileges,
			d->tables_privilege,
			d->default_plugin,
			d->heartbeat_table_sql,
			d->holder_sql[0],
			d->holder_unknown,
			d->side_door_sql,
		};
		for (size_t j = 0; j < sizeof(statements) / sizeof(statements[0]); j++) {
			assert_non_null(statements[j]);
		}
		assert_string_not_equal(dialect_name(d), "?");
		assert_int_not_equal(d->flavor, GTID_NONE);
		assert_non_null(d->privileges);
		assert_non_null(d->more_grants);
		assert_non_null(d->columns);
		assert_true(d->read_status && d->set_semisync && d->semisync_source_off &&
			    d->repoint_sql && d->audit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_parsed),
		cmocka_unit_test(the_dialect_is_chosen),
		cmocka_unit_test(every_dialect_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
