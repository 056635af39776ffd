/* Without these the socket could lose words of an error, take a stranger's place or answer rubbish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "api/api_socket.h"
#include "api/client.h"
#include "fake_manager.h"
#include "os/clock_system.h"

static char folder[64];
static char path[128];
static struct api *api;

static const struct api_options *options_of(const char *socket_path)
{
	static struct api_options options;
	options = (struct api_options){ .socket_path = socket_path,
					.manager = fake_manager_handle(),
					.clock = &clock_system };
	return &options;
}

static int start(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-api-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/s.sock", folder);
	fake_manager_reset();
	return api_start(options_of(path), &api, &err) == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	api = api_stop(api);
	fake_manager_reset();
	(void)unlink(path);
	return rmdir(folder);
}

static struct client client(void)
{
	return (struct client){ .socket_path = path, .timeout_ms = 5000 };
}

/* Each route reaches its method, with the path's words and the body's fields as parameters. */
static void test_routes(void **state)
{
	(void)state;
	static const struct {
		const char *http_method;
		const char *path;
		const char *body;
		const char *method;
		const char *params;
	} cases[] = {
		{ "GET", "/v1/version", NULL, "version", "{}" },
		{ "GET", "/v1/groups", NULL, "group.list", "{}" },
		{ "POST", "/v1/groups", "{\"group\":\"a\",\"servers\":[]}", "group.create",
		  "{\"group\":\"a\",\"servers\":[]}" },
		{ "GET", "/v1/groups/a", NULL, "group.show", "{\"group\":\"a\"}" },
		{ "GET", "/v1/groups/a%20b", NULL, "group.show", "{\"group\":\"a b\"}" },
		{ "PATCH", "/v1/groups/a", "{\"policy\":\"async\"}", "group.set",
		  "{\"group\":\"a\",\"policy\":\"async\"}" },
		{ "POST", "/v1/groups/a/adopt", "{\"host\":\"h\",\"group\":\"other\"}",
		  "group.adopt", "{\"group\":\"a\",\"host\":\"h\"}" },
		{ "POST", "/v1/groups/a/failover", NULL, "group.failover", "{\"group\":\"a\"}" },
		{ "POST", "/v1/groups/a/pause", NULL, "group.pause", "{\"group\":\"a\"}" },
		{ "POST", "/v1/groups/a/resume", NULL, "group.resume", "{\"group\":\"a\"}" },
		{ "POST", "/v1/groups/a/servers", "{}", "group.add", "{\"group\":\"a\"}" },
		{ "DELETE", "/v1/groups/a/servers/s1", NULL, "group.remove",
		  "{\"group\":\"a\",\"server\":\"s1\"}" },
		{ "GET", "/v1/groups/a/status", NULL, "group.status", "{\"group\":\"a\"}" },
		{ "POST", "/v1/groups/a/switchover", "{\"to\":\"s2\"}", "group.switchover",
		  "{\"group\":\"a\",\"to\":\"s2\"}" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client to = client();
		struct err_ctx err = { 0 };
		json_error_t where;
		json_t *body = cases[i].body ? json_loads(cases[i].body, 0, &where) : NULL;
		json_t *result = NULL;
		fake_manager_reset();
		fake_manager.answers[0] =
			(struct fake_answer){ cases[i].method, ERR_OK, "{\"x\":1}" };
		enum err rc =
			client_call(&to, cases[i].http_method, cases[i].path, body, &result, &err);
		if (rc != ERR_OK) {
			fail_msg("%s %s: %s", cases[i].http_method, cases[i].path,
				 err_text(rc, &err));
		}
		assert_string_equal(fake_manager.last_method, cases[i].method);
		assert_string_equal(fake_manager_params(), cases[i].params);
		assert_int_equal(json_integer_value(json_object_get(result, "x")), 1);
		uint64_t now_us = clock_monotonic_us(&clock_system);
		assert_true(fake_manager.last_deadline_us > now_us + 3u * (uint64_t)US_PER_S);
		assert_true(fake_manager.last_deadline_us <= now_us + 5u * (uint64_t)US_PER_S);
		json_decref(result);
		json_decref(body);
	}
}

/* An error keeps its code and its words on the way, whatever they are. */
static void test_errors_keep_code_and_words(void **state)
{
	(void)state;
	for (enum err code = ERR_FAILED; code < ERR_COUNT_; code++) {
		struct client to = client();
		struct err_ctx err = { 0 };
		json_t *result = NULL;
		fake_manager_reset();
		fake_manager.answers[0] =
			(struct fake_answer){ "version", code, "it's \"so\":\n \xc3\xbc" };
		assert_int_equal(client_call(&to, "GET", "/v1/version", NULL, &result, &err), code);
		assert_string_equal(err.text, "it's \"so\":\n \xc3\xbc");
		assert_null(result);
	}
	struct client to = client();
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	fake_manager_reset();
	fake_manager.answers[0] = (struct fake_answer){ "version", ERR_REFUSED, "no UTF-8: \xff" };
	assert_int_equal(client_call(&to, "GET", "/v1/version", NULL, &result, &err), ERR_REFUSED);
	assert_string_equal(err.text, err_text(ERR_REFUSED, NULL));
}

/* What no route takes is said in one line, and reaches no method. */
static void test_wrong_paths(void **state)
{
	(void)state;
	static const struct {
		const char *http_method;
		const char *path;
		enum err rc;
		const char *words;
	} cases[] = {
		{ "GET", "/v1/group", ERR_NOT_FOUND, "see /v1/groups" },
		{ "PUT", "/v1/groups", ERR_NOT_FOUND, "takes GET, POST, not PUT" },
		{ "GET", "/v1/groups//status", ERR_NOT_FOUND, "no '/v1/groups//status'" },
		{ "GET", "/v1/groups/%ff", ERR_USAGE, "UTF-8" },
		{ "GET", "/v1/events?after=x", ERR_USAGE, "'after' is a whole number" },
		{ "GET", "/v1/events?limit=0", ERR_USAGE, "'limit' is a whole number" },
		{ "GET", "/", ERR_NOT_FOUND, "no '/'" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client to = client();
		struct err_ctx err = { 0 };
		json_t *result = NULL;
		enum err rc =
			client_call(&to, cases[i].http_method, cases[i].path, NULL, &result, &err);
		if (rc != cases[i].rc || !strstr(err.text, cases[i].words)) {
			fail_msg("%s: %s: %s", cases[i].path, err_name(rc), err.text);
		}
	}
	assert_int_equal(fake_manager.calls, 0);
}

/* Sends bytes as they are, returns what comes back until the end of the connection. */
static void send_raw(const char *bytes, size_t count, char *answer, size_t answer_bytes)
{
	int fd = -1;
	size_t got = 0;
	ssize_t more = 1;
	assert_int_equal(api_socket_connect(path, &fd, NULL), ERR_OK);
	assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
	while (more > 0 && got + 1 < answer_bytes) {
		more = recv(fd, answer + got, answer_bytes - 1 - got, 0);
		got += more > 0 ? (size_t)more : 0;
	}
	answer[got] = 0;
	assert_int_equal(close(fd), 0);
}

static void test_wrong_bodies(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		const char *words;
	} cases[] = {
		{ "{", "the body is no JSON: line 1" },
		{ "[]", "the body is no JSON object" },
		{ "{\"a\":1,\"a\":2}", "duplicate" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[512];
		char answer[2048];
		int length = snprintf(request, sizeof(request),
				      "POST /v1/groups HTTP/1.1\r\nHost: m\r\nConnection: close\r\n"
				      "Content-Length: %zu\r\n\r\n%s",
				      strlen(cases[i].body), cases[i].body);
		send_raw(request, (size_t)length, answer, sizeof(answer));
		assert_non_null(strstr(answer, "HTTP/1.1 400"));
		assert_non_null(strstr(answer, "\"ERR_USAGE\""));
		assert_non_null(strstr(answer, cases[i].words));
	}
	char answer[2048];
	send_raw("\x16\x03\x01 no HTTP at all\r\n\r\n", 22, answer, sizeof(answer));
	assert_int_equal(fake_manager.calls, 0);
}

/* A body over the limit is refused, not cut. */
static void test_body_too_long(void **state)
{
	(void)state;
	struct client to = client();
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	char *long_text = malloc(API_BODY_BYTES_MAX + 1);
	assert_non_null(long_text);
	memset(long_text, 'x', API_BODY_BYTES_MAX);
	long_text[API_BODY_BYTES_MAX] = 0;
	json_t *body = json_pack("{s:s}", "group", long_text);
	assert_int_equal(client_call(&to, "POST", "/v1/groups", body, &result, &err), ERR_LIMIT);
	json_decref(body);
	free(long_text);
	assert_int_equal(fake_manager.calls, 0);
}

static void test_events(void **state)
{
	(void)state;
	struct client to = client();
	json_t *result = NULL;
	fake_manager.events = "[{\"id\":1,\"group\":\"a\"},{\"id\":2,\"group\":\"b\"},{\"id\":3,"
			      "\"group\":\"a\"}]";
	assert_int_equal(client_call(&to, "GET", "/v1/events?after=1&group=a", NULL, &result, NULL),
			 ERR_OK);
	const json_t *events = json_object_get(result, "events");
	assert_int_equal(json_array_size(events), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(events, 0), "id")), 3);
	json_decref(result);
}

struct lines {
	int count;
	int count_max;
	char last[256];
};

static bool on_line(void *ctx, struct str line)
{
	struct lines *lines = ctx;
	(void)snprintf(lines->last, sizeof(lines->last), "%.*s", STR_ARG(line));
	return ++lines->count < lines->count_max;
}

/* A follower gets every event once, and may stop. */
static void test_event_stream(void **state)
{
	(void)state;
	struct client to = client();
	struct lines lines = { .count_max = 2 };
	fake_manager.events = "[{\"id\":1},{\"id\":2},{\"id\":3}]";
	assert_int_equal(client_stream(&to, "/v1/events?follow=1&after=1", on_line, &lines, NULL),
			 ERR_OK);
	assert_int_equal(lines.count, 2);
	assert_string_equal(lines.last, "{\"id\":3}");
	struct err_ctx err = { 0 };
	assert_int_equal(client_stream(&to, "/v1/events?follow=2", on_line, &lines, &err),
			 ERR_USAGE);
	assert_non_null(strstr(err.text, "'follow'"));
}

static void test_openapi(void **state)
{
	(void)state;
	struct client to = client();
	json_t *result = NULL;
	assert_int_equal(client_call(&to, "GET", "/v1/openapi.json", NULL, &result, NULL), ERR_OK);
	const json_t *paths = json_object_get(result, "paths");
	assert_non_null(json_object_get(json_object_get(paths, "/v1/groups/{group}"), "patch"));
	json_decref(result);
}

/* Everybody who may open the file may do everything: it must be nobody else. */
static void test_socket_mode(void **state)
{
	(void)state;
	struct stat there;
	assert_int_equal(stat(path, &there), 0);
	assert_int_equal(there.st_mode & 0777, 0660);
}

/* A second `muster run` doesn't take the address of a living one away, but that of a dead one. */
static void test_socket_of_others(void **state)
{
	(void)state;
	struct api *second = NULL;
	struct err_ctx err = { 0 };
	assert_int_equal(api_start(options_of(path), &second, &err), ERR_EXISTS);
	assert_non_null(strstr(err.text, "another muster answers"));

	char other[160];
	(void)snprintf(other, sizeof(other), "%s/other.sock", folder);
	int fd = -1;
	assert_int_equal(api_socket_listen(other, &fd, &err), ERR_OK);
	assert_int_equal(close(fd), 0);
	assert_int_equal(api_start(options_of(other), &second, &err), ERR_OK);
	second = api_stop(second);
	assert_int_equal(access(other, F_OK), -1);

	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(api_start(options_of(other), &second, &err), ERR_EXISTS);
	assert_non_null(strstr(err.text, "is no socket"));
	assert_int_equal(unlink(other), 0);

	char long_path[200];
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = 0;
	assert_int_equal(api_start(options_of(long_path), &second, &err), ERR_LIMIT);
	assert_int_equal(api_start(options_of("/proc/none/s.sock"), &second, &err), ERR_IO);
}

/* Nobody there: one line that names the socket. */
static void test_nobody_answers(void **state)
{
	(void)state;
	struct client to = { .socket_path = "/tmp/muster-no-such.sock", .timeout_ms = 1000 };
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	assert_int_equal(client_call(&to, "GET", "/v1/version", NULL, &result, &err),
			 ERR_UNREACHABLE);
	assert_string_equal(err.text,
			    "nothing answers at '/tmp/muster-no-such.sock': No such file or"
			    " directory; is `muster run` running?");
}

/* Somebody is there and says nothing: the deadline ends it. */
static void test_silent_peer(void **state)
{
	(void)state;
	char other[160];
	int fd = -1;
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	(void)snprintf(other, sizeof(other), "%s/silent.sock", folder);
	assert_int_equal(api_socket_listen(other, &fd, &err), ERR_OK);
	struct client to = { .socket_path = other, .timeout_ms = 50 };
	assert_int_equal(client_call(&to, "GET", "/v1/version", NULL, &result, &err), ERR_DEADLINE);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(other), 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_routes),	   CASE(test_errors_keep_code_and_words),
		CASE(test_wrong_paths),	   CASE(test_wrong_bodies),
		CASE(test_body_too_long),  CASE(test_events),
		CASE(test_event_stream),   CASE(test_openapi),
		CASE(test_socket_mode),	   CASE(test_socket_of_others),
		CASE(test_nobody_answers), CASE(test_silent_peer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
