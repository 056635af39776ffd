/* A wrong scramble locks every client out; a lax check lets strangers in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "wire/auth.h"

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(auth_plugin_of(STR("mysql_native_password")), AUTH_NATIVE);
	assert_int_equal(auth_plugin_of(STR("")), AUTH_NATIVE);
	assert_int_equal(auth_plugin_of(STR("caching_sha2_password")), AUTH_SHA2);
	assert_int_equal(auth_plugin_of(STR("ed25519")), AUTH_ED25519);
	assert_int_equal(auth_plugin_of(STR("unix_socket")), AUTH_OTHER);
	for (enum auth_plugin plugin = AUTH_NATIVE; plugin < AUTH_PLUGIN_COUNT_; plugin++) {
		assert_int_equal(auth_plugin_of(auth_plugin_name(plugin)), plugin);
	}
	assert_int_equal(auth_plugin_name(AUTH_OTHER).len, 0);
}

/* Scramble, token and stored password of a login that MariaDB 10.11 accepted. */
static void test_native_as_real(void **state)
{
	(void)state;
	struct str scramble = sample_of("653b34354953433521426b74265d253e482d4862");
	struct str token = sample_of("79f6cb4261f3db0b0a7d682614267e1fbb4e0212");
	struct auth_verifier verifier;
	uint8_t stage1[AUTH_NATIVE_BYTES];
	uint8_t recovered[AUTH_NATIVE_BYTES];
	uint8_t made[AUTH_NATIVE_BYTES];
	assert_int_equal(auth_verifier_parse(STR("mysql_native_password"),
					     STR("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"),
					     &verifier, NULL),
			 ERR_OK);
	assert_int_equal(verifier.plugin, AUTH_NATIVE);
	auth_native_stage1(STR("secret"), stage1);
	auth_native_token(stage1, (const uint8_t *)scramble.ptr, made);
	assert_memory_equal(made, token.ptr, sizeof(made));
	assert_true(auth_native_verify(token, (const uint8_t *)scramble.ptr, verifier.native_stage2,
				       recovered));
	assert_memory_equal(recovered, stage1, sizeof(stage1));
	made[3] ^= 1;
	assert_false(auth_native_verify((struct str){ (char *)made, sizeof(made) },
					(const uint8_t *)scramble.ptr, verifier.native_stage2,
					recovered));
	assert_false(auth_native_verify(str_slice(token, 0, 19), (const uint8_t *)scramble.ptr,
					verifier.native_stage2, recovered));
	assert_false(auth_native_verify(STR(""), (const uint8_t *)scramble.ptr,
					verifier.native_stage2, recovered));
	assert_true(auth_verifier_accepts(&verifier, STR("secret")));
	assert_false(auth_verifier_accepts(&verifier, STR("Secret")));
	assert_false(auth_verifier_accepts(&verifier, STR("")));
	sample_free(scramble);
	sample_free(token);
}

/* Nonce, token and stored password of a login that MySQL 9.7 accepted on its fast path. */
static void test_sha2_as_real(void **state)
{
	(void)state;
	struct str nonce = sample_of("444e15621f5e1b5f6d185a0c06130563114c6a79");
	struct str token =
		sample_of("9caa1e268788e46a3c2c19056d3d9a7bee72eec4b1a490617ccbac24d6576a74");
	struct str stored = sample_of("2441243030412401540f18080e5271564b6c7c5a445618650a6e41444955"
				      "586e69337a6550476e36434b6943"
				      "4c5652756b3249574d55576c76414632362f457234424d666b2f");
	struct auth_verifier verifier;
	uint8_t s1[AUTH_SHA2_BYTES];
	uint8_t s2[AUTH_SHA2_BYTES];
	uint8_t made[AUTH_SHA2_BYTES];
	uint8_t recovered[AUTH_SHA2_BYTES];
	auth_sha2_s1(STR("secret"), s1);
	auth_sha2_s2(s1, s2);
	auth_sha2_token(s1, (const uint8_t *)nonce.ptr, made);
	assert_memory_equal(made, token.ptr, sizeof(made));
	assert_true(auth_sha2_verify(token, (const uint8_t *)nonce.ptr, s2, recovered));
	assert_memory_equal(recovered, s1, sizeof(s1));
	s2[0] ^= 1;
	assert_false(auth_sha2_verify(token, (const uint8_t *)nonce.ptr, s2, recovered));
	assert_false(auth_sha2_verify(STR("short"), (const uint8_t *)nonce.ptr, s2, recovered));

	assert_int_equal(auth_verifier_parse(STR("caching_sha2_password"), stored, &verifier, NULL),
			 ERR_OK);
	assert_int_equal(verifier.sha2.rounds, 10000);
	assert_true(auth_verifier_accepts(&verifier, STR("secret")));
	assert_false(auth_verifier_accepts(&verifier, STR("secre")));
	assert_false(auth_verifier_accepts(&verifier, STR("")));
	sample_free(nonce);
	sample_free(token);
	sample_free(stored);
}

static void test_sha2_make(void **state)
{
	(void)state;
	static const uint8_t salt[AUTH_SHA2_SALT_BYTES] = "\xff\x01 any bytes here..";
	struct auth_sha2_crypt crypt;
	struct buf out;
	char longest[AUTH_SHA2_PASSWORD_BYTES_MAX + 1] = { 'p' };
	buf_init(&out, 256);
	auth_sha2_crypt_make(&out, STR("pa\xc3\xa4ss"), 5000, salt);
	assert_true(str_starts_with(buf_str(&out), STR("$A$005$\xff")));
	assert_int_equal(auth_sha2_crypt_parse(buf_str(&out), &crypt, NULL), ERR_OK);
	assert_true(auth_sha2_crypt_accepts(&crypt, STR("pa\xc3\xa4ss")));
	assert_false(auth_sha2_crypt_accepts(&crypt, (struct str){ longest, sizeof(longest) }));
	buf_clear(&out);
	auth_sha2_crypt_make(&out, (struct str){ longest, sizeof(longest) - 1 }, 1000, salt);
	assert_int_equal(auth_sha2_crypt_parse(buf_str(&out), &crypt, NULL), ERR_OK);
	assert_true(auth_sha2_crypt_accepts(&crypt, (struct str){ longest, sizeof(longest) - 1 }));
	buf_fini(&out);
}

/* Nonce and signature of a login that MariaDB 11.8 accepted; keys as its PASSWORD() stored them. */
static void test_ed25519_as_real(void **state)
{
	(void)state;
	static const struct {
		const char *password;
		const char *stored;
	} keys[] = {
		{ "secret", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY" },
		{ "correct horse battery staple, a long passphrase",
		  "Cuhn+q1Xf79KXZYmPLjzGHXHaX2f2fja+ymDHvRh5Jw" },
	};
	struct str nonce =
		sample_of("fd2e3e9eaa606d8c256fef3a3ddda81fd67ee2a59e1f9a79f6e4844a3a9ed309");
	struct str signature = sample_of("4b96dab5489426ec07b417e2442dd7511fa1018a93990b36edd2e805c"
					 "8be186fbb0ce0ebcc5005da4a761a0d"
					 "5cd5aaa91333ea4818bf6389a1e9a3b954494e01");
	struct auth_verifier verifier;
	uint8_t made[AUTH_ED25519_SIGNATURE_BYTES];
	for (size_t i = 2; i-- > 0;) {
		assert_int_equal(auth_verifier_parse(STR("ed25519"), str_of(keys[i].stored),
						     &verifier, NULL),
				 ERR_OK);
		assert_true(auth_verifier_accepts(&verifier, str_of(keys[i].password)));
		assert_false(auth_verifier_accepts(&verifier, STR("wrong")));
		assert_false(auth_verifier_accepts(&verifier, STR("")));
	}
	auth_ed25519_sign(STR("secret"), (const uint8_t *)nonce.ptr, made);
	assert_memory_equal(made, signature.ptr, sizeof(made));
	assert_true(auth_ed25519_verify(signature, (const uint8_t *)nonce.ptr,
					verifier.ed25519_public));
	made[40] ^= 1;
	assert_false(auth_ed25519_verify((struct str){ (char *)made, sizeof(made) },
					 (const uint8_t *)nonce.ptr, verifier.ed25519_public));
	assert_false(auth_ed25519_verify(str_slice(signature, 0, 63), (const uint8_t *)nonce.ptr,
					 verifier.ed25519_public));
	sample_free(nonce);
	sample_free(signature);
}

static const struct {
	const char *plugin;
	const char *text;
	enum err rc;
} texts[] = {
	{ "mysql_native_password", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE", ERR_PARSE },
	{ "mysql_native_password", "*14E65567ABDB5135D0CFD9A70B3032C179A49EEG", ERR_PARSE },
	{ "mysql_native_password", "*THISISNOTAVALIDPASSWORDTHATCANBEUSEDHERE", ERR_PARSE },
	{ "mysql_native_password", "5d2e19393cc5ef67", ERR_PARSE },
	{ "mysql_native_password", "*14e65567abdb5135d0cfd9a70b3032c179a49ee7", ERR_OK },
	{ "mysql_native_password", "", ERR_OK },
	{ "", "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7", ERR_OK },
	{ "caching_sha2_password", "", ERR_OK },
	{ "caching_sha2_password",
	  "$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED", ERR_OK },
	{ "caching_sha2_password", "$A$005$short", ERR_PARSE },
	{ "caching_sha2_password",
	  "$A$000$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED", ERR_PARSE },
	{ "caching_sha2_password",
	  "$A$0x5$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED", ERR_PARSE },
	{ "caching_sha2_password", "$B$005$x", ERR_PARSE },
	{ "ed25519", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY=", ERR_PARSE },
	{ "ed25519", "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJ!", ERR_PARSE },
	{ "ed25519", "", ERR_PARSE },
	{ "unix_socket", "anything", ERR_OK },
};

static void test_stored_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct str text = sample_prefix(str_of(texts[i].text), strlen(texts[i].text));
		struct auth_verifier verifier;
		struct err_ctx err = { 0 };
		enum err rc = auth_verifier_parse(str_of(texts[i].plugin), text, &verifier, &err);
		assert_int_equal(rc, texts[i].rc);
		/* what is stored is a secret of its own */
		assert_true(text.len == 0 || !str_contains(str_of(err.text), text));
		if (rc == ERR_OK) {
			bool open = text.len == 0;
			assert_int_equal(auth_verifier_accepts(&verifier, STR("")), open);
			assert_false(auth_verifier_accepts(&verifier, STR("guess")));
		}
		sample_free(text);
	}
}

/* A plugin that isn't spoken must never look like an account without a password. */
static void test_other_plugin_is_closed(void **state)
{
	(void)state;
	struct auth_verifier verifier;
	assert_int_equal(auth_verifier_parse(STR("pam"), STR(""), &verifier, NULL), ERR_OK);
	assert_int_equal(verifier.plugin, AUTH_OTHER);
	assert_false(auth_verifier_accepts(&verifier, STR("")));
}

static void check_switch(struct str plugin, struct str data, size_t wire_bytes)
{
	struct auth_switch request = { plugin, data };
	struct auth_switch again;
	struct buf out;
	buf_init(&out, 256);
	auth_switch_encode(&out, &request);
	assert_int_equal(out.len, wire_bytes);
	assert_int_equal(auth_switch_decode(buf_str(&out), &again, NULL), ERR_OK);
	assert_true(str_equal(again.plugin, plugin));
	assert_true(str_equal(again.data, data));
	for (size_t count = 0; count < out.len; count++) {
		struct str prefix = sample_prefix(buf_str(&out), count);
		enum err rc = auth_switch_decode(prefix, &again, NULL);
		assert_int_equal(rc, count < plugin.len + 2 ? ERR_PROTOCOL : ERR_OK);
		sample_free(prefix);
	}
	buf_fini(&out);
}

/* Clients count the bytes: a NUL belongs behind the scrambles of 20, none behind ed25519's 32. */
static void test_switch(void **state)
{
	(void)state;
	check_switch(STR("mysql_native_password"), STR("12345678901234567890"), 1 + 22 + 21);
	check_switch(STR("caching_sha2_password"), STR("12345678901234567890"), 1 + 22 + 21);
	check_switch(STR("client_ed25519"), STR("1234567890123456789012345678901\0"), 1 + 15 + 32);
	struct auth_switch request;
	struct err_ctx err = { 0 };
	assert_int_equal(auth_switch_decode(STR("\xfe"), &request, &err), ERR_PROTOCOL);
	assert_string_equal(err.text, "server asks for the password form from before 4.1");
}

static void test_more_data(void **state)
{
	(void)state;
	struct buf out;
	struct str data;
	buf_init(&out, 64);
	auth_more_encode(&out, STR("\x04"));
	assert_true(str_equal(buf_str(&out), STR("\x01\x04")));
	assert_int_equal(auth_more_decode(buf_str(&out), &data, NULL), ERR_OK);
	assert_true(str_equal(data, STR("\x04")));
	assert_int_equal(auth_more_decode(STR(""), &data, NULL), ERR_PROTOCOL);
	assert_int_equal(auth_more_decode(STR("\x02x"), &data, NULL), ERR_PROTOCOL);
	buf_fini(&out);
}

static void test_clear_password(void **state)
{
	(void)state;
	struct str password;
	assert_int_equal(auth_sha2_clear_decode(STR("secret\0"), &password, NULL), ERR_OK);
	assert_true(str_equal(password, STR("secret")));
	assert_int_equal(auth_sha2_clear_decode(STR("secret"), &password, NULL), ERR_PROTOCOL);
	assert_int_equal(auth_sha2_clear_decode(STR("sec\0ret\0"), &password, NULL), ERR_PROTOCOL);
	assert_int_equal(auth_sha2_clear_decode(STR(""), &password, NULL), ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_native_as_real),
		cmocka_unit_test(test_sha2_as_real),
		cmocka_unit_test(test_sha2_make),
		cmocka_unit_test(test_ed25519_as_real),
		cmocka_unit_test(test_stored_texts),
		cmocka_unit_test(test_other_plugin_is_closed),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_more_data),
		cmocka_unit_test(test_clear_password),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
