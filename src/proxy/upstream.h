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
	UPSTREAM_BEHIND,	/* ready, but the replica lacks what the session wrote */
	UPSTREAM_STATE_REFUSED, /* a variable was not taken again */
	UPSTREAM_STMT_REFUSED,	/* PREPARE failed: upstream->refusal is the server's payload */
};

enum { UPSTREAM_REFUSAL_BYTES_MAX = 2048 };

/* What to do on a connection before the session's own command. */
struct upstream_setup {
	bool reset;	   /* it was another session's: COM_RESET_CONNECTION */
	bool state;	   /* the session's state */
	bool insert_id;	   /* of it, what LAST_INSERT_ID() gives */
	bool causal;	   /* what the session wrote: UPSTREAM_BEHIND when it isn't there in time */
	struct stmt *stmt; /* to be prepared, or NULL */
};

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
	uint32_t setup_leading; /* of them in front of the variables */
	struct stmt *preparing; /* the PREPARE behind them, or NULL */
	bool setup_failed;
	bool waits_causal; /* the last of them */
	bool behind;
	struct buf refusal; /* payload of an ERR packet */
	struct buf entered; /* payload of the server's OK to the log-in */

	/* Of a connection that sessions share (pool.h). */
	bool shared;
	bool parked;	       /* on worker->parked; session is NULL then */
	struct list pool_link; /* worker->parked or none */
	struct session *owner; /* whose links[] has it while it is parked; NULL: nobody's */
	uint64_t parked_us;
	uint64_t state_hash; /* of what it is set up with: state.hash of its last session */
	uint64_t insert_id;  /* what LAST_INSERT_ID() gives here */
	uint32_t
		statements; /* prepared here since it was reset; nobody closes those of other sessions */
	char *user;	    /* owned */
	const struct credential *credential; /* a reference */
	capabilities client_caps; /* of its sessions, as far as they matter to the server */
	uint8_t collation;
	bool has_schema; /* can't be without one any more */
};

/* Starts a connection for `session` to servers[server] of the route in force. NULL when it fails at
 * once (the server is then avoided for a moment). */
struct upstream *upstream_open(struct session *session, uint32_t server, bool as_primary);

/* Goes on with connecting, log-in and set-up as far as it can. */
enum upstream_progress upstream_run(struct upstream *upstream);

/* Begins set-up statements; tracking is switched on when it is off. Then upstream_run() until it is ready again. */
void upstream_set_up(struct upstream *upstream, const struct upstream_setup *setup);

/* Could `session` have logged in to get this very connection? */
bool upstream_fits(const struct upstream *upstream, const struct session *session);

/* COM_STMT_CLOSE goes out with what is sent next. */
void upstream_queue_close(struct upstream *upstream, uint32_t statement_id);

/* What its session and the server have agreed on has changed. */
void upstream_take_caps(struct upstream *upstream);

/* It is another one to those who remember statements by its serial. */
void upstream_renew_serial(struct upstream *upstream);

/* As transport_write(), but TRANSPORT_BLOCKED as long as this node's lease keeps traffic from the primary. */
enum transport_result upstream_write(struct upstream *upstream, const void *bytes, size_t count,
				     size_t *ret_count);

/* Writes what is queued. false: the connection is lost. */
bool upstream_flush(struct upstream *upstream);

/* Forgets the session and ends the connection, at the end of the turn freed. reset: with RST, so that
 * even a hung server's kernel knows; else with COM_QUIT. Returns NULL. */
struct upstream *upstream_close(struct upstream *upstream, bool reset);
