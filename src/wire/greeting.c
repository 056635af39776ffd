#include "wire/greeting.h"

#include <string.h>

#include "base/cursor.h"
#include "wire/reply.h"

enum {
	PROTOCOL_VERSION = 10,
	FIRST_PART_BYTES = 8, /* of the scramble, where it stood before 4.1 */
	FILLER_BYTES = 6,     /* what is left of 10 before MariaDB's extended capabilities */
};

void greeting_encode(struct buf *out, const struct greeting *greeting)
{
	bool extended = !(greeting->caps & CAP_MYSQL);
	bool plugin = greeting->caps & CAP_PLUGIN_AUTH;

	buf_add_u8(out, PROTOCOL_VERSION);
	buf_add_str(out, greeting->version);
	buf_add_u8(out, 0);
	buf_add_u32(out, greeting->connection_id);
	buf_add(out, greeting->scramble, FIRST_PART_BYTES);
	buf_add_u8(out, 0);
	buf_add_u16(out, (uint16_t)greeting->caps);
	buf_add_u8(out, greeting->collation);
	buf_add_u16(out, greeting->status);
	buf_add_u16(out, (uint16_t)(greeting->caps >> 16));
	buf_add_u8(out, plugin ? GREETING_SCRAMBLE_BYTES + 1 : 0);
	buf_add_zeros(out, FILLER_BYTES);
	buf_add_u32(out, extended ? (uint32_t)(greeting->caps >> 32) : 0);
	buf_add(out, greeting->scramble + FIRST_PART_BYTES,
		GREETING_SCRAMBLE_BYTES - FIRST_PART_BYTES);
	buf_add_u8(out, 0);
	if (plugin) {
		buf_add_str(out, greeting->auth_plugin);
		buf_add_u8(out, 0);
	}
}

/* An ERR packet in place of the greeting. */
static enum err refusal(struct str payload, struct err_ctx *err)
{
	struct reply_err error;
	enum err rc = reply_err_decode(payload, &error, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = err_set(err, ERR_SERVER, "server refused the connection: error %u: %.*s",
		     error.server_errno, STR_ARG(error.message));
	if (err) {
		err->server_errno = error.server_errno;
	}
	return rc;
}

/* The scramble's second part is max(12, length - 9) bytes and a NUL; longer ones are cut, because the
 * plugins that take part use 20 bytes. A plugin that needs more gets it in a switch request. */
static enum err read_scramble_tail(struct cursor *cur, uint8_t auth_bytes,
				   struct greeting *greeting)
{
	size_t want = GREETING_SCRAMBLE_BYTES - FIRST_PART_BYTES;
	size_t there =
		auth_bytes > FIRST_PART_BYTES + 13 ? (size_t)auth_bytes - FIRST_PART_BYTES : 13;
	struct str tail;
	if (there > cursor_left(cur) && cursor_left(cur) == want) {
		there = want; /* servers before 5.5.10 leave the NUL out when nothing follows */
	}
	if (cursor_bytes(cur, there, &tail) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	memcpy(greeting->scramble + FIRST_PART_BYTES, tail.ptr, want);
	return ERR_OK;
}

/* What follows the first half of the capabilities. */
static enum err read_second_half(struct cursor *cur, struct greeting *greeting)
{
	uint16_t caps_high = 0;
	uint8_t auth_bytes = 0;
	uint32_t extended = 0;
	if (cursor_u8(cur, &greeting->collation) != ERR_OK ||
	    cursor_u16(cur, &greeting->status) != ERR_OK || cursor_u16(cur, &caps_high) != ERR_OK ||
	    cursor_u8(cur, &auth_bytes) != ERR_OK || cursor_skip(cur, FILLER_BYTES) != ERR_OK ||
	    cursor_u32(cur, &extended) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	greeting->caps |= (capabilities)caps_high << 16;
	if (!(greeting->caps & CAP_MYSQL)) {
		greeting->caps |= (capabilities)extended << 32;
	}
	if (!(greeting->caps & CAP_SECURE_CONNECTION)) {
		return ERR_PROTOCOL;
	}
	if (read_scramble_tail(cur, auth_bytes, greeting) != ERR_OK) {
		return ERR_PROTOCOL;
	}
	/* Some servers leave out the NUL behind the plugin's name (MySQL bug 59453). */
	if (greeting->caps & CAP_PLUGIN_AUTH &&
	    cursor_nul_str(cur, &greeting->auth_plugin) != ERR_OK) {
		greeting->auth_plugin = cursor_rest(cur);
	}
	return ERR_OK;
}

enum err greeting_decode(struct str payload, struct greeting *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct greeting greeting = { 0 };
	uint8_t version;
	struct str scramble;
	uint16_t caps_low;

	if (cursor_u8(&cur, &version) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "greeting is empty");
	}
	if (version == REPLY_BYTE_ERR) {
		return refusal(payload, err);
	}
	if (version != PROTOCOL_VERSION) {
		return err_set(err, ERR_PROTOCOL, "greeting of protocol %u, not %d", version,
			       PROTOCOL_VERSION);
	}
	if (cursor_nul_str(&cur, &greeting.version) != ERR_OK ||
	    greeting.version.len > GREETING_VERSION_BYTES_MAX) {
		return err_set(err, ERR_PROTOCOL, "greeting with a broken version string");
	}
	if (cursor_u32(&cur, &greeting.connection_id) != ERR_OK ||
	    cursor_bytes(&cur, FIRST_PART_BYTES, &scramble) != ERR_OK ||
	    cursor_skip(&cur, 1) != ERR_OK || cursor_u16(&cur, &caps_low) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "greeting is cut short");
	}
	memcpy(greeting.scramble, scramble.ptr, FIRST_PART_BYTES);
	greeting.caps = caps_low;
	if (!(caps_low & CAP_PROTOCOL_41)) {
		return err_set(err, ERR_PROTOCOL, "server is older than 4.1");
	}
	if (read_second_half(&cur, &greeting) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "greeting is cut short");
	}
	*ret = greeting;
	return ERR_OK;
}

bool greeting_is_mariadb(const struct greeting *greeting)
{
	return !(greeting->caps & CAP_MYSQL) ||
	       str_contains_nocase(greeting->version, STR("mariadb"));
}
