#include "wire/sha_crypt.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/check.h"
#include "wire/digest.h"

enum {
	HASH_BYTES = DIGEST_SHA256_BYTES,
	PARTS_MAX = 32,	   /* of digest A: 2, 8 for the length, 9 for its bits */
	REPEATS_MAX = 512, /* of the password for P, of the salt (at most 16 + 255) for S */
};

/* What the rounds need. */
struct crypt_state {
	uint8_t digest[HASH_BYTES];			/* A, then C */
	uint8_t password[SHA_CRYPT_PASSWORD_BYTES_MAX]; /* P: as long as the password */
	uint8_t salt[SHA_CRYPT_SALT_BYTES_MAX];		/* S: as long as the salt */
};

/* Fills `to` with a hash, repeated. Steps 16 and 20. */
static void repeat(const uint8_t hash[HASH_BYTES], uint8_t *to, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		to[i] = hash[i % HASH_BYTES];
	}
}

/* Steps 4 to 8: digest B. */
static void make_b(struct str password, struct str salt, uint8_t ret[HASH_BYTES])
{
	struct str parts[] = { password, salt, password };
	digest_sha256(parts, 3, ret);
}

/* Steps 1 to 12: digest A. */
static void make_a(struct str password, struct str salt, uint8_t ret[HASH_BYTES])
{
	uint8_t b[HASH_BYTES];
	struct str parts[PARTS_MAX];
	size_t count = 0;

	make_b(password, salt, b);
	parts[count++] = password;
	parts[count++] = salt;
	size_t left = password.len;
	for (; left > HASH_BYTES; left -= HASH_BYTES) { /* step 9 */
		parts[count++] = digest_part(b, HASH_BYTES);
	}
	parts[count++] = digest_part(b, left);			 /* step 10 */
	for (size_t bits = password.len; bits > 0; bits >>= 1) { /* step 11 */
		parts[count++] = bits & 1 ? digest_part(b, HASH_BYTES) : password;
	}
	digest_sha256(parts, count, ret);
}

/* Steps 13 to 20: the byte sequences P and S. */
static void make_sequences(struct crypt_state *state, struct str password, struct str salt)
{
	struct str parts[REPEATS_MAX] = { { NULL, 0 } };
	uint8_t hash[HASH_BYTES];

	for (size_t i = 0; i < password.len; i++) {
		parts[i] = password;
	}
	digest_sha256(parts, password.len, hash);
	repeat(hash, state->password, password.len);

	size_t times = 16u + state->digest[0];
	for (size_t i = 0; i < times; i++) {
		parts[i] = salt;
	}
	digest_sha256(parts, times, hash);
	repeat(hash, state->salt, salt.len);
}

/* Step 21. */
static void run_rounds(struct crypt_state *state, size_t password_bytes, size_t salt_bytes,
		       uint32_t rounds)
{
	struct str p = digest_part(state->password, password_bytes);
	struct str s = digest_part(state->salt, salt_bytes);
	struct digest_run *run = digest_run_new();
	for (uint32_t round = 0; round < rounds; round++) {
		struct str c = digest_part(state->digest, HASH_BYTES);
		struct str parts[4];
		size_t count = 0;
		parts[count++] = round & 1 ? p : c;
		if (round % 3 != 0) {
			parts[count++] = s;
		}
		if (round % 7 != 0) {
			parts[count++] = p;
		}
		parts[count++] = round & 1 ? c : p;
		uint8_t next[HASH_BYTES];
		digest_run_sha256(run, parts, count, next);
		memcpy(state->digest, next, HASH_BYTES);
	}
	digest_run_free(run);
}

/* Step 22: crypt's own base64, low bits first, over a fixed shuffle of the bytes. */
static void print(const uint8_t digest[HASH_BYTES], char ret[SHA_CRYPT_CHARS])
{
	static const char digits[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const uint8_t order[10][3] = {
		{ 0, 10, 20 }, { 21, 1, 11 }, { 12, 22, 2 }, { 3, 13, 23 }, { 24, 4, 14 },
		{ 15, 25, 5 }, { 6, 16, 26 }, { 27, 7, 17 }, { 18, 28, 8 }, { 9, 19, 29 },
	};
	size_t at = 0;
	for (size_t i = 0; i < 10; i++) {
		uint32_t group = (uint32_t)digest[order[i][0]] << 16 |
				 (uint32_t)digest[order[i][1]] << 8 | digest[order[i][2]];
		for (size_t j = 0; j < 4; j++, group >>= 6) {
			ret[at++] = digits[group & 63];
		}
	}
	uint32_t group = (uint32_t)digest[31] << 8 | digest[30];
	for (; at < SHA_CRYPT_CHARS; group >>= 6) {
		ret[at++] = digits[group & 63];
	}
}

void sha_crypt_sha256(struct str password, struct str salt, uint32_t rounds,
		      char ret[SHA_CRYPT_CHARS])
{
	struct crypt_state state;
	check(password.len <= SHA_CRYPT_PASSWORD_BYTES_MAX && salt.len <= SHA_CRYPT_SALT_BYTES_MAX);
	make_a(password, salt, state.digest);
	make_sequences(&state, password, salt);
	run_rounds(&state, password.len, salt.len, rounds);
	print(state.digest, ret);
	OPENSSL_cleanse(&state, sizeof(state));
}
