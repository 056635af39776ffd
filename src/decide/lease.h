/* Leases of nodes: a node's right to carry clients to a primary, or to hold an address. Pure; both sides of it.
 *
 * A node renews its lease with each report to the leading manager that is answered. It counts from when it SENT the report, the
 * manager from when it RECEIVED it, each by its own clock (CLOCK_BOOTTIME, so that a suspended machine's lease ends
 * too). So the node's time ends first, and by the margin still does when clocks run at different speeds.
 *
 * A node that can't reach a leading manager asks all the others (the circle: every manager and every node that it was
 * last told of). Only when every one of them agrees it goes on (traffic goes on while nobody can decide), and only with a
 * lease that isn't over yet. A leading manager never agrees: so nobody can go on behind the back of one who decides. A
 * manager leads only when it has been in the circle of all nodes.
 *
 * So a new leader knows how long a node that it hears nothing of may go on, without asking anybody:
 * - what an earlier leader granted ends with the duration after that leader's newest beat in the store, for no leader grants
 *   more (lease_grant()); and who claims has read that beat;
 * - what the circle granted ends with the duration after this manager agreed to it (struct lease_memory), or after it began
 *   to answer at all: before that it was asked nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "decide/observation.h"

enum { LEASE_NODES_MAX = 64 };

struct lease_terms {
	uint64_t duration_us; /* from the sending of a report */
	uint64_t renew_us;    /* from one report to the next */
	uint64_t margin_us;   /* the manager waits so much longer */
};

/* ------------------------------------------------------------------------------------------------
 * What a manager has agreed to */

struct lease_agreed {
	char node[NAME_BYTES_MAX];
	uint64_t until_us;
};

/* Kept for as long as the process lives, whether it leads or not; all zero: nothing yet. */
struct lease_memory {
	struct lease_agreed agreed[LEASE_NODES_MAX];
	uint32_t count;
	uint64_t others_until_us; /* of everybody who had to be left out */
};

/* This manager agrees at now_us to a round of the node's. */
void lease_remember(struct lease_memory *memory, const struct lease_terms *terms, struct str node,
		    uint64_t now_us);

/* When all is over that was agreed to for this node; 0: nothing was. */
uint64_t lease_remembered(const struct lease_memory *memory, struct str node);

/* ------------------------------------------------------------------------------------------------
 * The manager's side */

/* One node as the leading manager knows it. */
struct lease_node {
	bool carries; /* it carries clients to the group in question */
	uint64_t
		until_us; /* what this manager granted it, or agreed to, ends then; 0: there is nothing */
	uint64_t epoch; /* put in force, as its newest report says */
	uint64_t revision;
	bool held; /* lets no new transaction through */
	uint32_t transactions_open;
};

/* How long the answer to a report that came at received_us renews the node's lease: the node counts it from the
 * sending. beat_us: the begin of the leader's newest confirmed beat; who can't be followed by anybody has none: received_us.
 * Not above the duration; 0: nothing can be granted any more. */
uint64_t lease_grant(const struct lease_terms *terms, uint64_t received_us, uint64_t beat_us);

/* When all is over that this manager can't know of. former_us: when the newest beat of an earlier leader was seen.
 * answering_us: since when this process answers the circle's questions; 0: not yet, and nothing is ever over. */
uint64_t lease_unknown_until(const struct lease_terms *terms, uint64_t former_us,
			     uint64_t answering_us);

/* Whether the node may still do what it was told, for all that this manager knows. unknown_until_us: of
 * lease_unknown_until(). */
bool lease_may_hold(const struct lease_node *node, const struct lease_terms *terms,
		    uint64_t unknown_until_us, uint64_t now_us);

/* All nodes that carry clients, as one: what everyone has in force whose lease may still hold. epoch: the record's, which
 * is in force at every node where nobody's lease may hold. */
void lease_routes(const struct lease_node *nodes, uint32_t count, const struct lease_terms *terms,
		  uint64_t unknown_until_us, uint64_t epoch, uint64_t now_us,
		  struct observation_routes *ret);

/* ------------------------------------------------------------------------------------------------
 * The node's side */

struct lease_holder {
	uint64_t until_us; /* may do what it was told before this time; 0: never could */
};

/* A report was begun at begun_us and has succeeded. good_us: what was granted. */
void lease_renewed(struct lease_holder *holder, uint64_t good_us, uint64_t begun_us);

/* A round of questions, begun at begun_us, has ended at now_us, and all agreed: the lease goes on. One that was over by then
 * does not begin again: a leader may have waited for its end, have decided, and be gone. Returns whether it goes on. */
bool lease_go_on(struct lease_holder *holder, const struct lease_terms *terms, uint64_t begun_us,
		 uint64_t now_us);

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
