#include "base/str.h"

#include <string.h>

struct str str_of(const char *text)
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_equal_nocase(struct str a, struct str b)
{
	if (a.len != b.len) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.ptr[i]) != lower(b.ptr[i])) {
			return false;
		}
	}
	return true;
}

int str_compare(struct str a, struct str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
	if (order != 0) {
		return order;
	}
	return a.len == b.len ? 0 : (a.len < b.len ? -1 : 1);
}

bool str_starts_with(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_equal(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_equal(str_slice(s, s.len - suffix.len, s.len), suffix);
}

bool str_contains(struct str s, struct str needle)
{
	for (size_t at = 0; at + needle.len <= s.len; at++) {
		if (str_equal(str_slice(s, at, at + needle.len), needle)) {
			return true;
		}
	}
	return false;
}

bool str_contains_nocase(struct str s, struct str needle)
{
	for (size_t at = 0; at + needle.len <= s.len; at++) {
		if (str_equal_nocase(str_slice(s, at, at + needle.len), needle)) {
			return true;
		}
	}
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len && is_blank(s.ptr[s.len - 1])) {
		s.len--;
	}
	return s;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
	if (to > s.len) {
		to = s.len;
	}
	if (from >= to) {
		return (struct str){ NULL, 0 };
	}
	return (struct str){ s.ptr + from, to - from };
}

bool str_next(struct str *rest, char separator, struct str *ret_head)
{
	if (rest->len == 0) {
		return false;
	}
	const char *found = memchr(rest->ptr, separator, rest->len);
	size_t head_len = found ? (size_t)(found - rest->ptr) : rest->len;
	*ret_head = str_slice(*rest, 0, head_len);
	*rest = str_slice(*rest, head_len + 1, rest->len);
	return true;
}

enum { NEAREST_WORD_BYTES_MAX = 64 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;
	return ab < c ? ab : c;
}

static size_t edit_distance(struct str a, struct str b)
{
	size_t row[NEAREST_WORD_BYTES_MAX + 1];
	for (size_t j = 0; j <= b.len; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t above = row[j];
			size_t changed = lower(a.ptr[i - 1]) == lower(b.ptr[j - 1]) ? 0 : 1;
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + changed);
			diagonal = above;
		}
	}
	return row[b.len];
}

const char *str_nearest(struct str word, const char *const *words, size_t count)
{
	if (word.len > NEAREST_WORD_BYTES_MAX) {
		return NULL;
	}
	size_t best = word.len / 3 > 2 ? word.len / 3 : 2;
	const char *nearest = NULL;
	for (size_t i = 0; i < count; i++) {
		struct str candidate = str_of(words[i]);
		if (candidate.len > NEAREST_WORD_BYTES_MAX) {
			continue;
		}
		size_t distance = edit_distance(word, candidate);
		if (distance < best || (distance == best && !nearest)) {
			best = distance;
			nearest = words[i];
		}
	}
	return nearest;
}

enum err str_parse_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (s.len == 0) {
		return ERR_PARSE;
	}
	uint64_t value = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9') {
			return ERR_PARSE;
		}
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) {
			return ERR_LIMIT;
		}
	}
	if (value < min || value > max) {
		return ERR_LIMIT;
	}
	*ret = value;
	return ERR_OK;
}

enum err str_parse_u32(struct str s, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	enum err rc = str_parse_u64(s, min, max, &value);
	if (rc == ERR_OK) {
		*ret = (uint32_t)value;
	}
	return rc;
}

enum err str_copy(struct str s, char *to, size_t to_bytes)
{
	if (s.len >= to_bytes) {
		return ERR_LIMIT;
	}
	if (s.len) {
		memcpy(to, s.ptr, s.len);
	}
	to[s.len] = 0;
	return ERR_OK;
}
