/* Without these a typing error in an address could lead the link to a stranger, or nowhere without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/caller.h"

static void addresses(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		uint16_t port;
	} rows[] = {
		{ "db1:4747", "db1", 4747 },
		{ " 192.0.2.1:1 ", "192.0.2.1", 1 },
		{ "[2001:db8::1]:65535", "2001:db8::1", 65535 },
		{ "2001:db8::1:4747", "2001:db8::1", 4747 },
		{ "db1", NULL, 0 },
		{ "db1:", NULL, 0 },
		{ ":4747", NULL, 0 },
		{ "db1:0", NULL, 0 },
		{ "db1:65536", NULL, 0 },
		{ "db1:http", NULL, 0 },
		{ "", NULL, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct caller_address address = { .port = 7 };
		struct err_ctx err = { 0 };
		enum err rc = caller_parse_address(str_of(rows[i].text), &address, &err);
		assert_int_equal(rc, rows[i].host ? ERR_OK : ERR_USAGE);
		assert_int_equal(address.port, rows[i].host ? rows[i].port : 7);
		if (rows[i].host) {
			assert_string_equal(address.host, rows[i].host);
			assert_string_equal(address.tls_name, IDENTITY_MANAGER_NAME);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
