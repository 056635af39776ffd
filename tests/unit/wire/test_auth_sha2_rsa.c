/* Without the RSA path no caching_sha2_password client without TLS could log in the first time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"
#include "wire/auth_sha2_rsa.h"

static const uint8_t nonce[AUTH_SHA2_NONCE_BYTES] = "0123456789abcdefghi";

static void test_there_and_back(void **state)
{
	(void)state;
	struct auth_sha2_rsa *pair = NULL;
	struct auth_sha2_rsa *public_key = NULL;
	struct buf pem;
	struct buf cipher;
	struct buf clear;
	struct err_ctx err = { 0 };
	char longest[300] = { 0 };
	buf_init(&pem, 4096);
	buf_init(&cipher, 4096);
	buf_init(&clear, 4096);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(auth_sha2_rsa_generate(&pair, &err), ERR_OK);
	assert_int_equal(auth_sha2_rsa_public_pem(pair, &pem, &err), ERR_OK);
	assert_true(str_starts_with(buf_str(&pem), STR("-----BEGIN PUBLIC KEY-----\n")));
	assert_int_equal(auth_sha2_rsa_read(buf_str(&pem), &public_key, &err), ERR_OK);
	const struct str passwords[] = { STR("secret"), STR(""), { longest, 213 } };
	for (size_t i = 0; i < 3; i++) {
		buf_clear(&cipher);
		buf_clear(&clear);
		assert_int_equal(
			auth_sha2_rsa_encrypt(public_key, passwords[i], nonce, &cipher, &err),
			ERR_OK);
		assert_int_equal(cipher.len, 256);
		assert_int_equal(auth_sha2_rsa_decrypt(pair, buf_str(&cipher), nonce, &clear, &err),
				 ERR_OK);
		assert_true(str_equal(buf_str(&clear), passwords[i]));
	}
	assert_int_equal(auth_sha2_rsa_encrypt(public_key, (struct str){ longest, 214 }, nonce,
					       &cipher, &err),
			 ERR_LIMIT);
	/* Whatever is wrong, the words are the same: they must tell nothing about the key. */
	const uint8_t other_nonce[AUTH_SHA2_NONCE_BYTES] = "another nonce......";
	assert_int_equal(auth_sha2_rsa_decrypt(pair, STR("short"), nonce, &clear, &err),
			 ERR_PROTOCOL);
	assert_string_equal(err.text, "encrypted password can't be read");
	assert_int_equal(auth_sha2_rsa_decrypt(pair, buf_str(&cipher), other_nonce, &clear, &err),
			 ERR_PROTOCOL);
	cipher.ptr[100] ^= 1;
	assert_int_equal(auth_sha2_rsa_decrypt(pair, buf_str(&cipher), nonce, &clear, &err),
			 ERR_PROTOCOL);
	assert_string_equal(err.text, "encrypted password can't be read");
	buf_fini(&pem);
	buf_fini(&cipher);
	buf_fini(&clear);
	assert_null(auth_sha2_rsa_free(pair));
	assert_null(auth_sha2_rsa_free(public_key));
	assert_null(auth_sha2_rsa_free(NULL));
}

static void test_bad_keys(void **state)
{
	(void)state;
	static const char *const pems[] = {
		"",
		"nonsense",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\n",
		"-----BEGIN PUBLIC "
		"KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
		"\n-----END PUBLIC KEY-----\n", /* Ed25519, not RSA */
	};
	for (size_t i = 0; i < sizeof(pems) / sizeof(pems[0]); i++) {
		struct auth_sha2_rsa *key = NULL;
		struct err_ctx err = { 0 };
		assert_int_equal(auth_sha2_rsa_read(str_of(pems[i]), &key, &err), ERR_PARSE);
		assert_null(key);
		assert_string_equal(err.text, "not an RSA key in PEM form");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bad_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
