#include "sim_task.h"

#include <string.h>

#include "sim_check.h"
#include "sim_fault.h"
#include "sim_net.h"
#include "sim_server.h"
#include "sim_story.h"
#include "sim_stream.h"

enum {
	POLL_US = 5 * 1000,
	KILL_US = 2 * 1000,
	DRAIN_BEFORE_CHANGE_US = 20 * 1000,
	SOURCE_OFF_MYSQL_US = 250 * 1000,
	STOP_HUNG_US =
		400 * 1000, /* MariaDB dials a source that hangs, to end the old stream there */
	DELIVER_RETRY_US = 250 * 1000,
	ANSWER_RETRY_US = 50 * 1000,
	DELIVER_TRIES_MAX = 40,
};

/* What one phase comes to. */
struct sim_phase {
	bool done;
	bool batch; /* the next phase is of the same statement: nobody has to ask for it */
	enum err rc;
	uint64_t after_us; /* until the next phase */
};

static struct sim_phase next(uint64_t after_us)
{
	return (struct sim_phase){ .after_us = after_us };
}

static struct sim_phase finish(enum err rc)
{
	return (struct sim_phase){ .done = true, .rc = rc };
}

static bool mariadb(const struct sim_world *world)
{
	return world->setup.flavor == GTID_MARIADB;
}

static uint64_t short_time(struct sim_world *world)
{
	return sim_random_between(&world->random, 200, 4000);
}

/* ---------------------------------------------------------------- the steps */

static uint64_t stop_receiver(struct sim_world *world, uint32_t at)
{
	const struct sim_stream *stream = &world->servers[at].stream;
	bool hangs = mariadb(world) && stream->acks &&
		     (!sim_world_answers(world, stream->source) ||
		      !sim_net_open(world, at, stream->source)) &&
		     sim_world_runs(world, stream->source);
	sim_stream_stop(world, at, true, false);
	return hangs ? STOP_HUNG_US : short_time(world);
}

/* SET GLOBAL read_only: nothing new begins; waits for commits that are under way. */
static struct sim_phase read_only(struct sim_world *world, struct sim_task *task)
{
	struct sim_server *server = &world->servers[task->server];
	server->read_only_asked = true;
	if (!sim_server_has_waiting(server)) {
		server->read_only = true;
		server->read_only_asked = false;
		return finish(ERR_OK);
	}
	if (world->now_us >= task->deadline_us) {
		server->read_only_asked = false;
		return finish(ERR_DEADLINE);
	}
	task->phase--;
	return (struct sim_phase){ .after_us = POLL_US, .batch = true };
}

static void source_off(struct sim_world *world, uint32_t at)
{
	world->servers[at].waits_for_acks = false;
	sim_server_release(world, at);
}

/* The statement that waits for its lock has it, once no commit is under way. */
static void settle_read_only(struct sim_server *server)
{
	if (server->read_only_asked && !sim_server_has_waiting(server)) {
		server->read_only = true;
		server->read_only_asked = false;
	}
}

static struct sim_phase fence(struct sim_world *world, struct sim_task *task)
{
	struct sim_server *server = &world->servers[task->server];
	switch (task->phase) {
	case 1:
		server->read_only_asked = true;
		settle_read_only(server);
		return next(KILL_US);
	case 2:
		sim_server_end_sessions(world, task->server, mariadb(world));
		return next(mariadb(world) ? SIM_MS : SOURCE_OFF_MYSQL_US);
	case 3:
		source_off(world, task->server);
		server->read_only = true;
		server->read_only_asked = false;
		return next(SIM_MS);
	default:
		return finish(ERR_OK);
	}
}

static struct sim_phase wait_for(struct sim_world *world, struct sim_task *task, bool there)
{
	if (there) {
		return finish(ERR_OK);
	}
	if (world->now_us >= task->deadline_us) {
		return finish(ERR_DEADLINE);
	}
	task->phase--;
	return next(POLL_US);
}

static struct sim_phase drain(struct sim_world *world, struct sim_task *task)
{
	const struct sim_server *server = &world->servers[task->server];
	bool drained = server->relay_first == server->relay_count;
	if (!drained && !server->stream.sql) {
		return finish(ERR_REFUSED);
	}
	return wait_for(world, task, drained || !server->stream.configured);
}

/* Sets both flags; a change of the replica's restarts the receiver. */
static struct sim_phase set_semisync(struct sim_world *world, struct sim_task *task, bool source,
				     bool replica)
{
	struct sim_server *server = &world->servers[task->server];
	struct sim_stream *stream = &server->stream;
	bool differs = server->acknowledges != replica ||
		       (stream->io == IO_YES && stream->acks != replica);
	bool restart = stream->io != IO_NO && differs;
	if (restart && !stream->sql) {
		return finish(ERR_REFUSED);
	}
	if (server->waits_for_acks != source) {
		server->waits_for_acks = source;
		sim_server_release(world, task->server);
	}
	if (restart) {
		sim_stream_stop(world, task->server, true, false);
	}
	server->acknowledges = replica;
	if (restart) {
		sim_stream_start(world, task->server, true, false);
	}
	return finish(ERR_OK);
}

static struct sim_phase promote(struct sim_world *world, struct sim_task *task)
{
	if (task->phase == 1) {
		bool applier = !task->handed || world->setup.flavor != GTID_MYSQL;
		sim_stream_stop(world, task->server, true, applier);
		return next(short_time(world));
	}
	return set_semisync(world, task, task->wait_for_acks, false);
}

static bool is_as_wanted(const struct sim_server *server, const struct sim_task *task)
{
	const struct sim_stream *stream = &server->stream;
	return stream->configured && stream->gtid_position && stream->io != IO_NO && stream->sql &&
	       stream->source == task->source && server->acknowledges == task->acknowledge &&
	       (stream->io != IO_YES || stream->acks == task->acknowledge) && stream->io_errno == 0;
}

/* MASTER_DEMOTE_TO_SLAVE: the server's own log counts into the position. */
static void demote(const struct sim_world *world, struct sim_server *server)
{
	if (server->log_count > 0) {
		const struct sim_txn *last = &world->txns[server->log[server->log_count - 1]];
		if (last->seq > server->slave_seq) {
			server->slave_seq = last->seq;
			server->slave_origin = last->origin;
		}
	}
}

static void change_source(struct sim_world *world, const struct sim_task *task, bool live)
{
	struct sim_server *server = &world->servers[task->server];
	struct sim_stream *stream = &server->stream;
	stream->configured = true;
	stream->gtid_position = true;
	stream->source = task->source;
	stream->io_errno = 0;
	if (mariadb(world)) {
		demote(world, server);
	}
	if (!live) {
		sim_server_drop_relay(world, task->server);
	}
}

static struct sim_phase repoint(struct sim_world *world, struct sim_task *task)
{
	struct sim_server *server = &world->servers[task->server];
	struct sim_stream *stream = &server->stream;
	bool live = !mariadb(world) && stream->configured && stream->gtid_position && stream->sql;
	switch (task->phase) {
	case 1:
		if (is_as_wanted(server, task)) {
			return finish(ERR_OK);
		}
		return next(short_time(world));
	case 2:
		return next(stop_receiver(world, task->server));
	case 3:
		if (!live && stream->sql && server->relay_first != server->relay_count &&
		    world->now_us < task->phase_since_us + DRAIN_BEFORE_CHANGE_US) {
			task->phase--;
			return next(POLL_US);
		}
		return next(100);
	case 4:
		if (!live) {
			sim_stream_stop(world, task->server, true, true);
		}
		return next(short_time(world));
	case 5:
		server->acknowledges = task->acknowledge;
		change_source(world, task, live);
		return (struct sim_phase){ .after_us = 300, .batch = true };
	default:
		sim_stream_start(world, task->server, true, true);
		return finish(ERR_OK);
	}
}

static struct sim_phase forget_source(struct sim_world *world, struct sim_task *task)
{
	if (task->phase == 1) {
		sim_stream_stop(world, task->server, true, true);
		return next(short_time(world));
	}
	world->servers[task->server].stream.configured = false;
	sim_server_drop_relay(world, task->server);
	return finish(ERR_OK);
}

static struct sim_phase keep_out(struct sim_world *world, struct sim_task *task)
{
	if (task->phase == 1) {
		struct sim_phase phase = read_only(world, task);
		return phase.done && phase.rc == ERR_OK ? next(short_time(world)) : phase;
	}
	sim_stream_stop(world, task->server, true, true);
	return finish(ERR_OK);
}

static struct sim_phase run_phase(struct sim_world *world, struct sim_task *task)
{
	struct sim_server *server = &world->servers[task->server];
	switch (task->step) {
	case STEP_STOP_RECEIVER:
		if (task->phase == 1) {
			return next(stop_receiver(world, task->server));
		}
		return finish(ERR_OK);
	case STEP_DRAIN:
		return drain(world, task);
	case STEP_FENCE:
		return fence(world, task);
	case STEP_FREEZE:
		return read_only(world, task);
	case STEP_CATCH_UP:
		return wait_for(world, task, gtid_set_contains(&server->executed, &task->set));
	case STEP_PROMOTE:
		return promote(world, task);
	case STEP_OPEN:
		if (task->phase == 1) {
			struct sim_phase phase = { .rc = ERR_OK };
			if (task->wait_for_acks) {
				phase = set_semisync(world, task, true, false);
			}
			return phase.rc == ERR_OK ? next(short_time(world)) : phase;
		}
		if (server->stream.configured && server->stream.io != IO_NO) {
			return finish(ERR_REFUSED);
		}
		server->read_only = false;
		sim_check_opened(world, task);
		return finish(ERR_OK);
	case STEP_REPOINT:
	case STEP_FEED:
		return repoint(world, task);
	case STEP_FORGET_SOURCE:
		return forget_source(world, task);
	case STEP_KEEP_OUT:
		return keep_out(world, task);
	case STEP_SEMISYNC_REPLICA_ON:
		return set_semisync(world, task, false, true);
	case STEP_SEMISYNC_REPLICA_OFF:
		return set_semisync(world, task, false, false);
	case STEP_SEMISYNC_SOURCE_ON:
		return set_semisync(world, task, true, task->acknowledge);
	case STEP_SEMISYNC_SOURCE_OFF:
		return set_semisync(world, task, false, task->acknowledge);
	case STEP_ADMIT_CHANGE:
	case STEP_END_CHANGE:
	case STEP_APPLY_IN_ORDER:
	case STEP_APPLY_AS_BEFORE:
	case STEP_COUNT_:
		break;
	}
	return finish(ERR_USAGE);
}

/* ---------------------------------------------------------------- the way there and back */

/* Whether whoever asked for it has died. */
static bool is_orphan(const struct sim_world *world, const struct sim_task *task)
{
	return world->processes[(uint32_t)SIM_HOST_MANAGER + task->manager].life !=
	       task->manager_life;
}

/* Nothing will come of it any more: it has ended, and nobody waits for the answer. */
static bool is_over(const struct sim_world *world, const struct sim_task *task)
{
	return task->phase == UINT32_MAX && is_orphan(world, task);
}

bool sim_task_under_way(const struct sim_world *world)
{
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++) {
		if (world->tasks[i].used && !is_over(world, &world->tasks[i])) {
			return true;
		}
	}
	return false;
}

struct sim_task *sim_task_new(struct sim_world *world, uint32_t manager, uint32_t server)
{
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++) {
		struct sim_task *task = &world->tasks[i];
		if (task->used && !is_over(world, task)) {
			continue;
		}
		struct gtid_set set = task->set;
		struct server_status status = task->status;
		memset(task, 0, sizeof(*task));
		task->set = set;
		task->status = status;
		gtid_set_clear(&task->set);
		task->used = true;
		task->manager = (uint8_t)manager;
		task->server = (uint8_t)server;
		task->manager_life = world->processes[SIM_HOST_MANAGER + manager].life;
		return task;
	}
	return NULL;
}

/* The manager's end of the connection is there and can be heard. */
static bool is_asked_for(const struct sim_world *world, const struct sim_task *task)
{
	uint32_t host = (uint32_t)SIM_HOST_MANAGER + task->manager;
	return !task->given_up && world->processes[host].up &&
	       world->processes[host].life == task->manager_life &&
	       world->processes[host].paused_until_us <= world->now_us &&
	       sim_net_open(world, host, task->server) && sim_net_open(world, task->server, host);
}

static void answer(struct sim_world *world, struct sim_task *task)
{
	uint32_t host = (uint32_t)SIM_HOST_MANAGER + task->manager;
	if (task->given_up || is_orphan(world, task)) {
		task->used = false;
		return;
	}
	if (!is_asked_for(world, task)) {
		/* The answer is on its way until the manager gives up. */
		sim_world_later(world, ANSWER_RETRY_US, task->server, EV_STEP_PHASE,
				sim_task_index(world, task), 0, 0);
		return;
	}
	sim_server_status(world, task->server, &task->status);
	task->has_status = true;
	task->status_us = sim_world_clock(world, host);
	sim_world_later(world, sim_net_delay(world, task->server, host), host, EV_STEP_ANSWER,
			sim_task_index(world, task), 0, 0);
}

void sim_task_phase(struct sim_world *world, uint32_t at)
{
	struct sim_task *task = &world->tasks[at];
	if (task->phase == UINT32_MAX) {
		answer(world, task);
		return;
	}
	if (task->phase_since_us == 0 && task->given_up && !task->outlives) {
		/* Its connection was reset before it arrived. */
		task->used = false;
		return;
	}
	task->phase++;
	if (task->phase_since_us == 0) {
		task->phase_since_us = world->now_us;
	}
	struct sim_phase phase = run_phase(world, task);
	sim_check_server(world, task->server);
	if (phase.done) {
		task->rc = phase.rc;
		task->phase = UINT32_MAX;
		sim_fault_step_ended(world, task);
		answer(world, task);
		return;
	}
	/* A step of several statements ends where nobody asks for the next one. */
	if (!phase.batch && (task->given_up || is_orphan(world, task))) {
		settle_read_only(&world->servers[task->server]);
		world->servers[task->server].read_only_asked = false;
		task->used = false;
		return;
	}
	sim_world_later(world, phase.after_us + 100, task->server, EV_STEP_PHASE, (uint16_t)at, 0,
			0);
}

static void refuse(struct sim_world *world, struct sim_task *task)
{
	uint32_t host = (uint32_t)SIM_HOST_MANAGER + task->manager;
	task->rc = ERR_UNREACHABLE;
	task->phase = UINT32_MAX;
	sim_world_later(world, sim_net_delay(world, task->server, host), host, EV_STEP_ANSWER,
			sim_task_index(world, task), 0, 0);
}

void sim_task_deliver(struct sim_world *world, uint32_t at)
{
	struct sim_task *task = &world->tasks[at];
	uint32_t host = (uint32_t)SIM_HOST_MANAGER + task->manager;
	bool given_up = task->given_up || is_orphan(world, task);
	if (!sim_net_open(world, host, task->server) || !sim_net_open(world, task->server, host)) {
		/* The kernel goes on trying, with or without the process that sent it. */
		if (!given_up || (task->tries++ < DELIVER_TRIES_MAX && task->outlives)) {
			sim_world_later(world, DELIVER_RETRY_US, SIM_NOBODY, EV_STEP_SEND,
					(uint16_t)at, 0, 0);
		} else {
			task->used = false;
		}
		return;
	}
	if (!world->processes[task->server].up) {
		if (given_up) {
			task->used = false;
		} else {
			refuse(world, task);
		}
		return;
	}
	if (given_up) {
		sim_story_tell(world, task->server, "a late %s arrives", step_key(task->step));
	}
	task->server_life = world->processes[task->server].life;
	sim_world_later(world, sim_net_delay(world, host, task->server), task->server,
			EV_STEP_PHASE, (uint16_t)at, 0, 0);
}

void sim_task_server_ended(struct sim_world *world, uint32_t server, uint32_t life)
{
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++) {
		struct sim_task *task = &world->tasks[i];
		if (!task->used || task->server != server || task->server_life != life) {
			continue;
		}
		if (task->phase == UINT32_MAX && task->has_status) {
			continue; /* its answer is on its way */
		}
		if (task->given_up || is_orphan(world, task)) {
			task->used = false;
		} else {
			refuse(world, task);
		}
	}
}

void sim_task_send(struct sim_world *world, struct sim_task *task)
{
	task->outlives = sim_random_chance(&world->random, world->setup.late_per_mille);
	sim_task_deliver(world, sim_task_index(world, task));
}
