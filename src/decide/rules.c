#include "decide/rules.h"

#include "base/check.h"

#define ELECTABLE (FACT_COMPLETE | FACT_SAFE | FACT_APPLIED | FACT_PATHS_CLOSED)
#define HANDED (FACT_FROZEN | FACT_CAUGHT_UP | FACT_PATHS_CLOSED | FACT_DRAINED)

/* clang-format off */
const struct rule rules[] = {
	{ 110, GROUP_FORMING,  GROUP_OPENING,  ELECTABLE,                             ACT_ELECT,     "all servers answer, and the first primary holds what they hold" },
	{ 120, GROUP_FORMING,  GROUP_FORMING,  0,                                     ACT_NONE,      "waiting for the servers of the new group" },

	{ 210, GROUP_STEADY,   GROUP_REVOKING, FACT_GONE | FACT_MAY_FAIL_OVER,        ACT_NEW_EPOCH, "the primary is gone, and every replica that answers lost it too" },
	{ 215, GROUP_STEADY,   GROUP_REVOKING, FACT_STALLED | FACT_MAY_FAIL_OVER,     ACT_NEW_EPOCH, "the primary answers, but its disk takes no writes" },
	{ 220, GROUP_STEADY,   GROUP_REVOKING, FACT_ORDERED | FACT_MAY_FAIL_OVER,     ACT_NEW_EPOCH, "a person ordered a failover" },
	{ 230, GROUP_STEADY,   GROUP_REVOKING, FACT_SHUT,                             ACT_NEW_EPOCH, "the primary came back read-only: who has the most is found anew" },
	{ 240, GROUP_STEADY,   GROUP_DRAINING, FACT_ASKED | FACT_FIT | FACT_WRITABLE, ACT_NONE,      "a switchover is asked for, and the successor is fit" },
	{ 245, GROUP_STEADY,   GROUP_STEADY,   FACT_ASKED | FACT_SOON | FACT_WRITABLE, ACT_NONE, "a switchover is asked for, and what it waits for is under way" },
	{ 250, GROUP_STEADY,   GROUP_STEADY,   FACT_ASKED,                            ACT_GIVE_UP,   "a switchover is asked for, but it can't be done now" },
	{ 260, GROUP_STEADY,   GROUP_STEADY,   FACT_GONE,                             ACT_NONE,      "the primary is gone, but a failover may not start by itself" },
	{ 265, GROUP_STEADY,   GROUP_STEADY,   FACT_STALLED,                          ACT_NONE,      "the primary's disk takes no writes, but a failover may not start by itself" },
	{ 270, GROUP_STEADY,   GROUP_STEADY,   0,                                     ACT_NONE,      "steady" },

	{ 310, GROUP_REVOKING, GROUP_OPENING,  ELECTABLE,                             ACT_ELECT,     "the old primary can acknowledge nothing more, and the candidate has everything" },
	{ 315, GROUP_REVOKING, GROUP_REVOKING, FACT_COMPLETE | FACT_SAFE | FACT_APPLYING, ACT_NONE,   "the candidate applies what it has received" },
	{ 320, GROUP_REVOKING, GROUP_REFUSED,  FACT_DEADLINE,                         ACT_GIVE_UP,   "no candidate is proven to have every acknowledged commit" },
	{ 325, GROUP_REVOKING, GROUP_REVOKING, FACT_COMPLETE | FACT_FEEDING,          ACT_NONE,      "the candidate gets from the most advanced what it lacks" },
	{ 330, GROUP_REVOKING, GROUP_REVOKING, 0,                                     ACT_NONE,      "taking the power to acknowledge from the old primary" },

	{ 410, GROUP_REFUSED,  GROUP_REVOKING, FACT_ORDERED,                          ACT_NONE,      "a person ordered the failover to be tried again" },
	{ 420, GROUP_REFUSED,  GROUP_REVOKING, FACT_COMPLETE | FACT_SAFE | FACT_APPLIED, ACT_NONE,   "what was missing has come back" },
	{ 430, GROUP_REFUSED,  GROUP_REFUSED,  0,                                     ACT_NONE,      "no failover: waiting for a server to come back, or for a person" },

	{ 510, GROUP_OPENING,  GROUP_STEADY,   FACT_WRITABLE,                         ACT_SETTLE,    "the new primary takes writes" },
	{ 520, GROUP_OPENING,  GROUP_REVOKING, FACT_GONE,                             ACT_NEW_EPOCH, "the new primary was lost before it took writes" },
	{ 530, GROUP_OPENING,  GROUP_REVOKING, FACT_DEADLINE,                         ACT_NEW_EPOCH, "the new primary could not be opened in time" },
	{ 540, GROUP_OPENING,  GROUP_OPENING,  0,                                     ACT_NONE,      "making the new primary" },

	{ 610, GROUP_DRAINING, GROUP_REVOKING, FACT_GONE | FACT_MAY_FAIL_OVER,        ACT_NEW_EPOCH, "the primary was lost during the switchover" },
	{ 620, GROUP_DRAINING, GROUP_FREEZING, FACT_DRAINED | FACT_PATHS_CLOSED | FACT_FIT, ACT_NONE, "no transaction is open, and new ones are held" },
	{ 630, GROUP_DRAINING, GROUP_UNDOING,  FACT_DEADLINE,                         ACT_GIVE_UP,   "open transactions did not end in time" },
	{ 640, GROUP_DRAINING, GROUP_DRAINING, 0,                                     ACT_NONE,      "new transactions are held, the running ones end" },

	{ 710, GROUP_FREEZING, GROUP_REVOKING, FACT_GONE | FACT_MAY_FAIL_OVER,        ACT_NEW_EPOCH, "the primary was lost during the switchover" },
	{ 720, GROUP_FREEZING, GROUP_OPENING,  HANDED,                                ACT_HAND_OVER, "the old primary is read-only, and the successor has everything" },
	{ 730, GROUP_FREEZING, GROUP_UNDOING,  FACT_DEADLINE,                         ACT_GIVE_UP,   "the successor did not have everything in time" },
	{ 740, GROUP_FREEZING, GROUP_FREEZING, 0,                                     ACT_NONE,      "the old primary becomes read-only, the successor catches up" },

	{ 810, GROUP_UNDOING,  GROUP_REVOKING, FACT_GONE | FACT_MAY_FAIL_OVER,        ACT_NEW_EPOCH, "the primary was lost during the switchover" },
	{ 820, GROUP_UNDOING,  GROUP_STEADY,   FACT_WRITABLE,                         ACT_SETTLE,    "the switchover is undone, the old primary goes on" },
	{ 830, GROUP_UNDOING,  GROUP_STEADY,   FACT_DEADLINE,                         ACT_SETTLE,    "the old primary could not be reopened in time" },
	{ 840, GROUP_UNDOING,  GROUP_UNDOING,  0,                                     ACT_NONE,      "reopening the old primary" },
};

const uint32_t act_proof[ACT_COUNT_] = {
	[ACT_ELECT] = ELECTABLE,
	[ACT_HAND_OVER] = HANDED,
};
/* clang-format on */

const uint32_t rules_count = sizeof(rules) / sizeof(rules[0]);

const struct rule *rules_match(enum group_state state, uint32_t facts)
{
	for (uint32_t i = 0; i < rules_count; i++) {
		if (rules[i].from == state && (facts & rules[i].need) == rules[i].need) {
			return &rules[i];
		}
	}
	check_failed("a state without a row that needs nothing", __FILE__, __LINE__);
	return &rules[0];
}

const char *act_name(enum act act)
{
	static const char *const names[ACT_COUNT_] = { "none",	    "new_epoch", "elect",
						       "hand_over", "give_up",	 "settle" };
	return names[act];
}
