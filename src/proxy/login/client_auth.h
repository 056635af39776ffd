/* Authenticates a client against the account snapshot: a state machine over payloads.
 *
 * Plugins: mysql_native_password and caching_sha2_password as such; accounts with client_ed25519 are
 * asked by the caching_sha2_password exchange, whose clear text is checked against the stored public
 * key. A user that doesn't exist goes through the same exchange and is refused at its end. An
 * account of another plugin is refused like a wrong password.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "proxy/login/secrets.h"
#include "wire/greeting.h"

enum client_auth_next {
	CLIENT_AUTH_READ, /* `out` has been added to; the client answers */
	CLIENT_AUTH_ACCEPTED,
	CLIENT_AUTH_REFUSED,
	CLIENT_AUTH_LOCKED, /* right, but the account is locked */
};

enum client_auth_state {
	CLIENT_AUTH_SWITCHED, /* an AuthSwitchRequest is on its way */
	CLIENT_AUTH_FULL,     /* the client was asked for the password itself */
	CLIENT_AUTH_FULL_KEY, /* and has asked for the RSA key */
};

struct client_auth {
	const struct account *account;	 /* NULL: there is no such account */
	const struct credential *known;	 /* borrowed; NULL: nothing is known yet */
	const struct auth_sha2_rsa *key; /* borrowed */
	uint8_t scramble[GREETING_SCRAMBLE_BYTES];
	enum auth_plugin asked; /* the exchange in use: AUTH_NATIVE or AUTH_SHA2 */
	struct auth_verifier verifier;
	enum client_auth_state state;
	struct credential learned; /* after ACCEPTED: what logs in to a server */
	bool answered_empty;	   /* the client gave no password at all */
};

struct client_auth_start {
	const struct account *account; /* NULL: refuse in the end */
	const struct credential *known;
	const struct auth_sha2_rsa *key;
	const uint8_t *scramble; /* [GREETING_SCRAMBLE_BYTES], of the greeting */
	struct str plugin;	 /* that the client answered with */
	struct str answer;
	enum auth_plugin fallback; /* asked of unknown users */
};

/* Judges the answer in the client's log-in packet. *sequence: id of the next packet to the client. */
enum client_auth_next client_auth_begin(struct client_auth *auth,
					const struct client_auth_start *start, struct buf *out,
					uint8_t *sequence);

/* Judges the client's next packet. */
enum client_auth_next client_auth_step(struct client_auth *auth, struct str payload,
				       struct buf *out, uint8_t *sequence);

void client_auth_wipe(struct client_auth *auth); /* overwrites what was learnt */
