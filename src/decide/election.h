/* Who may become the primary: completeness (is every acknowledged commit on the servers reached?), and the
 * candidate among them. Pure.
 */
#pragma once

#include "decide/observation.h"
#include "decide/record.h"

struct election {
	bool complete; /* no acknowledged commit can be outside of the servers that were stopped */
	bool safe;     /* the candidate has all of theirs, and the record's base */
	uint32_t
		best; /* the one that received the most; SERVER_NONE: none, or they contradict each other */
	uint32_t candidate; /* SERVER_NONE when not safe */
	char missing[256];  /* why not complete or not safe; "" otherwise */
};

/* Uses only servers that stopped receiving in the present epoch, and the former primary when it is fenced.
 * late: servers that answer but don't stop are waited for no longer (it matters only where loss is allowed). */
void election_hold(const struct record *record, const struct observation *seen, bool late,
		   struct election *ret);

/* The election that would be held if the primary died this moment: all replicas that answer count as stopped. */
void election_rehearse(const struct record *record, const struct observation *seen,
		       struct election *ret);

/* What a person would call wrong with `server` as a primary; NULL when nothing is. */
const char *election_unfit(const struct record *record, const struct observation *seen,
			   uint32_t server);
