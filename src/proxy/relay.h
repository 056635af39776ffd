/* Connections of services: bytes both ways between a client and a back end, nothing read into them.
 *
 * What one side can't take is not read from the other: at most one scratch of a worker is kept for each direction.
 * The end of a stream is passed on in its direction alone. A back end that can't be connected to is left for
 * another one; once bytes may have reached it nothing is sent again.
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "proxy/routing/backends.h"
#include "proxy/transport.h"

struct worker;
struct worker_listener;

enum {
	RELAY_TRIES_MAX = 5,	      /* connections that are tried for one client */
	RELAY_AVOID_US = 1000 * 1000, /* a back end that refused is left alone for so long */
	RELAY_HALF_US_MAX =
		60 * 1000000, /* the back end has ended, the client is silent: it ends too */
};

/* Of one worker; its thread's only. */
struct relays {
	struct list all;
	struct list timed;	 /* that wait for a back end or its answer */
	struct list ready;	 /* that have used their share of a turn */
	uint64_t due_us;	 /* of the next look at `timed` */
	uint64_t look_us;	 /* when those of them that wait look again for a back end */
	uint32_t health_version; /* of the health that they have looked at */
	uint64_t sweep_us;	 /* of the next look at `all` */
	int64_t credits[SERVICES_MAX][SERVICE_BACKENDS_MAX]; /* of the table in force */
};

/* Of a zeroed worker. */
void relays_init(struct relays *relays);

/* A new client of a service; takes the socket. */
void relay_accept(struct worker *worker, int fd, const struct worker_listener *listener);

void relays_apply(struct worker *worker); /* another table is in force */
void relays_turn(struct worker *worker);  /* what was left for later, and what is late */
void relays_close(struct worker *worker);

/* How long the worker may sleep for all of them, at most `most_ms`. */
int relays_sleep_ms(const struct worker *worker, int most_ms);
