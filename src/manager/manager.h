/* The manager: observe, decide, act, publish, for every group of the store.
 *
 * One thread owns the records; it never blocks on a server. Servers are watched and acted upon by two
 * threads each. The doors to it (Unix socket, later HTTPS) call manager_call() and read its events; none
 * of them knows anything that another doesn't.
 */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "manager/hooks/hook.h"
#include "manager/hooks/webhook.h"
#include "manager/nodes/nodes.h"
#include "proxy/routing/route.h"
#include "store/store_place.h"

struct duty;
struct manager;
struct manager_door;
struct proxy;
struct store;

struct manager_accounts {
	char manager_user[ROUTE_NAME_BYTES_MAX];
	struct secret manager_password;
	char replication_user[ROUTE_NAME_BYTES_MAX];
	struct secret replication_password;
};

struct manager_options {
	struct manager_accounts accounts;
	uint32_t probe_interval_ms;	  /* between two status reads of a server */
	uint32_t probe_timeout_ms;	  /* a contact without an answer after it is a miss */
	uint32_t silence_ms;		  /* a server that hasn't answered for so long is silent */
	uint32_t write_probe_interval_ms; /* between two writes of the heartbeat row; 0: none */
	uint32_t write_probe_timeout_ms;  /* a write that takes longer is overdue */
	uint32_t
		write_stall_ms; /* a disk that takes no writes for so long costs the role; 0: never */
	uint32_t step_timeout_ms; /* longest time for one step on one server */
	uint32_t
		failover_cooldown_s; /* no second automatic failover for so long, unless healthy since */
	uint32_t failover_max; /* automatic ones of a group within failover_window_s; 0: no limit */
	uint32_t failover_window_s;
	uint32_t parent_return_s; /* a server goes back below a parent that was sound for so long */
	uint32_t
		feed_ms; /* failover: a preferred candidate may take so long to get what it lacks */
	uint32_t drain_ms;	/* switchover: open transactions may take so long to end */
	uint32_t freeze_ms;	/* switchover: read-only and catch-up, together */
	uint32_t lag_limit_s;	/* a replica behind by more serves no reads */
	uint32_t heartbeat_ms;	/* of the replication streams */
	uint32_t net_timeout_s; /* of the replication streams */
	struct hook_options hooks;
	struct webhook_options webhooks;
	struct store *store;	  /* the manager's from its start on: it is closed at its end */
	struct store_place place; /* where that is */
	const char *node;	  /* name of this manager; on a shared store different for each */
	const char *address;	  /* where its commands are taken, for people at another node */
	uint32_t
		lease_ms; /* on a shared store: a leader that isn't heard of for so long leads no longer */
	struct proxy *proxy;			/* the local proxy, or NULL */
	char proxy_group[ROUTE_NAME_BYTES_MAX]; /* the group that the local proxy serves */
	uint16_t write_port;			/* of the local proxy, for status; 0: none */
	uint16_t read_port;
	uint16_t split_port;
	struct duty *
		duty; /* floating addresses of this host; used by the manager's thread unless the nodes are linked */
	uint32_t duty_lease_ms; /* a manager alone gives its own host an address for so long */
	const char *server;	/* of this host, as its group names it: "host:port"; "": not told */
	const char *data_dir;	/* saved tails go below it; outlives the manager */
	struct node_options nodes; /* authority NULL: this manager takes no nodes */
	const struct clock *clock;
	const struct log *log;
	struct manager_door *door; /* may be NULL; see below */
};

/* Loads the records from the store and starts the threads; unfinished steps are gone on with.
 * Errors: ERR_IO from the store, ERR_PARSE when a record in it can't be read. */
MUST_CHECK enum err manager_start(const struct manager_options *options, struct manager **ret,
				  struct err_ctx *err);

/* Stops the threads; the servers are left as they are. Takes NULL, returns NULL. */
struct manager *manager_stop(struct manager *manager);

/* One command; thread-safe; blocks until it is answered or deadline_us (monotonic) has passed.
 * method: a row of manager/calls/calls.def. params: a JSON object or NULL, borrowed.
 * ret: a new reference. Errors: ERR_USAGE (unknown method or bad parameter, with words), ERR_NOT_FOUND,
 * ERR_REFUSED, ERR_DEADLINE, ... */
MUST_CHECK enum err manager_call(struct manager *manager, const char *method, json_t *params,
				 uint64_t deadline_us, json_t **ret, struct err_ctx *err);

/* Nodes reach this process from now on. Thread-safe. */
void manager_on_door_open(struct manager *manager);

/* A node's report, as manager_call() of "node.report"; the caller waits only while this manager leads. Thread-safe.
 * Errors: ERR_REFUSED when it doesn't, ERR_DEADLINE when it ceased to. */
MUST_CHECK enum err manager_report(struct manager *manager, json_t *params, uint64_t deadline_us,
				   json_t **ret, struct err_ctx *err);

/* A node asks the circle whether it may go on: {"node", "group", "epoch"}; ret: {"agrees", "why"}, a new reference.
 * Never waits for the manager's thread. Thread-safe. Errors: ERR_REFUSED. */
MUST_CHECK enum err manager_consent(struct manager *manager, const json_t *params, json_t **ret,
				    struct err_ctx *err);

/* Events with an id greater than after_id, oldest first, at most `limit`: a JSON array (new reference).
 * group: only of that group, NULL: all. Thread-safe. */
json_t *manager_events(struct manager *manager, const char *group, uint64_t after_id,
		       uint32_t limit);

/* Blocks until there is an event with an id greater than after_id or timeout_us has passed; false when
 * none came or the manager is stopping. Thread-safe. */
bool manager_events_wait(struct manager *manager, uint64_t after_id, uint64_t timeout_us);

/* To be given to the proxy as its callbacks, ctx = a struct manager_door that outlives both: they only
 * wake the manager's loop. The door is made (zeroed but for its mutex) before the proxy, and tied to the manager by
 * its start; its stop waits for callbacks that are under way. */
struct manager_door {
	pthread_mutex_t mutex; /* PTHREAD_MUTEX_INITIALIZER */
	struct manager *manager;
};
void manager_on_proxy_changed(void *door);
void manager_on_proxy_trouble(void *door, const char *host, uint16_t port);
