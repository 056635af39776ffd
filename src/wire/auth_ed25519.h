/* client_ed25519 (MariaDB): the client signs the server's 32-byte nonce.
 *
 * Ed25519 as in RFC 8032, but the password itself, of any length, stands where the 32-byte seed
 * would be. The server stores the public key. A signature is bound to its nonce: a proxy can verify
 * it, but can't log in to a server with it.
 * Source: MariaDB knowledge base, "Authentication Plugin - ed25519"; plugin/auth_ed25519.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
	AUTH_ED25519_KEY_BYTES = 32,
	AUTH_ED25519_NONCE_BYTES = 32,
	AUTH_ED25519_SIGNATURE_BYTES = 64,
	AUTH_ED25519_KEY_CHARS = 43, /* base64 without padding */
};

/* The public key of a password: what the server stores. */
void auth_ed25519_public(struct str password, uint8_t ret[AUTH_ED25519_KEY_BYTES]);

/* The client's answer to a nonce. */
void auth_ed25519_sign(struct str password, const uint8_t nonce[AUTH_ED25519_NONCE_BYTES],
		       uint8_t ret[AUTH_ED25519_SIGNATURE_BYTES]);

/* Is `signature` (any length) right? */
bool auth_ed25519_verify(struct str signature, const uint8_t nonce[AUTH_ED25519_NONCE_BYTES],
			 const uint8_t public_key[AUTH_ED25519_KEY_BYTES]);

/* The stored text: 43 characters of base64. Errors: ERR_PARSE. */
MUST_CHECK enum err auth_ed25519_key_parse(struct str text, uint8_t ret[AUTH_ED25519_KEY_BYTES],
					   struct err_ctx *err);
