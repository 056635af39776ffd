/* The facts that the rules stand on: bits that are proofs. A clear bit means "not known", never "false". */
#pragma once

#include <stdint.h>

#include "decide/observation.h"
#include "decide/options.h"
#include "decide/record.h"

enum fact {
	FACT_GONE = 1u << 0, /* the primary is dead or silent, and every witness lost it too */
	FACT_MAY_FAIL_OVER = 1u << 1, /* not paused, not cooling down; or a person ordered it */
	FACT_ORDERED = 1u << 2,	      /* a person ordered a failover */
	/* the primary answers and is read-only though nobody here asked for it, and nobody paused: no failover, as it
	 * is not lost, so neither cool-down nor hooks hold its reopening back */
	FACT_SHUT = 1u << 3,
	FACT_COMPLETE =
		1u
		<< 4, /* enough of the sync set stopped receiving: no acknowledged commit is elsewhere */
	FACT_SAFE = 1u << 5,	/* a fit candidate holds all that those hold, and the base */
	FACT_APPLIED = 1u << 6, /* the candidate has applied all that it received */
	FACT_PATHS_CLOSED =
		1u << 7, /* every node that may route to the old primary holds, at this epoch */
	FACT_WRITABLE = 1u << 8,   /* the primary of this epoch takes writes */
	FACT_DEADLINE = 1u << 9,   /* the state has lasted as long as it may */
	FACT_ASKED = 1u << 10,	   /* a planned switchover is asked for */
	FACT_FIT = 1u << 11,	   /* the server to switch to can take over */
	FACT_DRAINED = 1u << 12,   /* all nodes hold and no transaction is open on the primary */
	FACT_FROZEN = 1u << 13,	   /* the old primary is read-only since this switchover */
	FACT_CAUGHT_UP = 1u << 14, /* the candidate has applied all that the frozen primary has */
	FACT_APPLYING =
		1u << 15, /* the candidate's applier is at work on what is left, without an error */
	FACT_SOON =
		1u
		<< 16, /* only a hook that hasn't answered yet, or a backlog, keeps FACT_FIT away */
	FACT_STALLED =
		1u
		<< 17, /* the primary's disk takes no writes for too long, and another server could */
	FACT_FEEDING = 1u << 18, /* the candidate can get from the most advanced what it lacks */
	FACT_COUNT_ = 19,
};

/* What the observation proves, and which server the facts about a candidate are about. */
struct facts {
	uint32_t set;	    /* bits of enum fact */
	uint32_t withheld;  /* bits that a hook alone keeps out of `set` */
	uint32_t candidate; /* SERVER_NONE when there is none */
	uint32_t source;    /* who the candidate is fed from; SERVER_NONE: it needs nothing */
	/* Why a fact is missing, for people; "" when it isn't. NUL-terminated. */
	char missing[240];
};

/* What is proven about the group at this moment; *ret is written whole. */
void facts_find(const struct record *record, const struct observation *seen,
		const struct decide_options *options, uint64_t now_us, struct facts *ret);

/* The name of one bit ("PATHS_CLOSED"), for tests, the printed rules and explanations. */
const char *fact_name(uint32_t bit_index);

/* How long `state` may last; UINT64_MAX for a resting one. */
uint64_t facts_limit_us(const struct decide_options *options, enum group_state state);

/* From when on a server that doesn't answer counts as silent. */
uint64_t facts_silent_us(const struct observation *seen, const struct decide_options *options,
			 uint32_t server);

/* Whether the replicas prove that the stream from the primary is broken: 1 = all that answer lost it and there is
 * one, 0 = not known (no witness, or one not asked yet), -1 = at least one still receives. */
int facts_streams_lost(const struct record *record, const struct observation *seen,
		       const struct decide_options *options, uint64_t now_us);
