/* The routing decision: which server a session's next statement goes to, or that it has to wait.
 *
 * Decided for each statement in this one place, from the route snapshot and the session alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proxy/proxy.h"
#include "proxy/routing/route.h"

enum {
	ROUTING_NOWHERE = ROUTE_SERVERS_MAX,  /* no server */
	ROUTING_GONE = ROUTE_SERVERS_MAX + 1, /* a server that the route doesn't have (any more) */
};

struct routing_question {
	const struct route *route; /* NULL: none has come yet */
	enum proxy_listener_role role;
	uint32_t
		current; /* index of the server that the session is connected to, NOWHERE or GONE */
	bool as_primary; /* that connection was made because the server was the primary */
	bool frozen;	 /* this node's lease is over: nothing goes to the primary */
	bool in_transaction; /* a transaction, or what may go on where writes are drained */
	bool pinned;	     /* of PROXY_SPLIT: something ends with the connection in hand */
	bool replica;	     /* of PROXY_SPLIT: a replica may do what is asked */
	uint32_t linked; /* of PROXY_SPLIT: the reader that it has a connection to, or NOWHERE */
	const uint32_t *reads; /* [ROUTE_SERVERS_MAX] read sessions by server */
	uint32_t avoided;      /* bits by server: refused a connection a moment ago */
	uint32_t tie;	       /* varies from session to session: spreads equal loads */
};

struct routing_answer {
	uint32_t
		server; /* index to connect to, even while the statement waits; NOWHERE: none yet */
	bool hold;	/* the statement waits */
	bool drop;	/* the connection in hand must not be used any more */
	bool to_primary; /* counts as a write session */
};

/* Pure and total. */
struct routing_answer routing_decide(const struct routing_question *question);

/* The index of host:port in a route, or NOWHERE. */
uint32_t routing_find(const struct route *route, const char *host, uint16_t port);
