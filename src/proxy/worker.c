/* The worker's loop: events, mailbox, deadlines, status. */
#include "proxy/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/routing/routing.h"
#include "proxy/session/session.h"
#include "proxy/session/session_loss.h"

enum {
	WORKER_IDLE_MS = 1000, /* the longest sleep */
	WORKER_TIMER_MS = 5,   /* between two looks at what waits */
	WORKER_TROUBLE_US = 1000,
	WORKER_ACCEPT_PAUSE_US = 100 * 1000, /* after file descriptors have run out */
};

static uint64_t read_clock(const struct worker *worker)
{
	return clock_monotonic_us(worker->shared->options.clock);
}

static void on_wake(struct watch *watch, uint32_t epoll_events)
{
	struct worker *worker = LIST_ENTRY(watch, struct worker, wake);
	uint64_t count = 0;
	(void)epoll_events;
	/* Only empties it; what there is to do is in the mailbox. */
	ssize_t got = read(worker->wake_fd, &count, sizeof(count));
	(void)got;
}

static void on_listener(struct watch *watch, uint32_t epoll_events)
{
	struct worker_listener *listener = LIST_ENTRY(watch, struct worker_listener, watch);
	char address[NET_ADDRESS_TEXT_BYTES_MAX];
	(void)epoll_events;
	for (int i = 0; i < WORKER_ACCEPTS_PER_TURN; i++) {
		int fd = -1;
		enum err rc = net_accept(listener->fd, &fd, address);
		if (rc == ERR_LIMIT) {
			log_event(listener->worker->shared->options.log, LOG_ERROR,
				  "proxy.fds.used_up", "no file descriptor for another client");
			(void)usleep(WORKER_ACCEPT_PAUSE_US);
		}
		if (rc) {
			return;
		}
		if (listener->role == PROXY_SERVICE) {
			relay_accept(listener->worker, fd, listener);
		} else {
			session_accept(listener->worker, fd, listener->role, address);
		}
	}
}

enum err worker_init(struct worker *worker, struct worker_shared *shared, uint32_t index,
		     struct err_ctx *err)
{
	worker->shared = shared;
	worker->index = index;
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	worker->wake.on_event = on_wake;
	worker->scratch = mem_need(WORKER_SCRATCH_BYTES);
	names_init(&worker->names);
	list_init(&worker->sessions);
	list_init(&worker->logins);
	list_init(&worker->held);
	list_init(&worker->connecting);
	list_init(&worker->parked);
	list_init(&worker->starved);
	list_init(&worker->ready);
	list_init(&worker->dying);
	relays_init(&worker->relays);
	service_checks_init(&worker->checks, index == 0);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &worker->wake };
	if (worker->epoll_fd < 0 || worker->wake_fd < 0 ||
	    epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &event)) {
		return err_set(err, ERR_IO, "a worker's poller: %s", strerrordesc_np(errno));
	}
	return ERR_OK;
}

void worker_add_listener(struct worker *worker, int fd, const struct proxy_listener *from)
{
	check(worker->listener_count < WORKER_LISTENERS_MAX);
	struct worker_listener *listener = &worker->listeners[worker->listener_count++];
	*listener = (struct worker_listener){
		.watch = { on_listener }, .worker = worker, .fd = fd, .role = from->role
	};
	memcpy(listener->service, from->service, sizeof(listener->service));
	/* Level-triggered: what one turn leaves is reported again. */
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listener->watch };
	check(epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

enum err worker_watch(struct worker *worker, int fd, struct watch *watch)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data.ptr = watch };
	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? ERR_IO : ERR_OK;
}

void worker_unwatch(struct worker *worker, int fd)
{
	if (fd >= 0) {
		(void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	}
}

void worker_report_trouble(struct worker *worker, uint32_t server)
{
	const struct proxy_options *options = &worker->shared->options;
	if (server >= ROUTE_SERVERS_MAX || !worker->target || !options->trouble ||
	    (worker->trouble_told_us[server] &&
	     worker->now_us - worker->trouble_told_us[server] < WORKER_TROUBLE_US)) {
		return;
	}
	worker->trouble_told_us[server] = worker->now_us;
	options->trouble(options->ctx, worker->target->route.servers[server].host,
			 worker->target->route.servers[server].port);
}

/* Not the turn's clock: this process may have been stopped in the middle of the turn. */
bool worker_lease_holds(struct worker *worker)
{
	uint64_t until_us = atomic_load(&worker->shared->lease_until_us);
	if (until_us == UINT64_MAX || read_clock(worker) < until_us) {
		return true;
	}
	if (worker->frozen_since_us == 0) {
		worker->frozen_since_us = worker->now_us;
	}
	return false;
}

/* Puts the new route in force: every session is looked at once. */
static void apply_target(struct worker *worker, struct target *target)
{
	(void)target_unref(worker->target);
	worker->target = target;
	memset(worker->reads, 0, sizeof(worker->reads));
	memset(worker->avoid_until_us, 0, sizeof(worker->avoid_until_us));
	memset(worker->trouble_told_us, 0, sizeof(worker->trouble_told_us));
	LIST_EACH (&worker->sessions, link) {
		session_reroute(LIST_ENTRY(link, struct session, link));
	}
	pool_reroute(worker);
	worker->preopen_wanted = true;
	worker->timers_due_us = 0;
}

static void take_mail(struct worker *worker)
{
	struct accounts *accounts = atomic_exchange(&worker->next_accounts, NULL);
	struct target *target = atomic_exchange(&worker->next_target, NULL);
	if (accounts) {
		(void)accounts_unref(worker->accounts);
		worker->accounts = accounts;
	}
	if (target) {
		apply_target(worker, target);
	}
	if (target || accounts) {
		LIST_EACH (&worker->sessions, link) {
			struct session *session = LIST_ENTRY(link, struct session, link);
			if (session->phase != SESSION_IDLE || session->out.len) {
				session_run(session);
			}
		}
	}
	struct backends *backends = atomic_exchange(&worker->next_backends, NULL);
	if (backends) {
		(void)backends_unref(worker->backends);
		worker->backends = backends;
		relays_apply(worker);
		service_checks_apply(worker);
	}
	if (atomic_exchange(&worker->names.ends, false)) {
		LIST_EACH (&worker->sessions, link) {
			struct session *session = LIST_ENTRY(link, struct session, link);
			if (names_is_ended(&worker->names, session->id)) {
				session_close(session);
			}
		}
	}
	if (atomic_load(&worker->stop_asked)) {
		worker->stopping = true;
	}
}

/* Moves idle sessions to where their next statement will go, after those that wait already. */
static void preopen(struct worker *worker)
{
	bool open = worker->target && worker->target->route.writes == ROUTE_OPEN;
	if (!worker->preopen_wanted || (open && worker->held_count)) {
		return; /* who waits has the servers for himself first */
	}
	LIST_EACH (&worker->sessions, link) {
		if (!session_preopen(LIST_ENTRY(link, struct session, link))) {
			return;
		}
	}
	worker->preopen_wanted = false;
}

static void end_late_logins(struct worker *worker)
{
	LIST_EACH (&worker->logins, link) {
		struct session *session = LIST_ENTRY(link, struct session, login_link);
		if (session->login_deadline_us > worker->now_us) {
			break;
		}
		if (session->phase == SESSION_WAITS_ACCOUNTS || session->phase == SESSION_LOGIN) {
			session_refuse(session, REFUSAL_LOGIN_TIMEOUT, NULL);
			session_run(session);
		} else {
			session_close(session);
		}
	}
}

static void end_late_connects(struct worker *worker)
{
	LIST_EACH (&worker->connecting, link) {
		struct upstream *upstream = LIST_ENTRY(link, struct upstream, link);
		if (upstream->deadline_us > worker->now_us) {
			break;
		}
		struct session *session = upstream->session;
		worker_report_trouble(worker, upstream->server);
		session_lose_upstream(session, true);
		session_run(session);
	}
}

/* Readers whose server was taken out of rotation, and whose statement hasn't got an answer since. */
static void move_readers(struct worker *worker)
{
	bool any = false;
	if (!worker->readers_leave) {
		return;
	}
	LIST_EACH (&worker->sessions, link) {
		struct session *session = LIST_ENTRY(link, struct session, link);
		if (session->leave_us && session->leave_us <= worker->now_us) {
			session->leave_us = 0;
			session_leave(session);
		}
		any |= session->phase != SESSION_DEAD && session->leave_us;
	}
	worker->readers_leave = any;
}

/* What the end of the lease held up goes on with the next one, or is given up when none comes in time. */
static void thaw(struct worker *worker)
{
	uint64_t since_us = worker->frozen_since_us;
	if (since_us == 0) {
		return;
	}
	worker->frozen_since_us = 0;
	if (!worker_lease_holds(worker)) {
		uint64_t limit_us = (uint64_t)worker->shared->options.hold_ms_max * US_PER_MS;
		bool late = worker->now_us - since_us >= limit_us;
		worker->frozen_since_us = late ? worker->now_us : since_us;
		if (!late) {
			return;
		}
		LIST_EACH (&worker->sessions, link) {
			struct session *session = LIST_ENTRY(link, struct session, link);
			if (session->upstream && session->upstream->as_primary) {
				session_lose_upstream(session, true);
			}
		}
	}
	LIST_EACH (&worker->sessions, link) {
		session_run(LIST_ENTRY(link, struct session, link));
	}
}

/* What waits for a time to come, rather than for an event: looked at all together, now and then. */
static void run_timers(struct worker *worker)
{
	if (worker->now_us < worker->timers_due_us) {
		return;
	}
	worker->timers_due_us = worker->now_us + (uint64_t)WORKER_TIMER_MS * US_PER_MS;
	end_late_logins(worker);
	end_late_connects(worker);
	LIST_EACH (&worker->held, link) {
		session_run(LIST_ENTRY(link, struct session, held_link));
	}
	move_readers(worker);
	pool_turn(worker);
	preopen(worker);
}

static void run_ready(struct worker *worker)
{
	struct list ready;
	list_init(&ready);
	LIST_EACH (&worker->ready, link) {
		list_remove(link);
		list_add_tail(&ready, link);
	}
	for (struct list *link = list_pop(&ready); link; link = list_pop(&ready)) {
		session_run(LIST_ENTRY(link, struct session, ready_link));
	}
}

static int sleep_ms(const struct worker *worker)
{
	if (!list_is_empty(&worker->ready)) {
		return 0;
	}
	bool timed = !list_is_empty(&worker->held) || !list_is_empty(&worker->connecting) ||
		     worker->preopen_wanted || worker->readers_leave || worker->frozen_since_us;
	int most_ms = timed ? WORKER_TIMER_MS : WORKER_IDLE_MS;
	return service_checks_sleep_ms(worker, relays_sleep_ms(worker, most_ms));
}

static void free_dying(struct worker *worker)
{
	for (struct list *link = list_pop(&worker->dying); link; link = list_pop(&worker->dying)) {
		struct dying *object = LIST_ENTRY(link, struct dying, link);
		object->free(object);
	}
}

/* transactions_open first: who sees `held` sees a count that only falls. */
static void publish_status(struct worker *worker)
{
	struct worker_status *status = &worker->status;
	const struct route *route = worker->target ? &worker->target->route : NULL;
	bool held = route && route->writes != ROUTE_OPEN;
	bool changed = false;
	if (atomic_load_explicit(&status->transactions_open, memory_order_relaxed) !=
	    worker->transactions_open) {
		atomic_store(&status->transactions_open, worker->transactions_open);
		changed = held && worker->transactions_open == 0;
	}
	atomic_store_explicit(&status->statements_held, worker->held_count, memory_order_relaxed);
	atomic_store_explicit(&status->sessions, worker->session_count, memory_order_relaxed);
	for (size_t i = 0; i < ROUTE_SERVERS_MAX; i++) {
		atomic_store_explicit(&status->reads[i], worker->reads[i], memory_order_relaxed);
	}
	if (route &&
	    (atomic_load_explicit(&status->revision, memory_order_relaxed) != route->revision ||
	     atomic_load_explicit(&status->epoch, memory_order_relaxed) != route->epoch)) {
		atomic_store(&status->held, held);
		atomic_store(&status->epoch, route->epoch);
		atomic_store(&status->revision, route->revision);
		changed = true;
	}
	/* The connections that the table before it led to are counted by now: they are from their beginning on. */
	if (worker->backends &&
	    atomic_load_explicit(&status->services_revision, memory_order_relaxed) !=
		    worker->backends->revision) {
		atomic_store(&status->services_revision, worker->backends->revision);
		changed = true;
	}
	if (changed && worker->shared->options.changed) {
		worker->shared->options.changed(worker->shared->options.ctx);
	}
}

static void *run(void *arg)
{
	enum { THREAD_NAME_BYTES = 16 };
	struct worker *worker = arg;
	char name[THREAD_NAME_BYTES];
	(void)snprintf(name, sizeof(name), "proxy-%u", (unsigned)worker->index);
	(void)pthread_setname_np(pthread_self(), name); /* for people who look at top -H */
	struct epoll_event events[WORKER_EVENTS_PER_TURN];
	while (!worker->stopping) {
		int count = epoll_wait(worker->epoll_fd, events, WORKER_EVENTS_PER_TURN,
				       sleep_ms(worker));
		worker->now_us = read_clock(worker);
		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;
			watch->on_event(watch, events[i].events);
		}
		take_mail(worker);
		run_ready(worker);
		relays_turn(worker);
		service_checks_turn(worker);
		thaw(worker);
		run_timers(worker);
		free_dying(worker);
		publish_status(worker);
	}
	LIST_EACH (&worker->sessions, link) {
		session_close(LIST_ENTRY(link, struct session, link));
	}
	pool_close(worker);
	relays_close(worker);
	service_checks_close(worker);
	free_dying(worker);
	return NULL;
}

enum err worker_start(struct worker *worker, struct err_ctx *err)
{
	worker->now_us = read_clock(worker);
	int rc = pthread_create(&worker->thread, NULL, run, worker);
	return rc ? err_set(err, ERR_IO, "a worker thread: %s", strerrordesc_np(rc)) : ERR_OK;
}

void worker_fini(struct worker *worker)
{
	(void)target_unref(worker->target);
	(void)target_unref(atomic_exchange(&worker->next_target, NULL));
	(void)accounts_unref(worker->accounts);
	(void)accounts_unref(atomic_exchange(&worker->next_accounts, NULL));
	(void)backends_unref(worker->backends);
	(void)backends_unref(atomic_exchange(&worker->next_backends, NULL));
	for (size_t i = 0; i < worker->listener_count; i++) {
		(void)close(worker->listeners[i].fd);
	}
	if (worker->epoll_fd > 0) { /* 0: never initialised */
		(void)close(worker->epoll_fd);
	}
	if (worker->wake_fd > 0) {
		(void)close(worker->wake_fd);
	}
	if (worker->scratch) {
		names_fini(&worker->names);
	}
	worker->scratch = mem_free(worker->scratch);
}

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;
	/* Fails only when the counter is full, and then the worker is awake. */
	ssize_t put = write(worker->wake_fd, &one, sizeof(one));
	(void)put;
}

void worker_post_target(struct worker *worker, struct target *target)
{
	(void)target_unref(atomic_exchange(&worker->next_target, target));
	worker_wake(worker);
}

void worker_post_accounts(struct worker *worker, struct accounts *accounts)
{
	(void)accounts_unref(atomic_exchange(&worker->next_accounts, accounts));
	worker_wake(worker);
}

void worker_post_backends(struct worker *worker, struct backends *backends)
{
	(void)backends_unref(atomic_exchange(&worker->next_backends, backends));
	worker_wake(worker);
}

void worker_ask_stop(struct worker *worker)
{
	atomic_store(&worker->stop_asked, true);
	worker_wake(worker);
}
