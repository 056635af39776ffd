#include "base/cursor.h"

#include <string.h>

struct cursor cursor_of(const void *bytes, size_t count)
{
	const uint8_t *at = bytes;
	return (struct cursor){ at, count ? at + count : at };
}

struct cursor cursor_of_str(struct str s)
{
	return cursor_of(s.ptr, s.len);
}

size_t cursor_left(const struct cursor *cur)
{
	return (size_t)(cur->end - cur->at);
}

static enum err read_le(struct cursor *cur, size_t bytes, uint64_t *ret)
{
	if (cursor_left(cur) < bytes) {
		return ERR_PROTOCOL;
	}
	uint64_t value = 0;
	for (size_t i = 0; i < bytes; i++) {
		value |= (uint64_t)cur->at[i] << (8 * i);
	}
	cur->at += bytes;
	*ret = value;
	return ERR_OK;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type can't stand in parentheses */
#define READER(name, type, bytes) \
	enum err name(struct cursor *cur, type *ret) \
	{ \
		uint64_t value; \
		enum err rc = read_le(cur, bytes, &value); \
		if (rc == ERR_OK) { \
			*ret = (type)value; \
		} \
		return rc; \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

READER(cursor_u8, uint8_t, 1)
READER(cursor_u16, uint16_t, 2)
READER(cursor_u24, uint32_t, 3)
READER(cursor_u32, uint32_t, 4)
READER(cursor_u64, uint64_t, 8)

enum err cursor_skip(struct cursor *cur, size_t count)
{
	if (cursor_left(cur) < count) {
		return ERR_PROTOCOL;
	}
	cur->at += count;
	return ERR_OK;
}

enum err cursor_bytes(struct cursor *cur, size_t count, struct str *ret)
{
	if (cursor_left(cur) < count) {
		return ERR_PROTOCOL;
	}
	*ret = (struct str){ (const char *)cur->at, count };
	cur->at += count;
	return ERR_OK;
}

enum err cursor_nul_str(struct cursor *cur, struct str *ret)
{
	size_t left = cursor_left(cur);
	const uint8_t *nul = left ? memchr(cur->at, 0, left) : NULL;
	if (!nul) {
		return ERR_PROTOCOL;
	}
	*ret = (struct str){ (const char *)cur->at, (size_t)(nul - cur->at) };
	cur->at = nul + 1;
	return ERR_OK;
}

struct str cursor_rest(struct cursor *cur)
{
	struct str rest = { (const char *)cur->at, cursor_left(cur) };
	cur->at = cur->end;
	return rest;
}

enum err cursor_lenenc(struct cursor *cur, uint64_t *ret)
{
	struct cursor start = *cur;
	uint8_t first;
	enum err rc = cursor_u8(cur, &first);
	if (rc != ERR_OK) {
		return rc;
	}
	if (first < 0xfb) {
		*ret = first;
		return ERR_OK;
	}
	size_t bytes = first == 0xfc ? 2 : first == 0xfd ? 3 : first == 0xfe ? 8 : 0;
	rc = bytes ? read_le(cur, bytes, ret) : ERR_PROTOCOL;
	if (rc != ERR_OK) {
		*cur = start;
	}
	return rc;
}

enum err cursor_lenenc_str(struct cursor *cur, struct str *ret)
{
	struct cursor start = *cur;
	uint64_t count;
	enum err rc = cursor_lenenc(cur, &count);
	if (rc == ERR_OK) {
		rc = count > cursor_left(cur) ? ERR_PROTOCOL
					      : cursor_bytes(cur, (size_t)count, ret);
	}
	if (rc != ERR_OK) {
		*cur = start;
	}
	return rc;
}
