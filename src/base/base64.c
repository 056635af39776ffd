#include "base/base64.h"

enum { GROUP_CHARS = 4, GROUP_BYTES = 3, NO_DIGIT = 64 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void add_group(struct buf *out, const uint8_t bytes[GROUP_BYTES], size_t count)
{
	uint32_t bits = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
	buf_add_char(out, digits[bits >> 18 & 63]);
	buf_add_char(out, digits[bits >> 12 & 63]);
	buf_add_char(out, count > 1 ? digits[bits >> 6 & 63] : '=');
	buf_add_char(out, count > 2 ? digits[bits & 63] : '=');
}

void base64_add(struct buf *out, struct str bytes)
{
	for (size_t at = 0; at < bytes.len; at += GROUP_BYTES) {
		size_t count = bytes.len - at < GROUP_BYTES ? bytes.len - at : GROUP_BYTES;
		uint8_t group[GROUP_BYTES] = { 0 };
		for (size_t i = 0; i < count; i++) {
			group[i] = (uint8_t)bytes.ptr[at + i];
		}
		add_group(out, group, count);
	}
}

static uint32_t digit_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return (uint32_t)(c - 'A');
	}
	if (c >= 'a' && c <= 'z') {
		return (uint32_t)(c - 'a') + 26;
	}
	if (c >= '0' && c <= '9') {
		return (uint32_t)(c - '0') + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

/* Only the last group may be padded: by one or two '='. */
static size_t padding_of(struct str text)
{
	if (text.len == 0 || text.ptr[text.len - 1] != '=') {
		return 0;
	}
	return text.ptr[text.len - 2] == '=' ? 2 : 1;
}

enum err base64_decode(struct str text, struct buf *out, struct err_ctx *err)
{
	if (text.len % GROUP_CHARS != 0) {
		return err_set(err, ERR_PARSE, "base64: %zu characters are no whole groups of four",
			       text.len);
	}
	size_t padding = padding_of(text);
	for (size_t i = 0; i < text.len - padding; i++) {
		if (digit_of(text.ptr[i]) == NO_DIGIT) {
			return err_set(err, ERR_PARSE, "base64: character %zu is no digit", i);
		}
	}
	for (size_t at = 0; at < text.len; at += GROUP_CHARS) {
		size_t count = at + GROUP_CHARS == text.len ? GROUP_BYTES - padding : GROUP_BYTES;
		uint32_t bits = 0;
		for (size_t i = 0; i < GROUP_CHARS; i++) {
			uint32_t digit = i <= count ? digit_of(text.ptr[at + i]) : 0;
			bits = bits << 6 | digit;
		}
		for (size_t i = 0; i < count; i++) {
			buf_add_u8(out, (uint8_t)(bits >> (16 - 8 * i)));
		}
	}
	return ERR_OK;
}
