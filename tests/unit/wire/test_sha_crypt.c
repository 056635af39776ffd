/* A wrong crypt would refuse every caching_sha2_password client whose password is not cached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/sha_crypt.h"

/* U. Drepper, "Unix crypt using SHA-256 and SHA-512", test vectors (salts as used: 16 characters). */
static const struct {
	const char *password;
	const char *salt;
	uint32_t rounds;
	const char *hash;
} vectors[] = {
	{ "Hello world!", "saltstring", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5" },
	{ "Hello world!", "saltstringsaltst", 10000,
	  "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA" },
	{ "a very much longer text to encrypt.  This one even stretches over morethan one line.",
	  "anotherlongsalts", 1400, "Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1" },
	{ "we have a short salt string but not a short password", "short", 77777,
	  "JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/" },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		char hash[SHA_CRYPT_CHARS];
		struct str password = { vectors[i].password, strlen(vectors[i].password) };
		struct str salt = { vectors[i].salt, strlen(vectors[i].salt) };
		sha_crypt_sha256(password, salt, vectors[i].rounds, hash);
		assert_memory_equal(hash, vectors[i].hash, sizeof(hash));
	}
}

/* Every length of password and salt within the limits: none may pass an array's end. */
static void test_lengths(void **state)
{
	(void)state;
	char password[SHA_CRYPT_PASSWORD_BYTES_MAX];
	char salt[SHA_CRYPT_SALT_BYTES_MAX];
	char hash[SHA_CRYPT_CHARS];
	memset(password, 'p', sizeof(password));
	memset(salt, 's', sizeof(salt));
	for (size_t i = 0; i <= sizeof(password); i++) {
		sha_crypt_sha256((struct str){ password, i },
				 (struct str){ salt, i % (sizeof(salt) + 1) }, 10, hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
