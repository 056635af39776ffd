#include "sim_fault.h"

#include "sim_manager.h"
#include "sim_node.h"
#include "sim_server.h"
#include "sim_story.h"
#include "sim_stream.h"

enum {
	FIRST_US = 700 * 1000,
	COUNT_MAX = 7,
	SHORT_MAX_US = 250 * 1000,
	MEDIUM_MAX_US = 1500 * 1000,
	CLUSTER_US = 400 * 1000,
	LAST_US = 200 * 1000, /* before the calm phase everything is over */
	ASK_RETRY_US = 150 * 1000,
	SAID_NOTHING_US = 2000 * 1000,
	AT_STEP_US = 3 * 1000,
	BACK_US = 60 * 1000,
};

/* How often each kind is chosen, of the sum. */
static const uint32_t weights[FAULT_COUNT_] = {
	[FAULT_KILL] = 26,	    [FAULT_PAUSE] = 10,	      [FAULT_CUT] = 8,
	[FAULT_CUT_ONE_WAY] = 6,    [FAULT_ISOLATE] = 10,     [FAULT_SPLIT] = 8,
	[FAULT_DELAY] = 5,	    [FAULT_LOSS] = 4,	      [FAULT_SLOW_APPLY] = 5,
	[FAULT_STALL] = 2,	    [FAULT_MANAGER] = 8,      [FAULT_NODE] = 3,
	[FAULT_STORE] = 4,	    [FAULT_STORE_SLOW] = 2,   [FAULT_STORE_LOSES] = 3,
	[FAULT_ASK_SWITCHOVER] = 9, [FAULT_ASK_FAILOVER] = 2, [FAULT_ASK_PAUSE] = 2,
	[FAULT_ASK_DOWNTIME] = 3,   [FAULT_KILL_AT_STEP] = 9,
};

static const char *const names[FAULT_COUNT_] = {
	[FAULT_KILL] = "kill",
	[FAULT_PAUSE] = "pause",
	[FAULT_CUT] = "cut",
	[FAULT_CUT_ONE_WAY] = "cut one way",
	[FAULT_ISOLATE] = "isolate",
	[FAULT_SPLIT] = "split",
	[FAULT_DELAY] = "delay",
	[FAULT_LOSS] = "loss",
	[FAULT_SLOW_APPLY] = "slow applier",
	[FAULT_STALL] = "stalled disk",
	[FAULT_MANAGER] = "kill",
	[FAULT_NODE] = "kill",
	[FAULT_STORE] = "store down",
	[FAULT_STORE_SLOW] = "store slow",
	[FAULT_STORE_LOSES] = "store's answers lost",
	[FAULT_ASK_SWITCHOVER] = "ask for a switchover",
	[FAULT_ASK_FAILOVER] = "order a failover",
	[FAULT_ASK_PAUSE] = "pause automatic failover",
	[FAULT_ASK_DOWNTIME] = "work on",
	[FAULT_KILL_AT_STEP] = "kill at the end of",
};

/* ---------------------------------------------------------------- planning */

static enum sim_fault_kind choose_kind(struct sim_random *random)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < FAULT_COUNT_; i++) {
		sum += weights[i];
	}
	uint32_t left = sim_random_below(random, sum);
	for (uint32_t i = 0; i < FAULT_COUNT_; i++) {
		if (left < weights[i]) {
			return (enum sim_fault_kind)i;
		}
		left -= weights[i];
	}
	return FAULT_KILL;
}

static uint32_t any_host(const struct sim_world *world, struct sim_random *random)
{
	const struct sim_setup *setup = &world->setup;
	uint32_t count = setup->servers + setup->managers + setup->nodes;
	uint32_t at = sim_random_below(random, count + (setup->managers > 1 ? 1 : 0));
	if (at < setup->servers) {
		return at;
	}
	at -= setup->servers;
	if (at < setup->managers) {
		return SIM_HOST_MANAGER + at;
	}
	at -= setup->managers;
	return at < setup->nodes ? SIM_HOST_NODE + at : SIM_HOST_STORE;
}

/* Servers are what most is about; the first one is the first primary. */
static uint32_t any_server(const struct sim_world *world, struct sim_random *random)
{
	return sim_random_chance(random, 400) ? 0 : sim_random_below(random, world->setup.servers);
}

static void plan_one(const struct sim_world *world, struct sim_random *random,
		     struct sim_fault *fault)
{
	fault->kind = choose_kind(random);
	fault->a = any_host(world, random);
	fault->b = any_host(world, random);
	switch (fault->kind) {
	case FAULT_KILL:
	case FAULT_SLOW_APPLY:
	case FAULT_STALL:
		fault->a = any_server(world, random);
		/* How it is started again: at once with all it has, or as a manager advises. */
		fault->b = sim_random_chance(random, 600);
		break;
	case FAULT_KILL_AT_STEP:
		fault->a = sim_random_below(random, STEP_COUNT_);
		fault->b = sim_random_chance(random, 400);
		break;
	case FAULT_DELAY:
	case FAULT_LOSS:
		/* What a manager writes late is what may go wrong. */
		if (sim_random_chance(random, 300)) {
			fault->a =
				SIM_HOST_MANAGER + sim_random_below(random, world->setup.managers);
		}
		break;
	case FAULT_ASK_DOWNTIME:
		fault->a = sim_random_below(random, world->setup.servers);
		fault->b = sim_random_chance(random, 500);
		break;
	case FAULT_PAUSE:
	case FAULT_ISOLATE:
		fault->a = sim_random_chance(random, 600) ? any_server(world, random) : fault->a;
		break;
	case FAULT_SPLIT:
		fault->b = (uint32_t)sim_random_next(random) & ((1u << SIM_HOSTS) - 1);
		break;
	case FAULT_MANAGER:
		fault->a = SIM_HOST_MANAGER + sim_random_below(random, world->setup.managers);
		break;
	case FAULT_NODE:
		fault->a = SIM_HOST_NODE + sim_random_below(random, world->setup.nodes);
		break;
	case FAULT_ASK_SWITCHOVER:
	case FAULT_ASK_FAILOVER:
		fault->a = 0;
		fault->b = sim_random_chance(random, 500)
				   ? (uint32_t)SERVER_NONE
				   : sim_random_below(random, world->setup.servers);
		break;
	case FAULT_CUT:
	case FAULT_CUT_ONE_WAY:
	case FAULT_STORE:
	case FAULT_STORE_SLOW:
	case FAULT_STORE_LOSES:
	case FAULT_ASK_PAUSE:
	case FAULT_COUNT_:
		break;
	}
}

static uint64_t plan_duration(struct sim_random *random, uint64_t longest_us)
{
	uint64_t max_us = sim_random_chance(random, 350)   ? SHORT_MAX_US
			  : sim_random_chance(random, 600) ? MEDIUM_MAX_US
							   : longest_us;
	max_us = max_us < longest_us ? max_us : longest_us;
	return sim_random_between(random, SIM_MS, max_us > SIM_MS ? max_us : SIM_MS);
}

void sim_fault_plan(struct sim_world *world, uint32_t left_out)
{
	struct sim_random random = { .state = world->seed ^ 0x5eedfa17u };
	uint64_t last_us = world->setup.calm_us - LAST_US;
	/* Seldom before the group is formed. */
	uint64_t first_us = sim_random_chance(&random, 150) ? 0 : FIRST_US;
	uint64_t at_us = first_us;
	world->fault_count = 1 + sim_random_below(&random, COUNT_MAX);
	for (uint32_t i = 0; i < world->fault_count; i++) {
		struct sim_fault *fault = &world->faults[i];
		*fault = (struct sim_fault){ 0 };
		/* Often soon after the one before: that is where the gaps are. */
		bool soon = i > 0 && sim_random_chance(&random, 500);
		at_us = soon ? at_us + sim_random_below(&random, CLUSTER_US)
			     : sim_random_between(&random, first_us, last_us - LAST_US);
		at_us = at_us < last_us ? at_us : last_us - SIM_MS;
		fault->at_us = at_us;
		fault->for_us = plan_duration(&random, last_us - at_us);
		plan_one(world, &random, fault);
		fault->left_out = (left_out & (1u << i)) != 0;
		if (!fault->left_out) {
			sim_world_later(world, fault->at_us, SIM_NOBODY, EV_FAULT, i, 0, 0);
		}
	}
}

/* ---------------------------------------------------------------- carrying out */

static bool touches(const struct sim_world *world, const struct sim_fault *fault, uint32_t server)
{
	(void)world;
	switch (fault->kind) {
	case FAULT_KILL:
	case FAULT_PAUSE:
	case FAULT_ISOLATE:
	case FAULT_DELAY:
	case FAULT_LOSS:
	case FAULT_STALL:
		return fault->a == server;
	case FAULT_CUT:
	case FAULT_CUT_ONE_WAY:
		return fault->a == server || fault->b == server;
	case FAULT_SPLIT:
		return true;
	case FAULT_SLOW_APPLY:
	case FAULT_MANAGER:
	case FAULT_NODE:
	case FAULT_STORE:
	case FAULT_STORE_SLOW:
	case FAULT_STORE_LOSES:
	case FAULT_ASK_SWITCHOVER:
	case FAULT_ASK_FAILOVER:
	case FAULT_ASK_PAUSE:
	case FAULT_ASK_DOWNTIME:
	case FAULT_KILL_AT_STEP:
	case FAULT_COUNT_:
		break;
	}
	return false;
}

bool sim_fault_troubled(const struct sim_world *world, uint32_t server, uint64_t within_us)
{
	if (!sim_world_answers(world, server)) {
		return true;
	}
	for (uint32_t i = 0; i < world->fault_count; i++) {
		const struct sim_fault *fault = &world->faults[i];
		/* What isolates or delays a manager makes every server look bad to it. */
		bool touched = touches(world, fault, server) ||
			       (fault->kind != FAULT_KILL && fault->a >= SIM_HOST_MANAGER &&
				fault->a < SIM_HOST_NODE);
		if (!fault->left_out && touched && fault->at_us <= world->now_us &&
		    fault->at_us + fault->for_us + within_us >= world->now_us) {
			return true;
		}
	}
	return world->servers[server].started_us + within_us >= world->now_us;
}

static void cut(struct sim_world *world, uint32_t from, uint32_t to, bool on)
{
	if (from != to) {
		world->cuts[from][to] = (uint8_t)(world->cuts[from][to] + (on ? 1 : -1));
	}
}

/* Cuts (or heals) all links between the hosts in `side` and the others. */
static void split(struct sim_world *world, uint32_t side, bool on)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++) {
		for (uint32_t j = 0; j < SIM_HOSTS; j++) {
			if (((side >> i ^ side >> j) & 1u) != 0) {
				cut(world, i, j, on);
			}
		}
	}
}

static void change_network(struct sim_world *world, const struct sim_fault *fault, bool on)
{
	int step = on ? 1 : -1;
	switch (fault->kind) {
	case FAULT_CUT:
		cut(world, fault->a, fault->b, on);
		cut(world, fault->b, fault->a, on);
		break;
	case FAULT_CUT_ONE_WAY:
		cut(world, fault->a, fault->b, on);
		break;
	case FAULT_ISOLATE:
		split(world, 1u << fault->a, on);
		break;
	case FAULT_SPLIT:
		split(world, fault->b, on);
		break;
	case FAULT_DELAY:
		world->delays[fault->a] = (uint8_t)(world->delays[fault->a] + step);
		break;
	case FAULT_LOSS:
		world->losses[fault->a] = (uint8_t)(world->losses[fault->a] + step);
		break;
	case FAULT_SLOW_APPLY:
		world->servers[fault->a].slow = on;
		break;
	case FAULT_STALL:
		world->servers[fault->a].stalled = on;
		break;
	case FAULT_STORE:
		world->store.down = on;
		break;
	case FAULT_STORE_SLOW:
		world->store.slow = on;
		break;
	case FAULT_STORE_LOSES:
		world->store.lose_answers = on ? 500 : 0;
		break;
	case FAULT_KILL:
	case FAULT_PAUSE:
	case FAULT_MANAGER:
	case FAULT_NODE:
	case FAULT_ASK_SWITCHOVER:
	case FAULT_ASK_FAILOVER:
	case FAULT_ASK_PAUSE:
	case FAULT_ASK_DOWNTIME:
	case FAULT_KILL_AT_STEP:
	case FAULT_COUNT_:
		break;
	}
}

static void kill_manager(struct sim_world *world, uint32_t host)
{
	struct sim_process *process = &world->processes[host];
	if (process->up) {
		sim_story_tell(world, host, "its process ends");
		process->up = false;
		process->life++;
		process->paused_until_us = 0;
	}
}

static bool order(struct sim_world *world, uint32_t leader, const struct sim_fault *fault)
{
	switch (fault->kind) {
	case FAULT_ASK_PAUSE:
		return sim_manager_pause(world, leader, true);
	case FAULT_ASK_SWITCHOVER:
		return sim_manager_order(world, leader, ASK_SWITCHOVER, fault->b);
	case FAULT_ASK_FAILOVER:
		return sim_manager_order(world, leader, ASK_FAILOVER, fault->b);
	case FAULT_ASK_DOWNTIME:
		break;
	default:
		return false;
	}
	if (!sim_manager_downtime(world, leader, fault->a, fault->for_us)) {
		return false;
	}
	if (fault->b && sim_world_runs(world, fault->a)) {
		sim_stream_stop(world, fault->a, true, true);
	}
	return true;
}

/* A person asks; when nobody can take it, once more a little later. */
static void ask(struct sim_world *world, uint32_t at, const struct sim_fault *fault)
{
	uint32_t leader = sim_manager_leader(world);
	bool taken = leader < SIM_MANAGERS_MAX && order(world, leader, fault);
	if (!taken && world->now_us < fault->at_us + SAID_NOTHING_US / 4) {
		sim_world_later(world, ASK_RETRY_US, SIM_NOBODY, EV_FAULT, at, 0, 0);
	}
}

void sim_fault_step_ended(struct sim_world *world, const struct sim_task *task)
{
	for (uint32_t i = 0; i < world->fault_count && !world->calm; i++) {
		struct sim_fault *fault = &world->faults[i];
		if (!fault->armed || fault->a != (uint32_t)task->step) {
			continue;
		}
		fault->armed = false;
		uint64_t soon_us = 1 + sim_random_below(&world->random, AT_STEP_US);
		uint64_t back_us = soon_us + 1 + sim_random_below(&world->random, BACK_US);
		bool manager = fault->b != 0;
		uint32_t host = manager ? (uint32_t)SIM_HOST_MANAGER + task->manager : task->server;
		sim_world_later(world, soon_us, SIM_NOBODY, EV_KILL, host, 0, 0);
		sim_world_later(world, back_us, SIM_NOBODY, manager ? EV_MANAGER_START : EV_RESTART,
				manager ? task->manager : task->server, 0, 0);
	}
}

void sim_fault_kill(struct sim_world *world, uint32_t host)
{
	if (host < SIM_HOST_MANAGER) {
		sim_server_kill(world, host);
	} else {
		kill_manager(world, host);
	}
}

void sim_fault_start(struct sim_world *world, uint32_t at)
{
	struct sim_fault *fault = &world->faults[at];
	if (world->story && world->now_us == fault->at_us) {
		(void)fprintf(world->story, "%9.3f ms  FAULT     ", (double)world->now_us / SIM_MS);
		sim_fault_print(fault, world->story);
	}
	uint64_t end_us = fault->at_us + fault->for_us;
	switch (fault->kind) {
	case FAULT_KILL:
		sim_server_kill(world, fault->a);
		sim_world_later(world, fault->for_us, SIM_NOBODY, EV_RESTART, fault->a,
				fault->b ? (uint32_t)((end_us + SAID_NOTHING_US) / SIM_MS) : 0, 0);
		return;
	case FAULT_PAUSE: {
		struct sim_process *process = &world->processes[fault->a];
		process->paused_until_us =
			end_us > process->paused_until_us ? end_us : process->paused_until_us;
		return;
	}
	case FAULT_MANAGER:
		kill_manager(world, fault->a);
		sim_world_later(world, fault->for_us, SIM_NOBODY, EV_MANAGER_START,
				fault->a - SIM_HOST_MANAGER, 0, 0);
		return;
	case FAULT_NODE:
		sim_node_kill(world, fault->a - SIM_HOST_NODE);
		sim_world_later(world, fault->for_us, SIM_NOBODY, EV_NODE_START,
				fault->a - SIM_HOST_NODE, 0, 0);
		return;
	case FAULT_ASK_SWITCHOVER:
	case FAULT_ASK_FAILOVER:
	case FAULT_ASK_PAUSE:
	case FAULT_ASK_DOWNTIME:
		ask(world, at, fault);
		return;
	case FAULT_KILL_AT_STEP:
		fault->armed = true;
		return;
	case FAULT_CUT:
	case FAULT_CUT_ONE_WAY:
	case FAULT_ISOLATE:
	case FAULT_SPLIT:
	case FAULT_DELAY:
	case FAULT_LOSS:
	case FAULT_SLOW_APPLY:
	case FAULT_STALL:
	case FAULT_STORE:
	case FAULT_STORE_SLOW:
	case FAULT_STORE_LOSES:
	case FAULT_COUNT_:
		break;
	}
	change_network(world, fault, true);
	sim_world_later(world, fault->for_us, SIM_NOBODY, EV_FAULT_END, at, 0, 0);
}

void sim_fault_end(struct sim_world *world, uint32_t at)
{
	const struct sim_fault *fault = &world->faults[at];
	change_network(world, fault, false);
	sim_story_tell(world, SIM_NOBODY, "over: %s", names[fault->kind]);
}

void sim_fault_print(const struct sim_fault *fault, FILE *out)
{
	(void)fprintf(out, "%s", names[fault->kind]);
	switch (fault->kind) {
	case FAULT_CUT:
	case FAULT_CUT_ONE_WAY:
		(void)fprintf(out, " %s to %s", sim_story_host(fault->a), sim_story_host(fault->b));
		break;
	case FAULT_SPLIT:
		for (uint32_t i = 0; i < SIM_HOSTS; i++) {
			if (fault->b & (1u << i)) {
				(void)fprintf(out, " %s", sim_story_host(i));
			}
		}
		(void)fprintf(out, " from the others");
		break;
	case FAULT_ASK_SWITCHOVER:
	case FAULT_ASK_FAILOVER:
		(void)fprintf(out, " to %s", sim_story_host(fault->b));
		break;
	case FAULT_STORE:
	case FAULT_STORE_SLOW:
	case FAULT_STORE_LOSES:
	case FAULT_ASK_PAUSE:
		break;
	case FAULT_KILL:
		(void)fprintf(out, " %s%s", sim_story_host(fault->a),
			      fault->b ? ", started again as a manager advises" : "");
		break;
	case FAULT_KILL_AT_STEP:
		(void)fprintf(out, " %s%s", step_key((enum step)fault->a),
			      fault->b ? ", the manager" : "");
		break;
	case FAULT_PAUSE:
	case FAULT_ISOLATE:
	case FAULT_DELAY:
	case FAULT_LOSS:
	case FAULT_SLOW_APPLY:
	case FAULT_STALL:
	case FAULT_MANAGER:
	case FAULT_NODE:
	case FAULT_ASK_DOWNTIME:
	case FAULT_COUNT_:
		(void)fprintf(out, " %s", sim_story_host(fault->a));
		break;
	}
	(void)fprintf(out, ", at %.3f ms for %.3f ms\n", (double)fault->at_us / SIM_MS,
		      (double)fault->for_us / SIM_MS);
}
