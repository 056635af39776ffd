/* The client's half of the authentication exchanges. */
#include "proxy/login/server_auth.h"

#include <string.h>

#include "wire/auth_sha2_rsa.h"
#include "wire/packet.h"

/* The longest answer: an ed25519 signature. */
enum { ANSWER_BYTES_MAX = AUTH_ED25519_SIGNATURE_BYTES };

/* The proof that `plugin` wants; an empty password is an empty answer. */
static enum err make_answer(const struct server_auth *auth, struct buf *out, struct err_ctx *err)
{
	const struct credential *credential = auth->credential;
	uint8_t answer[ANSWER_BYTES_MAX];
	if (credential->empty) {
		return ERR_OK;
	}
	switch (auth->plugin) {
	case AUTH_NATIVE:
		if (credential->has_stage1) {
			auth_native_token(credential->stage1, auth->nonce, answer);
			buf_add(out, answer, AUTH_NATIVE_BYTES);
			return ERR_OK;
		}
		break;
	case AUTH_SHA2:
		if (credential->has_s1) {
			auth_sha2_token(credential->s1, auth->nonce, answer);
			buf_add(out, answer, AUTH_SHA2_BYTES);
			return ERR_OK;
		}
		break;
	case AUTH_ED25519:
		if (credential->has_clear) {
			auth_ed25519_sign(str_of(credential->clear.text), auth->nonce, answer);
			buf_add(out, answer, AUTH_ED25519_SIGNATURE_BYTES);
			return ERR_OK;
		}
		break;
	case AUTH_OTHER:
	case AUTH_CLEAR:
	case AUTH_PLUGIN_COUNT_:
		return err_set(err, ERR_REFUSED,
			       "the server wants an authentication plugin that is "
			       "not supported");
	}
	return err_set(err, ERR_REFUSED,
		       "the server wants a proof by %.*s that the client's log-in "
		       "did not reveal",
		       STR_ARG(auth_plugin_name(auth->plugin)));
}

enum err server_auth_begin(struct server_auth *auth, const struct greeting *greeting,
			   const struct login *login, enum auth_plugin plugin,
			   const struct credential *credential, struct buf *out, uint8_t *sequence,
			   struct err_ctx *err)
{
	*auth = (struct server_auth){ .credential = credential,
				      .plugin = plugin,
				      .encrypted = (login->caps & CAP_SSL) != 0 };
	memcpy(auth->nonce, greeting->scramble, sizeof(greeting->scramble));
	uint8_t memory[ANSWER_BYTES_MAX];
	struct buf answer;
	buf_init_fixed(&answer, memory, sizeof(memory));
	/* An ed25519 nonce comes with the server's switch request only. */
	if (plugin == AUTH_NATIVE || plugin == AUTH_SHA2) {
		enum err rc = make_answer(auth, &answer, err);
		if (rc) {
			return rc;
		}
	}
	struct login full = *login;
	full.auth = buf_str(&answer);
	full.auth_plugin = auth_plugin_name(plugin);
	size_t mark = packet_begin(out);
	login_encode(out, &full);
	packet_end(out, mark, sequence);
	return buf_finish(out);
}

static enum err take_switch(struct server_auth *auth, struct str payload, struct buf *out,
			    uint8_t *sequence, struct err_ctx *err)
{
	struct auth_switch request;
	enum err rc = auth_switch_decode(payload, &request, err);
	if (rc) {
		return rc;
	}
	auth->plugin = auth_plugin_of(request.plugin);
	size_t needed = auth->plugin == AUTH_ED25519 ? (size_t)AUTH_ED25519_NONCE_BYTES
						     : (size_t)GREETING_SCRAMBLE_BYTES;
	if (auth->plugin == AUTH_OTHER || request.data.len < needed) {
		return err_set(err, ERR_REFUSED, "the server asks for plugin '%.*s'",
			       STR_ARG(str_slice(request.plugin, 0, ANSWER_BYTES_MAX)));
	}
	memcpy(auth->nonce, request.data.ptr, needed);
	size_t mark = packet_begin(out);
	rc = make_answer(auth, out, err);
	packet_end(out, mark, sequence);
	return rc;
}

/* The clear text as such, with its NUL: only where nobody can listen. */
static void send_clear(const struct server_auth *auth, struct buf *out, uint8_t *sequence)
{
	const char *clear = auth->credential->clear.text;
	packet_append(out, sequence, (struct str){ clear, strlen(clear) + 1 });
}

/* The full exchange of caching_sha2_password: send the password; without TLS ask for the key first. */
static enum err take_sha2(struct server_auth *auth, struct str data, struct buf *out,
			  uint8_t *sequence, struct err_ctx *err)
{
	if (data.len == 1 && data.ptr[0] == AUTH_SHA2_FAST_OK) {
		return ERR_OK;
	}
	if (!auth->credential->has_clear) {
		return err_set(err, ERR_REFUSED,
			       "the server asks for the password, which the client's "
			       "log-in did not reveal");
	}
	if (data.len == 1 && data.ptr[0] == AUTH_SHA2_FULL && auth->encrypted) {
		send_clear(auth, out, sequence);
		return ERR_OK;
	}
	if (data.len == 1 && data.ptr[0] == AUTH_SHA2_FULL) {
		char ask = AUTH_SHA2_ASK_KEY;
		auth->asked_key = true;
		packet_append(out, sequence, (struct str){ &ask, 1 });
		return ERR_OK;
	}
	if (!auth->asked_key) {
		return err_set(err, ERR_PROTOCOL, "unexpected authentication data");
	}
	auth->asked_key = false;
	struct auth_sha2_rsa *key = NULL;
	enum err rc = auth_sha2_rsa_read(data, &key, err);
	if (rc) {
		return rc;
	}
	size_t mark = packet_begin(out);
	rc = auth_sha2_rsa_encrypt(key, str_of(auth->credential->clear.text), auth->nonce, out,
				   err);
	packet_end(out, mark, sequence);
	(void)auth_sha2_rsa_free(key);
	return rc;
}

enum err server_auth_step(struct server_auth *auth, struct str payload, struct buf *out,
			  uint8_t *sequence, enum server_auth_next *ret_next, struct err_ctx *err)
{
	struct str data;
	if (!payload.len) {
		return err_set(err, ERR_PROTOCOL, "empty packet during log-in");
	}
	*ret_next = SERVER_AUTH_READ;
	switch ((uint8_t)payload.ptr[0]) {
	case AUTH_BYTE_OK:
		*ret_next = SERVER_AUTH_DONE;
		return ERR_OK;
	case AUTH_BYTE_ERR:
		*ret_next = SERVER_AUTH_REFUSED;
		return ERR_OK;
	case AUTH_BYTE_SWITCH:
		return take_switch(auth, payload, out, sequence, err);
	case AUTH_BYTE_MORE:
		if (auth->plugin != AUTH_SHA2) {
			break;
		}
		if (auth_more_decode(payload, &data, err)) {
			return ERR_PROTOCOL;
		}
		return take_sha2(auth, data, out, sequence, err);
	default:
		break;
	}
	return err_set(err, ERR_PROTOCOL, "unexpected packet 0x%02x during log-in",
		       (unsigned)(uint8_t)payload.ptr[0]);
}
