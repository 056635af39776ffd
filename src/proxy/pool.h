/* Server connections that sessions of PROXY_SPLIT share, on one worker.
 *
 * A session has one in hand only while it needs it: for a statement, a transaction, or as long as something on it can't be
 * had elsewhere (it is pinned). Then the connection is parked. The session finds it again by its links, as it left
 * it, unless another session needed one meanwhile: whose was parked longest is taken first. Where that was set up
 * otherwise it is reset, and set up anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct session;
struct upstream;
struct worker;

enum {
	POOL_IDLE_S = 60, /* a parked connection is closed that nobody has used for so long */
	POOL_KEEP = 8,	  /* but so many of a worker's */
	POOL_LOOKS = 16,  /* for one that is set up alike */
	POOL_STATEMENTS_MAX = 200, /* prepared by others before a connection is reset */
	POOL_STEAL_US =
		5000, /* younger ones are left to their sessions while there is room for another */
};

enum pool_link { POOL_PRIMARY, POOL_READER, POOL_LINKS };

/* Is what the session has set up on its connection to be had there only? */
bool pool_is_pinned(const struct session *session);

/* Can the session do without the connection in hand, which others may want? */
bool pool_can_park(const struct session *session);

/* Parks the connection in hand when the session can do without it. */
void pool_settle(struct session *session);

/* Parks the connection in hand: it must be ready, idle, and not pinned. */
void pool_park(struct session *session);

/* Gives the session a parked connection to servers[server]; it may have to be set up first (upstream_run()).
 * false: none is to be had, a new one may be opened unless pool_is_full(). */
bool pool_take(struct session *session, uint32_t server, bool as_primary);

/* No more connections to this server may be opened. */
bool pool_is_full(const struct worker *worker, uint32_t server);

/* The session waits for a connection: it is run again when one is parked. Harmless when it waits already. */
void pool_wait(struct session *session);

/* What the session has parked is nobody's from now on. */
void pool_leave(struct session *session);

/* The server has said something on a parked connection: that it ends it. */
void pool_look(struct upstream *upstream);

/* A connection for a session of PROXY_SPLIT is being made, or any is closed. */
void pool_adopt(struct upstream *upstream);
void pool_forget(struct upstream *upstream);

/* A new route is in force. After the worker's sessions have been told. */
void pool_reroute(struct worker *worker);

/* Closes what has been idle for too long. */
void pool_turn(struct worker *worker);

/* Closes all that is parked. */
void pool_close(struct worker *worker);
