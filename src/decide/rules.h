/* The state machine of a group as a table: facts in, one row out. First match wins.
 *
 * Row ids are never reused: log, events, reports and tests name rows by them.
 */
#pragma once

#include "decide/facts.h"
#include "decide/record.h"

/* What a row does to the record, beside the change of state. */
enum act {
	ACT_NONE,
	ACT_NEW_EPOCH, /* raise the epoch: the primary becomes the previous one, nobody is primary */
	ACT_ELECT, /* the candidate becomes primary of the epoch; sync set, acks and base are set for it */
	ACT_HAND_OVER, /* raise the epoch and make the candidate primary: the planned way */
	ACT_GIVE_UP,   /* forget what was asked for, and say why */
	ACT_SETTLE,    /* what was asked for is done */
	ACT_COUNT_
};

struct rule {
	uint32_t id;
	enum group_state from;
	enum group_state to;
	uint32_t need; /* facts that must be proven */
	enum act act;
	const char *why;
};

extern const struct rule rules[];
extern const uint32_t rules_count;

/* What must be proven before each act, whatever row does it. */
extern const uint32_t act_proof[ACT_COUNT_];

/* The row that matches; never NULL: each state has a row that needs nothing. */
const struct rule *rules_match(enum group_state state, uint32_t facts);

/* "new_epoch": for the printed rules and for tests. */
const char *act_name(enum act act);
