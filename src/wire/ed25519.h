/* Ed25519 signing with a seed of any length (RFC 8032, with SHA-512 over all of the seed).
 *
 * libcrypto signs with 32-byte seeds only; MariaDB's client_ed25519 puts a password there. Verifying
 * needs nothing of that kind and is libcrypto's.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum { ED25519_KEY_BYTES = 32, ED25519_SIGNATURE_BYTES = 64 };

/* The public key of a seed. Source: RFC 8032, 5.1.5. */
void ed25519_public(struct str seed, uint8_t ret[ED25519_KEY_BYTES]);

/* Signs `message`. Source: RFC 8032, 5.1.6. */
void ed25519_sign(struct str seed, struct str message, uint8_t ret[ED25519_SIGNATURE_BYTES]);
