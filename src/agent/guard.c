#include "agent/guard.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/conn.h"
#include "db/server/server.h"
#include "os/thread.h"

enum {
	LOOK_MS = 100,	/* a wait on the thread's clock doesn't see the host's suspension */
	AGAIN_MS = 250, /* between two looks at the server while there is no lease */
	TELL_AGAIN_S = 10,
	WORDS_BYTES_MAX = 256,
};

struct guard {
	struct guard_options options;
	struct conn_permit permit;
	struct thread thread;
	uint64_t told_us; /* of the newest failure */

	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t wake;
	bool stopping;
	uint64_t until_us;
	bool done;	    /* since the lease ended the server was seen read-only */
	uint64_t fenced;    /* how often */
	uint64_t fenced_us; /* the newest time */
	char words[WORDS_BYTES_MAX];
};

static uint64_t now(const struct guard *guard)
{
	return clock_monotonic_us(guard->options.clock);
}

/* Asked before each statement: a server whose host has a lease again is left alone. */
static bool is_over(void *ctx)
{
	struct guard *guard = ctx;
	(void)pthread_mutex_lock(&guard->mutex);
	bool over = !guard->stopping && now(guard) >= guard->until_us;
	(void)pthread_mutex_unlock(&guard->mutex);
	return over;
}

static enum err open_conn(struct guard *guard, uint64_t deadline_us, struct conn **ret,
			  struct err_ctx *err)
{
	const struct guard_options *options = &guard->options;
	const struct conn_options with = {
		.host = options->host,
		.port = options->port,
		.socket_path = options->socket_path[0] ? options->socket_path : NULL,
		.user = options->user,
		.password = options->password,
		.clock = options->clock,
	};
	enum err rc = conn_open(&with, deadline_us, ret, NULL, err);
	if (rc == ERR_OK) {
		conn_set_permit(*ret, &guard->permit);
	}
	return rc;
}

static enum err is_read_only(struct conn *conn, uint64_t deadline_us, bool *ret,
			     struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct str value = STR("");
	enum err rc = conn_query(conn, STR("SELECT @@GLOBAL.read_only"), deadline_us, &rows, err);
	if (rc == ERR_OK && rows_next(rows)) {
		(void)rows_at(rows, 0, &value);
	}
	*ret = value.len == 1 && value.ptr[0] == '1';
	return rc;
}

/* ret_fenced: it took writes, and does no longer. */
static enum err fence(struct guard *guard, bool *ret_fenced, struct err_ctx *err)
{
	CLEANUP(conn_closep) struct conn *first = NULL;
	CLEANUP(conn_closep) struct conn *second = NULL;
	uint64_t deadline_us = now(guard) + (uint64_t)guard->options.fence_ms * US_PER_MS;
	bool read_only = false;
	enum err rc = open_conn(guard, deadline_us, &first, err);
	rc = rc ? rc : is_read_only(first, deadline_us, &read_only, err);
	if (rc != ERR_OK || read_only) {
		return rc;
	}
	rc = open_conn(guard, deadline_us, &second, err);
	rc = rc ? rc : server_fence(first, second, deadline_us, err);
	*ret_fenced = rc == ERR_OK;
	return rc;
}

static void tell(struct guard *guard, enum err rc, const struct err_ctx *err)
{
	const struct log *log = guard->options.log;
	if (rc == ERR_OK) {
		log_event(log, LOG_ERROR, "guard.fenced",
			  "the lease is over and nobody agrees to go on: the server of this host "
			  "takes no writes until a manager opens it");
	} else if (guard->told_us == 0 ||
		   now(guard) >= guard->told_us + (uint64_t)TELL_AGAIN_S * US_PER_S) {
		guard->told_us = now(guard);
		log_event(log, LOG_ERROR, "guard.failed",
			  "the lease is over, and the server of this host could not be fenced; "
			  "trying again",
			  LOG_TEXT("error", err_text(rc, err)));
	}
}

/* One try, when there is no lease. A server that isn't there takes no writes either. */
static void act(struct guard *guard)
{
	struct err_ctx err = { 0 };
	bool fenced = false;
	enum err rc = fence(guard, &fenced, &err);
	bool renewed = rc == ERR_REFUSED && !is_over(guard);
	if (fenced || (rc != ERR_OK && !renewed && rc != ERR_UNREACHABLE)) {
		tell(guard, rc, &err);
	}
	(void)pthread_mutex_lock(&guard->mutex);
	guard->fenced += fenced ? 1 : 0;
	guard->fenced_us = fenced ? now(guard) : guard->fenced_us;
	/* Who opens it from here on is a manager that reaches it, or a person. */
	guard->done = rc == ERR_OK;
	const char *text = rc == ERR_OK || renewed ? "" : err_text(rc, &err);
	size_t bytes = strnlen(text, sizeof(guard->words) - 1);
	memcpy(guard->words, text, bytes);
	guard->words[bytes] = 0;
	(void)pthread_mutex_unlock(&guard->mutex);
}

static void run(void *ctx)
{
	struct guard *guard = ctx;
	(void)pthread_mutex_lock(&guard->mutex);
	while (!guard->stopping) {
		uint64_t now_us = now(guard);
		uint64_t left_us = guard->until_us > now_us ? guard->until_us - now_us : 0;
		uint64_t wait_us = (uint64_t)LOOK_MS * US_PER_MS;
		if (left_us == 0 && !guard->done) {
			(void)pthread_mutex_unlock(&guard->mutex);
			act(guard);
			(void)pthread_mutex_lock(&guard->mutex);
			wait_us = (uint64_t)AGAIN_MS * US_PER_MS;
		} else if (left_us > 0 && left_us < wait_us) {
			wait_us = left_us;
		}
		const struct timespec until = thread_moment(wait_us);
		if (!guard->stopping) {
			(void)pthread_cond_timedwait(&guard->wake, &guard->mutex, &until);
		}
	}
	(void)pthread_mutex_unlock(&guard->mutex);
}

static void guard_free(struct guard *guard)
{
	(void)pthread_cond_destroy(&guard->wake);
	(void)pthread_mutex_destroy(&guard->mutex);
	mem_free(guard);
}

enum err guard_start(const struct guard_options *options, struct guard **ret, struct err_ctx *err)
{
	struct guard *guard = mem_need(sizeof(*guard));
	guard->options = *options;
	guard->permit = (struct conn_permit){ .holds = is_over, .ctx = guard };
	guard->until_us = now(guard) + (uint64_t)options->lease_ms * US_PER_MS;
	thread_condition_init(&guard->mutex, &guard->wake);
	enum err rc = thread_start(&guard->thread, "guard", run, guard, err);
	if (rc != ERR_OK) {
		guard_free(guard);
		return rc;
	}
	*ret = guard;
	return ERR_OK;
}

struct guard *guard_stop(struct guard *guard)
{
	if (guard) {
		(void)pthread_mutex_lock(&guard->mutex);
		guard->stopping = true;
		(void)pthread_cond_broadcast(&guard->wake);
		(void)pthread_mutex_unlock(&guard->mutex);
		thread_join(&guard->thread);
		guard_free(guard);
	}
	return NULL;
}

void guard_renew(struct guard *guard, uint64_t until_us)
{
	(void)pthread_mutex_lock(&guard->mutex);
	guard->until_us = until_us > guard->until_us ? until_us : guard->until_us;
	guard->done = guard->done && now(guard) >= guard->until_us;
	(void)pthread_mutex_unlock(&guard->mutex);
}

json_t *guard_to_json(struct guard *guard)
{
	(void)pthread_mutex_lock(&guard->mutex);
	uint64_t ago_s = guard->fenced ? (now(guard) - guard->fenced_us) / US_PER_S : 0;
	json_t *json = json_pack("{s:i, s:I, s:I, s:s}", "ms", (int)guard->options.fence_ms,
				 "fenced", (json_int_t)guard->fenced, "ago_s", (json_int_t)ago_s,
				 "words", guard->words);
	(void)pthread_mutex_unlock(&guard->mutex);
	return json ? json : json_pack("{s:i}", "ms", (int)guard->options.fence_ms);
}
