/* Bytes for tests, written as hex; and copies of exact size, so that a sanitizer sees one byte too many. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static inline uint8_t sample_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The bytes of lower-case hex; blanks are passed over. Free ptr with sample_free(). */
static inline struct str sample_of(const char *hex)
{
	size_t count = 0;
	uint8_t *bytes = mem_need(strlen(hex) / 2 + 1);
	while (*hex) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		bytes[count++] = (uint8_t)(sample_digit(hex[0]) << 4 | sample_digit(hex[1]));
		hex += 2;
	}
	struct str bytes_str = { mem_need(count + !count), count };
	memcpy((uint8_t *)(uintptr_t)bytes_str.ptr, bytes, count);
	mem_free(bytes);
	return bytes_str;
}

/* The first `count` bytes, in memory of that size. */
static inline struct str sample_prefix(struct str whole, size_t count)
{
	uint8_t *bytes = mem_need(count + !count);
	if (count) {
		memcpy(bytes, whole.ptr, count);
	}
	return (struct str){ (const char *)bytes, count };
}

static inline void sample_free(struct str sample)
{
	mem_free((void *)(uintptr_t)sample.ptr);
}
