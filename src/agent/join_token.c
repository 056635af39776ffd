#include "agent/join_token.h"

#include <string.h>

#include "os/random.h"
#include "wire/digest.h"

static const char digits[] = "0123456789abcdef";

static void print_hex(const uint8_t *bytes, size_t count, char *to)
{
	for (size_t i = 0; i < count; i++) {
		to[i * 2] = digits[bytes[i] >> 4];
		to[i * 2 + 1] = digits[bytes[i] & 15];
	}
	to[count * 2] = 0;
}

static void draw_hex(char *to, size_t bytes_max)
{
	uint8_t bytes[32];
	size_t count = (bytes_max - 1) / 2;
	random_bytes(bytes, count);
	print_hex(bytes, count, to);
	explicit_bzero(bytes, sizeof(bytes));
}

void join_token_make(const char *fingerprint, struct join_token *ret)
{
	*ret = (struct join_token){ 0 };
	draw_hex(ret->id, sizeof(ret->id));
	draw_hex(ret->secret, sizeof(ret->secret));
	memcpy(ret->fingerprint, fingerprint, strnlen(fingerprint, sizeof(ret->fingerprint) - 1));
}

void join_token_print(const struct join_token *token, struct buf *out)
{
	buf_printf(out, "%s.%s.%s", token->id, token->secret, token->fingerprint);
}

/* Exactly as many digits as the field has room for. */
static bool take_field(struct str text, char *to, size_t bytes_max)
{
	if (text.len != bytes_max - 1) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (!memchr(digits, text.ptr[i], sizeof(digits) - 1)) {
			return false;
		}
	}
	return str_copy(text, to, bytes_max) == ERR_OK;
}

enum err join_token_parse(struct str text, struct join_token *ret, struct err_ctx *err)
{
	struct str rest = str_trim(text);
	struct str id = STR("");
	struct str secret = STR("");
	struct join_token token = { 0 };
	if (!str_next(&rest, '.', &id) || !str_next(&rest, '.', &secret) ||
	    !take_field(id, token.id, sizeof(token.id)) ||
	    !take_field(secret, token.secret, sizeof(token.secret)) ||
	    !take_field(rest, token.fingerprint, sizeof(token.fingerprint))) {
		explicit_bzero(&token, sizeof(token));
		return err_set(
			err, ERR_PARSE,
			"this is no join token: `muster node token` on a manager prints one");
	}
	*ret = token;
	explicit_bzero(&token, sizeof(token));
	return ERR_OK;
}

void join_token_hash(const char *secret, char ret[NODE_FINGERPRINT_BYTES_MAX])
{
	uint8_t hash[DIGEST_SHA256_BYTES];
	struct str part = str_of(secret);
	digest_sha256(&part, 1, hash);
	print_hex(hash, sizeof(hash), ret);
}

void join_token_node_id(char ret[NODE_ID_BYTES_MAX])
{
	draw_hex(ret, NODE_ID_BYTES_MAX);
}
