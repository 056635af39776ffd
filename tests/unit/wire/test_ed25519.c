/* A wrong signature would lock the proxy's own service account out of MariaDB servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "sample.h"
#include "wire/auth_ed25519.h"
#include "wire/ed25519.h"

/* RFC 8032, 7.1. */
static const struct {
	const char *seed;
	const char *key;
	const char *message;
	const char *signature;
} vectors[] = {
	{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
	  "1cf9"
	  "b46bd25bf5f0595bbe24655141438e7a100b" },
	{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
	  "d0f1"
	  "1d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
	  "984d"
	  "c6594a7c15e9716ed28dc027beceea1ec40a" },
};

static void test_rfc_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct str seed = sample_of(vectors[i].seed);
		struct str key = sample_of(vectors[i].key);
		struct str message = sample_of(vectors[i].message);
		struct str signature = sample_of(vectors[i].signature);
		uint8_t made_key[ED25519_KEY_BYTES];
		uint8_t made[ED25519_SIGNATURE_BYTES];
		ed25519_public(seed, made_key);
		assert_memory_equal(made_key, key.ptr, sizeof(made_key));
		ed25519_sign(seed, message, made);
		assert_memory_equal(made, signature.ptr, sizeof(made));
		sample_free(seed);
		sample_free(key);
		sample_free(message);
		sample_free(signature);
	}
}

/* Passwords of any length and any bytes: libcrypto must accept each signature. */
static void test_libcrypto_agrees(void **state)
{
	(void)state;
	struct prng prng = { 20240 };
	for (int round = 0; round < 100; round++) {
		char password[120];
		uint8_t nonce[AUTH_ED25519_NONCE_BYTES];
		uint8_t key[AUTH_ED25519_KEY_BYTES];
		uint8_t signature[AUTH_ED25519_SIGNATURE_BYTES];
		size_t bytes = (size_t)prng_below(&prng, sizeof(password));
		for (size_t i = 0; i < bytes; i++) {
			password[i] = (char)prng_next(&prng);
		}
		for (size_t i = 0; i < sizeof(nonce); i++) {
			nonce[i] = (uint8_t)prng_next(&prng);
		}
		auth_ed25519_public((struct str){ password, bytes }, key);
		auth_ed25519_sign((struct str){ password, bytes }, nonce, signature);
		struct str view = { (char *)signature, sizeof(signature) };
		assert_true(auth_ed25519_verify(view, nonce, key));
		nonce[prng_below(&prng, sizeof(nonce))] ^= 0x10;
		assert_false(auth_ed25519_verify(view, nonce, key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_vectors),
		cmocka_unit_test(test_libcrypto_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
