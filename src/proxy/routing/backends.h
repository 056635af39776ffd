/* The back ends of all services, as workers hold them: an immutable, counted snapshot of the table with addresses.
 *
 * What changes between two tables is in the slots: one for each back end, kept from one snapshot to the next. Unlike
 * the reads of a group's servers, connections are counted over all workers: health is shared anyway, and a service
 * with few and long connections would otherwise be balanced by each worker's luck.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "os/net.h"
#include "proxy/routing/balance.h"
#include "proxy/service/service.h"

/* Why a back end is not up; with a number where that says more. */
enum backend_why {
	BACKEND_FINE,
	BACKEND_UNCHECKED,  /* no check has ended yet */
	BACKEND_RISING,	    /* it answers again, but not often enough in a row yet */
	BACKEND_NAMELESS,   /* its name is not known to the name service */
	BACKEND_ERRNO,	    /* the connection failed: errno */
	BACKEND_LATE,	    /* no answer in time */
	BACKEND_NO_STATUS,  /* what came is no HTTP status line */
	BACKEND_BAD_STATUS, /* an HTTP status other than 200 to 399 */
	BACKEND_WHY_COUNT_
};

struct backend_slot {
	atomic_uint references;
	char service[SERVICE_NAME_BYTES_MAX];
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
	atomic_uint connections;	     /* being made, or open */
	atomic_uint state;		     /* enum balance_state */
	atomic_uint why;		     /* backend_why_make() */
	atomic_uint_fast64_t avoid_until_us; /* refused a connection lately */
	atomic_bool check_asked;	     /* somebody had trouble with it: look now */

	/* Of the worker that checks, alone. */
	struct balance_health health;
	uint64_t check_due_us;
	bool checking;
};

struct backend {
	struct backend_slot *slot; /* a reference */
	struct net_address address;
	bool resolved;
	bool open;
	uint32_t weight;
	struct service_check check;
};

struct backends_service {
	char name[SERVICE_NAME_BYTES_MAX];
	uint32_t count;
	struct backend rows[SERVICE_BACKENDS_MAX];
};

struct backends {
	atomic_uint references;
	uint64_t revision; /* grows with every table */
	uint32_t service_count;
	struct backends_service services[SERVICES_MAX];
};

struct backend_slot *backend_slot_ref(struct backend_slot *slot);
struct backend_slot *backend_slot_unref(struct backend_slot *slot); /* takes NULL, returns NULL */

/* One reference. old: whose slots and addresses are kept; may be NULL. */
struct backends *backends_new(const struct service_table *table, const struct backends *old,
			      uint64_t revision);
struct backends *backends_copy(const struct backends *from); /* one reference, to be changed */
struct backends *backends_ref(struct backends *backends);
struct backends *backends_unref(struct backends *backends); /* takes NULL, returns NULL */

/* Before anybody else has it: finds the addresses that are missing. numeric_only: asks no name service, so that it never
 * blocks. true: all are there. */
bool backends_resolve(struct backends *backends, bool numeric_only);

/* The index of a service, or BALANCE_NONE. backends may be NULL. */
uint32_t backends_find(const struct backends *backends, const char *service);

uint32_t backend_why_make(enum backend_why why, uint32_t number);
void backend_why_print(uint32_t why, struct buf *out); /* for people: "connection refused" */
