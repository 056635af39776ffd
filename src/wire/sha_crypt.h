/* SHA-crypt with SHA-256: the slow, salted hash of passwords behind `$5$` and MySQL's `$A$`.
 *
 * Source: U. Drepper, "Unix crypt using SHA-256 and SHA-512", whose steps the code names. MySQL's
 * form differs in the length of the salt only (20 bytes of any value, where crypt has up to 16).
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum { SHA_CRYPT_CHARS = 43, SHA_CRYPT_PASSWORD_BYTES_MAX = 256, SHA_CRYPT_SALT_BYTES_MAX = 32 };

/* The 43 characters behind the salt, not NUL-terminated. password and salt within their limits
 * (else it is our bug). */
void sha_crypt_sha256(struct str password, struct str salt, uint32_t rounds,
		      char ret[SHA_CRYPT_CHARS]);
