#include "manager/rejoin/rejoin.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/records/text_json.h"
#include "manager/rejoin/rejoin_look.h"
#include "manager/rejoin/rejoin_reclone.h"
#include "manager/rejoin/rejoin_tail.h"

static const char *const action_names[REJOIN_ACTION_COUNT_] = { "plan", "export-tail", "reclone" };

const char *rejoin_action_name(enum rejoin_action action)
{
	return action_names[action];
}

static void tell(const struct rejoin *job, enum log_level level, const char *evt, const char *text)
{
	const struct event event = {
		.level = level,
		.evt = evt,
		.group = job->order.group,
		.server = job->order.server.name,
		.message = text,
	};
	event_log_add(job->events, &event);
}

/* ---------------------------------------------------------------- in the job's thread */

static enum err run_plan(struct rejoin *job, struct rejoin_look *look, json_t **ret,
			 struct err_ctx *err)
{
	enum err rc = rejoin_look_at(job, look, err);
	if (rc == ERR_OK) {
		*ret = rejoin_look_json(job, look);
	}
	return rc;
}

static enum err run_export(struct rejoin *job, struct rejoin_look *look, json_t **ret,
			   struct err_ctx *err)
{
	json_t *tail = NULL;
	enum err rc = rejoin_look_at(job, look, err);
	if (rc == ERR_OK && gtid_set_is_empty(&look->extra)) {
		rc = err_set(err, ERR_REFUSED,
			     "'%s' has no transaction that the primary lacks: there is no tail",
			     job->order.server.name);
	}
	rc = rc ? rc : rejoin_tail_save(job, look, &tail, err);
	if (rc != ERR_OK) {
		return rc;
	}
	char text[2 * FILE_PATH_BYTES_MAX];
	(void)snprintf(text, sizeof(text), "its tail is saved: %s",
		       json_string_value(json_object_get(tail, "binlog")));
	tell(job, LOG_INFO, "rejoin.tail", text);
	*ret = rejoin_look_json(job, look);
	(void)json_object_set_new(*ret, "tail", tail);
	return ERR_OK;
}

/* Answers who waits; takes over `result`. */
static void end(struct rejoin *job, enum err rc, const struct err_ctx *err, json_t *result)
{
	if (job->call) {
		call_answer(TAKE(job->call), rc, err, result);
	} else {
		json_decref(result);
	}
	(void)pthread_mutex_lock(&job->mutex);
	job->rc = rc;
	job->err = *err;
	job->done = true;
	(void)pthread_mutex_unlock(&job->mutex);
}

static void run(void *ctx)
{
	struct rejoin *job = ctx;
	struct rejoin_look look = { 0 };
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	enum err rc = ERR_OK;
	switch (job->order.action) {
	case REJOIN_PLAN:
		rc = run_plan(job, &look, &result, &err);
		break;
	case REJOIN_EXPORT_TAIL:
		rc = run_export(job, &look, &result, &err);
		break;
	case REJOIN_RECLONE:
		rc = rejoin_look_at(job, &look, &err);
		rc = rc ? rc : rejoin_reclone(job, &look, &err);
		break;
	case REJOIN_ACTION_COUNT_:
		break;
	}
	rejoin_look_fini(&look);
	end(job, rc, &err, result);
}

/* ---------------------------------------------------------------- in the manager's thread */

static struct rejoin *job_free(struct rejoin *job)
{
	thread_join(&job->thread);
	json_decref(job->tail);
	(void)pthread_mutex_destroy(&job->mutex);
	(void)pthread_cond_destroy(&job->moved);
	return mem_free(job);
}

static uint64_t job_monotonic_us(void *ctx)
{
	const struct rejoin *job = ctx;
	const uint64_t jump_us = (uint64_t)24 * 3600 * US_PER_S;
	uint64_t now_us = clock_monotonic_us(job->options->clock);
	return atomic_load(&job->cancelled) ? now_us + jump_us : now_us;
}

static uint64_t job_wall_us(void *ctx)
{
	const struct rejoin *job = ctx;
	return clock_wall_us(job->options->clock);
}

void rejoin_add(struct group *group, const struct manager_core *core,
		const struct rejoin_order *order, struct call *call)
{
	struct rejoin *job = mem_need(sizeof(*job));
	job->order = *order;
	job->options = &core->options;
	job->events = core->events;
	job->call = call;
	job->clock = (struct clock){ .monotonic_us = job_monotonic_us,
				     .wall_us = job_wall_us,
				     .ctx = job };
	job->started_us = clock_monotonic_us(core->options.clock);
	job->progress.doing = "looking at both servers";
	check(pthread_mutex_init(&job->mutex, NULL) == 0);
	pthread_condattr_t attributes;
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&job->moved, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
	list_add_tail(&group->rejoins, &job->list);
}

const struct rejoin *rejoin_under_way(const struct group *group)
{
	LIST_EACH (&group->rejoins, at) {
		const struct rejoin *job = LIST_ENTRY(at, struct rejoin, list);
		if (job->order.action != REJOIN_PLAN) {
			return job;
		}
	}
	return NULL;
}

static void start(struct rejoin *job)
{
	struct err_ctx err = { 0 };
	enum err rc = thread_start(&job->thread, "rejoin", run, job, &err);
	if (rc != ERR_OK) {
		end(job, rc, &err, NULL);
	}
}

static bool is_done(struct rejoin *job)
{
	(void)pthread_mutex_lock(&job->mutex);
	bool done = job->done;
	(void)pthread_mutex_unlock(&job->mutex);
	return done;
}

/* Changes what the record says of the job's server, as long as it is in the group. */
static enum err put_on_record(struct group *group, const struct turn_context *context,
			      uint32_t server, bool recloning, bool diverged)
{
	struct record next;
	struct err_ctx err = { 0 };
	record_init(&next);
	record_copy(&next, &group->record);
	next.servers[server].recloning = recloning;
	next.servers[server].diverged = diverged;
	if (!diverged) {
		gtid_set_clear(&next.servers[server].extra);
		next.extra_since_us[server] = 0;
	}
	next.idle_since_us[server] = 0;
	next.version++;
	enum err rc = group_store(group, context, &next, &err);
	record_fini(&next);
	return rc;
}

/* The record first, then the server: what is on the record as being made anew is left alone, whoever crashes. */
static enum rejoin_gate move_gate(struct group *group, const struct turn_context *context,
				  uint32_t server, enum rejoin_gate gate)
{
	if (gate == REJOIN_GATE_WANTED && group->record.state == GROUP_STEADY &&
	    server != group->record.primary && !group->members[server].running &&
	    put_on_record(group, context, server, true, true) == ERR_OK) {
		group_tell(group, context, LOG_WARN, "rejoin.begun", server, 0, 0,
			   "it is to be made anew: it is kept out until that has ended");
		return REJOIN_GATE_MARKED;
	}
	if (gate == REJOIN_GATE_STOPPED && !record_is_member(&group->record, server)) {
		return REJOIN_GATE_OPEN;
	}
	return gate;
}

static void tend(struct group *group, const struct turn_context *context, struct rejoin *job)
{
	uint32_t server = record_find(&group->record, job->order.server.name);
	if (server == SERVER_NONE) {
		atomic_store(&job->cancelled, true);
		return;
	}
	(void)pthread_mutex_lock(&job->mutex);
	enum rejoin_gate gate = job->gate;
	(void)pthread_mutex_unlock(&job->mutex);
	enum rejoin_gate next = move_gate(group, context, server, gate);
	if (next != gate) {
		(void)pthread_mutex_lock(&job->mutex);
		job->gate = next;
		(void)pthread_cond_signal(&job->moved);
		(void)pthread_mutex_unlock(&job->mutex);
	}
}

static const char *state_of(const struct rejoin *job)
{
	if (!job->done) {
		return "running";
	}
	return job->rc == ERR_OK ? "done" : "failed";
}

static json_t *job_json(struct rejoin *job)
{
	uint64_t now_us = clock_monotonic_us(job->options->clock);
	(void)pthread_mutex_lock(&job->mutex);
	const struct reclone_progress *progress = &job->progress;
	uint64_t passed_us = job->copying_us ? now_us - job->copying_us : 0;
	uint64_t rate = passed_us ? progress->bytes * US_PER_S / passed_us : 0;
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:o, s:i, s:i, s:I, s:I, s:I, s:b, s:f, s:o?}", "server",
		job->order.server.name, "donor", job->order.donor.name, "action",
		rejoin_action_name(job->order.action), "state", state_of(job), "doing",
		progress->doing, "what", text_to_json(str_of(progress->what)), "tables",
		(int)progress->tables, "tables_done", (int)progress->tables_done, "rows",
		(json_int_t)progress->rows, "bytes", (json_int_t)progress->bytes, "bytes_per_s",
		(json_int_t)rate, "destroyed", (int)job->destroyed, "seconds",
		(double)(now_us - job->started_us) / US_PER_S, "tail", json_deep_copy(job->tail));
	if (job->done && job->rc != ERR_OK) {
		(void)json_object_set_new(json, "error", json_string(err_name(job->rc)));
		(void)json_object_set_new(json, "error_text",
					  text_to_json(str_of(err_text(job->rc, &job->err))));
	}
	(void)pthread_mutex_unlock(&job->mutex);
	return json;
}

json_t *rejoin_to_json(const struct group *group)
{
	LIST_EACH (&group->rejoins, at) {
		struct rejoin *job = LIST_ENTRY(at, struct rejoin, list);
		if (job->order.action != REJOIN_PLAN) {
			return job_json(job);
		}
	}
	/* A copy: who asked is in another thread. */
	return group->rejoin_ended ? json_deep_copy(group->rejoin_ended) : json_null();
}

/* What a finished reclone leaves on the record. False: it can't be stored now. */
static bool settle(struct group *group, const struct turn_context *context, struct rejoin *job)
{
	uint32_t server = record_find(&group->record, job->order.server.name);
	bool marked = job->gate >= REJOIN_GATE_MARKED;
	if (server == SERVER_NONE || job->order.action != REJOIN_RECLONE) {
		return true;
	}
	/* Broken off in the middle it stays what it is. */
	if (marked && (job->rc == ERR_OK || !job->destroyed)) {
		bool diverged = job->rc == ERR_OK ? false : job->order.diverged;
		bool remade = job->rc != ERR_OK && job->order.remade;
		if (put_on_record(group, context, server, remade, diverged || remade) != ERR_OK) {
			return false;
		}
	}
	char text[ERR_TEXT_BYTES_MAX + 128];
	uint64_t took_us = context->now_us - job->started_us;
	if (job->rc == ERR_OK) {
		(void)snprintf(text, sizeof(text),
			       "it has the data of %s; from here on it replicates",
			       job->order.donor.name);
		group_tell(group, context, LOG_INFO, "rejoin.done", server, 0, took_us, text);
		return true;
	}
	(void)snprintf(text, sizeof(text), "%s%s", err_text(job->rc, &job->err),
		       job->destroyed ? "; its data are incomplete: muster rejoin --reclone begins "
					"anew"
				      : "; nothing was destroyed");
	group_tell(group, context, LOG_ERROR, "rejoin.failed", server, 0, took_us, text);
	return true;
}

static void reap(struct group *group, const struct turn_context *context, struct rejoin *job)
{
	if (!settle(group, context, job)) {
		return;
	}
	if (job->order.action != REJOIN_PLAN) {
		json_decref(group->rejoin_ended);
		group->rejoin_ended = job_json(job);
	}
	list_remove(&job->list);
	(void)job_free(job);
}

void rejoin_turn(struct group *group, const struct turn_context *context)
{
	LIST_EACH (&group->rejoins, at) {
		struct rejoin *job = LIST_ENTRY(at, struct rejoin, list);
		if (is_done(job)) {
			reap(group, context, job);
		} else if (!job->thread.started) {
			start(job);
		} else {
			tend(group, context, job);
		}
	}
}

void rejoin_stop(struct group *group)
{
	LIST_EACH (&group->rejoins, at) {
		struct rejoin *job = LIST_ENTRY(at, struct rejoin, list);
		atomic_store(&job->cancelled, true);
		if (!job->thread.started && !is_done(job)) {
			struct err_ctx err = { 0 };
			enum err rc = err_set(&err, ERR_UNREACHABLE, "the manager is stopping");
			end(job, rc, &err, NULL);
		}
		list_remove(&job->list);
		(void)job_free(job);
	}
}
