/* Reading bytes from outside: a cursor that knows its end.
 *
 * Every reader returns ERR_PROTOCOL and leaves the cursor where it was when bytes are missing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
};

/* Over bytes that the caller keeps; NULL is allowed when count is 0. */
struct cursor cursor_of(const void *bytes, size_t count);
struct cursor cursor_of_str(struct str s);
size_t cursor_left(const struct cursor *cur);

MUST_CHECK enum err cursor_u8(struct cursor *cur, uint8_t *ret);
MUST_CHECK enum err cursor_u16(struct cursor *cur, uint16_t *ret); /* little-endian, as all */
MUST_CHECK enum err cursor_u24(struct cursor *cur, uint32_t *ret);
MUST_CHECK enum err cursor_u32(struct cursor *cur, uint32_t *ret);
MUST_CHECK enum err cursor_u64(struct cursor *cur, uint64_t *ret);
MUST_CHECK enum err cursor_skip(struct cursor *cur, size_t count);
MUST_CHECK enum err cursor_bytes(struct cursor *cur, size_t count, struct str *ret); /* a view */
MUST_CHECK enum err cursor_nul_str(struct cursor *cur, struct str *ret); /* consumes the NUL too */
struct str cursor_rest(struct cursor *cur);				 /* all that is left */

/* Length-encoded integer and string. 0xfb (NULL in a row) and 0xff are ERR_PROTOCOL here.
 * Source: MySQL source documentation, "Protocol::LengthEncodedInteger". */
MUST_CHECK enum err cursor_lenenc(struct cursor *cur, uint64_t *ret);
MUST_CHECK enum err cursor_lenenc_str(struct cursor *cur, struct str *ret);
