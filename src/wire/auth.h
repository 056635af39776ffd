/* What all authentication plugins share: their names, the switch and more-data packets, and the
 * verifiers that servers store in mysql.user or mysql.global_priv.
 *
 * Each plugin's arithmetic is in a file of its own: auth_native.h, auth_sha2.h, auth_ed25519.h.
 * Source: MySQL source documentation, "Authentication Method"; MariaDB knowledge base,
 * "Connection - Authentication".
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "wire/auth_ed25519.h"
#include "wire/auth_native.h"
#include "wire/auth_sha2.h"

enum auth_plugin {
	AUTH_OTHER,   /* not spoken here */
	AUTH_NATIVE,  /* mysql_native_password */
	AUTH_SHA2,    /* caching_sha2_password */
	AUTH_ED25519, /* client_ed25519; "ed25519" in the server's tables */
	AUTH_CLEAR,   /* mysql_clear_password */
	AUTH_PLUGIN_COUNT_
};

/* By the name on the wire or the name in the server's account tables. An empty name is the native
 * plugin, as in accounts without one. */
enum auth_plugin auth_plugin_of(struct str name);

/* The name on the wire; "" for AUTH_OTHER. */
struct str auth_plugin_name(enum auth_plugin plugin);

/* First bytes of server packets between login and OK. */
enum {
	AUTH_BYTE_OK = 0x00,
	AUTH_BYTE_MORE = 0x01,
	AUTH_BYTE_NEXT_FACTOR = 0x02,
	AUTH_BYTE_SWITCH = 0xfe,
	AUTH_BYTE_ERR = 0xff,
};

/* AuthSwitchRequest: 0xfe, plugin NUL, data; with a NUL behind the scrambles of native and sha2. */
struct auth_switch {
	struct str plugin;
	struct str data; /* the new scramble, without that NUL */
};
void auth_switch_encode(struct buf *out, const struct auth_switch *request);
/* Errors: ERR_PROTOCOL (also for a lone 0xfe, the switch to the pre-4.1 password). */
MUST_CHECK enum err auth_switch_decode(struct str payload, struct auth_switch *ret,
				       struct err_ctx *err);

/* AuthMoreData: 0x01 and the plugin's bytes. */
void auth_more_encode(struct buf *out, struct str data);
MUST_CHECK enum err auth_more_decode(struct str payload, struct str *ret_data, struct err_ctx *err);

/* What a server stores of one password. */
struct auth_verifier {
	enum auth_plugin plugin; /* AUTH_OTHER: can't be verified here */
	bool empty;		 /* no password: only an empty answer is right */
	union {
		uint8_t native_stage2[AUTH_NATIVE_BYTES]; /* SHA1(SHA1(password)) */
		struct auth_sha2_crypt sha2;		  /* salted crypt of the password */
		uint8_t ed25519_public[AUTH_ED25519_KEY_BYTES];
	};
};

/* Reads authentication_string of an account: `*` and 40 hex digits (native), `$A$...` (sha2), 43
 * base64 digits (ed25519), or nothing.
 *
 * plugin: as named in the account's row. Plugins that are not spoken here give AUTH_OTHER.
 * Errors: ERR_PARSE when the text doesn't have the plugin's form (err never shows it).
 */
MUST_CHECK enum err auth_verifier_parse(struct str plugin, struct str text,
					struct auth_verifier *ret, struct err_ctx *err);

/* Does a password in clear text fit? Native, sha2 and ed25519. sha2 costs 5000 rounds of SHA-256,
 * some milliseconds. false for AUTH_OTHER. */
bool auth_verifier_accepts(const struct auth_verifier *verifier, struct str password);
