#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t bytes_max)
{
	*buf = (struct buf){ .bytes_max = bytes_max };
}

void buf_init_fixed(struct buf *buf, void *memory, size_t bytes)
{
	*buf = (struct buf){ .ptr = memory, .cap = bytes, .bytes_max = bytes, .fixed = true };
}

void buf_fini(struct buf *buf)
{
	if (!buf->fixed) {
		mem_free(buf->ptr);
	}
	buf_init(buf, buf->bytes_max);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->overflow = false;
}

uint8_t *buf_reserve(struct buf *buf, size_t count)
{
	size_t wanted;
	if (buf->overflow) {
		return NULL;
	}
	if (__builtin_add_overflow(buf->len, count, &wanted) || wanted > buf->bytes_max) {
		buf->overflow = true;
		return NULL;
	}
	if (wanted > buf->cap || !buf->ptr) {
		if (buf->fixed) {
			buf->overflow = true;
			return NULL;
		}
		size_t cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;
		while (cap < wanted) {
			cap *= 2;
		}
		if (cap > buf->bytes_max) {
			cap = buf->bytes_max;
		}
		uint8_t *grown = mem_resize(buf->ptr, cap);
		if (!grown) {
			buf->overflow = true;
			return NULL;
		}
		buf->ptr = grown;
		buf->cap = cap;
	}
	return buf->ptr + buf->len;
}

void buf_commit(struct buf *buf, size_t count)
{
	check(count <= buf->cap - buf->len);
	buf->len += count;
}

void buf_add(struct buf *buf, const void *bytes, size_t count)
{
	if (count == 0) {
		return;
	}
	uint8_t *to = buf_reserve(buf, count);
	if (to) {
		memcpy(to, bytes, count);
		buf->len += count;
	}
}

void buf_add_str(struct buf *buf, struct str s)
{
	buf_add(buf, s.ptr, s.len);
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_add_zeros(struct buf *buf, size_t count)
{
	uint8_t *to = buf_reserve(buf, count);
	if (to) {
		memset(to, 0, count);
		buf->len += count;
	}
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int wanted = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (wanted < 0) {
		buf->overflow = true;
		return;
	}
	char *to = (char *)buf_reserve(buf, (size_t)wanted + 1);
	if (to) {
		va_start(args, format);
		(void)vsnprintf(to, (size_t)wanted + 1, format, args);
		va_end(args);
		buf->len += (size_t)wanted;
	}
}

static void add_le(struct buf *buf, uint64_t value, size_t bytes)
{
	uint8_t out[8];
	for (size_t i = 0; i < bytes; i++) {
		out[i] = (uint8_t)(value >> (8 * i));
	}
	buf_add(buf, out, bytes);
}

void buf_add_u8(struct buf *buf, uint8_t value)
{
	add_le(buf, value, 1);
}

void buf_add_u16(struct buf *buf, uint16_t value)
{
	add_le(buf, value, 2);
}

void buf_add_u24(struct buf *buf, uint32_t value)
{
	add_le(buf, value, 3);
}

void buf_add_u32(struct buf *buf, uint32_t value)
{
	add_le(buf, value, 4);
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	add_le(buf, value, 8);
}

void buf_add_lenenc(struct buf *buf, uint64_t value)
{
	if (value < 0xfb) {
		buf_add_u8(buf, (uint8_t)value);
	} else if (value <= 0xffff) {
		buf_add_u8(buf, 0xfc);
		buf_add_u16(buf, (uint16_t)value);
	} else if (value <= 0xffffff) {
		buf_add_u8(buf, 0xfd);
		buf_add_u24(buf, (uint32_t)value);
	} else {
		buf_add_u8(buf, 0xfe);
		buf_add_u64(buf, value);
	}
}

void buf_add_lenenc_str(struct buf *buf, struct str s)
{
	buf_add_lenenc(buf, s.len);
	buf_add_str(buf, s);
}

void buf_consume(struct buf *buf, size_t count)
{
	check(count <= buf->len);
	if (count) {
		memmove(buf->ptr, buf->ptr + count, buf->len - count);
		buf->len -= count;
	}
}

struct str buf_str(const struct buf *buf)
{
	return (struct str){ (const char *)buf->ptr, buf->len };
}

const char *buf_text(struct buf *buf)
{
	uint8_t *end = buf_reserve(buf, 1);
	if (!end) {
		return "";
	}
	*end = 0;
	return (const char *)buf->ptr;
}

enum err buf_finish(const struct buf *buf)
{
	return buf->overflow ? ERR_LIMIT : ERR_OK;
}
