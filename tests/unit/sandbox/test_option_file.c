/* Without these a server could start writable or on all addresses, or muster with the wrong accounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sandbox/option_file.h"
#include "sandbox/template_sql.h"

static struct sandbox sample(const char *flavor)
{
	struct sandbox sandbox = { .name = "x",
				   .root = "/r/x",
				   .sockets = "/s",
				   .write_port = 10001,
				   .read_port = 10002,
				   .server_count = 1,
				   .servers = { { "db1", 1, 10003 } } };
	(void)snprintf(sandbox.flavor, sizeof(sandbox.flavor), "%s", flavor);
	return sandbox;
}

static bool has_line(struct buf *text, const char *line)
{
	struct str rest = buf_str(text);
	struct str one;
	while (str_next(&rest, '\n', &one)) {
		if (str_equal(one, str_of(line))) {
			return true;
		}
	}
	return false;
}

static void test_servers(void **state)
{
	(void)state;
	static const struct {
		const char *flavor;
		const char *line;
	} rows[] = {
		{ "mariadb", "bind-address=127.0.0.1" },
		{ "mariadb", "socket=/s/db1.sock" },
		{ "mariadb", "datadir=/r/x/db1/data" },
		{ "mariadb", "read-only=1" },
		{ "mariadb", "skip-slave-start=1" },
		{ "mariadb", "gtid-strict-mode=1" },
		{ "mariadb", "sync-binlog=1" },
		{ "mariadb", "rpl-semi-sync-master-wait-point=AFTER_SYNC" },
		{ "mysql", "super-read-only=1" },
		{ "mysql", "skip-replica-start=1" },
		{ "mysql", "mysqlx=OFF" },
		{ "mysql", "plugin-load-add=semisync_source.so" },
		{ "mysql", "innodb-flush-log-at-trx-commit=1" },
		{ "mysql", "report-port=10003" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sandbox sandbox = sample(rows[i].flavor);
		struct buf text;
		buf_init(&text, 65536);
		assert_int_equal(option_file_server(&sandbox, &sandbox.servers[0], &text, NULL),
				 ERR_OK);
		if (!has_line(&text, rows[i].line)) {
			fail_msg("%s: no line '%s'", rows[i].flavor, rows[i].line);
		}
		buf_fini(&text);
	}
}

static void test_muster(void **state)
{
	(void)state;
	struct sandbox sandbox = sample("mariadb");
	struct buf text;
	buf_init(&text, 65536);
	assert_int_equal(option_file_muster(&sandbox, &text, NULL), ERR_OK);
	assert_true(has_line(&text, "socket=/s/muster.sock"));
	assert_true(has_line(&text, "manager-password-file=/r/x/secrets/manager.password"));
	assert_true(has_line(&text, "write-port=10001"));
	assert_true(has_line(&text, "group=x"));
	buf_fini(&text);
}

static void test_application_cannot_write_under_read_only(void **state)
{
	(void)state;
	static const char *const banned[] = { "SUPER",
					      "READ_ONLY ADMIN",
					      "READ ONLY ADMIN",
					      "ALL ",
					      "CONNECTION ADMIN",
					      "CONNECTION_ADMIN",
					      "SYSTEM_VARIABLES_ADMIN" };
	struct secret passwords[SANDBOX_ACCOUNT_COUNT_];
	memset(passwords, 0, sizeof(passwords));
	for (int flavor = FLAVOR_MARIADB; flavor <= FLAVOR_MYSQL; flavor++) {
		struct buf sql;
		struct str rest;
		struct str line;
		unsigned grants = 0;
		buf_init(&sql, 65536);
		template_sql_accounts((enum flavor)flavor, passwords, &sql);
		rest = buf_str(&sql);
		while (str_next(&rest, '\n', &line)) {
			if (!str_contains(line, STR("'app'")) ||
			    !str_contains(line, STR("GRANT "))) {
				continue;
			}
			grants++;
			for (size_t i = 0; i < sizeof(banned) / sizeof(banned[0]); i++) {
				assert_false(str_contains(line, str_of(banned[i])));
			}
		}
		assert_int_equal(grants, 1);
		buf_fini(&sql);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_muster),
		cmocka_unit_test(test_application_cannot_write_under_read_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
