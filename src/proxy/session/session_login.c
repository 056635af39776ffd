/* The client's log-in and COM_CHANGE_USER. */
#include "proxy/session/session_login.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/session/session.h"
#include "proxy/session/session_command.h"
#include "proxy/tls.h"
#include "wire/greeting.h"
#include "wire/login.h"

enum {
	LOGIN_BYTES_MAX = 128 << 10, /* attributes may have 64 KiB */
	LOGIN_READ_BYTES = 4096,
	GREETING_BYTES_MAX = 512,
	USER_TEXT_BYTES_MAX = 512,
};

/* What the relay carries; offered where all servers have it. */
static const capabilities offered_caps =
	CAP_MYSQL | CAP_FOUND_ROWS | CAP_LONG_FLAG | CAP_CONNECT_WITH_DB | CAP_NO_SCHEMA |
	CAP_ODBC | CAP_LOCAL_FILES | CAP_IGNORE_SPACE | CAP_PROTOCOL_41 | CAP_INTERACTIVE |
	CAP_IGNORE_SIGPIPE | CAP_TRANSACTIONS | CAP_RESERVED | CAP_SECURE_CONNECTION |
	CAP_MULTI_STATEMENTS | CAP_MULTI_RESULTS | CAP_PS_MULTI_RESULTS | CAP_PLUGIN_AUTH |
	CAP_CONNECT_ATTRS | CAP_AUTH_LENENC | CAP_EXPIRED_PASSWORDS | CAP_SESSION_TRACK |
	CAP_DEPRECATE_EOF;

/* 20 random bytes without NUL and '$', which some clients stop at. */
static void draw_scramble(uint8_t ret[GREETING_SCRAMBLE_BYTES])
{
	check(RAND_bytes(ret, GREETING_SCRAMBLE_BYTES) == 1);
	for (size_t i = 0; i < GREETING_SCRAMBLE_BYTES; i++) {
		ret[i] &= 0x7f;
		if (ret[i] == '\0' || ret[i] == '$') {
			ret[i]++;
		}
	}
}

bool session_login_greet(struct session *session)
{
	struct worker *worker = session->worker;
	if (session->io.hung_up) {
		session_close(session);
		return false;
	}
	if (!worker->accounts) {
		return false;
	}
	const struct accounts_facts *facts = accounts_get_facts(worker->accounts);
	struct greeting greeting = {
		.version = str_of(facts->server_version),
		.connection_id = session->id,
		.caps = (capabilities)facts->capabilities & offered_caps,
		.collation = facts->charset,
		.status = STATUS_AUTOCOMMIT,
		.auth_plugin = auth_plugin_name(auth_plugin_of(str_of(facts->default_plugin))),
	};
	if (facts->mariadb) {
		greeting.caps &= ~CAP_MYSQL;
	}
	if (tls_has_clients(worker->shared->options.tls)) {
		greeting.caps |= CAP_SSL;
	}
	greeting.caps |= CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH;
	draw_scramble(session->scramble);
	memcpy(greeting.scramble, session->scramble, sizeof(greeting.scramble));
	session->mariadb = facts->mariadb;
	session->caps = greeting.caps; /* what may be chosen from */
	size_t mark = packet_begin(&session->out);
	greeting_encode(&session->out, &greeting);
	packet_end(&session->out, mark, &session->sequence);
	session->phase = SESSION_LOGIN;
	return true;
}

static void deny(struct session *session, bool with_password)
{
	char memory[USER_TEXT_BYTES_MAX];
	struct buf text;
	buf_init_fixed(&text, memory, sizeof(memory));
	/* The words of the servers: clients and people look for them. */
	buf_printf(&text, "'%.128s'@'%s' (using password: %s)", session->user, session->address,
		   with_password ? "YES" : "NO");
	log_event(session->worker->shared->options.log, LOG_INFO, "proxy.client.denied",
		  "a client's log-in was refused", LOG_TEXT("user", session->user),
		  LOG_TEXT("client", session->address));
	session_refuse(session, REFUSAL_ACCESS_DENIED, buf_text(&text));
}

static void deny_locked(struct session *session)
{
	char memory[USER_TEXT_BYTES_MAX];
	struct buf text;
	buf_init_fixed(&text, memory, sizeof(memory));
	buf_printf(&text, "'%.128s'@'%s'", session->user, session->address);
	if (session->mariadb) {
		session_refuse(session, REFUSAL_ACCOUNT_LOCKED_MARIADB, NULL);
	} else {
		session_refuse(session, REFUSAL_ACCOUNT_LOCKED, buf_text(&text));
	}
}

/* The client has proved its password: next comes the server. */
static void admit(struct session *session)
{
	struct client_auth *auth = session->auth;
	struct secrets *secrets = session->worker->shared->secrets;
	secrets_release(secrets, session->credential);
	session->credential = secrets_learn(secrets, auth->account, &auth->learned);
	session->plugin = auth->verifier.plugin;
	session_login_fini(session);
	if (!session->credential) {
		session_refuse(session, REFUSAL_TOO_MANY_SESSIONS, NULL);
		return;
	}
	list_remove(&session->login_link);
	if (session->changes_user) {
		session_drop_upstream(session, false);
		pool_leave(session);
	}
	session_command_enter(session);
}

static void follow(struct session *session, enum client_auth_next next)
{
	bool with_password = !session->auth->answered_empty;
	switch (next) {
	case CLIENT_AUTH_READ:
		return;
	case CLIENT_AUTH_ACCEPTED:
		admit(session);
		return;
	case CLIENT_AUTH_LOCKED:
		session_login_fini(session);
		deny_locked(session);
		return;
	case CLIENT_AUTH_REFUSED:
		session_login_fini(session);
		deny(session, with_password);
		return;
	}
}

/* Takes the client's identity and the answer that came with it. */
static void begin_auth(struct session *session, const struct login *login)
{
	struct worker *worker = session->worker;
	(void)mem_free(session->user);
	session->user = mem_dup_text(login->user.ptr, login->user.len);
	if (login->attributes.len) {
		(void)mem_free(session->attributes);
		session->attributes = mem_dup_text(login->attributes.ptr, login->attributes.len);
		session->attributes_bytes = login->attributes.len;
	}
	session->collation =
		login->collation <= UINT8_MAX ? (uint8_t)login->collation : session->collation;
	session_login_fini(session);
	session->auth = mem_need(sizeof(*session->auth));
	session->auth_accounts = accounts_ref(worker->accounts);
	const struct accounts_facts *facts = accounts_get_facts(session->auth_accounts);
	struct client_auth_start start = {
		.account = accounts_find(session->auth_accounts, login->user,
					 str_of(session->address)),
		.key = worker->shared->key,
		.scramble = session->scramble,
		.plugin = login->auth_plugin,
		.answer = login->auth,
		.fallback = auth_plugin_of(str_of(facts->default_plugin)),
	};
	const struct credential *known =
		start.account ? secrets_find(worker->shared->secrets, start.account) : NULL;
	start.known = known;
	enum client_auth_next next =
		client_auth_begin(session->auth, &start, &session->out, &session->sequence);
	session->auth->known = NULL; /* only the first answer may be the fast one ... */
	if (next == CLIENT_AUTH_READ && session->auth->state == CLIENT_AUTH_SWITCHED) {
		session->auth->known = known; /* ... or that to a switch */
		session->auth_known = known;
	} else {
		secrets_release(worker->shared->secrets, known);
	}
	follow(session, next);
}

/* The client wants TLS from the next byte on. What came in clear text behind its wish isn't from it. */
static bool begin_tls(struct session *session, size_t wire_bytes)
{
	struct tls *tls = session->worker->shared->options.tls;
	if (session->io.tls || !(session->caps & CAP_SSL) || session->in.len != wire_bytes) {
		session_malformed(session,
				  "a wish for TLS that wasn't offered, or bytes behind it");
		return false;
	}
	buf_consume(&session->in, wire_bytes);
	if (tls_begin_client(tls, &session->io) != ERR_OK) {
		session_close(session);
		return false;
	}
	return true;
}

static bool take_response(struct session *session, struct str payload)
{
	struct login login;
	capabilities offered = session->caps & ~CAP_SSL;
	if (session->worker->shared->options.tls_required && !session->io.tls) {
		session_refuse(session, REFUSAL_TLS_REQUIRED, NULL);
		return false;
	}
	if (login_is_ssl_request(payload) || login_decode(payload, &login, NULL) != ERR_OK) {
		session->caps = 0;
		session_refuse(session, REFUSAL_BAD_HANDSHAKE, NULL);
		return false;
	}
	session->caps = login.caps & offered;
	if (session->caps & CAP_MULTI_STATEMENTS) {
		session->caps |= CAP_MULTI_RESULTS & offered;
	}
	session->packet_bytes_max = login.packet_bytes_max;
	session->collation = (uint8_t)login.collation;
	state_set_schema(&session->state, login.schema);
	begin_auth(session, &login);
	return true;
}

/* How much to read. Of the first packet never a byte more than belongs to it: clients don't wait for an answer to their
 * wish for TLS, and what follows is for TLS to read. */
static size_t login_bytes_wanted(const struct session *session)
{
	const struct buf *in = &session->in;
	if (session->io.tls || session->auth || !(session->caps & CAP_SSL)) {
		return LOGIN_READ_BYTES;
	}
	if (in->len < PACKET_HEADER_BYTES) {
		return PACKET_HEADER_BYTES - in->len;
	}
	return PACKET_HEADER_BYTES + (size_t)packet_header_read(in->ptr).payload_bytes - in->len;
}

bool session_login_run(struct session *session)
{
	struct packet packet;
	enum err rc = packet_find(session->in.ptr, session->in.len, LOGIN_BYTES_MAX, &packet, NULL);
	if (rc == ERR_AGAIN) {
		return session_read(session, login_bytes_wanted(session)) == TRANSPORT_OK;
	}
	if (rc || packet.sequence != session->sequence) {
		session_malformed(session, "a log-in packet that is too long or out of order");
		return false;
	}
	session->sequence = packet.sequence_next;
	struct str payload = packet_join(session->in.ptr, &packet);
	if (!session->auth && login_is_ssl_request(payload)) {
		return begin_tls(session, packet.wire_bytes);
	}
	if (session->auth) {
		follow(session,
		       client_auth_step(session->auth, payload, &session->out, &session->sequence));
	} else {
		(void)take_response(session, payload);
	}
	if (session->phase != SESSION_DEAD) {
		explicit_bzero(session->in.ptr, packet.wire_bytes);
		buf_consume(&session->in, packet.wire_bytes);
	}
	return session->phase != SESSION_DEAD;
}

void session_login_change_user(struct session *session, struct str payload)
{
	struct session_command *command = &session->command;
	struct login login;
	if (!command->retained ||
	    login_decode_change_user(payload, session->caps, &login, NULL) != ERR_OK) {
		session_malformed(session, "a COM_CHANGE_USER that can't be read");
		return;
	}
	session->changes_user = true;
	session->sequence = command->sequence_next;
	session->phase = SESSION_LOGIN;
	session->login_deadline_us =
		session->worker->now_us + (uint64_t)SESSION_LOGIN_MS_MAX * US_PER_MS;
	list_add_tail(&session->worker->logins, &session->login_link);
	size_t wire_bytes = command->wire_bytes;
	/* Whatever becomes of it: what the session had is over. */
	stmts_fini(&session->stmts);
	state_fini(&session->state);
	state_init(&session->state);
	session->keeps_last = false;
	session->transaction_lost = false;
	session->lost = 0;
	state_set_schema(&session->state, login.schema);
	begin_auth(session, &login);
	if (session->phase != SESSION_DEAD) {
		buf_consume(&session->in, wire_bytes);
		command->wire_bytes = 0;
	}
}

void session_login_entered(struct session *session)
{
	struct upstream *upstream = session->upstream;
	struct reply_ok ok = { .status = STATUS_AUTOCOMMIT };
	struct buf state;
	struct buf payload;
	buf_init(&state, RESULT_SCAN_PAYLOAD_BYTES_MAX);
	buf_init(&payload, RESULT_SCAN_PAYLOAD_BYTES_MAX);
	if (reply_ok_decode(buf_str(&upstream->entered), upstream->caps, &ok, NULL) == ERR_OK) {
		session->status = ok.status;
		session->state.autocommit = (ok.status & STATUS_AUTOCOMMIT) != 0;
		state_filter(&session->state, &ok, &state);
	}
	ok.session_state = buf_str(&state);
	reply_ok_encode(&payload, &ok, session->caps);
	session->sequence = session->command.sequence_next;
	session_send_packet(session, buf_str(&payload));
	buf_fini(&state);
	buf_fini(&payload);
	if (!upstream->shared) {
		buf_fini(&upstream->entered);
	}
	session->changes_user = false;
	if (session->phase != SESSION_DEAD) {
		session_command_finish(session);
	}
}

void session_login_fini(struct session *session)
{
	if (session->auth) {
		client_auth_wipe(session->auth);
		session->auth = mem_free(session->auth);
	}
	secrets_release(session->worker->shared->secrets, session->auth_known);
	session->auth_known = NULL;
	session->auth_accounts = accounts_unref(session->auth_accounts);
}
