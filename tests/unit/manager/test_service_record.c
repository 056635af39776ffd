/* A record that is read wrongly after a restart forgets a web server, or sends clients to one that has left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "manager/nodes/node_record.h"
#include "manager/services/service_record.h"
#include "manager/services/services.h"

static struct service_record *sample(void)
{
	struct service_record *record = mem_need(sizeof(*record));
	*record = (struct service_record){
		.name = "web",
		.count = 3,
		.entries = { { .backend = { .host = "10.0.0.5", .port = 80, .weight = 5 },
			       .node = "web1",
			       .draining = true },
			     { .backend = { .host = "10.0.0.6",
					    .port = 80,
					    .weight = 7,
					    .check = { .kind = SERVICE_CHECK_HTTP, .path = "/x" } },
			       .leaving = true },
			     { .backend = { .host = "10.0.0.5", .port = 81, .weight = 1 } } },
	};
	return record;
}

static void round_trip(void **state)
{
	CLEANUP(mem_freep) struct service_record *record = sample();
	CLEANUP(mem_freep) struct service_record *again = mem_need(sizeof(*again));
	(void)state;
	json_t *json = service_record_write(record);
	assert_int_equal(service_record_read(json, again, NULL), ERR_OK);
	json_decref(json);
	assert_memory_equal(record, again, sizeof(*record));
	assert_ptr_equal(service_record_find(again, "10.0.0.5", 81), &again->entries[2]);
	assert_null(service_record_find(again, "10.0.0.6", 81));
}

static void bad_records_are_refused(void **state)
{
	static const char *const keys[] = { "format", "name", "backends" };
	CLEANUP(mem_freep) struct service_record *record = sample();
	CLEANUP(mem_freep) struct service_record *again = mem_need(sizeof(*again));
	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *json = service_record_write(record);
		assert_int_equal(json_object_set_new(json, keys[i], json_real(0.5)), 0);
		assert_int_equal(service_record_read(json, again, NULL), ERR_PARSE);
		json_decref(json);
	}
	json_t *json = service_record_write(record);
	(void)json_object_del(json_array_get(json_object_get(json, "backends"), 1), "node");
	struct err_ctx err = { 0 };
	assert_int_equal(service_record_read(json, again, &err), ERR_PARSE);
	assert_non_null(strstr(err.text, "back end 1: 'node'"));
	json_decref(json);
	assert_int_equal(service_record_read(NULL, again, NULL), ERR_PARSE);
	assert_int_equal(again->count, 0);
}

/* What a node's proxy listens for is known after a restart of the managers, too. */
static void names_of_a_node(void **state)
{
	struct node_record record = {
		.name = "lb1", .id = "i", .service_count = 2, .services = { "web", "api" }
	};
	struct node_record again;
	(void)state;
	json_t *json = node_record_write(&record);
	assert_int_equal(node_record_read(json, &again, NULL), ERR_OK);
	assert_memory_equal(record.services, again.services, sizeof(record.services));
	assert_int_equal(again.service_count, 2);
	(void)json_array_append_new(json_object_get(json, "services"), json_string("a b"));
	assert_int_equal(node_record_read(json, &again, NULL), ERR_PARSE);
	json_decref(json);
	json_t *report = json_pack("{s:{s:[s, s]}}", "services", "names", "mail", "web");
	assert_int_equal(services_take_names(report, &record, NULL), ERR_OK);
	assert_int_equal(record.service_count, 2);
	assert_string_equal(record.services[0], "mail");
	json_decref(report);
	report = json_pack("{s:{s:[i]}}", "services", "names", 7);
	assert_int_equal(services_take_names(report, &record, NULL), ERR_USAGE);
	json_decref(report);
	assert_int_equal(services_take_names(NULL, &record, NULL), ERR_OK);
	assert_int_equal(record.service_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(bad_records_are_refused),
		cmocka_unit_test(names_of_a_node),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
