#include "manager/rejoin.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/rejoin_look.h"
#include "manager/rejoin_tail.h"

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
		call_answer(TAKE(job->call), rc, err, json_incref(result));
	}
	(void)pthread_mutex_lock(&job->mutex);
	job->rc = rc;
	job->err = *err;
	job->result = result;
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
	json_decref(job->result);
	(void)pthread_mutex_destroy(&job->mutex);
	return mem_free(job);
}

void rejoin_add(struct group *group, const struct manager_core *core,
		const struct rejoin_order *order, struct call *call)
{
	struct rejoin *job = mem_need(sizeof(*job));
	job->order = *order;
	job->options = &core->options;
	job->events = core->events;
	job->call = call;
	check(pthread_mutex_init(&job->mutex, NULL) == 0);
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

void rejoin_turn(struct group *group, const struct turn_context *context)
{
	(void)context;
	LIST_EACH (&group->rejoins, at) {
		struct rejoin *job = LIST_ENTRY(at, struct rejoin, list);
		if (!job->thread.started && !is_done(job)) {
			start(job);
		} else if (is_done(job)) {
			list_remove(&job->list);
			(void)job_free(job);
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
