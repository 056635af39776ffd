/* The RSA half of caching_sha2_password: the password on a connection without TLS.
 *
 * PKCS#1 OAEP with SHA1 over (password NUL) xor nonce. libcrypto draws the random bytes that padding
 * and key generation need; nothing else in this room needs any.
 * Source: MySQL source documentation, "Caching_sha2_password information".
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "wire/auth_sha2.h"

/* A key pair or a public key. */
struct auth_sha2_rsa;

/* Reads a PEM key, private or public. Errors: ERR_PARSE. Free with auth_sha2_rsa_free(). */
MUST_CHECK enum err auth_sha2_rsa_read(struct str pem, struct auth_sha2_rsa **ret,
				       struct err_ctx *err);

/* A new 2048-bit key pair; takes some 100 ms. Errors: ERR_FAILED. */
MUST_CHECK enum err auth_sha2_rsa_generate(struct auth_sha2_rsa **ret, struct err_ctx *err);

struct auth_sha2_rsa *auth_sha2_rsa_free(struct auth_sha2_rsa *key); /* takes NULL, returns NULL */

/* Appends the public half as PEM, as it is sent to a client in AuthMoreData. Errors: ERR_FAILED,
 * ERR_LIMIT. */
MUST_CHECK enum err auth_sha2_rsa_public_pem(const struct auth_sha2_rsa *key, struct buf *out,
					     struct err_ctx *err);

/* Client side: appends the encrypted password. Errors: ERR_LIMIT (password too long for the key),
 * ERR_FAILED. */
MUST_CHECK enum err auth_sha2_rsa_encrypt(const struct auth_sha2_rsa *key, struct str password,
					  const uint8_t nonce[AUTH_SHA2_NONCE_BYTES],
					  struct buf *out, struct err_ctx *err);

/* Server side: appends the password (without NUL) to `out`. Errors: ERR_PROTOCOL, with the same
 * words whatever was wrong with the bytes. */
MUST_CHECK enum err auth_sha2_rsa_decrypt(const struct auth_sha2_rsa *key, struct str cipher,
					  const uint8_t nonce[AUTH_SHA2_NONCE_BYTES],
					  struct buf *out, struct err_ctx *err);
