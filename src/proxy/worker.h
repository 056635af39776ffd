/* One worker thread: an epoll loop with listeners and sessions of its own.
 *
 * Everything here belongs to the worker's thread, but for the mailbox and the published status,
 * which are atomics. Objects that an event may still name are freed at the end of the turn.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "proxy/login/accounts.h"
#include "proxy/login/secrets.h"
#include "proxy/names.h"
#include "proxy/proxy.h"
#include "proxy/relay.h"
#include "proxy/routing/backends.h"
#include "proxy/routing/target.h"
#include "proxy/service/service_check.h"
#include "wire/auth_sha2_rsa.h"

enum {
	WORKER_LISTENERS_MAX = 3 + SERVICES_MAX,
	WORKER_SCRATCH_BYTES = 65536,
	WORKER_EVENTS_PER_TURN = 64,
	WORKER_ACCEPTS_PER_TURN = 32,
	WORKER_LOGINS_MAX = 256,	   /* to servers, at once */
	WORKER_PREOPENS_MAX = 64,	   /* of them for sessions that don't wait yet */
	WORKER_HELD_BYTES_MAX = 256 << 20, /* statements in memory, all sessions of a worker */
};

/* What epoll's data points at. */
struct watch {
	void (*on_event)(struct watch *watch, uint32_t epoll_events);
};

/* What may still be named by an event of the turn: freed at its end. */
struct dying {
	struct list link;
	void (*free)(struct dying *object);
};

/* What all workers share; read only while they run, but for the counters and the secrets. */
struct worker_shared {
	struct proxy_options options; /* listeners are not valid here */
	uint32_t worker_count;
	struct secrets *secrets;
	struct auth_sha2_rsa *key;
	atomic_uint session_count;
	atomic_uint_fast64_t lease_until_us; /* nothing goes to a primary from then on */
	struct worker *workers;		     /* [worker_count] */
	uint32_t service_count;		     /* that it listens for */
	char services[SERVICES_MAX][SERVICE_NAME_BYTES_MAX];
	atomic_bool check_asked;    /* some back end had trouble */
	atomic_uint health_version; /* grows when a back end may be had again */
};

/* What others see of a worker. */
struct worker_status {
	atomic_uint_fast64_t epoch;
	atomic_uint_fast64_t revision;
	atomic_bool held;
	atomic_uint transactions_open;
	atomic_uint statements_held;
	atomic_uint sessions;
	atomic_uint reads[ROUTE_SERVERS_MAX];
	atomic_uint_fast64_t services_revision;
};

struct worker;

struct worker_listener {
	struct watch watch;
	struct worker *worker;
	int fd;
	enum proxy_listener_role role;
	char service[SERVICE_NAME_BYTES_MAX];
};

struct worker {
	struct worker_shared *shared;
	uint32_t index;
	pthread_t thread;
	int epoll_fd;
	int wake_fd;
	struct watch wake;
	struct worker_listener listeners[WORKER_LISTENERS_MAX];
	size_t listener_count;
	uint64_t now_us; /* read once a turn */
	bool stopping;

	/* Mailbox: owned references, NULL when there is nothing new. */
	_Atomic(struct target *) next_target;
	_Atomic(struct accounts *) next_accounts;
	_Atomic(struct backends *) next_backends;
	atomic_bool stop_asked;

	struct target *target;	   /* in force; NULL: none yet */
	struct accounts *accounts; /* in force; NULL: none yet */
	struct backends *backends; /* in force; NULL: none yet */
	struct relays relays;
	struct service_checks checks;
	struct list sessions;	/* all, by age */
	struct list logins;	/* clients that have not logged in, by deadline */
	struct list held;	/* sessions with a statement that waits, by its age */
	struct list connecting; /* server connections on their way, by deadline */
	struct list parked;	/* server connections that sessions share, longest parked first */
	struct list starved;	/* sessions that wait for one of them, longest first */
	struct list ready;	/* sessions that have used their share of a turn */
	struct list dying;	/* freed at the end of the turn */
	uint64_t session_serial;
	uint64_t upstream_serial;
	uint32_t connecting_count;
	uint32_t session_count;
	uint32_t held_count;
	uint32_t parked_count;
	uint32_t shared_open[ROUTE_SERVERS_MAX]; /* connections that sessions share, by server */
	uint32_t transactions_open;		 /* on the primary */
	uint32_t reads[ROUTE_SERVERS_MAX];	 /* read sessions by server of the route in force */
	uint64_t avoid_until_us[ROUTE_SERVERS_MAX];  /* refused a connection lately */
	uint64_t trouble_told_us[ROUTE_SERVERS_MAX]; /* last report, by server */
	size_t held_bytes;
	uint64_t timers_due_us;
	uint64_t frozen_since_us; /* the lease's end held something up since; 0: it did not */
	bool readers_leave;	  /* some session has leave_us */
	bool preopen_wanted;	  /* idle sessions may have to be moved in the background */
	uint64_t malformed_count; /* clients that were closed for what they sent */
	uint8_t *scratch;	  /* [WORKER_SCRATCH_BYTES], for the length of one call */
	struct worker_status status;
	struct names names; /* has a lock of its own */
};

/* Prepares the loop (epoll, eventfd). Errors: ERR_IO. */
MUST_CHECK enum err worker_init(struct worker *worker, struct worker_shared *shared, uint32_t index,
				struct err_ctx *err);
void worker_add_listener(struct worker *worker, int fd, const struct proxy_listener *listener);
MUST_CHECK enum err worker_start(struct worker *worker, struct err_ctx *err);
void worker_fini(struct worker *worker); /* after its thread has ended, or was never started */

/* Thread-safe; all take the reference. */
void worker_post_target(struct worker *worker, struct target *target);
void worker_post_accounts(struct worker *worker, struct accounts *accounts);
void worker_post_backends(struct worker *worker, struct backends *backends);
void worker_ask_stop(struct worker *worker); /* thread-safe; then join worker->thread */
void worker_wake(struct worker *worker);     /* thread-safe */

/* Inside the thread. */
MUST_CHECK enum err worker_watch(struct worker *worker, int fd, struct watch *watch);

/* Before the descriptor is closed. Closing alone isn't enough: a child that is just being started (a hook) has a copy
 * of it for a moment, and as long as that is open the poller goes on reporting it. -1: nothing to do. */
void worker_unwatch(struct worker *worker, int fd);
void worker_report_trouble(struct worker *worker, uint32_t server);

/* Whether traffic with a primary may go on at this very moment; notes that something was held up when it may not. */
bool worker_lease_holds(struct worker *worker);
