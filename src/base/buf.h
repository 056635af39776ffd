/* A byte builder with a maximum and a sticky overflow flag.
 *
 * Append freely; one buf_finish() at the end turns "did not fit" or "no memory" into an error that
 * cannot be overlooked. Also the wire's write side: little-endian integers, length-encoded ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
	uint8_t *ptr;	  /* owned, unless `fixed` */
	size_t len;	  /* bytes used */
	size_t cap;	  /* bytes there are */
	size_t bytes_max; /* never grows beyond */
	bool fixed;	  /* memory is the caller's and does not grow */
	bool overflow;	  /* sticky: something did not fit */
};

/* Grows up to bytes_max; release with buf_fini(). Allocates at the first append. */
void buf_init(struct buf *buf, size_t bytes_max);

/* Over the caller's memory; never allocates. */
void buf_init_fixed(struct buf *buf, void *memory, size_t bytes);

void buf_fini(struct buf *buf); /* releases, leaves an empty buf with the same maximum; takes {0} */
void buf_clear(struct buf *buf); /* keeps the memory, forgets content and overflow */

void buf_add(struct buf *buf, const void *bytes, size_t count);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_text(struct buf *buf, const char *text); /* NUL-terminated, without the NUL */
void buf_add_char(struct buf *buf, char c);
void buf_add_zeros(struct buf *buf, size_t count);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *buf, const char *format, ...);
void buf_add_u8(struct buf *buf, uint8_t value);
void buf_add_u16(struct buf *buf, uint16_t value); /* little-endian, as all that follow */
void buf_add_u24(struct buf *buf, uint32_t value);
void buf_add_u32(struct buf *buf, uint32_t value);
void buf_add_u64(struct buf *buf, uint64_t value);
/* MySQL's length-encoded integer and string.
 * Source: MySQL source documentation, "Protocol::LengthEncodedInteger". */
void buf_add_lenenc(struct buf *buf, uint64_t value);
void buf_add_lenenc_str(struct buf *buf, struct str s);

/* Removes the first `count` bytes (count <= len). */
void buf_consume(struct buf *buf, size_t count);

/* Makes room for `count` more bytes and returns where they go, NULL (overflow set) when it can't;
 * buf_commit() then says how many were written. */
uint8_t *buf_reserve(struct buf *buf, size_t count);
void buf_commit(struct buf *buf, size_t count);

struct str buf_str(const struct buf *buf); /* a view of the content; valid until the next append */

/* NUL-terminates behind the content (the NUL is not counted); "" when it didn't fit. */
const char *buf_text(struct buf *buf);

/* ERR_LIMIT when anything did not fit, else ERR_OK. */
MUST_CHECK enum err buf_finish(const struct buf *buf);
