/* The life of a session and its loop. */
#include "proxy/session/session.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/session/session_command.h"
#include "proxy/session/session_login.h"
#include "proxy/session/session_loss.h"
#include "proxy/session/session_reply.h"
#include "proxy/tls.h"

enum {
	SESSION_IN_BYTES_MAX = SESSION_RETAINED_BYTES_MAX + SESSION_PREFIX_BYTES,
	SESSION_OUT_BYTES_MAX =
		4 << 20, /* a reply's piece, a greeting, errors: never whole results */
	SESSION_STEPS_PER_TURN = 64,
};

static void on_event(struct watch *watch, uint32_t epoll_events)
{
	struct session *session = LIST_ENTRY(watch, struct session, watch);
	if (session->phase != SESSION_DEAD) {
		transport_note(&session->io, epoll_events);
		session_run(session);
	}
}

static bool refuse_over_limit(struct worker *worker, int fd)
{
	if (worker->shared->options.sessions_max == 0 ||
	    atomic_load(&worker->shared->session_count) < worker->shared->options.sessions_max) {
		return false;
	}
	uint8_t memory[SECRET_BYTES_MAX];
	uint8_t sequence = 0;
	struct buf out;
	struct transport io;
	size_t count = 0;
	buf_init_fixed(&out, memory, sizeof(memory));
	refusal_add(&out, &sequence, REFUSAL_TOO_MANY_SESSIONS, NULL, false);
	transport_init_tcp(&io, fd);
	io.writable = true;
	/* A fresh socket takes it; who doesn't get it sees the end of the stream. */
	(void)transport_write(&io, out.ptr, out.len, &count);
	transport_close(&io, false);
	return true;
}

void session_accept(struct worker *worker, int fd, enum proxy_listener_role role,
		    const char *address)
{
	if (refuse_over_limit(worker, fd)) {
		return;
	}
	struct session *session = mem_try(sizeof(*session));
	if (!session) {
		(void)close(fd);
		return;
	}
	*session = (struct session){
		.watch = { on_event },
		.worker = worker,
		.id = (uint32_t)(SESSION_ID_FIRST +
				 worker->session_serial * worker->shared->worker_count +
				 worker->index),
		.role = role,
		.phase = SESSION_WAITS_ACCOUNTS,
		.login_deadline_us = worker->now_us + (uint64_t)SESSION_LOGIN_MS_MAX * US_PER_MS,
	};
	worker->session_serial++;
	memcpy(session->address, address, strnlen(address, sizeof(session->address) - 1));
	transport_init_tcp(&session->io, fd);
	buf_init(&session->in, SESSION_IN_BYTES_MAX);
	buf_init(&session->out, SESSION_OUT_BYTES_MAX);
	buf_init(&session->command.error, UPSTREAM_REFUSAL_BYTES_MAX);
	state_init(&session->state);
	list_init(&session->held_link);
	list_init(&session->ready_link);
	list_init(&session->starved_link);
	list_add_tail(&worker->sessions, &session->link);
	list_add_tail(&worker->logins, &session->login_link);
	worker->session_count++;
	(void)atomic_fetch_add(&worker->shared->session_count, 1);
	if (worker_watch(worker, fd, &session->watch) != ERR_OK) {
		session_close(session);
		return;
	}
	session->io.writable = true;
	session_run(session);
}

void session_set_held(struct session *session, bool held)
{
	struct worker *worker = session->worker;
	if (held == session->counted_held) {
		return;
	}
	session->counted_held = held;
	if (held) {
		list_add_tail(&worker->held, &session->held_link);
		worker->held_count++;
	} else {
		list_remove(&session->held_link);
		worker->held_count--;
	}
}

/* Brings worker->transactions_open in line with what is open on the primary. */
static void count_open(struct session *session)
{
	bool flying = session->phase == SESSION_SEND || session->phase == SESSION_REPLY ||
		      session->phase == SESSION_INFILE;
	bool open = session->upstream && session->upstream->as_primary &&
		    (flying || session->state.in_transaction ||
		     (session->state.losses & STATE_LONG_DATA));
	if (open != session->counted_open) {
		session->counted_open = open;
		session->worker->transactions_open += open ? 1 : UINT32_MAX;
	}
}

static void count_bytes(struct session *session)
{
	session->worker->held_bytes += session->in.cap - session->counted_bytes;
	session->counted_bytes = session->in.cap;
}

static void count_read(struct session *session)
{
	struct worker *worker = session->worker;
	struct upstream *upstream = session->upstream;
	bool reads = session->role == PROXY_READS || session_is_reader(session);
	if (!session->counted_read && reads && upstream && upstream->server < ROUTE_SERVERS_MAX) {
		worker->reads[upstream->server]++;
		session->counted_read = true;
	}
}

void session_set_name(struct session *session, uint32_t thread_id)
{
	session->named_thread = thread_id;
	names_set(&session->worker->names, session->id, thread_id, session->credential);
}

bool session_is_reader(const struct session *session)
{
	return session->role != PROXY_WRITES && session->upstream && !session->upstream->as_primary;
}

void session_release_upstream(struct session *session)
{
	if (session->counted_read) {
		session->worker->reads[session->upstream->server]--;
		session->counted_read = false;
	}
	session->upstream = NULL;
	count_open(session);
}

void session_drop_upstream(struct session *session, bool reset)
{
	struct upstream *upstream = session->upstream;
	if (upstream) {
		session_release_upstream(session);
		session_set_name(session, 0);
		(void)upstream_close(upstream, reset);
	}
}

static void free_dying(struct dying *object)
{
	struct session *session = LIST_ENTRY(object, struct session, dying);
	session_login_fini(session);
	secrets_release(session->worker->shared->secrets, session->credential);
	buf_fini(&session->in);
	buf_fini(&session->out);
	buf_fini(&session->command.error);
	causal_fini(&session->causal);
	state_fini(&session->state);
	stmts_fini(&session->stmts);
	(void)mem_free(session->user);
	(void)mem_free(session->attributes);
	(void)mem_free(session);
}

void session_close(struct session *session)
{
	struct worker *worker = session->worker;
	if (session->phase == SESSION_DEAD) {
		return;
	}
	/* A server that still works on a statement sees the end of its stream, not a QUIT. */
	session_drop_upstream(session, session->phase == SESSION_SEND ||
					       session->phase == SESSION_REPLY ||
					       session->phase == SESSION_INFILE);
	session->phase = SESSION_DEAD;
	count_open(session);
	pool_leave(session);
	session_set_held(session, false);
	list_remove(&session->starved_link);
	list_remove(&session->login_link);
	list_remove(&session->ready_link);
	list_remove(&session->link);
	worker_unwatch(worker, session->io.fd);
	transport_close(&session->io, false);
	names_remove(&worker->names, session->id);
	buf_fini(&session->in);
	count_bytes(session);
	worker->session_count--;
	(void)atomic_fetch_sub(&worker->shared->session_count, 1);
	session->dying.free = free_dying;
	list_add_tail(&worker->dying, &session->dying.link);
}

enum transport_result session_read(struct session *session, size_t bytes)
{
	uint8_t *room = buf_reserve(&session->in, bytes);
	size_t count = 0;
	if (!room) {
		session_malformed(session, "no memory for what the client sends");
		return TRANSPORT_CLOSED;
	}
	enum transport_result rc = transport_read(&session->io, room, bytes, &count);
	if (rc == TRANSPORT_OK) {
		buf_commit(&session->in, count);
	}
	if (rc == TRANSPORT_CLOSED) {
		const char *why = tls_why(&session->io);
		if (why[0]) {
			log_event(session->worker->shared->options.log, LOG_INFO,
				  "proxy.client.tls", why, LOG_TEXT("client", session->address));
		}
		session_close(session);
	}
	return rc;
}

bool session_flush(struct session *session)
{
	while (session->out_at < session->out.len) {
		size_t count = 0;
		enum transport_result rc =
			transport_write(&session->io, session->out.ptr + session->out_at,
					session->out.len - session->out_at, &count);
		if (rc == TRANSPORT_CLOSED) {
			session_close(session);
		}
		if (rc != TRANSPORT_OK) {
			return false;
		}
		session->out_at += count;
	}
	if (session->out.len) {
		buf_fini(&session->out);
		session->out_at = 0;
	}
	return true;
}

void session_send_packet(struct session *session, struct str payload)
{
	packet_append(&session->out, &session->sequence, payload);
	if (buf_finish(&session->out) != ERR_OK) {
		session_close(session);
	}
}

void session_refuse(struct session *session, enum refusal refusal, const char *detail)
{
	refusal_add(&session->out, &session->sequence, refusal, detail, true);
	session_drop_upstream(session, false);
	session_set_held(session, false);
	session->phase = SESSION_CLOSING;
}

void session_malformed(struct session *session, const char *why)
{
	session->worker->malformed_count++;
	log_event(session->worker->shared->options.log, LOG_WARN, "proxy.client.malformed", why,
		  LOG_TEXT("client", session->address), LOG_U64("session", session->id),
		  LOG_U64("count", session->worker->malformed_count));
	session_close(session);
}

struct routing_answer session_route(const struct session *session)
{
	const struct worker *worker = session->worker;
	const struct upstream *upstream = session->upstream;
	uint32_t avoided = 0;
	for (uint32_t i = 0; i < ROUTE_SERVERS_MAX; i++) {
		avoided |= worker->avoid_until_us[i] > worker->now_us ? UINT32_C(1) << i : 0;
	}
	struct routing_question question = {
		.route = worker->target ? &worker->target->route : NULL,
		.role = session->role,
		.current = upstream ? upstream->server : (uint32_t)ROUTING_NOWHERE,
		.as_primary = upstream && upstream->as_primary,
		.frozen = !worker_lease_holds(session->worker),
		.in_transaction =
			session->state.in_transaction || (session->state.losses & STATE_LONG_DATA),
		.pinned = upstream && pool_is_pinned(session),
		.replica = session->command.statement.replica && session->state.autocommit,
		.linked = session->links[POOL_READER] ? session->links[POOL_READER]->server
						      : (uint32_t)ROUTING_NOWHERE,
		.reads = worker->reads,
		.avoided = avoided,
		.tie = session->id / worker->shared->worker_count,
	};
	return routing_decide(&question);
}

struct sql_mode session_sql_mode(const struct session *session)
{
	return statement_mode(&session->state, session->collation, session->status,
			      session->mariadb);
}

bool session_preopen(struct session *session)
{
	struct worker *worker = session->worker;
	if (session->upstream || session->phase != SESSION_IDLE || session->role == PROXY_SPLIT) {
		return true;
	}
	if (worker->connecting_count >= WORKER_PREOPENS_MAX) {
		return false;
	}
	struct routing_answer answer = session_route(session);
	if (answer.server != ROUTING_NOWHERE) {
		session->upstream = upstream_open(session, answer.server, answer.to_primary);
		count_read(session);
	}
	return true;
}

/* A reader on a server that has been taken out may end what it does there, for a while. */
static void plan_leave(struct session *session)
{
	const struct upstream *upstream = session->upstream;
	const struct route *route = &session->worker->target->route;
	session->leave_us = 0;
	if (session_is_reader(session) && (upstream->server >= route->server_count ||
					   (upstream->server != route->primary &&
					    !route->servers[upstream->server].serves_reads))) {
		session->leave_us =
			session->worker->now_us + (uint64_t)SESSION_LEAVE_MS * US_PER_MS;
		session->worker->readers_leave = true;
	}
}

void session_reroute(struct session *session)
{
	struct upstream *upstream = session->upstream;
	session->causal.waited = 0;    /* servers may have other numbers */
	session->counted_read = false; /* the worker counts from nothing for a new route */
	if (!upstream) {
		return;
	}
	uint32_t server =
		routing_find(&session->worker->target->route, upstream->host, upstream->port);
	upstream->server = server == ROUTING_NOWHERE ? (uint32_t)ROUTING_GONE : server;
	count_read(session);
	struct routing_answer answer = session_route(session);
	bool is_read = session_is_reader(session);
	/* A reader's statement under way may end where it is. */
	if (answer.drop && (!is_read || session->phase == SESSION_IDLE)) {
		session_lose_upstream(session, true);
	}
	if (session->upstream && answer.to_primary &&
	    upstream->server == session->worker->target->route.primary) {
		upstream->as_primary = true;
	}
	plan_leave(session);
	count_open(session);
}

void session_leave(struct session *session)
{
	bool waits = session->phase == SESSION_REPLY && !session->command.visible;
	if (waits || session->phase == SESSION_SEND) {
		session_lose_upstream(session, true);
		session_run(session);
	}
}

/* Takes one step; true when another may follow at once. */
static bool run_step(struct session *session)
{
	switch (session->phase) {
	case SESSION_WAITS_ACCOUNTS:
		return session_login_greet(session);
	case SESSION_LOGIN:
		return session_login_run(session);
	case SESSION_IDLE:
		return session_command_next(session);
	case SESSION_HELD:
		return session_command_advance(session);
	case SESSION_SEND:
		return session_command_send(session);
	case SESSION_REPLY:
		return session_reply_relay(session);
	case SESSION_INFILE:
		return session_command_send(session);
	case SESSION_DISCARD:
		return session_command_discard(session);
	case SESSION_CLOSING:
		session_close(session);
		return false;
	case SESSION_DEAD:
		break;
	}
	return false;
}

void session_run(struct session *session)
{
	int steps = 0;
	bool again = true;
	session_check_upstream(session);
	while (again && session->phase != SESSION_DEAD) {
		if (steps++ >= SESSION_STEPS_PER_TURN) {
			list_remove(&session->ready_link);
			list_add_tail(&session->worker->ready, &session->ready_link);
			break;
		}
		again = session_flush(session) && run_step(session);
	}
	if (session->phase == SESSION_DEAD) {
		return;
	}
	pool_settle(session);
	if (!session->in.len && session->in.cap) {
		buf_fini(&session->in);
	}
	count_bytes(session);
	count_read(session);
	count_open(session);
	session_set_held(session, session->phase == SESSION_HELD);
}
