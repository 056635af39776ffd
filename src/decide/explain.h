/* Why a group is as it is, what would change it, and what would happen if the primary died now. Pure.
 *
 * Made by the tables and functions that decide, on copies: nothing of the rules is said here a second time.
 */
#pragma once

#include "decide/decide.h"
#include "decide/election.h"
#include "decide/foresee.h"

enum { EXPLAIN_RULES_MAX = 32 };

/* One row of the present state, in the order of the table: the first one that lacks nothing matches. */
struct explain_rule {
	const struct rule *rule;
	uint32_t have; /* facts that it needs and that are proven */
	uint32_t lack; /* facts that it needs and that are not */
};

struct explain_server {
	const struct server_rule *rule; /* NULL for the primary, and while the group has none */
	uint32_t facts;			/* bits of enum server_fact; 0 without a row */
	enum step step;			/* what is to be done with it now; STEP_NONE: nothing */
	const char *step_why;		/* NULL without a step */
	const char *problem;		/* NULL: none */
	const char *unfit;		/* as a new primary; NULL: fit */
};

/* What an answer, a person or the time would change. 0: not waited for. Monotonic microseconds. */
struct explain_waits {
	uint64_t deadline_us; /* the present state is given up then */
	uint64_t silent_us;   /* the primary, which doesn't answer, counts as silent then */
	bool hook;	      /* a hook has to say go */
	char held[240];	      /* why no automatic failover may start (pause, cool-down, cap); "" */
};

struct explain {
	struct decision decision;
	uint32_t rule_count;
	struct explain_rule rules[EXPLAIN_RULES_MAX];
	struct explain_server servers[SERVERS_MAX];
	struct explain_waits waits;
	struct foresee course;	   /* what follows if nothing else happens */
	bool rehearsed;		   /* there is a primary that may die */
	struct election rehearsal; /* the election after its death */
	struct foresee death;	   /* what would follow from it */
	uint64_t unreceived;	   /* transactions of the primary that the winner hasn't received */
	uint64_t unapplied;	   /* transactions that the winner has received and not applied */
};

/* record, seen: borrowed and left alone. ret: written whole; holds nothing that is to be released. */
void explain_find(const struct record *record, const struct observation *seen,
		  const struct decide_options *options, uint64_t now_us, struct explain *ret);

/* What a fact says, in words, when it is proven and when it is not. bit_index: of enum fact. */
const char *explain_fact(uint32_t bit_index, bool proven);

/* The same of enum server_fact. */
const char *explain_server_fact(uint32_t bit_index, bool proven);
