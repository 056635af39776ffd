/* The checks of back ends: a worker connects to each at an interval, asks where it is HTTP, and keeps what follows in its
 * slot. Every proxy checks for itself, so that it goes on without a manager. One worker of a proxy does it. */
#pragma once

#include "base/list.h"
#include "proxy/routing/backends.h"

struct worker;

enum { SERVICE_CHECKS_MAX = 64 }; /* at once; further ones wait for one to end */

/* Of one worker; its thread's only. */
struct service_checks {
	bool mine;	     /* this worker is the one that checks */
	struct list flights; /* checks under way, by deadline */
	uint32_t flying;
	uint64_t due_us;
};

/* Of a zeroed worker. */
void service_checks_init(struct service_checks *checks, bool mine);

/* Starts what is due, ends what is late. */
void service_checks_turn(struct worker *worker);
void service_checks_apply(struct worker *worker); /* another table is in force */
void service_checks_close(struct worker *worker);

/* A back end had trouble: it is checked now. Any worker. */
void service_checks_ask(struct worker *worker, struct backend_slot *slot);

/* How long the worker may sleep for all of them, at most `most_ms`. */
int service_checks_sleep_ms(const struct worker *worker, int most_ms);

/* What the first bytes of an answer say: a status, 0 when more has to come, -1 when this is no HTTP. Pure. */
int service_check_status(struct str head);
