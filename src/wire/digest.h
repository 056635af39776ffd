/* Hashes of a few joined pieces, by libcrypto.
 *
 * libcrypto's hashes fail only when there is no memory for a few hundred bytes: that ends the process
 * (a hash that is silently wrong could let somebody in).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { DIGEST_SHA1_BYTES = 20, DIGEST_SHA256_BYTES = 32, DIGEST_SHA512_BYTES = 64 };

/* The hash of parts[0] + parts[1] + ... */
void digest_sha1(const struct str *parts, size_t count, uint8_t ret[DIGEST_SHA1_BYTES]);
void digest_sha256(const struct str *parts, size_t count, uint8_t ret[DIGEST_SHA256_BYTES]);
void digest_sha512(const struct str *parts, size_t count, uint8_t ret[DIGEST_SHA512_BYTES]);

/* For thousands of SHA-256 hashes in a row: keeps what a single one sets up. */
struct digest_run;
struct digest_run *digest_run_new(void); /* never NULL */
void digest_run_sha256(struct digest_run *run, const struct str *parts, size_t count,
		       uint8_t ret[DIGEST_SHA256_BYTES]);
struct digest_run *digest_run_free(struct digest_run *run); /* takes NULL, returns NULL */

/* ret[i] = a[i] xor b[i]; ret may be a or b. */
void digest_xor(const uint8_t *a, const uint8_t *b, size_t count, uint8_t *ret);

/* Compares in a time that doesn't depend on the content. */
bool digest_equal(const uint8_t *a, const uint8_t *b, size_t count);

/* A view of bytes, for `parts`. */
struct str digest_part(const uint8_t *bytes, size_t count);
