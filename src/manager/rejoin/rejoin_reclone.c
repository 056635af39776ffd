#include "manager/rejoin/rejoin_reclone.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "manager/rejoin/rejoin_tail.h"

enum {
	WAIT_S = 120,	  /* longest silence of a server that works */
	RESTART_S = 600,  /* to be back after its restart, which a person may have to do */
	GATE_WAIT_S = 60, /* for the record, and for the others to have everything */
	STOP_TIMEOUT_MS = 10000,
	GATE_LOOK_MS = 200,
};

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

static bool is_cancelled(void *ctx)
{
	const struct rejoin *job = ctx;
	return atomic_load(&job->cancelled);
}

/* ---------------------------------------------------------------- the tail */

/* What nobody else has is saved, or the order says that it may go. */
static enum err save_tail(struct rejoin *job, const struct rejoin_look *look, struct err_ctx *err)
{
	struct err_ctx why = { .code = ERR_OK };
	json_t *tail = NULL;
	if (gtid_set_is_empty(&look->extra)) {
		return ERR_OK;
	}
	enum err rc = rejoin_tail_save(job, look, &tail, &why);
	const char *missing = json_string_value(json_object_get(tail, "missing"));
	bool whole = rc == ERR_OK && missing && !missing[0];
	if (rc == ERR_OK) {
		char text[2 * FILE_PATH_BYTES_MAX];
		(void)snprintf(text, sizeof(text), "its tail is saved: %s",
			       json_string_value(json_object_get(tail, "binlog")));
		tell(job, LOG_INFO, "rejoin.tail", text);
		(void)pthread_mutex_lock(&job->mutex);
		job->tail = tail;
		(void)pthread_mutex_unlock(&job->mutex);
	}
	/* One that was broken off in the middle has lost its logs: the first time they were saved. */
	if (whole || job->order.discard_tail || (job->order.remade && rc == ERR_NOT_FOUND)) {
		return ERR_OK;
	}
	return err_set(err, ERR_REFUSED,
		       "what only '%s' has can't be saved (%s); --discard-tail goes on without it",
		       job->order.server.name,
		       rc == ERR_OK ? "it is partly gone from its binary logs"
				    : err_text(rc, &why));
}

/* ---------------------------------------------------------------- the gate */

static void set_gate(struct rejoin *job, enum rejoin_gate gate)
{
	(void)pthread_mutex_lock(&job->mutex);
	job->gate = gate;
	(void)pthread_mutex_unlock(&job->mutex);
}

static enum err wait_gate(struct rejoin *job, enum rejoin_gate gate, const char *late,
			  struct err_ctx *err)
{
	uint64_t until_us = clock_monotonic_us(&job->clock) + (uint64_t)GATE_WAIT_S * US_PER_S;
	bool reached = false;
	while (!reached && !is_cancelled(job) && clock_monotonic_us(&job->clock) < until_us) {
		const struct timespec until = thread_moment((uint64_t)GATE_LOOK_MS * US_PER_MS);
		(void)pthread_mutex_lock(&job->mutex);
		if (job->gate < gate) {
			(void)pthread_cond_timedwait(&job->moved, &job->mutex, &until);
		}
		reached = job->gate >= gate;
		(void)pthread_mutex_unlock(&job->mutex);
	}
	if (reached) {
		return ERR_OK;
	}
	return is_cancelled(job) ? err_set(err, ERR_AGAIN, "broken off")
				 : err_set(err, ERR_DEADLINE, "%s", late);
}

/* Its replication is stopped only when the record says so: the manager would start it again. */
static enum err pass_gate(struct rejoin *job, struct err_ctx *err)
{
	CLEANUP(conn_closep) struct conn *conn = NULL;
	set_gate(job, REJOIN_GATE_WANTED);
	enum err rc = wait_gate(job, REJOIN_GATE_MARKED, "the group was not steady in time", err);
	rc = rc ? rc : rejoin_connect(job, &job->order.server, false, &conn, err);
	if (rc == ERR_OK) {
		uint64_t deadline_us =
			clock_monotonic_us(&job->clock) + (uint64_t)STOP_TIMEOUT_MS * US_PER_MS;
		rc = server_stop_replication(conn, deadline_us, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	set_gate(job, REJOIN_GATE_STOPPED);
	return wait_gate(job, REJOIN_GATE_OPEN,
			 "acknowledged commits may be on this server alone: no other member of the "
			 "sync set has been seen to have everything",
			 err);
}

static enum err at_point(void *ctx, enum reclone_point point, struct err_ctx *err)
{
	struct rejoin *job = ctx;
	switch (point) {
	case RECLONE_CHECKED:
		return pass_gate(job, err);
	case RECLONE_DESTROYS:
		(void)pthread_mutex_lock(&job->mutex);
		job->destroyed = true;
		job->copying_us = clock_monotonic_us(job->options->clock);
		(void)pthread_mutex_unlock(&job->mutex);
		tell(job, LOG_WARN, "rejoin.destroys",
		     "its data are being replaced by the donor's");
		return ERR_OK;
	}
	return ERR_OK;
}

/* The steps are events; what moves on within a step is in the status. */
static void on_progress(void *ctx, const struct reclone_progress *progress)
{
	struct rejoin *job = ctx;
	(void)pthread_mutex_lock(&job->mutex);
	bool new_step = job->progress.doing != progress->doing;
	job->progress = *progress;
	(void)pthread_mutex_unlock(&job->mutex);
	if (new_step) {
		tell(job, LOG_INFO, "rejoin.step", progress->doing);
	}
}

static enum err check_class(const struct rejoin *job, const struct rejoin_look *look,
			    struct err_ctx *err)
{
	if (look->id_taken) {
		return err_set(err, ERR_REFUSED,
			       "'%s' has the server_id or server_uuid of another server of the "
			       "group: give it its own first",
			       job->order.server.name);
	}
	return ERR_OK;
}

enum err rejoin_reclone(struct rejoin *job, const struct rejoin_look *look, struct err_ctx *err)
{
	const struct manager_accounts *accounts = &job->options->accounts;
	const struct conn_options server = {
		.host = job->order.server.host,
		.port = job->order.server.port,
		.user = accounts->manager_user,
		.password = &accounts->manager_password,
		.clock = &job->clock,
	};
	struct conn_options donor = server;
	donor.host = job->order.donor.host;
	donor.port = job->order.donor.port;
	const struct reclone_options options = {
		.server = &server,
		.donor = &donor,
		.wait_us = (uint64_t)WAIT_S * US_PER_S,
		.restart_us = (uint64_t)RESTART_S * US_PER_S,
		.resumes = job->order.remade,
		.at = at_point,
		.is_cancelled = is_cancelled,
		.on_progress = on_progress,
		.ctx = job,
	};
	enum err rc = check_class(job, look, err);
	rc = rc ? rc : save_tail(job, look, err);
	return rc ? rc : reclone_run(&options, err);
}
