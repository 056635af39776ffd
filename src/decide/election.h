/* Who may become the primary: completeness (is every acknowledged commit on the servers reached?), and the
 * candidate among them. Pure.
 */
#pragma once

#include "decide/observation.h"
#include "decide/record.h"

struct election {
	bool complete; /* no acknowledged commit can be outside of the servers that were stopped */
	bool safe; /* the candidate has all of theirs (or the loss is allowed), and the record's base */
	uint32_t
		best; /* the one that received the most; SERVER_NONE: none, or they contradict each other */
	uint32_t candidate; /* SERVER_NONE when there is none; not safe: it is to be fed first */
	uint32_t
		source; /* the candidate lacks what this one has, and gets it from there; SERVER_NONE: nothing */
	char missing[256]; /* why not complete or not safe; "" otherwise */
};

/* A server that needs longer to apply what it received is taken after one that doesn't. */
enum { ELECTION_DRAIN_LONG_S = 10 };

/* How long the server would need to apply what it has received, by the rate at which it was seen to apply; 0: nothing is
 * left, UINT64_MAX: not known. */
uint64_t election_drain_us(const struct observation *seen, uint32_t server);

/* What is still waited for, as time goes on. */
enum election_patience {
	ELECTION_PATIENT, /* a preferred candidate is fed, though another one could take over at once */
	ELECTION_HURRIED, /* a candidate is fed only where nobody else could take over */
	ELECTION_LATE, /* where loss is allowed, neither servers that don't stop nor feeding are waited for */
};

/* Uses only servers that stopped receiving in the present epoch (or receive from one that did), and the former
 * primary when it is fenced. */
void election_hold(const struct record *record, const struct observation *seen,
		   enum election_patience patience, struct election *ret);

/* The election that would be held if the primary died this moment: all replicas that answer count as stopped. */
void election_rehearse(const struct record *record, const struct observation *seen,
		       struct election *ret);

/* What a person would call wrong with `server` as a primary; NULL when nothing is. */
const char *election_unfit(const struct record *record, const struct observation *seen,
			   uint32_t server);
