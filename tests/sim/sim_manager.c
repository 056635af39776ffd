#include "sim_manager.h"

#include <string.h>

#include "base/check.h"
#include "decide/health.h"
#include "sim_check.h"
#include "sim_lead.h"
#include "sim_node.h"
#include "sim_store.h"
#include "sim_story.h"
#include "sim_task.h"
#include "sim_watch.h"

enum {
	MOVES_MAX = 8,
	TENSE_US = 1200 * 1000,
	TENSE_FIRST_US = 20 * 1000,
	TENSE_NEXT_US = 60 * 1000,
	TENSE_CALMER_US = 800 * 1000,
	TURN_RESTING_US = 100 * 1000,
	TURN_BUSY_US = 20 * 1000,
	UNSTORED_RETRY_US = 400 * 1000,
	RETRY_FIRST_US = 20 * 1000,
	RETRY_MAX_US = 2000 * 1000,
	PAUSE_US = 400 * 1000,
};

static uint32_t host_of(uint32_t manager)
{
	return SIM_HOST_MANAGER + manager;
}

static uint64_t clock_of(const struct sim_world *world, uint32_t manager)
{
	return sim_world_clock(world, host_of(manager));
}

bool sim_manager_leads(const struct sim_world *world, uint32_t manager)
{
	const struct sim_manager *one = &world->managers[manager];
	return sim_world_answers(world, host_of(manager)) && one->has_record &&
	       leadership_leads(&one->leadership, clock_of(world, manager));
}

uint32_t sim_manager_leader(const struct sim_world *world)
{
	for (uint32_t i = 0; i < world->setup.managers; i++) {
		if (sim_manager_leads(world, i)) {
			return i;
		}
	}
	return SIM_MANAGERS_MAX;
}

/* ---------------------------------------------------------------- life */

static void forget_server(struct observation_server *seen)
{
	struct gtid_set executed = seen->status.executed;
	struct gtid_set received = seen->status.received;
	struct gtid_set older = seen->older.executed;
	memset(seen, 0, sizeof(*seen));
	seen->status.executed = executed;
	seen->status.received = received;
	seen->older.executed = older;
	gtid_set_clear(&seen->status.executed);
	gtid_set_clear(&seen->status.received);
	gtid_set_clear(&seen->older.executed);
}

static void forget_member(struct sim_member *member)
{
	struct server_status status = member->status;
	uint32_t contact = member->contact;
	memset(member, 0, sizeof(*member));
	member->status = status;
	member->contact = contact + 1;
}

void sim_manager_start(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_process *process = &world->processes[host_of(manager)];
	if (process->up) {
		return;
	}
	process->up = true;
	sim_story_tell(world, host_of(manager), "starts");
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		forget_server(&one->seen.servers[i]);
	}
	for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
		forget_member(&one->members[i]);
	}
	record_fini(&one->record);
	one->seen.mark_count = 0;
	one->has_record = false;
	one->unstored = false;
	one->commit.open = false;
	one->leadership = (struct leadership){ 0 };
	one->asking_store = false;
	one->turned_us = 0;
	one->tense_until_us = 0;
	one->interval_us = (uint32_t)world->setup.probe_interval_us;
	memset(one->nodes, 0, sizeof(one->nodes));
	one->agreed = (struct lease_memory){ 0 };
	one->answering_us = clock_of(world, manager);
	one->route = (struct sim_route){ .primary = SERVER_NONE };
	one->route_version = 0;
	one->route_count = 0;
	one->healthy = false;
	sim_watch_begin(world, manager);
	sim_lead_begin(world, manager);
}

void sim_manager_fini(struct sim_manager *manager)
{
	record_fini(&manager->record);
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		gtid_set_fini(&manager->seen.servers[i].status.executed);
		gtid_set_fini(&manager->seen.servers[i].status.received);
		gtid_set_fini(&manager->seen.servers[i].older.executed);
	}
	for (uint32_t i = 0; i < OBSERVATION_MARKS_MAX; i++) {
		gtid_set_fini(&manager->seen.marks[i].executed);
	}
	for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
		gtid_set_fini(&manager->members[i].status.executed);
		gtid_set_fini(&manager->members[i].status.received);
	}
}

static void forget_stage(struct sim_world *world, struct sim_manager *one)
{
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		one->seen.servers[i].steps_done = 0;
		one->members[i].journaled = 0;
		one->members[i].retry_us = 0;
		one->members[i].failures = 0;
	}
}

void sim_manager_take_group(struct sim_world *world, uint32_t manager, const struct record *record)
{
	struct sim_manager *one = &world->managers[manager];
	uint64_t now_us = clock_of(world, manager);
	record_copy(&one->record, record);
	one->record.state_since_us = now_us;
	one->record.stage = 1;
	one->has_record = true;
	one->unstored = false;
	one->commit.open = false;
	one->seen.started_us = now_us;
	one->turned_us = 0;
	one->route_version = 0;
	one->healthy = false;
	memset(one->nodes, 0, sizeof(one->nodes));
	for (uint32_t i = 0; i < world->setup.nodes; i++) {
		one->nodes[i].carries = true;
	}
	forget_stage(world, one);
	sim_story_tell(world, host_of(manager), "leads: epoch %llu, %s",
		       (unsigned long long)record->epoch, group_state_name(record->state));
	sim_manager_turn(world, manager);
}

void sim_manager_leave_group(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	if (one->has_record) {
		sim_story_tell(world, host_of(manager), "leads no more");
	}
	one->has_record = false;
	one->commit.open = false;
	one->unstored = false;
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		struct sim_member *member = &one->members[i];
		if (member->running) {
			world->tasks[member->task].given_up = true;
			member->running = false;
			one->seen.servers[i].steps_running = 0;
		}
	}
}

/* ---------------------------------------------------------------- deciding */

static void see_routes(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	struct lease_node nodes[SIM_NODES_MAX];
	uint64_t unknown_until_us = lease_unknown_until(
		&world->setup.lease, one->leadership.former_us, one->answering_us);
	for (uint32_t i = 0; i < world->setup.nodes; i++) {
		uint64_t agreed_us =
			lease_remembered(&one->agreed, str_of(sim_story_host(SIM_HOST_NODE + i)));
		nodes[i] = one->nodes[i];
		nodes[i].until_us = agreed_us > nodes[i].until_us ? agreed_us : nodes[i].until_us;
		if (!lease_may_hold(&nodes[i], &world->setup.lease, unknown_until_us,
				    clock_of(world, manager))) {
			sim_node_check_closed(world, i, manager);
		}
	}
	lease_routes(nodes, world->setup.nodes, &world->setup.lease, unknown_until_us,
		     one->record.epoch, clock_of(world, manager), &one->seen.routes);
	if (one->seen.routes.revision != UINT64_MAX) {
		one->seen.routes.revision >>= 16;
	}
}

static void tell_move(struct sim_world *world, uint32_t manager)
{
	const struct sim_manager *one = &world->managers[manager];
	const struct decision *decision = &one->decision;
	if (!world->story) {
		return;
	}
	if (decision->moved || decision->rule->act != ACT_NONE) {
		sim_story_tell(world, host_of(manager), "rule %u, %s: %s (epoch %llu, primary %s)",
			       decision->rule->id, group_state_name(decision->rule->to),
			       decision->rule->why, (unsigned long long)one->record.epoch,
			       sim_story_host(one->record.primary));
	}
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		if (decision->acted & (1u << i)) {
			sim_story_tell(world, host_of(manager), "rule %u, %s: %s",
				       decision->server_rules[i]->id, sim_story_host(i),
				       decision->server_rules[i]->why);
		}
	}
	if (decision->promise_why) {
		sim_story_tell(world, host_of(manager), "%s", decision->promise_why);
	}
	if (decision->changed) {
		sim_story_tell(world, host_of(manager), "sync set %#x, acks %u",
			       one->record.sync_set, one->record.acks);
	}
}

static bool decide_all(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	bool dirty = false;
	for (unsigned moves = 0; moves < MOVES_MAX; moves++) {
		decide(&one->record, &one->seen, &world->setup.options, clock_of(world, manager),
		       &one->decision);
		tell_move(world, manager);
		sim_check_decided(world, manager);
		dirty = dirty || one->decision.changed;
		if (!one->decision.moved) {
			break;
		}
		forget_stage(world, one);
		see_routes(world, manager);
	}
	return dirty;
}

/* ---------------------------------------------------------------- acting */

/* A journalled step stands for those that follow it on the same server in the same stage. */
static uint32_t journal_bits(enum step step)
{
	uint32_t bits = 1u << step;
	bits |= step == STEP_STOP_RECEIVER ? 1u << STEP_DRAIN : 0;
	bits |= step == STEP_PROMOTE ? 1u << STEP_OPEN : 0;
	return bits;
}

static bool is_due(const struct sim_manager *one, uint32_t server, uint64_t now_us)
{
	const struct sim_member *member = &one->members[server];
	return one->decision.steps[server] != STEP_NONE && !member->running &&
	       member->retry_us <= now_us;
}

static void start_step(struct sim_world *world, uint32_t manager, uint32_t server, enum step step,
		       uint32_t source, bool acknowledge)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_member *member = &one->members[server];
	const struct record *record = &one->record;
	struct sim_task *task = sim_task_new(world, manager, server);
	if (!task) {
		return;
	}
	uint64_t limit_us = world->setup.step_timeout_us;
	if (step == STEP_FREEZE || step == STEP_CATCH_UP) {
		limit_us = world->setup.options.freeze_us;
	}
	task->step = step;
	task->stage = record->stage;
	task->epoch = record->epoch;
	task->started_us = clock_of(world, manager);
	task->deadline_us = world->now_us + limit_us;
	task->acknowledge = step == STEP_REPOINT || step == STEP_FEED
				    ? acknowledge
				    : one->seen.servers[server].status.semisync.replica_enabled;
	task->wait_for_acks = record->acks > 0;
	task->handed = record->handed;
	task->source = source;
	if (step == STEP_CATCH_UP) {
		gtid_set_copy(&task->set, &one->seen.servers[record->primary].status.executed);
	}
	member->running = true;
	one->seen.servers[server].steps_running = 1u << step;
	member->task = sim_task_index(world, task);
	sim_story_tell(world, host_of(manager), "%s: %s (%s)", sim_story_host(server),
		       step_key(step), one->decision.steps_why[server]);
	sim_check_step(world, manager, task);
	sim_world_later(world, limit_us, host_of(manager), EV_STEP_LATE, member->task, 0, 0);
	sim_task_send(world, task);
}

static void start_steps(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		one->members[i].journaled |= one->commit.starting[i];
		if (one->commit.steps[i] != STEP_NONE) {
			start_step(world, manager, i, one->commit.steps[i], one->commit.sources[i],
				   (one->commit.acknowledge & (1u << i)) != 0);
		}
	}
}

static void next_turn(struct sim_world *world, uint32_t manager, uint64_t after_us)
{
	struct sim_manager *one = &world->managers[manager];
	sim_world_later(world, after_us, host_of(manager), EV_TURN, manager, ++one->turn_number, 0);
}

static bool is_resting(const struct sim_manager *one)
{
	return one->record.state == GROUP_STEADY || one->record.state == GROUP_REFUSED ||
	       one->record.state == GROUP_FORMING;
}

static void pace(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	uint64_t now_us = clock_of(world, manager);
	uint64_t left_us = one->tense_until_us > now_us ? one->tense_until_us - now_us : 0;
	uint32_t interval_us = (uint32_t)world->setup.probe_interval_us;
	if (left_us > TENSE_CALMER_US) {
		interval_us = TENSE_FIRST_US;
	} else if (left_us > 0 || !is_resting(one)) {
		interval_us = TENSE_NEXT_US;
	} else if (!one->healthy) {
		interval_us = TENSE_NEXT_US * 2;
	}
	bool sooner = interval_us < one->interval_us;
	one->interval_us = interval_us;
	for (uint32_t i = 0; i < world->setup.servers && sooner; i++) {
		sim_watch_poke(world, manager, i);
	}
}

static void note_health(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	bool healthy = health_check(&one->record, &one->seen, NULL);
	if (healthy != one->healthy) {
		one->healthy = healthy;
		one->healthy_since_us = world->now_us;
		sim_story_tell(world, host_of(manager), "the group is %s",
			       healthy ? "healthy" : "not healthy");
	}
}

static void end_turn(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	if (one->unstored) {
		next_turn(world, manager, UNSTORED_RETRY_US);
		return;
	}
	sim_node_publish(world, manager);
	note_health(world, manager);
	pace(world, manager);
	bool tense = one->tense_until_us > clock_of(world, manager);
	next_turn(world, manager, is_resting(one) && !tense ? TURN_RESTING_US : TURN_BUSY_US);
}

/* Stores what has changed, and the steps that are to be started; nothing follows from it before that is done. */
static void act(struct sim_world *world, uint32_t manager, bool dirty)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_commit *commit = &one->commit;
	bool news = false;
	commit->acknowledge = one->decision.steps_acknowledge;
	for (uint32_t i = 0; i < world->setup.servers; i++) {
		bool due = is_due(one, i, clock_of(world, manager));
		commit->steps[i] = due ? one->decision.steps[i] : STEP_NONE;
		commit->sources[i] = one->decision.steps_source[i];
		commit->starting[i] = due ? journal_bits(commit->steps[i]) : 0;
		news = news || (commit->starting[i] & ~one->members[i].journaled);
	}
	if (!dirty && !news) {
		start_steps(world, manager);
		end_turn(world, manager);
		return;
	}
	commit->open = true;
	commit->dirty = dirty;
	sim_store_commit(world, manager);
}

void sim_manager_stored(struct sim_world *world, uint32_t manager, uint32_t request, bool done)
{
	struct sim_manager *one = &world->managers[manager];
	if (!one->commit.open || one->commit.request != request) {
		return;
	}
	one->commit.open = false;
	one->unstored = !done && (one->commit.dirty || one->unstored);
	if (!done) {
		sim_story_tell(world, host_of(manager), "the record can't be written");
		next_turn(world, manager, UNSTORED_RETRY_US);
		return;
	}
	if (!sim_manager_leads(world, manager)) {
		return;
	}
	start_steps(world, manager);
	end_turn(world, manager);
}

void sim_manager_turn(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	if (!sim_manager_leads(world, manager) || one->commit.open) {
		return;
	}
	uint64_t now_us = clock_of(world, manager);
	/* A turn so late means that this process didn't run: old evidence is void. */
	if (one->turned_us != 0 && now_us - one->turned_us > PAUSE_US) {
		one->seen.started_us = now_us;
	}
	one->turned_us = now_us;
	see_routes(world, manager);
	bool dirty = decide_all(world, manager) || one->unstored;
	act(world, manager, dirty);
}

void sim_manager_turn_due(struct sim_world *world, uint32_t manager, uint32_t timer)
{
	if (world->managers[manager].turn_number == timer) {
		sim_manager_turn(world, manager);
	}
}

/* ---------------------------------------------------------------- what comes in */

void sim_manager_saw(struct sim_world *world, uint32_t manager, uint32_t server)
{
	struct sim_manager *one = &world->managers[manager];
	if (server == one->record.primary && one->seen.servers[server].misses > 0) {
		one->tense_until_us = clock_of(world, manager) + TENSE_US;
	}
	sim_manager_turn(world, manager);
}

static void take_outcome(struct sim_world *world, uint32_t manager, struct sim_task *task,
			 enum err rc)
{
	struct sim_manager *one = &world->managers[manager];
	struct sim_member *member = &one->members[task->server];
	struct observation_server *seen = &one->seen.servers[task->server];
	uint64_t now_us = clock_of(world, manager);
	member->running = false;
	seen->steps_running = 0;
	if (task->has_status && task->status_us > seen->contact_us) {
		seen->reach = REACH_ANSWERS;
		seen->refused_since_us = 0;
		seen->misses = 0;
		seen->contact_us = task->status_us;
		seen->answered_us = now_us;
		sim_watch_take_status(seen, &task->status, task->status_us, now_us);
	}
	if (rc != ERR_OK) {
		member->failures++;
		uint32_t shift = member->failures < 8 ? member->failures - 1 : 7;
		uint64_t wait_us = (uint64_t)RETRY_FIRST_US << shift;
		member->retry_us = now_us + (wait_us < RETRY_MAX_US ? wait_us : RETRY_MAX_US);
		sim_story_tell(world, host_of(manager), "%s: %s failed",
			       sim_story_host(task->server), step_key(task->step));
		return;
	}
	member->failures = 0;
	member->retry_us = 0;
	/* A result of an earlier stage proves nothing about this one. */
	if (task->stage == one->record.stage) {
		seen->steps_done |= 1u << task->step;
	}
	sim_story_tell(world, host_of(manager), "%s: %s done", sim_story_host(task->server),
		       step_key(task->step));
}

void sim_manager_step_ended(struct sim_world *world, uint32_t manager, uint32_t at, bool late)
{
	struct sim_task *task = &world->tasks[at];
	uint32_t life = world->processes[host_of(manager)].life;
	if (!task->used || task->manager != manager || task->manager_life != life ||
	    (late && (task->given_up || world->now_us < task->deadline_us))) {
		return;
	}
	if (task->given_up) {
		task->used = false;
		return;
	}
	task->given_up = late;
	task->has_status = task->has_status && !late;
	if (world->managers[manager].members[task->server].task == at) {
		take_outcome(world, manager, task, late ? ERR_DEADLINE : task->rc);
	}
	/* One that is given up goes on existing where it is: in the network, or in the server. */
	task->used = late;
	sim_manager_turn(world, manager);
}

static bool may_order(const struct sim_world *world, uint32_t manager)
{
	const struct sim_manager *one = &world->managers[manager];
	return sim_manager_leads(world, manager) && !one->commit.open && !one->unstored;
}

static void store_order(struct sim_world *world, uint32_t manager)
{
	struct sim_manager *one = &world->managers[manager];
	one->record.version++;
	memset(one->commit.starting, 0, sizeof(one->commit.starting));
	for (uint32_t i = 0; i < SIM_SERVERS_MAX; i++) {
		one->commit.steps[i] = STEP_NONE;
	}
	one->commit.open = true;
	one->commit.dirty = true;
	sim_store_commit(world, manager);
}

bool sim_manager_order(struct sim_world *world, uint32_t manager, enum ask ask, uint32_t server)
{
	struct sim_manager *one = &world->managers[manager];
	bool state = one->record.state == GROUP_STEADY ||
		     (ask == ASK_FAILOVER && one->record.state == GROUP_REFUSED);
	if (!may_order(world, manager) || !state || one->record.ask != ASK_NONE ||
	    server == one->record.primary) {
		return false;
	}
	sim_story_tell(world, host_of(manager), "a person asks for a %s to %s", ask_name(ask),
		       sim_story_host(server));
	one->record.ask = ask;
	one->record.ask_server = server;
	world->ledger.asked |= 1u << ask;
	store_order(world, manager);
	return true;
}

bool sim_manager_pause(struct sim_world *world, uint32_t manager, bool paused)
{
	struct sim_manager *one = &world->managers[manager];
	if (!may_order(world, manager)) {
		return false;
	}
	sim_story_tell(world, host_of(manager), "a person %s automatic failover",
		       paused ? "pauses" : "resumes");
	one->record.paused = paused;
	if (!paused) {
		record_forget_failovers(&one->record);
		world->ledger.failover_us = 0;
	}
	store_order(world, manager);
	return true;
}

bool sim_manager_downtime(struct sim_world *world, uint32_t manager, uint32_t server,
			  uint64_t for_us)
{
	struct sim_manager *one = &world->managers[manager];
	if (!may_order(world, manager)) {
		return false;
	}
	sim_story_tell(world, host_of(manager), "a person works on %s for %.0f ms",
		       sim_story_host(server), (double)for_us / SIM_MS);
	one->record.servers[server].downtime_until_us =
		(int64_t)(clock_of(world, manager) + for_us);
	store_order(world, manager);
	return true;
}
