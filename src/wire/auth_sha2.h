/* caching_sha2_password.
 *
 *   s1 = SHA256(password), s2 = SHA256(s1)
 *   fast path:  token = s1 xor SHA256(s2 + nonce); the server answers "fast" (0x03) when its cache
 *               holds s2, else "full" (0x04)
 *   full path:  the password and a NUL, over TLS as it is, else xored with the nonce and encrypted
 *               with the server's RSA key (PKCS#1 OAEP, SHA1); 0x02 asks for that key
 *   stored:     a SHA-crypt of the password, `$A$005$` salt (20 bytes) hash (43 characters)
 *
 * RSA is in auth_sha2_rsa.h.
 * Source: MySQL source documentation, "Caching_sha2_password information".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
	AUTH_SHA2_BYTES = 32,
	AUTH_SHA2_NONCE_BYTES = 20,
	AUTH_SHA2_SALT_BYTES = 20,
	AUTH_SHA2_HASH_CHARS = 43,
	AUTH_SHA2_PASSWORD_BYTES_MAX = 256, /* the server's own limit; longer ones never fit */
};

/* The byte inside AuthMoreData (server) or a packet of its own (client). */
enum {
	AUTH_SHA2_ASK_KEY = 0x02, /* client: send me your RSA key */
	AUTH_SHA2_FAST_OK = 0x03, /* server: right; an OK packet follows */
	AUTH_SHA2_FULL = 0x04,	  /* server: send the password */
};

/* An empty password is answered with an empty packet. The functions below are for others. */

/* SHA256(password). */
void auth_sha2_s1(struct str password, uint8_t ret[AUTH_SHA2_BYTES]);

/* SHA256(s1): what the server caches. */
void auth_sha2_s2(const uint8_t s1[AUTH_SHA2_BYTES], uint8_t ret[AUTH_SHA2_BYTES]);

/* The client's fast answer. */
void auth_sha2_token(const uint8_t s1[AUTH_SHA2_BYTES], const uint8_t nonce[AUTH_SHA2_NONCE_BYTES],
		     uint8_t ret[AUTH_SHA2_BYTES]);

/* Is the fast answer `token` (any length) right? Then ret_s1 answers any later nonce of a server
 * whose cache holds s2. */
bool auth_sha2_verify(struct str token, const uint8_t nonce[AUTH_SHA2_NONCE_BYTES],
		      const uint8_t s2[AUTH_SHA2_BYTES], uint8_t ret_s1[AUTH_SHA2_BYTES]);

/* What the server stores. */
struct auth_sha2_crypt {
	uint32_t rounds;		    /* 5000 for "005" */
	uint8_t salt[AUTH_SHA2_SALT_BYTES]; /* any byte but NUL and '$' */
	char hash[AUTH_SHA2_HASH_CHARS];    /* crypt's own base64, not NUL-terminated */
};

/* Reads `$A$005$...`. Errors: ERR_PARSE (err never shows the text). */
MUST_CHECK enum err auth_sha2_crypt_parse(struct str text, struct auth_sha2_crypt *ret,
					  struct err_ctx *err);

/* Is this the password? Costs `rounds` rounds of SHA-256 (5000: a few milliseconds). */
bool auth_sha2_crypt_accepts(const struct auth_sha2_crypt *crypt, struct str password);

/* Appends the stored form of a password (77 bytes without prefix length), for tests and tools. */
void auth_sha2_crypt_make(struct buf *out, struct str password, uint32_t rounds,
			  const uint8_t salt[AUTH_SHA2_SALT_BYTES]);

/* Server side, over TLS: the password of a packet "password NUL". Errors: ERR_PROTOCOL. */
MUST_CHECK enum err auth_sha2_clear_decode(struct str payload, struct str *ret_password,
					   struct err_ctx *err);
