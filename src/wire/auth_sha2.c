#include "wire/auth_sha2.h"

#include <string.h>

#include "base/cursor.h"
#include "wire/digest.h"
#include "wire/sha_crypt.h"

enum { ROUNDS_UNIT = 1000, ROUNDS_DIGITS = 3 };

void auth_sha2_s1(struct str password, uint8_t ret[AUTH_SHA2_BYTES])
{
	digest_sha256(&password, 1, ret);
}

void auth_sha2_s2(const uint8_t s1[AUTH_SHA2_BYTES], uint8_t ret[AUTH_SHA2_BYTES])
{
	struct str part = digest_part(s1, AUTH_SHA2_BYTES);
	digest_sha256(&part, 1, ret);
}

/* SHA256(s2 + nonce): what s1 is hidden under. */
static void make_pad(const uint8_t nonce[AUTH_SHA2_NONCE_BYTES], const uint8_t s2[AUTH_SHA2_BYTES],
		     uint8_t ret[AUTH_SHA2_BYTES])
{
	struct str parts[] = { digest_part(s2, AUTH_SHA2_BYTES),
			       digest_part(nonce, AUTH_SHA2_NONCE_BYTES) };
	digest_sha256(parts, 2, ret);
}

void auth_sha2_token(const uint8_t s1[AUTH_SHA2_BYTES], const uint8_t nonce[AUTH_SHA2_NONCE_BYTES],
		     uint8_t ret[AUTH_SHA2_BYTES])
{
	uint8_t s2[AUTH_SHA2_BYTES];
	uint8_t pad[AUTH_SHA2_BYTES];
	auth_sha2_s2(s1, s2);
	make_pad(nonce, s2, pad);
	digest_xor(s1, pad, AUTH_SHA2_BYTES, ret);
}

bool auth_sha2_verify(struct str token, const uint8_t nonce[AUTH_SHA2_NONCE_BYTES],
		      const uint8_t s2[AUTH_SHA2_BYTES], uint8_t ret_s1[AUTH_SHA2_BYTES])
{
	uint8_t pad[AUTH_SHA2_BYTES];
	uint8_t s1[AUTH_SHA2_BYTES];
	uint8_t again[AUTH_SHA2_BYTES];
	if (token.len != AUTH_SHA2_BYTES) {
		return false;
	}
	make_pad(nonce, s2, pad);
	digest_xor((const uint8_t *)token.ptr, pad, AUTH_SHA2_BYTES, s1);
	auth_sha2_s2(s1, again);
	if (!digest_equal(again, s2, AUTH_SHA2_BYTES)) {
		return false;
	}
	memcpy(ret_s1, s1, AUTH_SHA2_BYTES);
	return true;
}

/* The rounds are written as three hex digits of thousands ("005").
 * Source: sql/auth/sha2_password.cc, Caching_sha2_password::serialize(). */
static bool read_rounds(struct str digits, uint32_t *ret)
{
	uint32_t thousands = 0;
	for (size_t i = 0; i < digits.len; i++) {
		char c = digits.ptr[i];
		uint32_t digit = c >= '0' && c <= '9'	? (uint32_t)(c - '0')
				 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
				 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
							: 16;
		if (digit > 15) {
			return false;
		}
		thousands = thousands * 16 + digit;
	}
	*ret = thousands * ROUNDS_UNIT;
	return thousands > 0;
}

enum err auth_sha2_crypt_parse(struct str text, struct auth_sha2_crypt *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(text);
	struct auth_sha2_crypt crypt;
	struct str mark;
	struct str digits;
	struct str dollar;
	struct str salt;
	if (str_starts_with(text, STR("$B$"))) {
		return err_set(err, ERR_PARSE,
			       "password is stored as PBKDF2 ($B$), which is not spoken here");
	}
	if (cursor_bytes(&cur, 3, &mark) != ERR_OK || !str_equal(mark, STR("$A$")) ||
	    cursor_bytes(&cur, ROUNDS_DIGITS, &digits) != ERR_OK ||
	    !read_rounds(digits, &crypt.rounds) || cursor_bytes(&cur, 1, &dollar) != ERR_OK ||
	    *dollar.ptr != '$' || cursor_bytes(&cur, AUTH_SHA2_SALT_BYTES, &salt) != ERR_OK ||
	    cursor_left(&cur) != AUTH_SHA2_HASH_CHARS) {
		return err_set(err, ERR_PARSE, "not a stored caching_sha2_password");
	}
	memcpy(crypt.salt, salt.ptr, sizeof(crypt.salt));
	memcpy(crypt.hash, cur.at, sizeof(crypt.hash));
	*ret = crypt;
	return ERR_OK;
}

bool auth_sha2_crypt_accepts(const struct auth_sha2_crypt *crypt, struct str password)
{
	char hash[SHA_CRYPT_CHARS];
	_Static_assert(sizeof(hash) == sizeof(crypt->hash), "the stored hash is SHA-crypt's");
	if (password.len == 0 || password.len > AUTH_SHA2_PASSWORD_BYTES_MAX) {
		return false;
	}
	sha_crypt_sha256(password, digest_part(crypt->salt, sizeof(crypt->salt)), crypt->rounds,
			 hash);
	return digest_equal((const uint8_t *)hash, (const uint8_t *)crypt->hash, sizeof(hash));
}

void auth_sha2_crypt_make(struct buf *out, struct str password, uint32_t rounds,
			  const uint8_t salt[AUTH_SHA2_SALT_BYTES])
{
	char hash[SHA_CRYPT_CHARS];
	if (password.len > AUTH_SHA2_PASSWORD_BYTES_MAX) {
		out->overflow = true;
		return;
	}
	sha_crypt_sha256(password, digest_part(salt, AUTH_SHA2_SALT_BYTES), rounds, hash);
	buf_printf(out, "$A$%03X$", rounds / ROUNDS_UNIT);
	buf_add(out, salt, AUTH_SHA2_SALT_BYTES);
	buf_add(out, hash, sizeof(hash));
}

enum err auth_sha2_clear_decode(struct str payload, struct str *ret_password, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	if (cursor_nul_str(&cur, ret_password) != ERR_OK || cursor_left(&cur) > 0) {
		return err_set(err, ERR_PROTOCOL, "password without its end");
	}
	return ERR_OK;
}
