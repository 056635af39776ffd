/* The client's answer to the greeting (handshake response 4.1), SSLRequest and COM_CHANGE_USER.
 *
 * Sources: MySQL source documentation, "Protocol::HandshakeResponse41", "Protocol::SSLRequest",
 * "COM_CHANGE_USER"; MariaDB knowledge base, "Connection - Handshake Response Packet".
 */
#pragma once

#include "base/buf.h"
#include "base/cursor.h"
#include "base/str.h"
#include "wire/capability.h"

enum { LOGIN_SSL_REQUEST_BYTES = 32, LOGIN_PAYLOAD_BYTES_MAX = 1 << 20 };

/* Views; owned by whoever owns the bytes. */
struct login {
	capabilities caps; /* extended ones only where CAP_MYSQL is clear */
	uint32_t packet_bytes_max;
	uint16_t collation; /* one byte in a handshake response, two in COM_CHANGE_USER */
	struct str user;
	struct str auth;	/* the plugin's answer to the scramble */
	struct str schema;	/* empty: none */
	struct str auth_plugin; /* empty: none named */
	struct str attributes; /* the pairs as they stand on the wire, see login_attribute_next() */
	uint8_t zstd_level;    /* with CAP_ZSTD only */
};

/* An SSLRequest: the 32 fixed bytes alone, with CAP_SSL. No byte behind it may be read before the
 * socket is handed to TLS. */
bool login_is_ssl_request(struct str payload);

/* Appends an SSLRequest's payload; CAP_SSL is added to the capabilities. */
void login_encode_ssl_request(struct buf *out, const struct login *login);

/* Appends a handshake response's payload. What is written follows login->caps: schema with
 * CAP_CONNECT_WITH_DB, plugin with CAP_PLUGIN_AUTH, attributes with CAP_CONNECT_ATTRS. auth longer
 * than 255 bytes needs CAP_AUTH_LENENC (else out overflows). */
void login_encode(struct buf *out, const struct login *login);

/* Reads a handshake response's payload. Errors: ERR_PROTOCOL (also for clients older than 4.1). */
MUST_CHECK enum err login_decode(struct str payload, struct login *ret, struct err_ctx *err);

/* COM_CHANGE_USER with its command byte. caps: those of the connection (they decide the layout and
 * are copied into ret->caps); packet_bytes_max and zstd_level are not part of it. */
void login_encode_change_user(struct buf *out, const struct login *login);
MUST_CHECK enum err login_decode_change_user(struct str payload, capabilities caps,
					     struct login *ret, struct err_ctx *err);

/* Walks the attributes: start with cursor_of_str(login->attributes). ERR_NOT_FOUND at the end,
 * ERR_PROTOCOL when they are broken. */
MUST_CHECK enum err login_attribute_next(struct cursor *cur, struct str *ret_name,
					 struct str *ret_value);

/* Appends one pair in the form of login->attributes. */
void login_attribute_add(struct buf *out, struct str name, struct str value);
