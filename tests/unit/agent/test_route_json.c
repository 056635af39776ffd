/* A route that arrives changed sends writes elsewhere; an account, lets somebody in or keeps him out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/route_json.h"

static struct route sample(void)
{
	return (struct route){
		.group = "shop",
		.epoch = 7,
		.revision = 3,
		.writes = ROUTE_DRAIN,
		.primary = 1,
		.server_count = 2,
		.servers = { { .name = "a",
			       .host = "192.0.2.1",
			       .port = 3306,
			       .weight = 100,
			       .serves_reads = true },
			     { .name = "b", .host = "db2", .port = 65535 } },
	};
}

static void route_round_trip(void **state)
{
	struct route route = sample();
	struct route again;
	(void)state;
	for (unsigned writes = ROUTE_OPEN; writes <= ROUTE_HOLD; writes++) {
		route.writes = (enum route_writes)writes;
		json_t *json = route_json_write(&route);
		assert_int_equal(route_json_read(json, &again, NULL), ERR_OK);
		json_decref(json);
		assert_memory_equal(&route, &again, sizeof(route));
	}
	route.primary = ROUTE_SERVERS_MAX;
	json_t *json = route_json_write(&route);
	assert_int_equal(route_json_read(json, &again, NULL), ERR_OK);
	json_decref(json);
	assert_int_equal(again.primary, ROUTE_SERVERS_MAX);
}

static void bad_routes_are_refused(void **state)
{
	static const char *const keys[] = { "group",  "epoch",	 "revision",
					    "writes", "primary", "servers" };
	struct route route = sample();
	struct route again = { .epoch = 99 };
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *json = route_json_write(&route);
		assert_int_equal(json_object_set_new(json, keys[i], json_real(0.5)), 0);
		assert_int_equal(route_json_read(json, &again, NULL), ERR_PARSE);
		json_decref(json);
	}
	json_t *json = route_json_write(&route);
	json_t *servers = json_object_get(json, "servers");
	for (size_t i = 2; i <= ROUTE_SERVERS_MAX; i++) {
		assert_int_equal(json_array_append(servers, json_array_get(servers, 0)), 0);
	}
	assert_int_equal(route_json_read(json, &again, NULL), ERR_PARSE);
	json_decref(json);
	assert_int_equal(route_json_read(NULL, &again, NULL), ERR_PARSE);
	assert_int_equal(again.epoch, 99);
}

static struct accounts *accounts(void)
{
	const struct accounts_facts facts = { .server_version = "10.11.1-MariaDB",
					      .default_plugin = "not\xff"
								"UTF-8",
					      .capabilities = 0xfffffffe,
					      .charset = 255,
					      .mariadb = true };
	const struct account rows[] = {
		{ STR("app"), STR("%"), STR("mysql_native_password"), STR("*AB\0\xff'"), false },
		{ STR(""), STR("localhost"), STR(""), STR(""), true },
	};
	struct accounts *made = accounts_new(&facts);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(accounts_add(made, &rows[i], NULL), ERR_OK);
	}
	accounts_seal(made);
	return made;
}

static void accounts_round_trip(void **state)
{
	struct accounts *made = accounts();
	struct accounts *again = NULL;
	(void)state;
	json_t *json = route_json_write_accounts(made);
	assert_int_equal(route_json_read_accounts(json, &again, NULL), ERR_OK);
	json_decref(json);
	assert_memory_equal(accounts_get_facts(made), accounts_get_facts(again),
			    sizeof(struct accounts_facts));
	assert_int_equal(accounts_count(again), 2);
	const struct account *row = accounts_find(again, STR("app"), STR("192.0.2.9"));
	assert_non_null(row);
	assert_true(str_equal(row->auth, STR("*AB\0\xff'")));
	assert_false(row->locked);
	row = accounts_find(again, STR("nobody"), STR("127.0.0.1"));
	assert_non_null(row);
	assert_true(row->locked);
	(void)accounts_unref(again);
	(void)accounts_unref(made);
}

static void bad_accounts_are_refused(void **state)
{
	static const char *const rows[] = {
		"1",
		"[]",
		"[[]]",
		"[[\"61\",\"25\",\"\"]]",
		"[[\"6\",\"25\",\"\",\"\",false]]",
		"[[\"zz\",\"25\",\"\",\"\",false]]",
		"[[\"61\",\"25\",1,\"\",false]]",
	};
	struct accounts *made = accounts();
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct accounts *again = NULL;
		json_t *json = route_json_write_accounts(made);
		assert_int_equal(json_object_set_new(json, "rows",
						     json_loads(rows[i], JSON_DECODE_ANY, NULL)),
				 0);
		enum err rc = route_json_read_accounts(json, &again, NULL);
		json_decref(json);
		assert_int_equal(rc, strcmp(rows[i], "[]") == 0 ? ERR_OK : ERR_PARSE);
		(void)accounts_unref(again);
	}
	(void)accounts_unref(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route_round_trip),
		cmocka_unit_test(bad_routes_are_refused),
		cmocka_unit_test(accounts_round_trip),
		cmocka_unit_test(bad_accounts_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
