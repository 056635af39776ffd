/* The server's greeting (protocol 10), the first packet of a connection.
 *
 * A server that can't take the client sends an ERR packet in its place: without SQLSTATE, because
 * capabilities are not yet agreed on.
 * Sources: MySQL source documentation, "Protocol::HandshakeV10"; MariaDB knowledge base,
 * "Connection - Initial Handshake Packet".
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "wire/capability.h"

enum {
	GREETING_SCRAMBLE_BYTES = 20,
	GREETING_VERSION_BYTES_MAX = 256, /* longer version strings are refused */
};

struct greeting {
	struct str version;			   /* e.g. "5.5.5-10.11.6-MariaDB" */
	uint32_t connection_id;			   /* the server's thread id, low 32 bits */
	uint8_t scramble[GREETING_SCRAMBLE_BYTES]; /* must hold no NUL: old clients stop there */
	capabilities caps;			   /* extended ones only where CAP_MYSQL is clear */
	uint8_t collation;			   /* low byte of the default collation's id */
	uint16_t status;
	struct str auth_plugin; /* empty without CAP_PLUGIN_AUTH */
};

/* Appends the payload (no header). CAP_SECURE_CONNECTION and CAP_PROTOCOL_41 are the caller's to set;
 * auth_plugin is written with CAP_PLUGIN_AUTH only. */
void greeting_encode(struct buf *out, const struct greeting *greeting);

/* Reads a greeting's payload; the str members of *ret are views into it.
 *
 * Errors: ERR_SERVER when it is an ERR packet (err->server_errno has its number, e.g. 1040 or 1130,
 * the words are the server's), ERR_PROTOCOL (other protocol versions, bytes missing).
 */
MUST_CHECK enum err greeting_decode(struct str payload, struct greeting *ret, struct err_ctx *err);

/* By CAP_MYSQL being clear or the version string naming it: some features have no capability. */
bool greeting_is_mariadb(const struct greeting *greeting);
