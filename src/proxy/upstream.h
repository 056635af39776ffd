/* A server connection: connects, logs in as the session's account, sets the session's state up.
 *
 * It belongs to one session at a time. What happens on it is told to that session by session_run().
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "proxy/login/server_auth.h"
#include "proxy/proxy.h"
#include "proxy/session/stmts.h"
#include "proxy/transport.h"
#include "proxy/worker.h"
#include "wire/reply_walk.h"

struct session;

enum upstream_phase {
	UPSTREAM_CONNECTING,
	UPSTREAM_GREETING,
	UPSTREAM_AUTH,
	UPSTREAM_SETUP, /* statements of the proxy's own are under way */
	UPSTREAM_READY, /* idle, or carrying the session's command */
};

enum upstream_progress {
	UPSTREAM_WAITS, /* for the server */
	UPSTREAM_IS_READY,
	UPSTREAM_LOST,		/* refused, reset, end of stream, deadline */
	UPSTREAM_REFUSED,	/* the server answered the log-in with an ERR: upstream->refusal */
	UPSTREAM_BROKEN,	/* the server broke the protocol: upstream->refusal has words */
	UPSTREAM_STATE_REFUSED, /* a variable was not taken again */
	UPSTREAM_STMT_REFUSED,	/* PREPARE failed: upstream->refusal is the server's payload */
};

enum { UPSTREAM_REFUSAL_BYTES_MAX = 2048 };

struct upstream {
	struct watch watch;
	struct list link; /* worker->connecting or none */
	struct dying dying;
	struct worker *worker;
	struct session *session;
	struct transport io;
	uint64_t serial; /* never 0 */
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
	uint32_t server; /* index in the route in force, ROUTING_GONE when it isn't there */
	bool as_primary;
	enum upstream_phase phase;
	uint64_t deadline_us; /* until it is ready for the first time */
	bool is_connecting;   /* on worker->connecting */
	uint32_t thread_id;   /* the server's name for the connection */
	capabilities caps;
	struct server_auth auth;
	uint8_t sequence;
	struct buf in;	/* received, not judged yet */
	struct buf out; /* to be sent, of the proxy's own or rewritten */
	size_t out_at;
	struct reply_walk walk;
	bool walking;		/* a reply is under way */
	bool tracking;		/* the server reports what the proxy needs */
	uint32_t setup_count;	/* replies to SET that are still to come */
	uint32_t setup_total;	/* of so many */
	struct stmt *preparing; /* the PREPARE behind them, or NULL */
	bool setup_failed;
	struct buf refusal; /* payload of an ERR packet */
};

/* Starts a connection for `session` to servers[server] of the route in force. NULL when it fails at
 * once (the server is then avoided for a moment). */
struct upstream *upstream_open(struct session *session, uint32_t server, bool as_primary);

/* Goes on with connecting, log-in and set-up as far as it can. */
enum upstream_progress upstream_run(struct upstream *upstream);

/* Begins set-up statements: tracking when it is off; all state when with_state; PREPARE of stmt when
 * it isn't NULL. Then upstream_run() until it is ready again. */
void upstream_set_up(struct upstream *upstream, bool with_state, struct stmt *stmt);

/* As transport_write(), but TRANSPORT_BLOCKED as long as this node's lease keeps traffic from the primary. */
enum transport_result upstream_write(struct upstream *upstream, const void *bytes, size_t count,
				     size_t *ret_count);

/* Writes what is queued. false: the connection is lost. */
bool upstream_flush(struct upstream *upstream);

/* Forgets the session and ends the connection, at the end of the turn freed. reset: with RST, so that
 * even a hung server's kernel knows; else with COM_QUIT. Returns NULL. */
struct upstream *upstream_close(struct upstream *upstream, bool reset);
