/* Server connections: connect, greeting, log-in, set-up; afterwards the session relays. */
#include "proxy/upstream.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/pool.h"
#include "proxy/routing/routing.h"
#include "proxy/session/session.h"
#include "proxy/tls.h"

enum {
	UPSTREAM_IN_BYTES_MAX = REPLY_WALK_HELD_BYTES_MAX + WORKER_SCRATCH_BYTES,
	UPSTREAM_OUT_BYTES_MAX = 32 << 20,
	UPSTREAM_READ_BYTES = 4096,
	UPSTREAM_AVOID_US =
		1000 * 1000, /* readers leave a server alone that refused a connection */
};

/* What the client's choice of capabilities carries over to the server: all that changes the bytes or
 * the meaning of what is relayed. */
static const capabilities passed_caps =
	CAP_FOUND_ROWS | CAP_NO_SCHEMA | CAP_ODBC | CAP_LOCAL_FILES | CAP_IGNORE_SPACE |
	CAP_INTERACTIVE | CAP_MULTI_STATEMENTS | CAP_MULTI_RESULTS | CAP_PS_MULTI_RESULTS |
	CAP_CONNECT_ATTRS | CAP_EXPIRED_PASSWORDS | CAP_DEPRECATE_EOF;

/* What the proxy needs of every server. */
static const capabilities needed_caps = CAP_PROTOCOL_41 | CAP_SECURE_CONNECTION | CAP_PLUGIN_AUTH;

void upstream_take_caps(struct upstream *upstream)
{
	upstream->client_caps = upstream->session->caps & passed_caps;
}

bool upstream_fits(const struct upstream *upstream, const struct session *session)
{
	return upstream->credential == session->credential &&
	       upstream->client_caps == (session->caps & passed_caps) &&
	       upstream->collation == session->collation &&
	       (session->state.schema || !upstream->has_schema) &&
	       strcmp(upstream->user, session->user) == 0;
}

static void on_event(struct watch *watch, uint32_t epoll_events)
{
	struct upstream *upstream = LIST_ENTRY(watch, struct upstream, watch);
	if (upstream->session) {
		transport_note(&upstream->io, epoll_events);
		session_run(upstream->session);
	} else if (upstream->parked) {
		transport_note(&upstream->io, epoll_events);
		pool_look(upstream);
	}
}

static void leave_connecting(struct upstream *upstream)
{
	if (upstream->is_connecting) {
		upstream->is_connecting = false;
		list_remove(&upstream->link);
		upstream->worker->connecting_count--;
	}
}

struct upstream *upstream_open(struct session *session, uint32_t server, bool as_primary)
{
	struct worker *worker = session->worker;
	const struct target *target = worker->target;
	int fd = -1;
	check(target && server < target->route.server_count);
	if (!target->resolved[server] ||
	    net_connect(&target->addresses[server], &fd, NULL) != ERR_OK) {
		worker->avoid_until_us[server] = worker->now_us + UPSTREAM_AVOID_US;
		return NULL;
	}
	struct upstream *upstream = mem_try(sizeof(*upstream));
	if (!upstream) {
		(void)close(fd);
		return NULL;
	}
	*upstream = (struct upstream){
		.watch = { on_event },
		.worker = worker,
		.session = session,
		.serial = ++worker->upstream_serial,
		.port = target->route.servers[server].port,
		.server = server,
		.as_primary = as_primary,
		.phase = UPSTREAM_CONNECTING,
		.deadline_us = worker->now_us +
			       (uint64_t)worker->shared->options.connect_ms_max * US_PER_MS,
		.is_connecting = true,
	};
	memcpy(upstream->host, target->route.servers[server].host, sizeof(upstream->host));
	buf_init(&upstream->entered, RESULT_SCAN_PAYLOAD_BYTES_MAX);
	buf_init(&upstream->in, UPSTREAM_IN_BYTES_MAX);
	buf_init(&upstream->out, UPSTREAM_OUT_BYTES_MAX);
	buf_init(&upstream->refusal, UPSTREAM_REFUSAL_BYTES_MAX);
	transport_init_tcp(&upstream->io, fd);
	list_init(&upstream->pool_link);
	if (session->role == PROXY_SPLIT) {
		pool_adopt(upstream);
	}
	list_add_tail(&worker->connecting, &upstream->link);
	worker->connecting_count++;
	if (worker_watch(worker, fd, &upstream->watch) != ERR_OK) {
		return upstream_close(upstream, false);
	}
	return upstream;
}

enum transport_result upstream_write(struct upstream *upstream, const void *bytes, size_t count,
				     size_t *ret_count)
{
	*ret_count = 0;
	if (upstream->as_primary && upstream->phase == UPSTREAM_READY &&
	    !worker_lease_holds(upstream->worker)) {
		return TRANSPORT_BLOCKED;
	}
	return transport_write(&upstream->io, bytes, count, ret_count);
}

bool upstream_flush(struct upstream *upstream)
{
	while (upstream->out_at < upstream->out.len) {
		size_t count = 0;
		enum transport_result rc =
			upstream_write(upstream, upstream->out.ptr + upstream->out_at,
				       upstream->out.len - upstream->out_at, &count);
		if (rc != TRANSPORT_OK) {
			return rc == TRANSPORT_BLOCKED;
		}
		upstream->out_at += count;
	}
	if (upstream->out.len) {
		buf_fini(&upstream->out);
		upstream->out_at = 0;
	}
	return true;
}

static void free_dying(struct dying *object)
{
	(void)mem_free(LIST_ENTRY(object, struct upstream, dying));
}

struct upstream *upstream_close(struct upstream *upstream, bool reset)
{
	static const uint8_t quit[] = { 1, 0, 0, 0, COMMAND_QUIT };
	if (!upstream) {
		return NULL;
	}
	leave_connecting(upstream);
	pool_forget(upstream);
	if (upstream->phase == UPSTREAM_READY && !reset && transport_is_open(&upstream->io)) {
		size_t count = 0;
		/* A courtesy: the server logs no aborted connection. */
		(void)transport_write(&upstream->io, quit, sizeof(quit), &count);
	}
	worker_unwatch(upstream->worker, upstream->io.fd);
	transport_close(&upstream->io, reset);
	buf_fini(&upstream->in);
	buf_fini(&upstream->out);
	buf_fini(&upstream->refusal);
	buf_fini(&upstream->entered);
	upstream->session = NULL;
	upstream->dying.free = free_dying;
	list_add_tail(&upstream->worker->dying, &upstream->dying.link);
	return NULL;
}

static enum upstream_progress broken(struct upstream *upstream, const char *words)
{
	struct reply_err error = { .server_errno = refusal_errno(REFUSAL_SERVER_LOGIN),
				   .message = str_of(words) };
	memcpy(error.sqlstate, "HY000", sizeof(error.sqlstate));
	buf_clear(&upstream->refusal);
	reply_err_encode(&upstream->refusal, &error, true);
	return UPSTREAM_BROKEN;
}

static enum upstream_progress refused(struct upstream *upstream, struct str payload)
{
	buf_clear(&upstream->refusal);
	buf_add_str(&upstream->refusal, str_slice(payload, 0, UPSTREAM_REFUSAL_BYTES_MAX));
	return UPSTREAM_REFUSED;
}

/* An error in place of a greeting has no SQLSTATE; the client's has. */
static enum upstream_progress refused_greeting(struct upstream *upstream, const struct err_ctx *err)
{
	struct reply_err error = { .server_errno = (uint16_t)err->server_errno,
				   .message = str_of(err->text) };
	memcpy(error.sqlstate, "08004", sizeof(error.sqlstate));
	buf_clear(&upstream->refusal);
	reply_err_encode(&upstream->refusal, &error, true);
	return UPSTREAM_REFUSED;
}

/* Asks for TLS, in clear text; the log-in itself goes through it. */
static bool begin_tls(struct upstream *upstream, const struct greeting *greeting,
		      struct login *login)
{
	struct tls *tls = upstream->worker->shared->options.tls;
	struct buf request;
	uint8_t memory[PACKET_HEADER_BYTES + LOGIN_SSL_REQUEST_BYTES];
	size_t sent = 0;
	size_t greeting_bytes =
		PACKET_HEADER_BYTES + (size_t)packet_header_read(upstream->in.ptr).payload_bytes;
	if (!(greeting->caps & CAP_SSL) || upstream->in.len != greeting_bytes) {
		return false;
	}
	login->caps |= CAP_SSL;
	buf_init_fixed(&request, memory, sizeof(memory));
	size_t mark = packet_begin(&request);
	login_encode_ssl_request(&request, login);
	packet_end(&request, mark, &upstream->sequence);
	/* The socket has never been written to: it takes so little. */
	return transport_write(&upstream->io, request.ptr, request.len, &sent) == TRANSPORT_OK &&
	       sent == request.len &&
	       tls_begin_server(tls, &upstream->io, upstream->host) == ERR_OK;
}

static enum upstream_progress take_greeting(struct upstream *upstream, struct str payload)
{
	struct session *session = upstream->session;
	struct greeting greeting;
	struct err_ctx err = { 0 };
	enum err rc = greeting_decode(payload, &greeting, &err);
	if (rc) {
		return rc == ERR_SERVER ? refused_greeting(upstream, &err)
					: broken(upstream, err_text(rc, &err));
	}
	capabilities wanted = (session->caps & passed_caps) | needed_caps;
	if ((greeting.caps & wanted) != wanted) {
		return broken(upstream,
			      "the server lacks a capability that the client has agreed on");
	}
	struct login login = {
		.caps = wanted | CAP_MYSQL | CAP_LONG_FLAG | CAP_TRANSACTIONS |
			(greeting.caps & (CAP_SESSION_TRACK | CAP_AUTH_LENENC)),
		.packet_bytes_max = session->packet_bytes_max,
		.collation = session->collation,
		.user = str_of(session->user),
		.schema = str_of(session->state.schema),
		.attributes = { session->attributes, session->attributes_bytes },
	};
	if (login.schema.len) {
		login.caps |= CAP_CONNECT_WITH_DB;
	}
	upstream->caps = login.caps;
	upstream_take_caps(upstream);
	upstream->thread_id = greeting.connection_id;
	if (tls_has_servers(upstream->worker->shared->options.tls) &&
	    !begin_tls(upstream, &greeting, &login)) {
		return broken(upstream, "the server has no TLS, and this proxy is set to use it");
	}
	session_set_name(session, greeting.connection_id);
	rc = server_auth_begin(&upstream->auth, &greeting, &login, session->plugin,
			       session->credential, &upstream->out, &upstream->sequence, &err);
	if (rc) {
		return broken(upstream, err_text(rc, &err));
	}
	upstream->phase = UPSTREAM_AUTH;
	return UPSTREAM_WAITS;
}

static enum upstream_progress take_auth(struct upstream *upstream, struct str payload)
{
	struct err_ctx err = { 0 };
	enum server_auth_next next = SERVER_AUTH_READ;
	enum err rc = server_auth_step(&upstream->auth, payload, &upstream->out,
				       &upstream->sequence, &next, &err);
	if (rc) {
		return broken(upstream, err_text(rc, &err));
	}
	switch (next) {
	case SERVER_AUTH_READ:
		break;
	case SERVER_AUTH_REFUSED:
		return refused(upstream, payload);
	case SERVER_AUTH_DONE:
		buf_clear(&upstream->entered);
		buf_add_str(&upstream->entered, payload);
		upstream_set_up(upstream, &(struct upstream_setup){ .state = true });
		break;
	}
	return UPSTREAM_WAITS;
}

static void add_command(struct upstream *upstream, uint8_t command, struct str text)
{
	uint8_t sequence = 0;
	size_t mark = packet_begin(&upstream->out);
	buf_add_u8(&upstream->out, command);
	buf_add_str(&upstream->out, text);
	packet_end(&upstream->out, mark, &sequence);
}

void upstream_queue_close(struct upstream *upstream, uint32_t statement_id)
{
	uint8_t sequence = 0;
	size_t mark = packet_begin(&upstream->out);
	buf_add_u8(&upstream->out, COMMAND_STMT_CLOSE);
	buf_add_u32(&upstream->out, statement_id);
	packet_end(&upstream->out, mark, &sequence);
}

static void add_setup(struct upstream *upstream, uint8_t command, struct str text)
{
	add_command(upstream, command, text);
	upstream->setup_count++;
}

static void add_setup_query(struct upstream *upstream, struct str sql)
{
	add_setup(upstream, COMMAND_QUERY, sql);
}

void upstream_renew_serial(struct upstream *upstream)
{
	upstream->serial = ++upstream->worker->upstream_serial;
}

/* As after a log-in. MySQL forgets the character set that was agreed on there: its variables take ids too. */
static void add_reset(struct upstream *upstream)
{
	enum { SET_BYTES_MAX = 160 };
	char memory[SET_BYTES_MAX];
	const struct session *session = upstream->session;
	struct buf sql;
	add_setup(upstream, COMMAND_RESET_CONNECTION, (struct str){ "", 0 });
	upstream_renew_serial(upstream);
	upstream->statements = 0;
	upstream->insert_id = 0;
	upstream->tracking = false;
	if (!session->mariadb) {
		buf_init_fixed(&sql, memory, sizeof(memory));
		buf_printf(&sql,
			   "SET SESSION character_set_client=%u, character_set_results=%u, "
			   "collation_connection=%u",
			   session->collation, session->collation, session->collation);
		add_setup_query(upstream, buf_str(&sql));
	}
}

/* A connection keeps its schema over a reset; another session may have chosen another one. */
static void add_schema(struct upstream *upstream)
{
	const char *schema = upstream->session->state.schema;
	if (upstream->shared && schema) {
		add_setup(upstream, COMMAND_INIT_DB, str_of(schema));
	}
}

static void add_state(struct upstream *upstream)
{
	enum { SET_BYTES_MAX = 2 * STATE_VALUE_BYTES_MAX + STATE_NAME_BYTES_MAX + 64 };
	const struct state *state = &upstream->session->state;
	struct buf sql;
	buf_init(&sql, SET_BYTES_MAX);
	for (size_t i = 0; i < state->variable_count; i++) {
		buf_clear(&sql);
		state_write_set(state, i, &sql);
		add_setup_query(upstream, buf_str(&sql));
	}
	buf_fini(&sql);
	upstream->state_hash = state->hash;
}

static void add_insert_id(struct upstream *upstream)
{
	enum { SET_BYTES_MAX = 64 };
	char memory[SET_BYTES_MAX];
	struct buf sql;
	buf_init_fixed(&sql, memory, sizeof(memory));
	upstream->insert_id = upstream->session->state.last_insert_id;
	buf_printf(&sql, "SET SESSION last_insert_id=%llu",
		   (unsigned long long)upstream->insert_id);
	add_setup_query(upstream, buf_str(&sql));
}

static void add_causal(struct upstream *upstream)
{
	enum { WAIT_BYTES_MAX = CAUSAL_BYTES_MAX + 128 };
	char memory[WAIT_BYTES_MAX];
	const struct session *session = upstream->session;
	struct buf sql;
	buf_init_fixed(&sql, memory, sizeof(memory));
	causal_write_wait(&session->causal, session->mariadb,
			  upstream->worker->shared->options.causal_ms_max, &sql);
	add_setup_query(upstream, buf_str(&sql));
	upstream->waits_causal = true;
}

void upstream_set_up(struct upstream *upstream, const struct upstream_setup *setup)
{
	bool tracks = (upstream->caps & CAP_SESSION_TRACK) != 0;
	struct stmt *stmt = setup->stmt;
	bool entered = upstream->phase == UPSTREAM_READY;
	upstream->phase = UPSTREAM_SETUP;
	upstream->setup_failed = false;
	if (setup->reset) {
		add_reset(upstream);
	}
	if (setup->state && entered) {
		add_schema(upstream);
	}
	upstream->setup_leading = upstream->setup_count;
	if (setup->state) {
		add_state(upstream);
	}
	if (setup->insert_id || (setup->state && upstream->session->state.last_insert_id)) {
		add_insert_id(upstream);
	}
	/* After the state, so that its own changes are not reported back. */
	for (size_t i = 0; tracks && !upstream->tracking && state_tracking_sql(i); i++) {
		add_setup_query(upstream, str_of(state_tracking_sql(i)));
	}
	upstream->tracking = true;
	if (setup->causal) {
		add_causal(upstream);
	}
	upstream->setup_total = upstream->setup_count;
	if (stmt) {
		add_command(upstream, COMMAND_STMT_PREPARE,
			    (struct str){ stmt->sql, stmt->sql_bytes });
		upstream->preparing = stmt;
	}
}

/* A server did not take a value again. The replies come in the order of the variables. A variable that
 * can't be set at all was no state of the session's: the server sets it itself. */
static void take_refused_setup(struct upstream *upstream, struct str payload)
{
	enum { ERRNO_READ_ONLY_VARIABLE = 1238 };
	const struct state *state = &upstream->session->state;
	struct reply_err error = { 0 };
	uint32_t replies = upstream->setup_total - upstream->setup_count;
	uint32_t index = replies - upstream->setup_leading;
	bool known = reply_err_decode(payload, &error, NULL) == ERR_OK;
	if (known && error.server_errno == ERRNO_READ_ONLY_VARIABLE) {
		return;
	}
	upstream->setup_failed = true;
	log_event(upstream->worker->shared->options.log, LOG_WARN, "proxy.state.refused",
		  "a server did not take a session variable again",
		  LOG_TEXT("variable", replies < upstream->setup_leading ? "(schema)"
				       : index < state->variable_count
					       ? state->variables[index].name
					       : "(tracking)"),
		  LOG_U64("errno", known ? error.server_errno : 0),
		  LOG_U64("session", upstream->session->id));
}

/* One packet of the replies to set-up statements. */
static enum upstream_progress take_setup(struct upstream *upstream,
					 const struct reply_walk_step *step)
{
	if (step->has_packet && step->packet == RESULT_PACKET_PREPARED) {
		struct stmt *stmt = upstream->preparing;
		stmt->server_id = upstream->walk.scan.statement_id;
		stmt->serial = upstream->serial;
		stmt->types_bound = false;
		upstream->statements++;
	}
	if (step->has_packet && step->packet == RESULT_PACKET_ERR) {
		if (!upstream->setup_count) {
			upstream->preparing = NULL;
			upstream->walking = false;
			upstream->phase = UPSTREAM_READY;
			(void)refused(upstream, step->payload);
			return UPSTREAM_STMT_REFUSED;
		}
		if (!upstream->waits_causal || upstream->setup_count > 1) {
			take_refused_setup(upstream, step->payload);
		}
	}
	if (step->next != REPLY_WALK_DONE) {
		return UPSTREAM_WAITS;
	}
	if (upstream->waits_causal && upstream->setup_count == 1) {
		upstream->waits_causal = false;
		upstream->behind = upstream->walk.scan.rows == 0;
	}
	upstream->walking = false;
	if (upstream->setup_count) {
		upstream->setup_count--;
	} else {
		upstream->preparing = NULL;
	}
	return UPSTREAM_WAITS;
}

static enum upstream_progress end_setup(struct upstream *upstream)
{
	bool failed = upstream->setup_failed;
	bool behind = upstream->behind;
	upstream->setup_failed = false;
	upstream->behind = false;
	leave_connecting(upstream);
	upstream->phase = UPSTREAM_READY;
	return failed ? UPSTREAM_STATE_REFUSED : behind ? UPSTREAM_BEHIND : UPSTREAM_IS_READY;
}

/* Walks what has come of the replies; READY when all have. */
static enum upstream_progress run_setup(struct upstream *upstream)
{
	for (;;) {
		if (!upstream->walking) {
			if (!upstream->setup_count && !upstream->preparing) {
				return end_setup(upstream);
			}
			(void)reply_walk_start(&upstream->walk,
					       upstream->setup_count ? COMMAND_QUERY
								     : COMMAND_STMT_PREPARE,
					       upstream->caps);
			upstream->walking = true;
		}
		struct reply_walk_step step;
		if (reply_walk_bytes(&upstream->walk, upstream->in.ptr, upstream->in.len, &step,
				     NULL) != ERR_OK) {
			return broken(upstream, "the server's answer to SET is malformed");
		}
		enum upstream_progress progress = take_setup(upstream, &step);
		buf_consume(&upstream->in, step.used_bytes);
		if (progress != UPSTREAM_WAITS) {
			return progress;
		}
		if (step.next == REPLY_WALK_READ || step.next == REPLY_WALK_CLIENT) {
			return UPSTREAM_WAITS;
		}
	}
}

/* Takes what has come one step further; UPSTREAM_WAITS when bytes are missing. */
static enum upstream_progress take_bytes(struct upstream *upstream)
{
	while (upstream->phase == UPSTREAM_GREETING || upstream->phase == UPSTREAM_AUTH) {
		struct packet packet;
		enum err rc = packet_find(upstream->in.ptr, upstream->in.len,
					  RESULT_SCAN_PAYLOAD_BYTES_MAX, &packet, NULL);
		if (rc == ERR_AGAIN) {
			return UPSTREAM_WAITS;
		}
		if (rc) {
			return broken(upstream, "the server's log-in packets are malformed");
		}
		struct str payload = packet_join(upstream->in.ptr, &packet);
		upstream->sequence = packet.sequence_next;
		enum upstream_progress progress = upstream->phase == UPSTREAM_GREETING
							  ? take_greeting(upstream, payload)
							  : take_auth(upstream, payload);
		if (progress != UPSTREAM_WAITS) {
			return progress;
		}
		buf_consume(&upstream->in, packet.wire_bytes);
	}
	return run_setup(upstream);
}

static enum transport_result read_more(struct upstream *upstream)
{
	uint8_t *room = buf_reserve(&upstream->in, UPSTREAM_READ_BYTES);
	size_t count = 0;
	if (!room) {
		return TRANSPORT_CLOSED;
	}
	enum transport_result rc = transport_read(&upstream->io, room, UPSTREAM_READ_BYTES, &count);
	if (rc == TRANSPORT_OK) {
		buf_commit(&upstream->in, count);
	}
	return rc;
}

/* A certificate that is not accepted won't be the next time either. */
static enum upstream_progress lost(struct upstream *upstream)
{
	const char *why = tls_why(&upstream->io);
	return why[0] ? broken(upstream, why) : UPSTREAM_LOST;
}

enum upstream_progress upstream_run(struct upstream *upstream)
{
	if (upstream->phase == UPSTREAM_READY) {
		return UPSTREAM_IS_READY;
	}
	if (upstream->phase == UPSTREAM_CONNECTING) {
		if (!upstream->io.writable) {
			return UPSTREAM_WAITS;
		}
		if (net_connect_error(upstream->io.fd)) {
			return UPSTREAM_LOST;
		}
		upstream->phase = UPSTREAM_GREETING;
	}
	for (;;) {
		if (!upstream_flush(upstream)) {
			return lost(upstream);
		}
		enum upstream_progress progress = take_bytes(upstream);
		if (progress != UPSTREAM_WAITS) {
			if (!upstream->in.len) {
				buf_fini(&upstream->in);
			}
			return progress;
		}
		if (upstream->out.len > upstream->out_at && upstream->io.writable) {
			continue;
		}
		enum transport_result rc = read_more(upstream);
		if (rc != TRANSPORT_OK) {
			return rc == TRANSPORT_BLOCKED ? UPSTREAM_WAITS : lost(upstream);
		}
	}
}
