#include "wire/auth.h"

#include <string.h>

#include "base/cursor.h"
#include "wire/digest.h"

/* The wire's name, and the server's where it differs. */
static const struct {
	const char *wire;
	const char *stored;
} names[AUTH_PLUGIN_COUNT_] = {
	[AUTH_OTHER] = { "", NULL },
	[AUTH_NATIVE] = { "mysql_native_password", "" },
	[AUTH_SHA2] = { "caching_sha2_password", NULL },
	[AUTH_ED25519] = { "client_ed25519", "ed25519" },
	[AUTH_CLEAR] = { "mysql_clear_password", NULL },
};

enum auth_plugin auth_plugin_of(struct str name)
{
	for (size_t i = AUTH_OTHER + 1; i < AUTH_PLUGIN_COUNT_; i++) {
		if (str_equal(name, str_of(names[i].wire)) ||
		    (names[i].stored && str_equal(name, str_of(names[i].stored)))) {
			return (enum auth_plugin)i;
		}
	}
	return AUTH_OTHER;
}

struct str auth_plugin_name(enum auth_plugin plugin)
{
	return str_of(names[plugin].wire);
}

/* The scrambles of these plugins end in a NUL, which is counted on; ed25519's nonce doesn't, and what
 * other plugins send is theirs. */
static bool data_has_nul(struct str plugin)
{
	enum auth_plugin which = auth_plugin_of(plugin);
	return which == AUTH_NATIVE || which == AUTH_SHA2;
}

void auth_switch_encode(struct buf *out, const struct auth_switch *request)
{
	buf_add_u8(out, AUTH_BYTE_SWITCH);
	buf_add_str(out, request->plugin);
	buf_add_u8(out, 0);
	buf_add_str(out, request->data);
	if (data_has_nul(request->plugin)) {
		buf_add_u8(out, 0);
	}
}

enum err auth_switch_decode(struct str payload, struct auth_switch *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct auth_switch request;
	uint8_t first;
	if (cursor_u8(&cur, &first) != ERR_OK || first != AUTH_BYTE_SWITCH) {
		return err_set(err, ERR_PROTOCOL, "not a request to switch the plugin");
	}
	if (cursor_left(&cur) == 0) {
		return err_set(err, ERR_PROTOCOL,
			       "server asks for the password form from before 4.1");
	}
	if (cursor_nul_str(&cur, &request.plugin) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "request to switch to a plugin without a name");
	}
	request.data = cursor_rest(&cur);
	if (data_has_nul(request.plugin) && request.data.len > 0 &&
	    request.data.ptr[request.data.len - 1] == '\0') {
		request.data.len--;
	}
	*ret = request;
	return ERR_OK;
}

void auth_more_encode(struct buf *out, struct str data)
{
	buf_add_u8(out, AUTH_BYTE_MORE);
	buf_add_str(out, data);
}

enum err auth_more_decode(struct str payload, struct str *ret_data, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	uint8_t first;
	if (cursor_u8(&cur, &first) != ERR_OK || first != AUTH_BYTE_MORE) {
		return err_set(err, ERR_PROTOCOL, "not a plugin's data");
	}
	*ret_data = cursor_rest(&cur);
	return ERR_OK;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static enum err parse_native(struct str text, uint8_t ret[AUTH_NATIVE_BYTES], struct err_ctx *err)
{
	uint8_t bytes[AUTH_NATIVE_BYTES];
	bool right = text.len == 1 + 2 * sizeof(bytes) && text.ptr[0] == '*';
	for (size_t i = 0; right && i < sizeof(bytes); i++) {
		int high = hex_digit(text.ptr[1 + 2 * i]);
		int low = hex_digit(text.ptr[2 + 2 * i]);
		right = high >= 0 && low >= 0;
		bytes[i] = right ? (uint8_t)(high * 16 + low) : 0;
	}
	if (!right) {
		return err_set(err, ERR_PARSE, "not a stored native password");
	}
	memcpy(ret, bytes, sizeof(bytes));
	return ERR_OK;
}

enum err auth_verifier_parse(struct str plugin, struct str text, struct auth_verifier *ret,
			     struct err_ctx *err)
{
	struct auth_verifier verifier = { .plugin = auth_plugin_of(plugin),
					  .empty = text.len == 0 };
	enum err rc = ERR_OK;
	switch (verifier.plugin) {
	case AUTH_NATIVE:
		rc = verifier.empty ? ERR_OK : parse_native(text, verifier.native_stage2, err);
		break;
	case AUTH_SHA2:
		rc = verifier.empty ? ERR_OK : auth_sha2_crypt_parse(text, &verifier.sha2, err);
		break;
	case AUTH_ED25519:
		/* An account without a key can't be logged in to: it is not one without a password. */
		verifier.empty = false;
		rc = auth_ed25519_key_parse(text, verifier.ed25519_public, err);
		break;
	case AUTH_CLEAR:
	case AUTH_OTHER:
	case AUTH_PLUGIN_COUNT_:
		verifier.plugin = AUTH_OTHER;
		verifier.empty = false;
		break;
	}
	if (rc == ERR_OK) {
		*ret = verifier;
	}
	return rc;
}

static bool native_accepts(const uint8_t stored[AUTH_NATIVE_BYTES], struct str password)
{
	uint8_t stage1[AUTH_NATIVE_BYTES];
	uint8_t stage2[AUTH_NATIVE_BYTES];
	auth_native_stage1(password, stage1);
	auth_native_stage2(stage1, stage2);
	return digest_equal(stage2, stored, sizeof(stage2));
}

static bool ed25519_accepts(const uint8_t stored[AUTH_ED25519_KEY_BYTES], struct str password)
{
	uint8_t key[AUTH_ED25519_KEY_BYTES];
	auth_ed25519_public(password, key);
	return digest_equal(key, stored, sizeof(key));
}

bool auth_verifier_accepts(const struct auth_verifier *verifier, struct str password)
{
	if (verifier->plugin != AUTH_OTHER && verifier->empty) {
		return password.len == 0;
	}
	switch (verifier->plugin) {
	case AUTH_NATIVE:
		return password.len > 0 && native_accepts(verifier->native_stage2, password);
	case AUTH_SHA2:
		return auth_sha2_crypt_accepts(&verifier->sha2, password);
	case AUTH_ED25519:
		return ed25519_accepts(verifier->ed25519_public, password);
	case AUTH_CLEAR:
	case AUTH_OTHER:
	case AUTH_PLUGIN_COUNT_:
		break;
	}
	return false;
}
