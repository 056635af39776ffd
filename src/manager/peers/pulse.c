#include "manager/peers/pulse.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/health/write_diagnose.h"
#include "os/thread.h"

enum {
	SLICE_MS = 50,	   /* between two looks at whether an overdue write is still wanted */
	DIAGNOSE_MS = 500, /* between two looks for what holds it up */
};

/* What the manager wants of the thread. */
struct wish {
	enum pulse_role role;
	uint64_t epoch;
};

struct pulse {
	struct pulse_options options;
	char group[NAME_BYTES_MAX];
	struct thread thread;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	struct wish wish;
	bool stopping;

	/* The thread's own. */
	struct wish now;
	struct conn *conn;
	bool prepared;	     /* conn is ready for writing */
	struct conn *second; /* for the diagnosis, while a write is overdue */
	struct observation_write write;
};

static uint64_t now_us(const struct pulse *pulse)
{
	return clock_monotonic_us(pulse->options.clock);
}

static uint64_t timeout_us(const struct pulse *pulse)
{
	return (uint64_t)pulse->options.timeout_ms * US_PER_MS;
}

static bool is_same(const struct wish *a, const struct wish *b)
{
	return a->role == b->role && a->epoch == b->epoch;
}

/* Whether what is under way is still wanted. */
static bool is_wanted(struct pulse *pulse)
{
	(void)pthread_mutex_lock(&pulse->mutex);
	bool wanted = !pulse->stopping && is_same(&pulse->wish, &pulse->now);
	(void)pthread_mutex_unlock(&pulse->mutex);
	return wanted;
}

static void report(struct pulse *pulse, const struct heartbeat *row, uint64_t at_us)
{
	pulse->write.seen_us = now_us(pulse);
	struct pulse_report told = { .role = pulse->now.role,
				     .epoch = pulse->now.epoch,
				     .write = pulse->write,
				     .at_us = at_us };
	if (row) {
		told.row = *row;
	}
	if (is_wanted(pulse)) {
		pulse->options.on_report(pulse->options.ctx, &told);
	}
}

static void note_trouble(struct pulse *pulse, enum write_trouble trouble, uint64_t begun_us,
			 const char *words)
{
	struct observation_write *write = &pulse->write;
	if (write->since_us == 0) {
		write->since_us = begun_us;
		write->late_us = now_us(pulse);
	}
	write->trouble = trouble;
	struct str text = str_slice(str_of(words), 0, sizeof(write->words) - 1);
	check(str_copy(text, write->words, sizeof(write->words)) == ERR_OK);
	report(pulse, NULL, 0);
}

static void drop_connections(struct pulse *pulse)
{
	pulse->conn = conn_close(pulse->conn);
	pulse->second = conn_close(pulse->second);
}

static enum err open_ready(struct pulse *pulse, bool to_write, struct err_ctx *err)
{
	uint64_t deadline_us = now_us(pulse) + timeout_us(pulse);
	enum err rc = ERR_OK;
	if (pulse->conn && !conn_is_usable(pulse->conn)) {
		pulse->conn = conn_close(pulse->conn);
	}
	if (!pulse->conn) {
		pulse->prepared = false;
		rc = contact_open(pulse->options.contact, deadline_us, &pulse->conn, NULL, err);
	}
	if (rc == ERR_OK) {
		conn_set_permit(pulse->conn, to_write ? pulse->options.permit : NULL);
	}
	if (rc == ERR_OK && to_write && !pulse->prepared) {
		rc = heartbeat_prepare(pulse->conn, deadline_us, err);
		pulse->prepared = rc == ERR_OK;
	}
	return rc;
}

/* ---------------------------------------------------------------- a write */

static void diagnose(struct pulse *pulse, uint64_t begun_us)
{
	struct write_diagnosis found = { .trouble = WRITE_UNEXPLAINED };
	struct err_ctx err = { 0 };
	uint64_t deadline_us = now_us(pulse) + timeout_us(pulse);
	enum err rc = ERR_OK;
	if (pulse->second && !conn_is_usable(pulse->second)) {
		pulse->second = conn_close(pulse->second);
	}
	if (!pulse->second) {
		rc = contact_open(pulse->options.contact, deadline_us, &pulse->second, NULL, &err);
	}
	if (rc == ERR_OK) {
		rc = write_diagnose(pulse->second, conn_thread_id(pulse->conn), deadline_us, &found,
				    &err);
	}
	note_trouble(pulse, found.trouble, begun_us,
		     rc == ERR_OK ? found.words : err_text(rc, &err));
}

/* Ends the session whose write is wanted no more, so that it doesn't go through later. Where that can't be done now,
 * the fence does it. */
static void abandon(struct pulse *pulse)
{
	const uint64_t kill_us = (uint64_t)500 * US_PER_MS;
	if (pulse->second && conn_is_usable(pulse->second)) {
		(void)!conn_exec(pulse->second, now_us(pulse) + kill_us, NULL, "KILL %llu",
				 (unsigned long long)conn_thread_id(pulse->conn));
	}
	drop_connections(pulse);
}

/* Waits for the answer to the write, however long it takes. False: it is wanted no more. */
static bool await_answer(struct pulse *pulse, uint64_t begun_us, enum err *ret_rc,
			 struct err_ctx *err)
{
	uint64_t look_us = begun_us + timeout_us(pulse);
	for (;;) {
		bool done = false;
		uint64_t until_us = now_us(pulse) + (uint64_t)SLICE_MS * US_PER_MS;
		*ret_rc =
			conn_wait(pulse->conn, until_us < look_us ? until_us : look_us, &done, err);
		if (done || *ret_rc != ERR_OK) {
			return true;
		}
		if (!is_wanted(pulse)) {
			return false;
		}
		if (now_us(pulse) >= look_us) {
			diagnose(pulse, begun_us);
			look_us = now_us(pulse) + (uint64_t)DIAGNOSE_MS * US_PER_MS;
		}
	}
}

static void create(struct pulse *pulse, uint64_t begun_us)
{
	struct err_ctx err = { 0 };
	enum err rc = heartbeat_create(pulse->conn, pulse->group, pulse->now.epoch,
				       now_us(pulse) + timeout_us(pulse), &err);
	if (rc != ERR_OK && conn_is_usable(pulse->conn)) {
		const char *words = err_text(rc, &err);
		note_trouble(pulse, write_diagnose_error(err.server_errno, str_of(words)), begun_us,
			     words);
	}
}

static void take_end(struct pulse *pulse, uint64_t begun_us)
{
	struct heartbeat row;
	enum heartbeat_end end;
	uint64_t ended_us = now_us(pulse);
	if (heartbeat_finish(pulse->conn, pulse->group, pulse->now.epoch,
			     ended_us + timeout_us(pulse), &end, &row, NULL) != ERR_OK) {
		return; /* the next beat tells */
	}
	char words[80];
	uint64_t took_us = 0;
	switch (end) {
	case HEARTBEAT_WRITTEN:
		/* One that was overdue has been told of; it doesn't make the server slow as well. */
		took_us = pulse->write.since_us == 0 ? ended_us - begun_us : 0;
		pulse->write =
			(struct observation_write){ .trouble = WRITE_THROUGH, .took_us = took_us };
		pulse->second = conn_close(pulse->second);
		report(pulse, &row, ended_us);
		break;
	case HEARTBEAT_READ_ONLY:
		note_trouble(pulse, WRITE_READ_ONLY, begun_us, "");
		break;
	case HEARTBEAT_OUTDATED:
		(void)snprintf(words, sizeof(words), "epoch %llu has written there, this is %llu",
			       (unsigned long long)row.epoch, (unsigned long long)pulse->now.epoch);
		note_trouble(pulse, WRITE_REFUSED, begun_us, words);
		break;
	case HEARTBEAT_MISSING:
		create(pulse, begun_us);
		break;
	}
}

static void write_beat(struct pulse *pulse)
{
	struct err_ctx err = { 0 };
	uint64_t begun_us = now_us(pulse);
	enum err rc = open_ready(pulse, true, &err);
	if (rc == ERR_OK && is_wanted(pulse)) {
		begun_us = now_us(pulse);
		rc = heartbeat_begin(pulse->conn, pulse->group, pulse->now.epoch, &err);
		if (rc == ERR_OK && !await_answer(pulse, begun_us, &rc, &err)) {
			abandon(pulse);
			return;
		}
		if (rc == ERR_OK) {
			take_end(pulse, begun_us);
			return;
		}
	}
	if (rc == ERR_OK || !pulse->conn || !conn_is_usable(pulse->conn)) {
		return; /* no connection: that is for the watcher to tell */
	}
	if (rc == ERR_REFUSED) {
		return; /* unsent: another manager leads */
	}
	if (heartbeat_is_missing(err.server_errno)) {
		create(pulse, begun_us);
		return;
	}
	const char *words = err_text(rc, &err);
	note_trouble(pulse, write_diagnose_error(err.server_errno, str_of(words)), begun_us, words);
}

/* ---------------------------------------------------------------- a reading */

static void read_beat(struct pulse *pulse)
{
	struct heartbeat row = { .found = false };
	uint64_t begun_us = now_us(pulse);
	enum err rc = open_ready(pulse, false, NULL);
	if (rc == ERR_OK) {
		begun_us = now_us(pulse);
		rc = heartbeat_read(pulse->conn, pulse->group, begun_us + timeout_us(pulse), &row,
				    NULL);
	}
	report(pulse, rc == ERR_OK ? &row : NULL, begun_us);
}

/* ---------------------------------------------------------------- the thread */

/* Waits for the next beat or another wish, and takes that over. False: stop. */
static bool await_beat(struct pulse *pulse)
{
	const struct timespec until =
		thread_moment((uint64_t)pulse->options.interval_ms * US_PER_MS);
	int rc = 0;
	(void)pthread_mutex_lock(&pulse->mutex);
	while (!pulse->stopping && is_same(&pulse->wish, &pulse->now) && rc == 0) {
		rc = pulse->now.role == PULSE_OFF
			     ? pthread_cond_wait(&pulse->changed, &pulse->mutex)
			     : pthread_cond_timedwait(&pulse->changed, &pulse->mutex, &until);
	}
	bool changed = !is_same(&pulse->wish, &pulse->now);
	pulse->now = pulse->wish;
	bool stopping = pulse->stopping;
	(void)pthread_mutex_unlock(&pulse->mutex);
	if (changed) {
		pulse->write = (struct observation_write){ .trouble = WRITE_THROUGH };
	}
	return !stopping;
}

static void run(void *ctx)
{
	struct pulse *pulse = ctx;
	while (await_beat(pulse)) {
		switch (pulse->now.role) {
		case PULSE_WRITE:
			write_beat(pulse);
			break;
		case PULSE_READ:
			read_beat(pulse);
			break;
		case PULSE_OFF:
			drop_connections(pulse);
			break;
		}
	}
	drop_connections(pulse);
}

struct pulse *pulse_start(const struct pulse_options *options)
{
	struct pulse *pulse = mem_need(sizeof(*pulse));
	pulse->options = *options;
	check(str_copy(str_of(options->group), pulse->group, sizeof(pulse->group)) == ERR_OK);
	pthread_condattr_t attributes;
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&pulse->changed, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
	check(pthread_mutex_init(&pulse->mutex, NULL) == 0);
	check(thread_start(&pulse->thread, "pulse", run, pulse, NULL) == ERR_OK);
	return pulse;
}

struct pulse *pulse_stop(struct pulse *pulse)
{
	if (!pulse) {
		return NULL;
	}
	(void)pthread_mutex_lock(&pulse->mutex);
	pulse->stopping = true;
	(void)pthread_cond_signal(&pulse->changed);
	(void)pthread_mutex_unlock(&pulse->mutex);
	thread_join(&pulse->thread);
	(void)pthread_mutex_destroy(&pulse->mutex);
	(void)pthread_cond_destroy(&pulse->changed);
	return mem_free(pulse);
}

void pulse_set(struct pulse *pulse, enum pulse_role role, uint64_t epoch)
{
	const struct wish wish = { .role = role, .epoch = epoch };
	(void)pthread_mutex_lock(&pulse->mutex);
	if (!is_same(&pulse->wish, &wish)) {
		pulse->wish = wish;
		(void)pthread_cond_signal(&pulse->changed);
	}
	(void)pthread_mutex_unlock(&pulse->mutex);
}
