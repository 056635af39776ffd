/* A table of services that arrives changed sends clients to the wrong web server, or to none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/service_json.h"
#include "base/mem.h"

static struct service_table *sample(void)
{
	struct service_table *table = mem_need(sizeof(*table));
	table->service_count = 2;
	table->services[0] = (struct service){
		.name = "web",
		.backend_count = 2,
		.backends = { { .host = "10.0.0.5",
				.port = 8080,
				.weight = 1000,
				.open = true,
				.check = { .kind = SERVICE_CHECK_HTTP, .path = "/health" } },
			      { .host = "fe80::1", .port = 1, .weight = 1 } },
	};
	table->services[1] = (struct service){ .name = "api" };
	return table;
}

static void round_trip(void **state)
{
	CLEANUP(mem_freep) struct service_table *table = sample();
	CLEANUP(mem_freep) struct service_table *again = mem_need(sizeof(*again));
	(void)state;
	json_t *json = service_json_write(table);
	assert_int_equal(service_json_read(json, again, NULL), ERR_OK);
	json_decref(json);
	assert_memory_equal(table, again, sizeof(*table));
	assert_non_null(service_find(again, "api"));
	assert_null(service_find(again, "mail"));
}

/* One field of the first back end is spoilt at a time. */
static void bad_tables_are_refused(void **state)
{
	static const struct {
		const char *key;
		const char *value; /* as JSON */
	} rows[] = {
		{ "host", "\"\"" },	  { "host", "7" },	{ "port", "0" },
		{ "port", "65536" },	  { "port", "\"80\"" }, { "weight", "0" },
		{ "weight", "1001" },	  { "weight", "1.5" },	{ "check", "\"icmp\"" },
		{ "check", "\"http:\"" }, { "check", "null" },
	};
	CLEANUP(mem_freep) struct service_table *table = sample();
	CLEANUP(mem_freep) struct service_table *again = mem_need(sizeof(*again));
	(void)state;
	again->service_count = 99;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_ctx err = { 0 };
		json_t *json = service_json_write(table);
		json_t *first =
			json_array_get(json_object_get(json_array_get(json, 0), "backends"), 0);
		json_t *value = json_loads(rows[i].value, JSON_DECODE_ANY, NULL);
		assert_int_equal(json_object_set_new(first, rows[i].key, value), 0);
		assert_int_equal(service_json_read(json, again, &err), ERR_PARSE);
		assert_non_null(strstr(err.text, "service 0: back end 0: "));
		json_decref(json);
	}
	assert_int_equal(again->service_count, 99);
}

static void limits(void **state)
{
	CLEANUP(mem_freep) struct service_table *table = sample();
	(void)state;
	json_t *json = service_json_write(table);
	json_t *one = json_deep_copy(json_array_get(json, 0));
	json_t *backends = json_object_get(one, "backends");
	while (json_array_size(backends) <= SERVICE_BACKENDS_MAX) {
		(void)json_array_append(backends, json_array_get(backends, 0));
	}
	(void)json_array_append_new(json, one);
	assert_int_equal(service_json_read(json, table, NULL), ERR_PARSE);
	(void)json_array_remove(json, 2);
	assert_int_equal(service_json_read(json, table, NULL), ERR_OK);
	while (json_array_size(json) <= SERVICES_MAX) {
		(void)json_array_append(json, json_array_get(json, 0));
	}
	assert_int_equal(service_json_read(json, table, NULL), ERR_PARSE);
	json_decref(json);
	assert_int_equal(service_json_read(NULL, table, NULL), ERR_PARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
