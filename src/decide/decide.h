/* The decision: record, observation and time in; the next record, steps and a sentence out. Pure.
 *
 * Level-triggered: what is to be done follows from the record and from what is seen, not from what was
 * ordered before. So a manager that starts in the middle of a failover goes on by deciding again.
 */
#pragma once

#include "decide/facts.h"
#include "decide/pair.h"
#include "decide/rules.h"
#include "decide/server_rules.h"

struct decision {
	const struct rule *rule; /* the row that matched */
	const struct rule
		*withheld; /* the row that would match if the hooks said go; NULL: the same */
	struct facts facts;
	bool changed; /* the record has to be stored before a step is started or a route is published */
	bool moved;		      /* state or epoch changed: decide again after storing */
	enum step steps[SERVERS_MAX]; /* for each server what to do now; STEP_NONE: nothing */
	const char *steps_why[SERVERS_MAX];
	uint32_t steps_source[SERVERS_MAX]; /* STEP_REPOINT, STEP_FEED: whom to replicate from */
	uint32_t
		steps_acknowledge; /* bit i: STEP_REPOINT, STEP_FEED: it acknowledges what it receives there */
	const struct server_rule
		*server_rules[SERVERS_MAX]; /* rows that matched; NULL: not looked at */
	const struct pair_rule
		*pair_rule;	 /* of the pair's change; NULL: no pair, or not looked at */
	uint32_t downtime_over;	 /* bit i: that of server i has ended */
	uint32_t acted;		 /* bit i: the row of server i changed the record */
	const char *promise_why; /* why sync set or acks changed without a row; NULL: they didn't */
};

/* record: taken as it is stored, left as it is to be stored next. */
void decide(struct record *record, const struct observation *seen,
	    const struct decide_options *options, uint64_t now_us, struct decision *ret);
