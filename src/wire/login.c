#include "wire/login.h"

enum { FILLER_BYTES = 19, NATIVE_LENGTH_MAX = 255 };

bool login_is_ssl_request(struct str payload)
{
	struct cursor cur = cursor_of_str(payload);
	uint32_t caps;
	return payload.len == LOGIN_SSL_REQUEST_BYTES && cursor_u32(&cur, &caps) == ERR_OK &&
	       caps & CAP_SSL && caps & CAP_PROTOCOL_41;
}

/* The 32 bytes that SSLRequest and handshake response have in common. */
static void encode_fixed(struct buf *out, const struct login *login, capabilities caps)
{
	buf_add_u32(out, (uint32_t)caps);
	buf_add_u32(out, login->packet_bytes_max);
	buf_add_u8(out, (uint8_t)login->collation);
	buf_add_zeros(out, FILLER_BYTES);
	buf_add_u32(out, caps & CAP_MYSQL ? 0 : (uint32_t)(caps >> 32));
}

void login_encode_ssl_request(struct buf *out, const struct login *login)
{
	encode_fixed(out, login, login->caps | CAP_SSL);
}

static void add_nul_str(struct buf *out, struct str s)
{
	buf_add_str(out, s);
	buf_add_u8(out, 0);
}

/* With one byte of length; what doesn't fit it overflows. */
static void add_short_str(struct buf *out, struct str s)
{
	if (s.len > NATIVE_LENGTH_MAX) {
		out->overflow = true;
		return;
	}
	buf_add_u8(out, (uint8_t)s.len);
	buf_add_str(out, s);
}

void login_encode(struct buf *out, const struct login *login)
{
	encode_fixed(out, login, login->caps);
	add_nul_str(out, login->user);
	if (login->caps & CAP_AUTH_LENENC) {
		buf_add_lenenc_str(out, login->auth);
	} else if (login->caps & CAP_SECURE_CONNECTION) {
		add_short_str(out, login->auth);
	} else {
		add_nul_str(out, login->auth);
	}
	if (login->caps & CAP_CONNECT_WITH_DB) {
		add_nul_str(out, login->schema);
	}
	if (login->caps & CAP_PLUGIN_AUTH) {
		add_nul_str(out, login->auth_plugin);
	}
	if (login->caps & CAP_CONNECT_ATTRS) {
		buf_add_lenenc_str(out, login->attributes);
	}
	if (login->caps & CAP_ZSTD) {
		buf_add_u8(out, login->zstd_level);
	}
}

static enum err read_short_str(struct cursor *cur, struct str *ret)
{
	struct cursor start = *cur;
	uint8_t count;
	if (cursor_u8(cur, &count) == ERR_OK && cursor_bytes(cur, count, ret) == ERR_OK) {
		return ERR_OK;
	}
	*cur = start;
	return ERR_PROTOCOL;
}

/* Clients are lax at the end of the packet: a last string without its NUL and fields that are
 * announced but absent are accepted, as the servers do. */
static struct str read_lax_nul_str(struct cursor *cur)
{
	struct str s = { NULL, 0 };
	if (cursor_nul_str(cur, &s) != ERR_OK) {
		s = cursor_rest(cur);
	}
	return s;
}

static enum err read_auth(struct cursor *cur, capabilities caps, struct str *ret)
{
	if (caps & CAP_AUTH_LENENC) {
		return cursor_lenenc_str(cur, ret);
	}
	if (caps & CAP_SECURE_CONNECTION) {
		return read_short_str(cur, ret);
	}
	return cursor_nul_str(cur, ret);
}

/* Broken attributes must not be passed on: every pair is looked at here. */
static enum err read_attributes(struct cursor *cur, struct str *ret)
{
	struct str name;
	struct str value;
	if (cursor_left(cur) == 0) {
		return ERR_OK;
	}
	if (cursor_lenenc_str(cur, ret) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	struct cursor pairs = cursor_of_str(*ret);
	enum err rc;
	do {
		rc = login_attribute_next(&pairs, &name, &value);
	} while (rc == ERR_OK);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

enum err login_decode(struct str payload, struct login *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct login login = { 0 };
	uint32_t caps;
	uint32_t extended;
	uint8_t collation;

	if (cursor_u32(&cur, &caps) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "login is cut short");
	}
	if (!(caps & CAP_PROTOCOL_41)) {
		return err_set(err, ERR_PROTOCOL, "client is older than 4.1");
	}
	if (cursor_u32(&cur, &login.packet_bytes_max) != ERR_OK ||
	    cursor_u8(&cur, &collation) != ERR_OK || cursor_skip(&cur, FILLER_BYTES) != ERR_OK ||
	    cursor_u32(&cur, &extended) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "login is cut short");
	}
	login.collation = collation;
	login.caps = caps;
	if (!(caps & CAP_MYSQL)) {
		login.caps |= (capabilities)extended << 32;
	}
	if (cursor_nul_str(&cur, &login.user) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "login without a user name");
	}
	if (read_auth(&cur, login.caps, &login.auth) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "login with a broken authentication field");
	}
	if (caps & CAP_CONNECT_WITH_DB) {
		login.schema = read_lax_nul_str(&cur);
	}
	if (caps & CAP_PLUGIN_AUTH) {
		login.auth_plugin = read_lax_nul_str(&cur);
	}
	if (caps & CAP_CONNECT_ATTRS && read_attributes(&cur, &login.attributes) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "login with broken connection attributes");
	}
	if (caps & CAP_ZSTD) {
		login.zstd_level = cursor_left(&cur) ? *cur.at : 0;
	}
	*ret = login;
	return ERR_OK;
}

void login_encode_change_user(struct buf *out, const struct login *login)
{
	buf_add_u8(out, COMMAND_CHANGE_USER);
	add_nul_str(out, login->user);
	add_short_str(out, login->auth);
	add_nul_str(out, login->schema);
	buf_add_u16(out, login->collation);
	if (login->caps & CAP_PLUGIN_AUTH) {
		add_nul_str(out, login->auth_plugin);
	}
	if (login->caps & CAP_CONNECT_ATTRS) {
		buf_add_lenenc_str(out, login->attributes);
	}
}

enum err login_decode_change_user(struct str payload, capabilities caps, struct login *ret,
				  struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct login login = { .caps = caps };
	uint8_t command;

	if (cursor_u8(&cur, &command) != ERR_OK || command != COMMAND_CHANGE_USER) {
		return err_set(err, ERR_PROTOCOL, "not a change of user");
	}
	if (cursor_nul_str(&cur, &login.user) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "change of user without a user name");
	}
	enum err rc = caps & CAP_SECURE_CONNECTION ? read_short_str(&cur, &login.auth)
						   : cursor_nul_str(&cur, &login.auth);
	if (rc != ERR_OK) {
		return err_set(err, rc, "change of user with a broken authentication field");
	}
	login.schema = read_lax_nul_str(&cur);
	if (cursor_left(&cur) > 0) {
		if (cursor_u16(&cur, &login.collation) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "change of user is cut short");
		}
		if (caps & CAP_PLUGIN_AUTH) {
			login.auth_plugin = read_lax_nul_str(&cur);
		}
		if (caps & CAP_CONNECT_ATTRS &&
		    read_attributes(&cur, &login.attributes) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL,
				       "change of user with broken connection attributes");
		}
	}
	*ret = login;
	return ERR_OK;
}

enum err login_attribute_next(struct cursor *cur, struct str *ret_name, struct str *ret_value)
{
	struct str name;
	struct str value;
	if (cursor_left(cur) == 0) {
		return ERR_NOT_FOUND;
	}
	if (cursor_lenenc_str(cur, &name) != ERR_OK || cursor_lenenc_str(cur, &value) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	*ret_name = name;
	*ret_value = value;
	return ERR_OK;
}

void login_attribute_add(struct buf *out, struct str name, struct str value)
{
	buf_add_lenenc_str(out, name);
	buf_add_lenenc_str(out, value);
}
