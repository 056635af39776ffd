/* Without these a node could be taken for another one, or a stranger for a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/authority.h"
#include "base/clock.h"

#define NODE_ID "0123456789abcdef0123456789abcdef"
enum { NOW_S = 1800000000, DAY_S = 24 * 3600 };

static struct authority authority;

static int make_authority(void **state)
{
	(void)state;
	return authority_make((uint64_t)NOW_S * US_PER_S, &authority, NULL) == ERR_OK ? 0 : -1;
}

static const struct authority_subject subject = {
	.name = "db-1.example", .id = NODE_ID, .days = 30, .wall_us = (uint64_t)NOW_S * US_PER_S
};

static void certificate_says_who(void **state)
{
	struct identity identity;
	(void)state;
	assert_int_equal(authority_issue(&authority, &subject, &identity, NULL), ERR_OK);
	assert_string_equal(identity.facts.name, "db-1.example");
	assert_string_equal(identity.facts.id, NODE_ID);
	assert_int_equal(identity.facts.begins_s, NOW_S - DAY_S);
	assert_int_equal(identity.facts.ends_s, NOW_S + 30 * DAY_S);
	assert_string_equal(identity.authority, authority.certificate);
}

static void renewal_is_due_after_two_thirds(void **state)
{
	const struct identity_facts facts = { .begins_s = 1000, .ends_s = 4000 };
	(void)state;
	assert_false(identity_is_due(&facts, 0));
	assert_false(identity_is_due(&facts, 2999));
	assert_true(identity_is_due(&facts, 3000));
	assert_true(identity_is_due(&facts, 9000));
}

static void only_requests_are_signed(void **state)
{
	char certificate[IDENTITY_PEM_BYTES_MAX] = "";
	struct identity identity;
	struct buf request;
	(void)state;
	assert_int_equal(authority_issue(&authority, &subject, &identity, NULL), ERR_OK);
	assert_int_equal(authority_sign(&authority, STR("nonsense"), &subject, certificate, NULL),
			 ERR_USAGE);
	assert_int_equal(authority_sign(&authority, str_of(identity.certificate), &subject,
					certificate, NULL),
			 ERR_USAGE);
	buf_init(&request, IDENTITY_PEM_BYTES_MAX);
	assert_int_equal(identity_request(identity.key, &request, NULL), ERR_OK);
	/* One bit of the request changed: its signature no longer proves the key. */
	request.ptr[request.len / 2] = request.ptr[request.len / 2] == 'A' ? 'B' : 'A';
	assert_int_equal(authority_sign(&authority, buf_str(&request), &subject, certificate, NULL),
			 ERR_USAGE);
	buf_fini(&request);
	assert_string_equal(certificate, "");
}

static void names(void **state)
{
	static const char *const good[] = { "a", "db1", "DB_1", "a-b.c", "9" };
	static const char *const bad[] = {
		"",
		".a",
		"-a",
		"a.",
		"a b",
		"a,DNS:manager.muster",
		"a\n",
		"\xc3\xa4",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(identity_check_name(str_of(good[i]), NULL), ERR_OK);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(identity_check_name(str_of(bad[i]), NULL), ERR_USAGE);
	}
}

static void strangers_certificate_is_none_of_a_node(void **state)
{
	struct identity_facts facts = { .ends_s = 1 };
	(void)state;
	/* The authority's own has no OU; garbage has nothing. */
	assert_int_equal(identity_read_pem(str_of(authority.certificate), &facts, NULL), ERR_PARSE);
	assert_int_equal(identity_read_pem(STR("x"), &facts, NULL), ERR_PARSE);
	assert_int_equal(identity_read_der(STR("\x30\x82\xff\xff"), &facts, NULL), ERR_PARSE);
	assert_int_equal(facts.ends_s, 1);
}

static void files_are_private(void **state)
{
	char folder[] = "/tmp/muster-identity-XXXXXX";
	char inner[64];
	char path[96];
	struct identity identity;
	struct identity again;
	struct stat there;
	static const char *const files[] = { "key.pem", "certificate.pem", "authority.pem" };
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(inner, sizeof(inner), "%s/node", folder);
	assert_int_equal(identity_load(inner, &again, NULL), ERR_NOT_FOUND);
	assert_int_equal(authority_issue(&authority, &subject, &identity, NULL), ERR_OK);
	assert_int_equal(identity_store(inner, &identity, NULL), ERR_OK);
	assert_int_equal(identity_load(inner, &again, NULL), ERR_OK);
	assert_string_equal(again.key, identity.key);
	assert_string_equal(again.certificate, identity.certificate);
	assert_string_equal(again.facts.name, "db-1.example");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", inner, files[i]);
		assert_int_equal(stat(path, &there), 0);
		assert_int_equal(there.st_mode & 0777, 0600);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(inner), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_says_who),
		cmocka_unit_test(renewal_is_due_after_two_thirds),
		cmocka_unit_test(only_requests_are_signed),
		cmocka_unit_test(names),
		cmocka_unit_test(strangers_certificate_is_none_of_a_node),
		cmocka_unit_test(files_are_private),
	};
	return cmocka_run_group_tests(tests, make_authority, NULL);
}
