/* Without these a half-understood answer of etcd is taken for the record of the cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store/etcd_message.h"

static void test_end_of_prefix(void **state)
{
	(void)state;
	const struct {
		struct str prefix;
		struct str end;
	} cases[] = {
		{ STR("/a/"), STR("/a0") },
		{ STR("a\xff"), STR("b") },
		{ STR("\xff\xff"), STR("\0") },
		{ STR(""), STR("\0") },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf end;
		buf_init(&end, 100);
		etcd_message_end_of(cases[i].prefix, &end);
		assert_true(str_equal(buf_str(&end), cases[i].end));
		buf_fini(&end);
	}
}

static void test_commit_request(void **state)
{
	(void)state;
	const struct store_change changes[] = {
		{ .key = STR("a"), .value = STR("1"), .check_version = true, .version = 7 },
		{ .key = STR("b"), .remove = true },
	};
	const struct store_change fence = { .key = STR("t"), .check_version = true, .version = 2 };
	struct buf out;
	buf_init(&out, 4096);
	etcd_message_commit(&out, STR("/"), changes, 2, &fence);
	assert_string_equal(
		buf_text(&out),
		"{\"compare\":["
		"{\"key\":\"L2E=\",\"target\":\"VERSION\",\"result\":\"EQUAL\",\"version\":\"7\"},"
		"{\"key\":\"L3Q=\",\"target\":\"VERSION\",\"result\":\"EQUAL\",\"version\":\"2\"}],"
		"\"success\":[{\"request_put\":{\"key\":\"L2E=\",\"value\":\"MQ==\"}},"
		"{\"request_delete_range\":{\"key\":\"L2I=\"}}],"
		"\"failure\":[{\"request_range\":{\"key\":\"L2E=\"}},"
		"{\"request_range\":{\"key\":\"L3Q=\"}}]}");
	buf_fini(&out);
}

static bool see(void *ctx, struct str key, struct str value, uint64_t version)
{
	char *text = ctx;
	size_t used = strlen(text);
	(void)snprintf(text + used, 200 - used, "%.*s=%.*s@%u ", STR_ARG(key), STR_ARG(value),
		       (unsigned)version);
	return true;
}

/* As etcd 3.4 writes them. */
static void test_answers(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		enum err rc;
		const char *rows;
		bool succeeded;
		bool more;
	} cases[] = {
		{ "{\"header\":{\"revision\":\"2\"},\"succeeded\":true,\"responses\":"
		  "[{\"response_put\":{\"header\":{\"revision\":\"2\"}}}]}",
		  ERR_OK, "", true, false },
		{ "{\"header\":{\"revision\":\"2\"},\"responses\":[{\"response_range\":{\"kvs\":"
		  "[{\"key\":\"YQ==\",\"version\":\"1\",\"value\":\"MQ==\"}],\"count\":\"1\"}},"
		  "{\"response_range\":{\"header\":{}}}]}",
		  ERR_OK, "a=1@1 ", false, false },
		{ "{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":\"YQ==\",\"version\":\"3\"},"
		  "{\"key\":\"Yg==\",\"version\":\"4\",\"value\":\"MQ==\"}],\"more\":true}",
		  ERR_OK, "a=@3 b=1@4 ", false, true },
		{ "{\"header\":{}}", ERR_OK, "", false, false },
		{ "{}", ERR_PROTOCOL, "", false, false },
		{ "{\"header\":{\"revision\":2}}", ERR_PROTOCOL, "", false, false },
		{ "{\"header\":{\"revision\":\"-2\"}}", ERR_PROTOCOL, "", false, false },
		{ "{\"header\":{},\"kvs\":{}}", ERR_PROTOCOL, "", false, false },
		{ "{\"header\":{},\"kvs\":[7]}", ERR_PROTOCOL, "", false, false },
		{ "{\"header\":{},\"kvs\":[{\"key\":\"Y\"}]}", ERR_PROTOCOL, "", false, false },
		{ "{\"header\":{},\"kvs\":[{\"key\":[]}]}", ERR_PROTOCOL, "", false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rows[200] = "";
		struct etcd_answer answer;
		json_t *json = json_loads(cases[i].json, 0, NULL);
		assert_non_null(json);
		assert_int_equal(etcd_message_read(json, see, rows, &answer, NULL), cases[i].rc);
		assert_string_equal(rows, cases[i].rows);
		assert_int_equal(answer.succeeded, cases[i].succeeded);
		assert_int_equal(answer.more, cases[i].more);
		json_decref(json);
	}
}

static void test_events(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		enum err rc;
		const char *rows;
		bool created;
	} cases[] = {
		{ "{\"result\":{\"header\":{},\"created\":true}}", ERR_OK, "", true },
		{ "{\"result\":{\"header\":{},\"events\":[{\"kv\":{\"key\":\"YQ==\",\"version\":"
		  "\"2\",\"value\":\"MQ==\"}},{\"type\":\"DELETE\",\"kv\":{\"key\":\"Yg==\"}}]}}",
		  ERR_OK, "a=@2 b=@0 ", false },
		{ "{\"result\":{\"canceled\":true,\"cancel_reason\":\"compacted\"}}", ERR_AGAIN, "",
		  false },
		{ "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"no leader\"}}",
		  ERR_AGAIN, "", false },
		{ "{\"error\":7}", ERR_AGAIN, "", false },
		{ "[]", ERR_PROTOCOL, "", false },
		{ "{\"result\":{\"events\":[{}]}}", ERR_PROTOCOL, "", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char rows[200] = "";
		bool created = false;
		json_t *json = json_loads(cases[i].json, 0, NULL);
		assert_non_null(json);
		assert_int_equal(etcd_message_read_event(json, see, rows, &created, NULL),
				 cases[i].rc);
		assert_string_equal(rows, cases[i].rows);
		assert_int_equal(created, cases[i].created);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_of_prefix),
		cmocka_unit_test(test_commit_request),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
