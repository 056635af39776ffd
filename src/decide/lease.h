/* Leases of nodes: a node's right to carry clients to a primary, or to hold an address. Pure; both sides of it.
 *
 * A node renews its lease with each report to the leading manager that is answered. It counts from when it SENT the report, the
 * manager from when it ANSWERED it, each by its own clock (CLOCK_BOOTTIME, so that a suspended machine's lease ends
 * too). So the node's time ends first, and by the margin still does when clocks run at different speeds.
 *
 * A node that can't reach a leading manager asks all the others (the circle: every manager and every node that it was
 * last told of). Only when every one of them agrees it goes on (traffic goes on while nobody can decide). A leading
 * manager never agrees: so nobody can go on behind the back of one who decides. A manager leads only
 * when it has been in the circle of all nodes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decide/observation.h"

enum { LEASE_NODES_MAX = 64 };

struct lease_terms {
	uint64_t duration_us; /* from the sending of a report */
	uint64_t renew_us;    /* from one report to the next */
	uint64_t margin_us;   /* the manager waits so much longer */
};

/* ------------------------------------------------------------------------------------------------
 * The manager's side */

/* One node as the leading manager knows it. */
struct lease_node {
	bool carries; /* it carries clients to the group in question */
	uint64_t
		answered_us; /* when its newest report was answered; 0: not since this manager leads */
	uint64_t epoch;	     /* put in force, as its newest report says */
	uint64_t revision;
	bool held; /* lets no new transaction through */
	uint32_t transactions_open;
};

/* Whether the node may still do what it was told, for all that this manager knows. leading_since_us: what it was granted
 * by an earlier leader is not known, so it is taken to have been granted then. */
bool lease_may_hold(const struct lease_node *node, const struct lease_terms *terms,
		    uint64_t leading_since_us, uint64_t now_us);

/* All nodes that carry clients, as one: what everyone has in force whose lease may still hold. epoch: the record's, which
 * is in force at every node where nobody's lease may hold. */
void lease_routes(const struct lease_node *nodes, uint32_t count, const struct lease_terms *terms,
		  uint64_t leading_since_us, uint64_t epoch, uint64_t now_us,
		  struct observation_routes *ret);

/* ------------------------------------------------------------------------------------------------
 * The node's side */

struct lease_holder {
	uint64_t until_us; /* may do what it was told before this time; 0: never could */
};

/* A report, or a round of questions that all agreed to, was begun at begun_us and has succeeded. */
void lease_renewed(struct lease_holder *holder, const struct lease_terms *terms, uint64_t begun_us);

/* Whether the node may still do what it was told. */
bool lease_holds(const struct lease_holder *holder, uint64_t now_us);

/* What one of the circle said to "may I go on with this epoch?". */
enum lease_answer {
	LEASE_SILENT,  /* no answer */
	LEASE_REFUSES, /* it leads, or has a newer epoch in force */
	LEASE_AGREES,
	LEASE_GONE, /* its host lives, and no process listens there: one that starts later and leads waits out all leases */
	LEASE_ANSWER_COUNT_
};

/* Whether the round renews the lease. count 0: nobody else was ever told of, so nobody else could decide. */
bool lease_round_agrees(const enum lease_answer *answers, uint32_t count);

/* The answer to another node's question. leads: this process is the leading manager. epoch, revision: the newest of that group
 * known here; 0: none. */
enum lease_answer lease_consent(bool leads, uint64_t epoch, uint64_t revision, uint64_t asked_epoch,
				uint64_t asked_revision);
