/* The server's half of the authentication exchanges. */
#include "proxy/login/client_auth.h"

#include <string.h>

#include "wire/auth_sha2_rsa.h"
#include "wire/packet.h"

static void send_switch(struct client_auth *auth, struct buf *out, uint8_t *sequence)
{
	struct auth_switch request = {
		.plugin = auth_plugin_name(auth->asked),
		.data = { (const char *)auth->scramble, sizeof(auth->scramble) },
	};
	size_t mark = packet_begin(out);
	auth_switch_encode(out, &request);
	packet_end(out, mark, sequence);
}

static void send_more(struct buf *out, struct str data, uint8_t *sequence)
{
	size_t mark = packet_begin(out);
	auth_more_encode(out, data);
	packet_end(out, mark, sequence);
}

static void send_more_byte(struct buf *out, uint8_t byte, uint8_t *sequence)
{
	char data = (char)byte;
	send_more(out, (struct str){ &data, 1 }, sequence);
}

static enum client_auth_next accept(const struct client_auth *auth)
{
	return auth->account->locked ? CLIENT_AUTH_LOCKED : CLIENT_AUTH_ACCEPTED;
}

/* An answer without a password fits accounts without one, and no other. */
static enum client_auth_next judge_empty(struct client_auth *auth)
{
	auth->answered_empty = true;
	if (!auth->account || !auth->verifier.empty) {
		return CLIENT_AUTH_REFUSED;
	}
	auth->learned = (struct credential){ .empty = true };
	return accept(auth);
}

static enum client_auth_next judge_native(struct client_auth *auth, struct str answer)
{
	if (!auth->account || auth->verifier.empty || auth->verifier.plugin != AUTH_NATIVE ||
	    !auth_native_verify(answer, auth->scramble, auth->verifier.native_stage2,
				auth->learned.stage1)) {
		return CLIENT_AUTH_REFUSED;
	}
	auth->learned.has_stage1 = true;
	return accept(auth);
}

/* The fast answer, when the password is known from an earlier full exchange; else asks for it. */
static enum client_auth_next judge_sha2_fast(struct client_auth *auth, struct str answer,
					     struct buf *out, uint8_t *sequence)
{
	uint8_t s1[AUTH_SHA2_BYTES];
	uint8_t s2[AUTH_SHA2_BYTES];
	if (auth->account && auth->known && auth->known->has_s1) {
		auth_sha2_s2(auth->known->s1, s2);
		if (auth_sha2_verify(answer, auth->scramble, s2, s1)) {
			auth->learned = *auth->known;
			explicit_bzero(s1, sizeof(s1));
			send_more_byte(out, AUTH_SHA2_FAST_OK, sequence);
			return accept(auth);
		}
	}
	auth->state = CLIENT_AUTH_FULL;
	send_more_byte(out, AUTH_SHA2_FULL, sequence);
	return CLIENT_AUTH_READ;
}

static enum client_auth_next judge_answer(struct client_auth *auth, struct str answer,
					  struct buf *out, uint8_t *sequence)
{
	/* Some clients send the terminating NUL of an empty password. */
	if (!answer.len || (answer.len == 1 && answer.ptr[0] == '\0')) {
		return judge_empty(auth);
	}
	if (auth->asked == AUTH_NATIVE) {
		return judge_native(auth, answer);
	}
	return judge_sha2_fast(auth, answer, out, sequence);
}

enum client_auth_next client_auth_begin(struct client_auth *auth,
					const struct client_auth_start *start, struct buf *out,
					uint8_t *sequence)
{
	*auth = (struct client_auth){
		.account = start->account,
		.known = start->known,
		.key = start->key,
		.asked = start->fallback == AUTH_NATIVE ? AUTH_NATIVE : AUTH_SHA2,
		.state = CLIENT_AUTH_SWITCHED,
	};
	memcpy(auth->scramble, start->scramble, sizeof(auth->scramble));
	if (auth->account &&
	    (auth_verifier_parse(auth->account->plugin, auth->account->auth, &auth->verifier,
				 NULL) ||
	     auth->verifier.plugin == AUTH_OTHER || auth->verifier.plugin == AUTH_CLEAR)) {
		auth->account = NULL; /* can't be verified here: refused like a wrong password */
	}
	if (auth->account) {
		auth->asked = auth->verifier.plugin == AUTH_NATIVE ? AUTH_NATIVE : AUTH_SHA2;
	}
	if (auth_plugin_of(start->plugin) != auth->asked) {
		send_switch(auth, out, sequence);
		return CLIENT_AUTH_READ;
	}
	return judge_answer(auth, start->answer, out, sequence);
}

/* The password in clear text, at last. */
static enum client_auth_next judge_clear(struct client_auth *auth, struct str password)
{
	if (!auth->account || !auth_verifier_accepts(&auth->verifier, password) ||
	    secret_set(&auth->learned.clear, password) != ERR_OK) {
		return CLIENT_AUTH_REFUSED;
	}
	auth->learned.has_clear = true;
	credential_complete(&auth->learned);
	return accept(auth);
}

static enum client_auth_next judge_full(struct client_auth *auth, struct str payload,
					struct buf *out, uint8_t *sequence)
{
	enum { PEM_BYTES_MAX = 4096 };
	if (payload.len == 1 && payload.ptr[0] == AUTH_SHA2_ASK_KEY &&
	    auth->state == CLIENT_AUTH_FULL) {
		struct buf pem;
		buf_init(&pem, PEM_BYTES_MAX);
		enum err rc = auth_sha2_rsa_public_pem(auth->key, &pem, NULL);
		if (rc == ERR_OK) {
			send_more(out, buf_str(&pem), sequence);
			auth->state = CLIENT_AUTH_FULL_KEY;
		}
		buf_fini(&pem);
		return rc == ERR_OK ? CLIENT_AUTH_READ : CLIENT_AUTH_REFUSED;
	}
	/* libmariadb that was asked for TLS, as its command-line client is by default, takes the connection for an
	 * encrypted one and sends the clear text with its NUL. An encrypted answer is as long as the key: more than any password here. */
	if (payload.len >= 2 && payload.len < SECRET_BYTES_MAX &&
	    payload.ptr[payload.len - 1] == '\0') {
		return judge_clear(auth, str_slice(payload, 0, payload.len - 1));
	}
	uint8_t memory[SECRET_BYTES_MAX * 2];
	struct buf clear;
	buf_init_fixed(&clear, memory, sizeof(memory));
	enum client_auth_next next = CLIENT_AUTH_REFUSED;
	if (auth_sha2_rsa_decrypt(auth->key, payload, auth->scramble, &clear, NULL) == ERR_OK &&
	    buf_finish(&clear) == ERR_OK) {
		next = judge_clear(auth, buf_str(&clear));
	}
	explicit_bzero(memory, sizeof(memory));
	return next;
}

enum client_auth_next client_auth_step(struct client_auth *auth, struct str payload,
				       struct buf *out, uint8_t *sequence)
{
	switch (auth->state) {
	case CLIENT_AUTH_SWITCHED:
		return judge_answer(auth, payload, out, sequence);
	case CLIENT_AUTH_FULL:
	case CLIENT_AUTH_FULL_KEY:
		break;
	}
	return judge_full(auth, payload, out, sequence);
}

void client_auth_wipe(struct client_auth *auth)
{
	explicit_bzero(&auth->learned, sizeof(auth->learned));
}
