#include "decide/rejoin.h"

#include <stddef.h>

enum {
	AUTOMATIC = 1 << 0,
	TAIL = 1 << 1,
	RECLONE = 1 << 2,
};

struct row {
	const char *name;
	unsigned ways;
	const char *meaning;
	const char *remedy;
};

static const struct row rows[REJOIN_CLASS_COUNT_] = {
	[REJOIN_NEW] = { "new", AUTOMATIC | RECLONE,
			 "It is empty, and the primary still has everything in its binary logs.",
			 "It replicates everything by itself; a copy may be faster." },
	[REJOIN_IDENTICAL] = { "identical", AUTOMATIC | RECLONE,
			       "It has exactly the transactions that the primary has.",
			       "It rejoins by itself." },
	[REJOIN_BEHIND] = { "behind", AUTOMATIC | RECLONE,
			    "It lacks transactions that the primary can still send.",
			    "It rejoins by itself and catches up." },
	[REJOIN_PURGED] = { "purged", RECLONE,
			    "It lacks transactions that the primary no longer has in its binary "
			    "logs.",
			    "It has to be made anew from another server's data; nothing is lost." },
	[REJOIN_AHEAD] = { "ahead", TAIL | RECLONE,
			   "It has all that the primary has, and transactions that the primary "
			   "lacks.",
			   "Save its tail, then make it anew; what of the tail is to stay has to "
			   "be "
			   "applied to the primary by a person." },
	[REJOIN_DIVERGED] = { "diverged", TAIL | RECLONE,
			      "It has transactions that the primary lacks, and lacks others that "
			      "the "
			      "primary has.",
			      "Save its tail, then make it anew; what of the tail is to stay has "
			      "to "
			      "be applied to the primary by a person." },
	[REJOIN_OTHER] = { "other", TAIL | RECLONE,
			   "It is not the server that belongs here: its data or its identity are "
			   "those of another one.",
			   "Find out which server this is. If it is to belong here it needs a "
			   "server_id and server_uuid of its own, and has to be made anew." },
	[REJOIN_UNKNOWN] = { "unknown", RECLONE, "What it has can't be told by GTID.",
			     "It has to be made anew from another server's data." },
};

static bool is_behind(const struct rejoin_facts *facts)
{
	return gtid_set_contains(facts->theirs, facts->mine);
}

/* Purged transactions are a subset of the primary's, and for MariaDB the number within the domain decides:
 * a copy knows only the last of each domain. */
static bool lacks_purged(const struct rejoin_facts *facts)
{
	return gtid_set_distance(facts->purged, facts->mine) > 0;
}

/* Something in each and nothing in common: they were never one data set. */
static bool is_unrelated(const struct rejoin_facts *facts)
{
	return !gtid_set_is_empty(facts->mine) && !gtid_set_is_empty(facts->theirs) &&
	       !gtid_set_intersects(facts->mine, facts->theirs);
}

enum rejoin_class rejoin_classify(const struct rejoin_facts *facts)
{
	if (facts->id_taken) {
		return REJOIN_OTHER;
	}
	if (facts->remade || !facts->mine || !facts->theirs) {
		return REJOIN_UNKNOWN;
	}
	bool empty = gtid_set_is_empty(facts->mine);
	if (empty && facts->holds_tables) {
		return REJOIN_UNKNOWN;
	}
	if (!is_behind(facts)) {
		if (facts->stranger || is_unrelated(facts)) {
			return REJOIN_OTHER;
		}
		return gtid_set_contains(facts->mine, facts->theirs) ? REJOIN_AHEAD
								     : REJOIN_DIVERGED;
	}
	if (gtid_set_contains(facts->mine, facts->theirs)) {
		return empty ? REJOIN_NEW : REJOIN_IDENTICAL;
	}
	/* Whether the primary can still send it is not known: not a promise to be made. */
	if (!facts->purged) {
		return REJOIN_UNKNOWN;
	}
	if (lacks_purged(facts)) {
		return REJOIN_PURGED;
	}
	return empty ? REJOIN_NEW : REJOIN_BEHIND;
}

const char *rejoin_name(enum rejoin_class class)
{
	return rows[class].name;
}

const char *rejoin_meaning(enum rejoin_class class)
{
	return rows[class].meaning;
}

const char *rejoin_remedy(enum rejoin_class class)
{
	return rows[class].remedy;
}

bool rejoin_is_automatic(enum rejoin_class class)
{
	return (rows[class].ways & AUTOMATIC) != 0;
}

bool rejoin_has_tail(enum rejoin_class class)
{
	return (rows[class].ways & TAIL) != 0;
}

bool rejoin_can_reclone(enum rejoin_class class)
{
	return (rows[class].ways & RECLONE) != 0;
}
