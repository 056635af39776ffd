/* The pair: two servers that take turns in being the primary, and the long change of the passive one while the active
 * one goes on.
 *
 * A change is made on the passive side under GTIDs of its own, reaches the other side by replication after the roles
 * have switched, and is on the record by GTID in between: it is what that side may have too much, and nothing else is.
 * While it is half done nobody of that side acknowledges, serves reads or is elected. docs/decisions/0011-pair.md has
 * the reasons.
 */
#pragma once

#include "decide/observation.h"
#include "decide/options.h"
#include "decide/record.h"

enum pair_fact {
	PAIR_ACTIVE = 1u << 0,	  /* steady, and a primary that answers is on the other side */
	PAIR_TAKEN = 1u << 1,	  /* the primary is on the side that is changed */
	PAIR_LEFT = 1u << 2,	  /* nobody of the side acknowledges or is in the sync set */
	PAIR_ABORT = 1u << 3,	  /* a person called it off */
	PAIR_DISCARD = 1u << 4,	  /* ... although something was changed */
	PAIR_DONE = 1u << 5,	  /* who makes the change says that it is complete */
	PAIR_SHUT = 1u << 6,	  /* nobody but replication can write there */
	PAIR_CHANGED = 1u << 7,	  /* it has something of its own */
	PAIR_UNCHANGED = 1u << 8, /* it answers, and has nothing of its own */
	PAIR_READY =
		1u
		<< 9, /* its whole side has the change, it could take over, the others apply in order */
	PAIR_RESTED = 1u << 10,	  /* the last try to switch is long enough ago */
	PAIR_ASKED = 1u << 11,	  /* a switchover is under way */
	PAIR_FOLLOWED = 1u << 12, /* every server of the group has the change */
	PAIR_LACKS = 1u << 13,	  /* the primary answers, and lacks the change */
	PAIR_FACT_COUNT_ = 14
};

/* What a row does beside the change of state. */
enum pair_act {
	PAIR_ACT_NONE,
	PAIR_ACT_BEGIN,	 /* what the side numbers itself from here on is the change */
	PAIR_ACT_FREEZE, /* the change is exactly what it has numbered */
	PAIR_ACT_SWITCH, /* ask for the planned switchover */
	PAIR_ACT_REFUSE, /* forget what was asked for */
	PAIR_ACT_END,	 /* forget it all */
	PAIR_ACT_COUNT_
};

struct pair_rule {
	uint32_t id;
	enum pair_state from;
	enum pair_state to;
	uint32_t need;
	enum pair_act act;
	const char *why;
};

extern const struct pair_rule pair_rules[];
extern const uint32_t pair_rules_count;

/* What must be proven before each act, whatever row does it. */
extern const uint32_t pair_act_proof[PAIR_ACT_COUNT_];

/* Never NULL: each state has a row that needs nothing. */
const struct pair_rule *pair_rules_match(enum pair_state state, uint32_t facts);

/* What is proven: bits of enum pair_fact. missing: why a change does not go on, for people; "" when it does. */
uint32_t pair_facts_find(const struct record *record, const struct observation *seen,
			 uint64_t now_us, char *missing, size_t missing_bytes);

/* One row is applied to the record; NULL when the group has no pair. *ret_changed: it has to be stored. */
const struct pair_rule *pair_update(struct record *record, const struct observation *seen,
				    uint64_t now_us, bool *ret_changed);

/* The step that the change asks of a server which has nothing else to do; STEP_NONE: none. ret_why: static text. */
enum step pair_step(const struct record *record, const struct observation *seen, uint32_t server,
		    const char **ret_why);

/* Notes how a server applies before it is told to apply in order, and forgets it when it does so again. true: the record
 * has to be stored. */
bool pair_note_modes(struct record *record, const struct observation *seen);

/* The server is one of the two. */
bool pair_is_master(const struct record *record, uint32_t server);

/* The server is `master`, or below it. */
bool pair_is_below(const struct record *record, uint32_t server, uint32_t master);

/* It belongs to the side that is out: it shall neither acknowledge nor serve reads. */
bool pair_is_out(const struct record *record, uint32_t server);

/* ... and is in the middle of the change: it may not become the primary, unless a person accepts that. */
bool pair_is_half_done(const struct record *record, uint32_t server);

/* It may have what the primary lacks, so that it can follow only a server that has it too. */
bool pair_is_pinned(const struct record *record, uint32_t server);

/* It stays below its parent whatever that does, or goes there, since the parent has all that it has. */
bool pair_is_bound(const struct record *record, const struct observation *seen, uint32_t server);

/* Its parent had less than it has when it came, and has all of it by now: what stopped it then is over. */
bool pair_can_go_on(const struct record *record, const struct observation *seen, uint32_t server);

/* It is to apply one after the other (MariaDB). Where the change is made, and where it is applied next to other
 * transactions: appliers that wait for each other and for the table would never end. Until it has the change: what comes
 * after needs it. */
bool pair_wants_order(const struct record *record, const struct observation *seen, uint32_t server);

/* Whether all of `executed` that `of_primary` lacks is the change, which that server may have. */
bool pair_explains(const struct record *record, uint32_t server, const struct gtid_set *executed,
		   const struct gtid_set *of_primary);

/* For an election: a change that others lack says nothing of who has more. */
bool pair_is_set_aside(const struct record *record);

/* The name of one bit ("LEFT"). */
const char *pair_fact_name(uint32_t bit_index);
