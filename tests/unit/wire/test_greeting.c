/* A greeting read or written wrongly: no client or no server could be talked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "wire/greeting.h"

/* As sent by real servers. */
static const struct {
	const char *hex;
	const char *version;
	uint32_t connection_id;
	capabilities caps;
	const char *plugin;
	bool mariadb;
} rows[] = {
	{ "0a352e352e352d31302e31312e31392d4d6172696144422d302b646562313275312d6c6f670005000000653b"
	  "34"
	  "354953433500fef7080200ff81150000000000001d00000021426b74265d253e482d4862006d7973716c5f6e"
	  "61"
	  "746976655f70617373776f726400",
	  "5.5.5-10.11.19-MariaDB-0+deb12u1-log", 5, UINT64_C(0x1d81fff7fe),
	  "mysql_native_password", true },
	{ "0a31312e382e362d4d6172696144422d302b646562313375312066726f6d2044656269616e2d6c6f67000500"
	  "00"
	  "006d5c635e2d64336f00feff2d0200ff81150000000000003d0000005848404a3154375174756c40006d7973"
	  "71"
	  "6c5f6e61746976655f70617373776f726400",
	  "11.8.6-MariaDB-0+deb13u1 from Debian-log", 5, UINT64_C(0x3d81fffffe),
	  "mysql_native_password", true },
	{ "0a392e372e342d32000b000000444e15621f5e1b5f00ffffff0200ffdf15000000000000000000006d185a0c"
	  "06"
	  "130563114c6a790063616368696e675f736861325f70617373776f726400",
	  "9.7.4-2", 11, UINT64_C(0xdfffffff), "caching_sha2_password", false },
};

static void test_real_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str sample = sample_of(rows[i].hex);
		struct greeting greeting;
		struct buf again;
		assert_int_equal(greeting_decode(sample, &greeting, NULL), ERR_OK);
		assert_true(str_equal(greeting.version, str_of(rows[i].version)));
		assert_int_equal(greeting.connection_id, rows[i].connection_id);
		assert_true(greeting.caps == rows[i].caps);
		assert_true(str_equal(greeting.auth_plugin, str_of(rows[i].plugin)));
		assert_int_equal(greeting.status, STATUS_AUTOCOMMIT);
		assert_int_equal(greeting_is_mariadb(&greeting), rows[i].mariadb);
		buf_init(&again, 1024);
		greeting_encode(&again, &greeting);
		assert_true(str_equal(buf_str(&again), sample));
		buf_fini(&again);
		sample_free(sample);
	}
}

static void test_scramble_is_whole(void **state)
{
	(void)state;
	struct str sample = sample_of(rows[2].hex);
	struct str want = sample_of("444e15621f5e1b5f6d185a0c06130563114c6a79");
	struct greeting greeting;
	assert_int_equal(greeting_decode(sample, &greeting, NULL), ERR_OK);
	assert_memory_equal(greeting.scramble, want.ptr, GREETING_SCRAMBLE_BYTES);
	sample_free(sample);
	sample_free(want);
}

/* Every cut is an error, but for the last byte: servers are known that leave that NUL out. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str sample = sample_of(rows[i].hex);
		size_t plugin_at = sample.len - strlen(rows[i].plugin) - 1;
		for (size_t count = 0; count < sample.len; count++) {
			struct str prefix = sample_prefix(sample, count);
			struct greeting greeting;
			struct err_ctx err = { 0 };
			enum err rc = greeting_decode(prefix, &greeting, &err);
			assert_int_equal(rc, count < plugin_at - 1 ? ERR_PROTOCOL : rc);
			assert_true(rc == ERR_OK || err.text[0] != '\0');
			sample_free(prefix);
		}
		sample_free(sample);
	}
}

static const struct {
	const char *hex;
	enum err rc;
	unsigned server_errno;
	const char *words;
} refusals[] = {
	{ "ff1004546f6f206d616e7920636f6e6e656374696f6e73", ERR_SERVER, 1040,
	  "server refused the connection: error 1040: Too many connections" },
	{ "ff6a04486f7374", ERR_SERVER, 1130, "server refused the connection: error 1130: Host" },
	{ "ff6a042330384130316e6f", ERR_SERVER, 1130,
	  "server refused the connection: error 1130: no" },
	{ "ff10", ERR_PROTOCOL, 0, "ERR packet without an error number" },
	{ "09352e3000", ERR_PROTOCOL, 0, "greeting of protocol 9, not 10" },
	{ "", ERR_PROTOCOL, 0, "greeting is empty" },
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct str sample = sample_of(refusals[i].hex);
		struct greeting greeting;
		struct err_ctx err = { 0 };
		assert_int_equal(greeting_decode(sample, &greeting, &err), refusals[i].rc);
		assert_int_equal(err.server_errno, refusals[i].server_errno);
		assert_string_equal(err.text, refusals[i].words);
		sample_free(sample);
	}
}

/* Extended capabilities must not leak into the filler of a server that says it is MySQL. */
static void test_extended_only_without_mysql_bit(void **state)
{
	(void)state;
	struct greeting greeting = {
		.version = STR("8.0.0"),
		.scramble = "abcdefghijklmnopqrs",
		.caps = CAP_MYSQL | CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_MARIADB_BULK,
	};
	struct greeting again;
	struct buf out;
	buf_init(&out, 1024);
	greeting_encode(&out, &greeting);
	assert_int_equal(greeting_decode(buf_str(&out), &again, NULL), ERR_OK);
	assert_true(again.caps == (CAP_MYSQL | CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION));
	assert_int_equal(again.auth_plugin.len, 0);
	buf_clear(&out);
	greeting.caps &= ~CAP_MYSQL;
	greeting_encode(&out, &greeting);
	assert_int_equal(greeting_decode(buf_str(&out), &again, NULL), ERR_OK);
	assert_true(again.caps == greeting.caps);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_servers),
		cmocka_unit_test(test_scramble_is_whole),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_extended_only_without_mysql_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
