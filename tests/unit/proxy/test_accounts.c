/* A wrong matching order lets a client in as another account than the server would, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/login/accounts.h"

static struct accounts *make(const char *const (*rows)[2], size_t count)
{
	struct accounts_facts facts = { .server_version = "10.11.6-MariaDB" };
	struct accounts *accounts = accounts_new(&facts);
	for (size_t i = 0; i < count; i++) {
		struct account row = { .user = str_of(rows[i][0]), .host = str_of(rows[i][1]) };
		assert_int_equal(accounts_add(accounts, &row, NULL), ERR_OK);
	}
	accounts_seal(accounts);
	return accounts;
}

static void host_patterns(void **state)
{
	static const struct {
		const char *pattern;
		const char *address;
		bool matches;
	} rows[] = {
		{ "%", "10.0.0.1", true },
		{ "", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.11", false },
		{ "10.0.0._", "10.0.0.1", true },
		{ "10.0.0._", "10.0.0.12", false },
		{ "10.0.%", "10.0.0.1", true },
		{ "10.0.%", "10.1.0.1", false },
		{ "%.0.1", "10.0.0.1", true },
		{ "10.%.1", "10.0.1.2", false },
		{ "10.%.1%1", "10.0.1.21", true },
		{ "10.0.0.0/255.255.255.0", "10.0.0.77", true },
		{ "10.0.0.0/255.255.255.0", "10.0.1.77", false },
		{ "10.0.0.0/24", "10.0.0.77", true },
		{ "10.0.0.0/0", "10.0.0.77", false }, /* the base must be masked too */
		{ "10.0.0.0/33", "10.0.0.77", false },
		{ "10.0.0.0/24", "::1", false },
		{ "localhost", "127.0.0.1", true },
		{ "LocalHost", "::1", true },
		{ "localhost", "10.0.0.1", false },
		{ "local\\_ost", "127.0.0.1", false },
		{ "127.0.0.1", "127.0.0.1", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (accounts_host_matches(str_of(rows[i].pattern), str_of(rows[i].address)) !=
		    rows[i].matches) {
			fail_msg("row %zu: %s", i, rows[i].pattern);
		}
	}
}

static void most_specific_first(void **state)
{
	static const char *const rows[][2] = { { "app", "%" },	      { "app", "10.%" },
					       { "app", "10.0.0.5" }, { "app", "10.0.0.0/24" },
					       { "", "10.0.0.7" },    { "app", "10.0.%" } };
	static const char *const wanted[][2] = {
		{ "10.0.0.5", "10.0.0.5" }, { "10.0.0.6", "10.0.0.0/24" },
		{ "10.0.1.6", "10.0.%" },   { "10.2.0.6", "10.%" },
		{ "192.168.0.1", "%" },	    { "10.0.0.7", "10.0.0.7" }
	};
	struct accounts *accounts = make(rows, sizeof(rows) / sizeof(rows[0]));
	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct account *found =
			accounts_find(accounts, STR("app"), str_of(wanted[i][0]));
		assert_non_null(found);
		assert_true(str_equal(found->host, str_of(wanted[i][1])));
	}
	/* the anonymous account of the more specific host comes first, as in the servers */
	assert_int_equal(accounts_find(accounts, STR("app"), STR("10.0.0.7"))->user.len, 0);
	assert_null(accounts_find(accounts, STR("other"), STR("10.0.0.5")));
	(void)accounts_unref(accounts);
}

static void limits_and_references(void **state)
{
	static char big[ACCOUNT_FIELD_BYTES_MAX + 1];
	struct accounts_facts facts = { 0 };
	struct accounts *accounts = accounts_new(&facts);
	struct account row = { .user = { big, sizeof(big) } };
	(void)state;
	assert_int_equal(accounts_add(accounts, &row, NULL), ERR_LIMIT);
	accounts_seal(accounts);
	row.user.len = 1;
	assert_int_equal(accounts_add(accounts, &row, NULL), ERR_USAGE);
	assert_int_equal(accounts_count(accounts), 0);
	assert_ptr_equal(accounts_ref(accounts), accounts);
	assert_null(accounts_unref(accounts));
	assert_null(accounts_find(accounts, STR("x"), STR("::1"))); /* still there */
	assert_null(accounts_unref(accounts));
	assert_null(accounts_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_patterns),
		cmocka_unit_test(most_specific_first),
		cmocka_unit_test(limits_and_references),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
