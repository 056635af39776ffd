/* Text as pointer and length, by value; it borrows, it never owns.
 *
 * NUL-terminated text exists only at libc's door.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct str {
	const char *ptr; /* not NUL-terminated; may be NULL when len is 0 */
	size_t len;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).len ? (s).ptr : ""

struct str str_of(const char *text); /* of a NUL-terminated text; NULL is empty */
bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* ASCII only */
int str_compare(struct str a, struct str b);	   /* bytewise: <0, 0, >0 */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
bool str_contains(struct str s, struct str needle); /* an empty needle is in everything */
bool str_contains_nocase(struct str s, struct str needle);
struct str str_trim(struct str s); /* without blanks, tabs, CR, LF at both ends */
struct str str_slice(struct str s, size_t from, size_t to); /* clamped to the bounds */

/* Cuts at the first `separator`: *ret_head is what stands before it, *rest what stands after it.
 * false when `rest` is empty already, so that a loop over a list ends by itself. */
bool str_next(struct str *rest, char separator, struct str *ret_head);

/* The row of `words` nearest to `word` by edit distance, or NULL when none is near (distance over a
 * third of the word's length, at least 2): for "did you mean". */
const char *str_nearest(struct str word, const char *const *words, size_t count);

/* Decimal numbers, no sign for the unsigned, no blanks. ERR_PARSE, or ERR_LIMIT when outside. */
MUST_CHECK enum err str_parse_u32(struct str s, uint32_t min, uint32_t max, uint32_t *ret);
MUST_CHECK enum err str_parse_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret);

/* Copies into a fixed NUL-terminated field; ERR_LIMIT (and nothing written) when it doesn't fit. */
MUST_CHECK enum err str_copy(struct str s, char *to, size_t to_bytes);
