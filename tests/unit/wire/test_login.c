/* A login read wrongly lets a client in as somebody else, or nobody in at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "wire/login.h"

enum { BASE_CAPS = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION };

/* Accepted by MariaDB 10.11 and MySQL 9.7. */
static const char mariadb_login[] = "84a2bf01000000012d00000000000000000000000000000000000000000000"
				    "006e6174001479f6cb4261f3db0b0a7d"
				    "682614267e1fbb4e02126d7973716c5f6e61746976655f70617373776f7264"
				    "00270c5f636c69656e745f6e616d6506"
				    "6d75737465720c70726f6772616d5f6e616d650570726f6265";
static const char mysql_login[] =
	"85a2bf01000000012d000000000000000000000000000000000000000000000073686100209caa1e268788e46a"
	"3c2c"
	"19056d3d9a7bee72eec4b1a490617ccbac24d6576a7463616368696e675f736861325f70617373776f72640027"
	"0c5f"
	"636c69656e745f6e616d65066d75737465720c70726f6772616d5f6e616d650570726f6265";

static void check_attributes(struct str attributes)
{
	struct cursor cur = cursor_of_str(attributes);
	struct str name;
	struct str value;
	assert_int_equal(login_attribute_next(&cur, &name, &value), ERR_OK);
	assert_true(str_equal(name, STR("_client_name")) && str_equal(value, STR("muster")));
	assert_int_equal(login_attribute_next(&cur, &name, &value), ERR_OK);
	assert_true(str_equal(name, STR("program_name")) && str_equal(value, STR("probe")));
	assert_int_equal(login_attribute_next(&cur, &name, &value), ERR_NOT_FOUND);
}

static void check_real(const char *hex, const char *user, size_t auth_bytes, const char *plugin)
{
	struct str sample = sample_of(hex);
	struct login login;
	struct buf again;
	assert_int_equal(login_decode(sample, &login, NULL), ERR_OK);
	assert_true(str_equal(login.user, str_of(user)));
	assert_int_equal(login.auth.len, auth_bytes);
	assert_true(str_equal(login.auth_plugin, str_of(plugin)));
	assert_int_equal(login.packet_bytes_max, 1 << 24);
	assert_int_equal(login.collation, COLLATION_UTF8MB4_GENERAL_CI);
	assert_int_equal(login.schema.len, 0);
	check_attributes(login.attributes);
	buf_init(&again, 1024);
	login_encode(&again, &login);
	assert_true(str_equal(buf_str(&again), sample));
	buf_fini(&again);
	sample_free(sample);
}

static void test_real_clients(void **state)
{
	(void)state;
	check_real(mariadb_login, "nat", 20, "mysql_native_password");
	check_real(mysql_login, "sha", 32, "caching_sha2_password");
}

/* Every combination of what decides the layout must come back as it went in. */
static void test_round_trips(void **state)
{
	(void)state;
	static const capabilities bits[] = { CAP_MYSQL,	      CAP_CONNECT_WITH_DB,
					     CAP_PLUGIN_AUTH, CAP_CONNECT_ATTRS,
					     CAP_AUTH_LENENC, CAP_ZSTD };
	struct buf attributes;
	buf_init(&attributes, 1024);
	login_attribute_add(&attributes, STR("_client_name"), STR("muster"));
	login_attribute_add(&attributes, STR("program_name"), STR("probe"));
	for (unsigned set = 0; set < 1u << 6; set++) {
		struct login login = { .caps = BASE_CAPS,
				       .packet_bytes_max = 77,
				       .collation = 33,
				       .user = STR("u"),
				       .auth = STR("a\0b"),
				       .schema = STR("db"),
				       .auth_plugin = STR("p"),
				       .attributes = buf_str(&attributes),
				       .zstd_level = 3 };
		for (unsigned i = 0; i < 6; i++) {
			login.caps |= set >> i & 1 ? bits[i] : 0;
		}
		login.caps |= login.caps & CAP_MYSQL ? 0 : CAP_MARIADB_BULK;
		struct login again;
		struct buf out;
		buf_init(&out, 1024);
		login_encode(&out, &login);
		assert_int_equal(login_decode(buf_str(&out), &again, NULL), ERR_OK);
		assert_true(again.caps == login.caps);
		assert_true(str_equal(again.user, login.user));
		assert_true(str_equal(again.auth, login.auth));
		assert_int_equal(again.schema.len, login.caps & CAP_CONNECT_WITH_DB ? 2 : 0);
		assert_int_equal(again.auth_plugin.len, login.caps & CAP_PLUGIN_AUTH ? 1 : 0);
		assert_int_equal(again.zstd_level, login.caps & CAP_ZSTD ? 3 : 0);
		if (login.caps & CAP_CONNECT_ATTRS) {
			check_attributes(again.attributes);
		}
		buf_fini(&out);
	}
	buf_fini(&attributes);
}

/* Cuts inside the fixed part, user and auth are errors; behind it only broken attributes are, because
 * clients leave trailing fields out. None may be read past. */
static void test_truncated(void **state)
{
	(void)state;
	struct str sample = sample_of(mariadb_login);
	for (size_t count = 0; count < sample.len; count++) {
		struct str prefix = sample_prefix(sample, count);
		struct login login;
		struct err_ctx err = { 0 };
		enum err rc = login_decode(prefix, &login, &err);
		assert_int_equal(rc, count < 32 + 4 + 21 ? ERR_PROTOCOL : rc);
		assert_true(rc == ERR_OK || err.text[0] != '\0');
		sample_free(prefix);
	}
	sample_free(sample);
}

static void test_old_client_is_refused(void **state)
{
	(void)state;
	struct login login;
	struct err_ctx err = { 0 };
	assert_int_equal(login_decode(STR("\x85\x24\0\0\0\0"), &login, &err), ERR_PROTOCOL);
	assert_string_equal(err.text, "client is older than 4.1");
}

static void test_attributes_must_be_pairs(void **state)
{
	(void)state;
	struct login login = { .caps = BASE_CAPS | CAP_CONNECT_ATTRS,
			       .user = STR("u"),
			       .attributes = STR("\x01"
						 "a\x05"
						 "b") };
	struct login again;
	struct buf out;
	buf_init(&out, 1024);
	login_encode(&out, &login);
	assert_int_equal(login_decode(buf_str(&out), &again, NULL), ERR_PROTOCOL);
	buf_fini(&out);
}

static void test_ssl_request(void **state)
{
	(void)state;
	struct login login = { .caps = BASE_CAPS | CAP_MARIADB_BULK, .collation = 45 };
	struct buf out;
	buf_init(&out, 1024);
	login_encode_ssl_request(&out, &login);
	assert_int_equal(out.len, LOGIN_SSL_REQUEST_BYTES);
	assert_true(login_is_ssl_request(buf_str(&out)));
	assert_false(login_is_ssl_request(str_slice(buf_str(&out), 0, 31)));
	buf_add_u8(&out, 0);
	assert_false(login_is_ssl_request(buf_str(&out)));
	buf_clear(&out);
	login_encode(&out, &login);
	assert_false(login_is_ssl_request(buf_str(&out)));
	buf_fini(&out);
}

static void test_long_auth_needs_lenenc(void **state)
{
	(void)state;
	char token[300] = { 0 };
	struct login login = { .caps = BASE_CAPS, .auth = { token, sizeof(token) } };
	struct buf out;
	buf_init(&out, 1024);
	login_encode(&out, &login);
	assert_int_equal(buf_finish(&out), ERR_LIMIT);
	buf_clear(&out);
	login.caps |= CAP_AUTH_LENENC;
	login_encode(&out, &login);
	assert_int_equal(buf_finish(&out), ERR_OK);
	buf_fini(&out);
}

static void test_change_user(void **state)
{
	(void)state;
	struct buf attributes;
	buf_init(&attributes, 1024);
	login_attribute_add(&attributes, STR("_client_name"), STR("muster"));
	login_attribute_add(&attributes, STR("program_name"), STR("probe"));
	struct login login = { .caps = BASE_CAPS | CAP_PLUGIN_AUTH | CAP_CONNECT_ATTRS,
			       .collation = 255 + 45,
			       .user = STR("other"),
			       .auth = STR("12345678901234567890"),
			       .schema = STR("db"),
			       .auth_plugin = STR("mysql_native_password"),
			       .attributes = buf_str(&attributes) };
	struct login again;
	struct buf out;
	buf_init(&out, 1024);
	login_encode_change_user(&out, &login);
	struct str whole = buf_str(&out);
	assert_int_equal(login_decode_change_user(whole, login.caps, &again, NULL), ERR_OK);
	assert_true(str_equal(again.user, login.user) && str_equal(again.auth, login.auth));
	assert_true(str_equal(again.schema, login.schema));
	assert_true(str_equal(again.auth_plugin, login.auth_plugin));
	assert_int_equal(again.collation, login.collation);
	check_attributes(again.attributes);
	/* the short form of old clients ends behind the schema */
	assert_int_equal(login_decode_change_user(STR("\x11"
						      "u\0\0db\0"),
						  login.caps, &again, NULL),
			 ERR_OK);
	assert_true(str_equal(again.schema, STR("db")) && again.auth_plugin.len == 0);
	for (size_t count = 0; count < whole.len; count++) {
		struct str prefix = sample_prefix(whole, count);
		enum err rc = login_decode_change_user(prefix, login.caps, &again, NULL);
		assert_int_equal(rc, count < 7 + 21 ? ERR_PROTOCOL : rc);
		sample_free(prefix);
	}
	buf_fini(&out);
	buf_fini(&attributes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_clients),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_old_client_is_refused),
		cmocka_unit_test(test_attributes_must_be_pairs),
		cmocka_unit_test(test_ssl_request),
		cmocka_unit_test(test_long_auth_needs_lenenc),
		cmocka_unit_test(test_change_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
