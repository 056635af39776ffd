/* Logs in to a server as a client's account: a state machine over payloads.
 *
 * Answers with the account's own plugin at once, which saves a round trip where the server's default
 * is another one. mysql_native_password, caching_sha2_password (fast; full with the server's RSA
 * key) and client_ed25519.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proxy/login/secrets.h"
#include "wire/greeting.h"
#include "wire/login.h"

enum server_auth_next {
	SERVER_AUTH_READ,    /* the server speaks next */
	SERVER_AUTH_DONE,    /* payload is the OK packet */
	SERVER_AUTH_REFUSED, /* payload is the server's ERR packet */
};

struct server_auth {
	const struct credential *credential;	 /* borrowed */
	enum auth_plugin plugin;		 /* of the exchange under way */
	uint8_t nonce[AUTH_ED25519_NONCE_BYTES]; /* the first 20 bytes, but for ed25519 */
	bool asked_key;
	bool encrypted; /* nobody can listen: the log-in's capabilities have CAP_SSL */
};

/* Answers the greeting. login: all but `auth` and `auth_plugin`, its capabilities already agreed on.
 * plugin: the account's. Errors: ERR_PROTOCOL, ERR_LIMIT. */
MUST_CHECK enum err server_auth_begin(struct server_auth *auth, const struct greeting *greeting,
				      const struct login *login, enum auth_plugin plugin,
				      const struct credential *credential, struct buf *out,
				      uint8_t *sequence, struct err_ctx *err);

/* Takes the server's next packet. *sequence: id of the next packet to the server.
 * Errors: ERR_PROTOCOL, ERR_REFUSED (a plugin that isn't spoken, a proof that isn't at hand). */
MUST_CHECK enum err server_auth_step(struct server_auth *auth, struct str payload, struct buf *out,
				     uint8_t *sequence, enum server_auth_next *ret_next,
				     struct err_ctx *err);
