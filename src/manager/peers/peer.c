/* The threads of one server. The watcher reads the status at an interval and listens to its socket in
 * between, so that the end of the server's process is noticed at once. The actor keeps a connection warm, so that
 * a step doesn't begin with a log-in.
 */
#include "manager/peers/peer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/server/server.h"
#include "manager/peers/account_read.h"
#include "manager/peers/contact.h"
#include "manager/peers/step_run.h"
#include "os/thread.h"

enum {
	RETRY_FIRST_MS = 1, /* a refused contact is tried again at once: twice refused is dead */
	RETRY_NEXT_MS = 20,
	WARM_INTERVAL_MS = 500, /* the actor looks after its idle connection */
};

struct peer {
	char host[HOST_BYTES_MAX];
	char user[NAME_BYTES_MAX];
	char replication_user[NAME_BYTES_MAX];
	struct secret password;
	struct secret replication_password;
	struct peer_options options;
	struct contact contact;
	struct pulse *pulse; /* NULL: there is to be none */
	atomic_uint references;
	atomic_bool stopping;
	atomic_uint interval_ms;
	atomic_bool busy;
	int wake_fd; /* wakes the watcher */
	struct thread watcher;
	struct thread actor;

	pthread_mutex_t mutex; /* guards what follows, between manager and actor */
	pthread_cond_t wanted;
	bool has_task;
	bool wants_accounts;
	struct task task;
};

struct sighting *sighting_free(struct sighting *sighting)
{
	if (sighting) {
		server_status_fini(&sighting->status);
	}
	return mem_free(sighting);
}

struct outcome *outcome_free(struct outcome *outcome)
{
	if (outcome) {
		server_status_fini(&outcome->status);
	}
	return mem_free(outcome);
}

static uint64_t now_us(const struct peer *peer)
{
	return clock_monotonic_us(peer->options.clock);
}

static uint64_t probe_deadline_us(const struct peer *peer)
{
	return now_us(peer) + (uint64_t)peer->options.probe_timeout_ms * US_PER_MS;
}

/* What the watcher remembers between contacts. */
struct watch {
	struct conn *conn;
	uint32_t misses;
	uint64_t answered_us;
	uint64_t stream_us;
	uint64_t ticks;
	bool ticks_known;
};

static void report(struct peer *peer, const struct watch *watch, struct sighting *sighting)
{
	sighting->misses = watch->misses;
	sighting->answered_us = watch->answered_us;
	sighting->stream_us = watch->stream_us;
	peer->options.on_sighting(peer->options.ctx, peer, sighting);
}

static void report_miss(struct peer *peer, struct watch *watch, enum reach reach,
			uint64_t contact_us, uint32_t server_errno, const char *words)
{
	watch->misses++;
	struct sighting *sighting = mem_need(sizeof(*sighting));
	sighting->reach = reach;
	sighting->contact_us = contact_us;
	sighting->server_errno = server_errno;
	struct str text = str_slice(str_of(words), 0, sizeof(sighting->words) - 1);
	if (str_copy(text, sighting->words, sizeof(sighting->words)) != ERR_OK) {
		sighting->words[0] = 0;
	}
	report(peer, watch, sighting);
}

static void note_stream(struct watch *watch, const struct replica_status *replica, uint64_t at_us)
{
	if (!replica->configured) {
		watch->ticks_known = false;
		return;
	}
	if (!watch->ticks_known || watch->ticks != replica->received_ticks) {
		watch->stream_us = at_us;
	}
	watch->ticks = replica->received_ticks;
	watch->ticks_known = true;
}

/* One contact: connects if need be, reads the status. False when there was no answer. */
static bool contact(struct peer *peer, struct watch *watch)
{
	uint64_t begun_us = now_us(peer);
	struct err_ctx err = { 0 };
	enum reach reach = REACH_UNKNOWN;
	if (!watch->conn) {
		enum err rc = contact_open(&peer->contact, probe_deadline_us(peer), &watch->conn,
					   &reach, &err);
		if (rc != ERR_OK) {
			report_miss(peer, watch, reach, begun_us, err.server_errno,
				    err_text(rc, &err));
			return false;
		}
		begun_us = now_us(peer);
	}
	struct sighting *sighting = mem_need(sizeof(*sighting));
	server_status_init(&sighting->status);
	enum err rc =
		server_read_status(watch->conn, probe_deadline_us(peer), &sighting->status, &err);
	if (rc != ERR_OK) {
		(void)sighting_free(sighting);
		reach = conn_reach(watch->conn);
		if (!conn_is_usable(watch->conn)) {
			watch->conn = conn_close(watch->conn);
		}
		report_miss(peer, watch, reach, begun_us, err.server_errno, err_text(rc, &err));
		return false;
	}
	watch->misses = 0;
	watch->answered_us = now_us(peer);
	note_stream(watch, &sighting->status.replica, begun_us);
	sighting->reach = REACH_ANSWERS;
	sighting->contact_us = begun_us;
	sighting->has_status = true;
	report(peer, watch, sighting);
	return true;
}

/* Waits for the next contact: the interval is over, somebody pokes, or the server ended the connection. */
static void wait_for_next(struct peer *peer, struct watch *watch, uint32_t wait_ms)
{
	struct pollfd fds[2] = { { .fd = peer->wake_fd, .events = POLLIN },
				 { .fd = watch->conn ? conn_fd(watch->conn) : -1,
				   .events = POLLIN | POLLRDHUP } };
	int ready = poll(fds, 2, (int)wait_ms);
	if (ready <= 0) {
		return;
	}
	if (fds[0].revents) {
		uint64_t count;
		(void)!read(peer->wake_fd, &count, sizeof(count));
	}
	if (fds[1].revents) {
		/* Ended by the server, or killed there: the contact that follows at once tells which. */
		watch->conn = conn_close(watch->conn);
		report_miss(peer, watch, REACH_UNKNOWN, now_us(peer), 0,
			    "the server ended the connection");
	}
}

static uint32_t wait_ms(const struct peer *peer, const struct watch *watch, bool answered)
{
	uint32_t interval_ms = atomic_load(&peer->interval_ms);
	if (answered) {
		return interval_ms;
	}
	uint32_t retry_ms = watch->misses <= 2 ? RETRY_FIRST_MS : RETRY_NEXT_MS;
	return watch->misses > 20 ? interval_ms : retry_ms;
}

static void watch_main(void *arg)
{
	struct peer *peer = arg;
	struct watch watch = { 0 };
	while (!atomic_load(&peer->stopping)) {
		bool answered = contact(peer, &watch);
		if (!atomic_load(&peer->stopping)) {
			uint32_t misses = watch.misses;
			wait_for_next(peer, &watch, wait_ms(peer, &watch, answered));
			check(watch.misses >= misses);
		}
	}
	watch.conn = conn_close(watch.conn);
}

static void keep_warm(struct peer *peer, struct conn **conn)
{
	if (*conn) {
		struct pollfd fd = { .fd = conn_fd(*conn), .events = POLLIN | POLLRDHUP };
		if (conn_is_usable(*conn) && poll(&fd, 1, 0) == 0) {
			return;
		}
		*conn = conn_close(*conn);
	}
	struct err_ctx ignored = { 0 };
	(void)!contact_open(&peer->contact, probe_deadline_us(peer), conn, NULL, &ignored);
}

static enum err try_step(struct peer *peer, struct conn **conn, const struct task *task,
			 struct err_ctx *err)
{
	if (!*conn) {
		uint64_t deadline_us = probe_deadline_us(peer);
		enum err rc = contact_open(&peer->contact,
					   deadline_us < task->deadline_us ? deadline_us
									   : task->deadline_us,
					   conn, NULL, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	const struct step_context context = {
		.conn = *conn,
		.contact = &peer->contact,
		.permit = peer->options.permit,
		.task = task,
		.replication_user = peer->replication_user,
		.replication_password = &peer->replication_password,
		.heartbeat_ms = peer->options.heartbeat_ms,
		.net_timeout_s = peer->options.net_timeout_s,
	};
	conn_set_permit(*conn, peer->options.permit);
	enum err rc = step_run(&context, err);
	conn_set_permit(*conn, NULL);
	if (!conn_is_usable(*conn)) {
		*conn = conn_close(*conn);
	}
	return rc;
}

static void carry_out(struct peer *peer, struct conn **conn, struct task *task)
{
	struct outcome *outcome = mem_need(sizeof(*outcome));
	server_status_init(&outcome->status);
	outcome->step = task->step;
	outcome->stage = task->stage;
	outcome->epoch = task->epoch;
	outcome->started_us = task->started_us;
	outcome->rc = try_step(peer, conn, task, &outcome->err);
	/* A connection that had gone stale says nothing about the step: once more over a new one. */
	if (outcome->rc == ERR_UNREACHABLE && !*conn && now_us(peer) < task->deadline_us) {
		memset(&outcome->err, 0, sizeof(outcome->err));
		outcome->rc = try_step(peer, conn, task, &outcome->err);
	}
	if (*conn) {
		struct err_ctx ignored = { 0 };
		outcome->status_us = now_us(peer);
		outcome->has_status = server_read_status(*conn, probe_deadline_us(peer),
							 &outcome->status, &ignored) == ERR_OK;
		if (!conn_is_usable(*conn)) {
			*conn = conn_close(*conn);
		}
	}
	outcome->ended_us = now_us(peer);
	gtid_set_fini(&task->set);
	atomic_store(&peer->busy, false);
	peer->options.on_outcome(peer->options.ctx, peer, outcome);
}

static void bring_accounts(struct peer *peer, struct conn *conn)
{
	if (!conn) {
		return;
	}
	struct err_ctx err = { 0 };
	struct accounts *accounts = NULL;
	enum err rc = account_read(conn, probe_deadline_us(peer), &accounts, &err);
	if (rc != ERR_OK) {
		log_event(peer->options.log, LOG_WARN, "accounts.unreadable",
			  "the proxy keeps the accounts that it has", LOG_TEXT("host", peer->host),
			  LOG_U64("port", peer->options.port),
			  LOG_TEXT("error", err_text(rc, &err)));
		return;
	}
	peer->options.on_accounts(peer->options.ctx, peer, accounts);
}

/* Waits for work; false when there is none and the idle connection is to be looked after. */
static bool await_work(struct peer *peer, struct task *task, bool *ret_accounts)
{
	const struct timespec until = thread_moment((uint64_t)WARM_INTERVAL_MS * US_PER_MS);
	(void)pthread_mutex_lock(&peer->mutex);
	int rc = 0;
	while (!peer->has_task && !peer->wants_accounts && !atomic_load(&peer->stopping) &&
	       rc == 0) {
		rc = pthread_cond_timedwait(&peer->wanted, &peer->mutex, &until);
	}
	bool has_task = peer->has_task;
	if (has_task) {
		*task = peer->task;
		peer->has_task = false;
	}
	*ret_accounts = !has_task && peer->wants_accounts;
	if (*ret_accounts) {
		peer->wants_accounts = false;
	}
	(void)pthread_mutex_unlock(&peer->mutex);
	return has_task;
}

static void act_main(void *arg)
{
	struct peer *peer = arg;
	struct conn *conn = NULL;
	keep_warm(peer, &conn);
	while (!atomic_load(&peer->stopping)) {
		struct task task;
		bool accounts = false;
		if (await_work(peer, &task, &accounts)) {
			carry_out(peer, &conn, &task);
		} else if (!atomic_load(&peer->stopping)) {
			keep_warm(peer, &conn);
			if (accounts) {
				bring_accounts(peer, conn);
			}
		}
	}
	conn = conn_close(conn);
}

static void copy_text(char *to, size_t bytes, const char *from)
{
	check(str_copy(str_of(from), to, bytes) == ERR_OK);
}

static void bring_report(void *ctx, const struct pulse_report *report)
{
	struct peer *peer = ctx;
	struct pulse_report *copy = mem_need(sizeof(*copy));
	*copy = *report;
	peer->options.on_pulse(peer->options.ctx, peer, copy);
}

static void start_pulse(struct peer *peer)
{
	const struct pulse_options options = {
		.contact = &peer->contact,
		.group = peer->options.group,
		.permit = peer->options.permit,
		.interval_ms = peer->options.write_probe_interval_ms,
		.timeout_ms = peer->options.write_probe_timeout_ms,
		.clock = peer->options.clock,
		.on_report = bring_report,
		.ctx = peer,
	};
	if (options.interval_ms != 0) {
		peer->pulse = pulse_start(&options);
	}
}

struct peer *peer_start(const struct peer_options *options, uint32_t interval_ms)
{
	struct peer *peer = mem_need(sizeof(*peer));
	peer->options = *options;
	copy_text(peer->host, sizeof(peer->host), options->host);
	copy_text(peer->user, sizeof(peer->user), options->user);
	copy_text(peer->replication_user, sizeof(peer->replication_user),
		  options->replication_user);
	peer->password = *options->password;
	peer->replication_password = *options->replication_password;
	const struct conn_options way = { .host = peer->host,
					  .port = options->port,
					  .user = peer->user,
					  .password = &peer->password,
					  .clock = options->clock };
	contact_init(&peer->contact, &way);
	atomic_init(&peer->references, 1);
	atomic_init(&peer->interval_ms, interval_ms);
	peer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(peer->wake_fd >= 0);
	pthread_condattr_t attributes;
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&peer->wanted, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
	check(pthread_mutex_init(&peer->mutex, NULL) == 0);
	start_pulse(peer);
	check(thread_start(&peer->watcher, "watch", watch_main, peer, NULL) == ERR_OK);
	check(thread_start(&peer->actor, "act", act_main, peer, NULL) == ERR_OK);
	return peer;
}

struct peer *peer_ref(struct peer *peer)
{
	atomic_fetch_add(&peer->references, 1);
	return peer;
}

struct peer *peer_unref(struct peer *peer)
{
	if (peer && atomic_fetch_sub(&peer->references, 1) == 1) {
		(void)close(peer->wake_fd);
		contact_fini(&peer->contact);
		(void)pthread_mutex_destroy(&peer->mutex);
		(void)pthread_cond_destroy(&peer->wanted);
		secret_wipe(&peer->password);
		secret_wipe(&peer->replication_password);
		mem_free(peer);
	}
	return NULL;
}

void peer_poke(struct peer *peer)
{
	const uint64_t one = 1;
	(void)!write(peer->wake_fd, &one, sizeof(one));
}

void peer_stop(struct peer *peer)
{
	atomic_store(&peer->stopping, true);
	peer_poke(peer);
	(void)pthread_mutex_lock(&peer->mutex);
	(void)pthread_cond_signal(&peer->wanted);
	(void)pthread_mutex_unlock(&peer->mutex);
	peer->pulse = pulse_stop(peer->pulse);
	thread_join(&peer->watcher);
	thread_join(&peer->actor);
	if (peer->has_task) {
		gtid_set_fini(&peer->task.set);
		peer->has_task = false;
	}
}

void peer_set_interval(struct peer *peer, uint32_t interval_ms)
{
	if (atomic_exchange(&peer->interval_ms, interval_ms) > interval_ms) {
		peer_poke(peer);
	}
}

void peer_set_pulse(struct peer *peer, enum pulse_role role, uint64_t epoch)
{
	if (peer->pulse) {
		pulse_set(peer->pulse, role, epoch);
	}
}

bool peer_is_busy(const struct peer *peer)
{
	return atomic_load(&peer->busy);
}

bool peer_begin(struct peer *peer, struct task *task)
{
	if (atomic_exchange(&peer->busy, true)) {
		return false;
	}
	(void)pthread_mutex_lock(&peer->mutex);
	peer->task = *task;
	peer->has_task = true;
	(void)pthread_cond_signal(&peer->wanted);
	(void)pthread_mutex_unlock(&peer->mutex);
	memset(&task->set, 0, sizeof(task->set));
	return true;
}

void peer_ask_accounts(struct peer *peer)
{
	(void)pthread_mutex_lock(&peer->mutex);
	peer->wants_accounts = true;
	(void)pthread_cond_signal(&peer->wanted);
	(void)pthread_mutex_unlock(&peer->mutex);
}
