/* The proxy: carries client sessions to the servers that the route table names.
 *
 * N worker threads, each with its own epoll loop, its own listeners (SO_REUSEPORT) and its own sessions;
 * nothing is shared but the route snapshot and the account snapshot, both swapped by pointer.
 */
#pragma once

#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/login/accounts.h"
#include "proxy/routing/balance.h"
#include "proxy/routing/route.h"
#include "proxy/service/service.h"

struct proxy;
struct tls;

enum proxy_listener_role {
	PROXY_WRITES, /* sessions are routed to the primary */
	PROXY_READS,  /* sessions are routed to healthy replicas, by least connections and weight */
	PROXY_SPLIT, /* statement by statement: certain reads to replicas, all else to the primary; sessions share connections */
	PROXY_SERVICE, /* any bytes, to the back ends of a service: no SQL, no accounts, no lease */
};

struct proxy_listener {
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port; /* 0: any free one; proxy_port() tells */
	enum proxy_listener_role role;
	char service[SERVICE_NAME_BYTES_MAX]; /* of PROXY_SERVICE; one listener for each service */
};

/* What the workers have in force; the lowest of all of them. */
struct proxy_status {
	uint64_t epoch;
	uint64_t revision;
	bool held;		    /* in force: ROUTE_DRAIN or ROUTE_HOLD */
	uint32_t transactions_open; /* transactions on write sessions, all workers */
	uint32_t statements_held;   /* sessions that wait for a primary */
	uint32_t sessions;
	uint32_t reads[ROUTE_SERVERS_MAX]; /* read sessions by index of the route's servers */
};

/* Called from a worker thread, without a lock held, whenever proxy_status may have changed in epoch,
 * revision, held or transactions_open == 0, or a table of services is in force at one more worker. It must only wake the owner's loop. */
typedef void (*proxy_changed_cb)(void *ctx);

/* Called from a worker thread (at most once per server and 1 ms) when a connection to a server was reset
 * or refused: the earliest sign of a crash. It must only wake the owner's loop. */
typedef void (*proxy_trouble_cb)(void *ctx, const char *host, uint16_t port);

struct proxy_options {
	const struct proxy_listener *listeners; /* [listener_count] */
	size_t listener_count;
	uint32_t workers;     /* 0: one per processor */
	uint32_t hold_ms_max; /* how long a statement waits for a primary before it gets an error */
	uint32_t sessions_max; /* further clients get error 1040 */
	struct tls *tls;       /* borrowed; NULL: no TLS at all (tls.h) */
	bool tls_required;     /* clients without TLS are refused */
	uint32_t
		server_connections_max; /* that sessions of PROXY_SPLIT share, to one server; 0: no limit */
	bool pool_forgets; /* for tests: no session of PROXY_SPLIT finds its connection as it left it */
	uint32_t
		causal_ms_max; /* for a replica to have what its session wrote (PROXY_SPLIT); 0: nobody waits */
	uint32_t connect_ms_max;    /* to a server, including log-in; to a back end */
	uint32_t check_interval_ms; /* between two checks of a back end */
	uint32_t check_timeout_ms;  /* of one check */
	uint32_t check_rise;	    /* good results in a row that bring it in again */
	uint32_t check_fall;	    /* bad ones that take it out */
	const struct clock *clock;
	const struct log *log;
	proxy_changed_cb changed;
	proxy_trouble_cb trouble;
	void *ctx; /* of both callbacks */
};

/* Binds the listeners and starts the workers; until a route and accounts come, clients wait at log-in.
 * Errors: ERR_EXISTS when a port is in use (names the address), ERR_IO. */
MUST_CHECK enum err proxy_start(const struct proxy_options *options, struct proxy **ret,
				struct err_ctx *err);

/* Puts a copy of the snapshot in force, asynchronously: proxy_status() says when all workers have it.
 * Older (epoch, revision) than the one in force are ignored. Thread-safe. */
void proxy_publish(struct proxy *proxy, const struct route *route);

/* Replaces the account snapshot; takes ownership. Thread-safe. */
void proxy_set_accounts(struct proxy *proxy, struct accounts *accounts);

/* The time (the proxy's clock) from which on nothing more may go to a primary, and no answer of one may reach a client,
 * until it is set anew: see decide/lease.h. Held and frozen statements go on when a later time is set. Each worker
 * looks at its clock right before it writes, so a process that was stopped sends nothing old when it goes on.
 * UINT64_MAX, the default: no limit. Thread-safe. */
void proxy_set_lease(struct proxy *proxy, uint64_t until_us);

void proxy_get_status(const struct proxy *proxy, struct proxy_status *ret); /* thread-safe */
uint16_t proxy_port(const struct proxy *proxy, size_t listener_index);

/* Puts a copy of the table of services in force, asynchronously. What stood in the one before and isn't there any more
 * gets no new connections; what it has goes on. Thread-safe. */
void proxy_publish_services(struct proxy *proxy, const struct service_table *table);

/* Whether every worker has the newest table in force: no client is sent to what isn't open in it. Thread-safe. */
bool proxy_services_in_force(struct proxy *proxy);

/* Name of the service number `index` that this proxy listens for; NULL behind the last one. */
const char *proxy_service(const struct proxy *proxy, size_t index);

/* One back end as this proxy sees it. */
struct proxy_backend {
	const char *service;
	const char *host;
	uint16_t port;
	enum balance_state state;
	uint32_t connections; /* being made, or open */
	const char *why;      /* it is not up; "" when it is */
};

/* Calls `row` for each back end of the services that this proxy listens for; the views are valid during the call.
 * Thread-safe. */
void proxy_each_backend(struct proxy *proxy,
			void (*row)(void *ctx, const struct proxy_backend *backend), void *ctx);

/* Closes the listeners, ends all sessions, joins the threads. Takes NULL, returns NULL. */
struct proxy *proxy_stop(struct proxy *proxy);
