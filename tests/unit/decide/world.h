/* A small world for the decision: simulated servers (a stand-in for real ones: only what decide/ sees of them) whose
 * steps are carried out at once, unless a test says otherwise. */
#pragma once

#include "decide/decide.h"

#define BIT(i) (1u << (i))

struct world {
	struct record record;
	struct observation seen;
	struct decide_options options;
	struct decision decision;
	uint64_t now_us;
	uint32_t alive;		    /* bit i: the process of server i runs */
	uint32_t hung;		    /* bit i: it doesn't answer */
	uint32_t deaf;		    /* bit i: the manager can't reach it, others can */
	uint32_t stalled;	    /* bit i: what it is to store it can't; steps that write hang */
	enum write_trouble trouble; /* what the write probe says of a stalled primary */
	uint32_t no_steps;	    /* bit i: steps on server i fail */
	uint32_t cut;		    /* bit i: the stream into server i doesn't get through */
	struct gtid_set looked[SERVERS_MAX]; /* what each had at the newest look */
	uint32_t looked_read_only;	     /* bit i: server i was read-only then */
	uint32_t open_transactions;
	bool slow_appliers; /* what is received isn't applied */
	bool routes_stuck;  /* the nodes don't answer */
};

/* `count` servers s0.., all fresh and read-only, as after group create. */
void world_init(struct world *world, enum policy policy, uint32_t count);
void world_fini(struct world *world);

/* A group with s0 as its healthy primary, and five commits. */
void world_begin(struct world *world, enum policy policy, uint32_t count);

/* One look at everything, one decision, and its steps. Time goes on by 10 ms. */
void world_turn(struct world *world);

/* Turns until the group is in `state`, at most `turns`; returns whether it got there. */
bool world_until(struct world *world, enum group_state state, unsigned turns);

/* Turns until nothing is left to do and the group is healthy. */
bool world_until_healthy(struct world *world, unsigned turns);

/* `number` transactions commit on server `server`; bit i of received: server i receives and applies them. */
void world_commit(struct world *world, uint32_t server, uint64_t number, uint32_t received);

/* Fails on a row of the tables that no world of this process has matched. */
void world_assert_every_rule_seen(void);

/* The scenarios of the other files, each a group of tests; returns how many failed. */
int scenarios_bounded(void);
int scenarios_feed(void);
int scenarios_evidence(void);
int scenarios_limits(void);
int scenarios_pair(void);
int scenarios_promise(void);
int scenarios_proofs(void);
int scenarios_rejoin(void);
int scenarios_restart(void);
int scenarios_settings(void);
int scenarios_stall(void);
int scenarios_switchover(void);
int scenarios_tree(void);
