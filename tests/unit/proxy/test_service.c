/* A name, a check or a list of listeners that is read wrongly balances something else than was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "proxy/routing/backends.h"
#include "proxy/service/service.h"
#include "proxy/service/service_check.h"

static void names(void **state)
{
	static const char *const good[] = { "web", "a", "Web-1", "api_v2", "a.b", "0" };
	static const char *const bad[] = { "", "-web", ".a", "a b", "a/b", "a:b", "\xc3\xa4" };
	char longest[SERVICE_NAME_BYTES_MAX + 1];
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(service_is_name(str_of(good[i])));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(service_is_name(str_of(bad[i])));
	}
	memset(longest, 'a', sizeof(longest));
	assert_true(service_is_name((struct str){ longest, SERVICE_NAME_BYTES_MAX - 1 }));
	assert_false(service_is_name((struct str){ longest, SERVICE_NAME_BYTES_MAX }));
}

static void checks(void **state)
{
	static const char *const good[] = { "tcp", "http:/", "http:/health?full=1" };
	static const char *const bad[] = { "",	      "TCP",	    "tcp:",	 "http",
					   "http:",   "http:x",	    "http:/a b", "http:/a\r\nX: y",
					   "https:/", "http:/\x7f", "http:/\xff" };
	char text[SERVICE_CHECK_TEXT_BYTES_MAX];
	char path[SERVICE_PATH_BYTES_MAX + 8];
	struct service_check check = { .kind = SERVICE_CHECK_HTTP };
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct buf out;
		buf_init_fixed(&out, text, sizeof(text));
		assert_int_equal(service_check_parse(str_of(good[i]), &check, NULL), ERR_OK);
		service_check_print(&check, &out);
		assert_string_equal(buf_text(&out), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err_ctx err = { 0 };
		assert_int_equal(service_check_parse(str_of(bad[i]), &check, &err), ERR_USAGE);
		assert_non_null(strstr(err.text, "http:/path"));
	}
	memset(path, 'a', sizeof(path));
	memcpy(path, "http:/", 6);
	assert_int_equal(service_check_parse((struct str){ path, 5 + SERVICE_PATH_BYTES_MAX - 1 },
					     &check, NULL),
			 ERR_OK);
	assert_int_equal(
		service_check_parse((struct str){ path, 5 + SERVICE_PATH_BYTES_MAX }, &check, NULL),
		ERR_USAGE);
}

static void listeners(void **state)
{
	static const struct {
		const char *text;
		const char *words; /* of the error; NULL: none */
		uint32_t count;
	} rows[] = {
		{ "", NULL, 0 },
		{ "  ", NULL, 0 },
		{ "web:8080", NULL, 1 },
		{ " web:8080 ,api:0", NULL, 2 },
		{ "web", "'web' is no NAME:PORT", 0 },
		{ "web:", "no NAME:PORT", 0 },
		{ "web:65536", "no NAME:PORT", 0 },
		{ "web:80,", NULL, 1 },
		{ "web:80,,api:81", "'' is no NAME:PORT", 0 },
		{ "web:80, web:81", "'web' stands there twice", 0 },
		{ "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1,k:1,l:1,m:1,n:1,o:1,p:1", NULL, 16 },
		{ "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,i:1,j:1,k:1,l:1,m:1,n:1,o:1,p:1,q:1",
		  "more than 16", 0 },
	};
	struct service_listen list[SERVICES_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_ctx err = { 0 };
		uint32_t count = 77;
		enum err rc = service_listen_parse(str_of(rows[i].text), list, &count, &err);
		if (rows[i].words) {
			assert_int_equal(rc, ERR_CONFIG);
			assert_non_null(strstr(err.text, rows[i].words));
			assert_int_equal(count, 77);
		} else {
			assert_int_equal(rc, ERR_OK);
			assert_int_equal(count, rows[i].count);
		}
	}
	uint32_t count = 0;
	assert_int_equal(service_listen_parse(STR("web:8080, api:9000"), list, &count, NULL),
			 ERR_OK);
	assert_string_equal(list[1].name, "api");
	assert_int_equal(list[1].port, 9000);
}

static void status_lines(void **state)
{
	static const struct {
		const char *head;
		int status;
	} rows[] = {
		{ "", 0 },
		{ "HTTP", 0 },
		{ "HTTP/1.1 20", 0 },
		{ "HTTP/1.1 200", 200 },
		{ "HTTP/1.0 503 no", 503 },
		{ "HTTP/2.0 399", 399 },
		{ "http/1.1 200", -1 },
		{ "HTTP/1.1 2x0", -1 },
		{ "HTTP/x.1 200", -1 },
		{ "SSH-2.0-Open", -1 },
		{ "HTTP/1.1  20", -1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(service_check_status(str_of(rows[i].head)), rows[i].status);
	}
}

static struct service_table *two_backends(void)
{
	struct service_table *table = mem_need(sizeof(*table));
	table->service_count = 1;
	table->services[0] = (struct service){
		.name = "web",
		.backend_count = 2,
		.backends = { { .host = "127.0.0.1", .port = 80, .weight = 1, .open = true },
			      { .host = "::1", .port = 81, .weight = 2 } },
	};
	return table;
}

/* What is known of a back end's health and connections outlives a new table; what is left is freed with the last. */
static void slots_are_kept(void **state)
{
	struct service_table *table = two_backends();
	struct backends *first = backends_new(table, NULL, 1);
	(void)state;
	assert_true(backends_resolve(first, true));
	assert_int_equal(backends_find(first, "api"), BALANCE_NONE);
	assert_int_equal(backends_find(NULL, "web"), BALANCE_NONE);
	struct backend_slot *kept = first->services[0].rows[1].slot;
	atomic_store(&kept->connections, 5);
	table->services[0].backend_count = 1;
	table->services[0].backends[0] = table->services[0].backends[1];
	table->services[0].backends[0].weight = 9;
	struct backends *second = backends_new(table, first, 2);
	assert_ptr_equal(second->services[0].rows[0].slot, kept);
	assert_true(second->services[0].rows[0].resolved);
	assert_int_equal(second->services[0].rows[0].weight, 9);
	(void)backends_unref(first);
	struct backends *copy = backends_copy(second);
	(void)backends_unref(second);
	assert_int_equal(atomic_load(&copy->services[0].rows[0].slot->connections), 5);
	(void)backends_unref(copy);
	(void)mem_free(table);
}

static void reasons(void **state)
{
	static const struct {
		enum backend_why why;
		uint32_t number;
		const char *text;
	} rows[] = {
		{ BACKEND_FINE, 0, "" },
		{ BACKEND_UNCHECKED, 0, "not checked yet" },
		{ BACKEND_ERRNO, 111, "Connection refused" },
		{ BACKEND_ERRNO, 0, "the connection failed" },
		{ BACKEND_LATE, 0, "no answer in time" },
		{ BACKEND_BAD_STATUS, 503, "HTTP status 503" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[80];
		struct buf out;
		buf_init_fixed(&out, text, sizeof(text));
		backend_why_print(backend_why_make(rows[i].why, rows[i].number), &out);
		assert_string_equal(buf_text(&out), rows[i].text);
	}
}

static void addresses(void **state)
{
	char text[SERVICE_ADDRESS_TEXT_BYTES_MAX];
	struct buf out;
	(void)state;
	buf_init_fixed(&out, text, sizeof(text));
	service_address_print("10.0.0.5", 80, &out);
	buf_add_char(&out, ' ');
	service_address_print("fe80::1", 65535, &out);
	assert_string_equal(buf_text(&out), "10.0.0.5:80 [fe80::1]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),	  cmocka_unit_test(checks),
		cmocka_unit_test(listeners),	  cmocka_unit_test(status_lines),
		cmocka_unit_test(slots_are_kept), cmocka_unit_test(reasons),
		cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
