#include "proxy/relay.h"

#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/service/service_check.h"
#include "proxy/worker.h"

enum {
	RELAY_PIECES_PER_TURN = 16, /* of a scratch each; then others have their turn */
	RELAY_TIMER_MS = 5,
	RELAY_LOOK_MS = 100, /* who waits looks again so often even when nothing has changed */
	RELAY_SWEEP_MS = 1000,
};

enum relay_phase {
	RELAY_WAITS, /* no back end can be had at this moment */
	RELAY_CONNECTING,
	RELAY_OPEN,
	RELAY_DEAD,
};

struct relay;

struct relay_end {
	struct watch watch;
	struct relay *relay;
	struct transport io;
};

/* One direction. */
struct relay_way {
	struct buf rest; /* read, and not taken by the other side yet */
	size_t rest_at;
	bool ended;  /* the end of the stream was read */
	bool passed; /* and passed on */
};

struct relay {
	struct list link; /* relays->all */
	struct list timed_link;
	struct list ready_link;
	struct dying dying;
	struct worker *worker;
	const char *service; /* the listener's */
	enum relay_phase phase;
	uint64_t deadline_us; /* of the connection that is being made */
	uint64_t give_up_us;  /* of waiting for a back end */
	uint64_t moved_us;    /* when a byte went through last */
	struct relay_end client;
	struct relay_end backend;
	struct relay_way up;	   /* to the back end */
	struct relay_way down;	   /* to the client */
	struct backend_slot *slot; /* where it is counted; a reference; NULL: none */
	struct backend_slot *tried[RELAY_TRIES_MAX]; /* references */
	uint32_t tried_count;
};

enum relay_flow { FLOW_WAITS, FLOW_DONE, FLOW_MORE, FLOW_BROKEN };

static void relay_run(struct relay *relay);

static void on_event(struct watch *watch, uint32_t epoll_events)
{
	struct relay_end *end = LIST_ENTRY(watch, struct relay_end, watch);
	if (end->relay->phase != RELAY_DEAD) {
		transport_note(&end->io, epoll_events);
		relay_run(end->relay);
	}
}

void relays_init(struct relays *relays)
{
	list_init(&relays->all);
	list_init(&relays->timed);
	list_init(&relays->ready);
}

static void free_dying(struct dying *object)
{
	(void)mem_free(LIST_ENTRY(object, struct relay, dying));
}

static void leave_slot(struct relay *relay)
{
	if (relay->slot) {
		(void)atomic_fetch_sub(&relay->slot->connections, 1);
		relay->slot = backend_slot_unref(relay->slot);
	}
}

static void forget_tried(struct relay *relay)
{
	for (uint32_t i = 0; i < relay->tried_count; i++) {
		relay->tried[i] = backend_slot_unref(relay->tried[i]);
	}
	relay->tried_count = 0;
}

static void close_end(struct relay *relay, struct relay_end *end, bool reset)
{
	worker_unwatch(relay->worker, end->io.fd);
	transport_close(&end->io, reset);
}

static void relay_close(struct relay *relay, bool reset)
{
	struct worker *worker = relay->worker;
	if (relay->phase == RELAY_DEAD) {
		return;
	}
	relay->phase = RELAY_DEAD;
	close_end(relay, &relay->client, reset);
	close_end(relay, &relay->backend, reset);
	/* Only then: who sees no connection counted finds none. */
	leave_slot(relay);
	forget_tried(relay);
	buf_fini(&relay->up.rest);
	buf_fini(&relay->down.rest);
	list_remove(&relay->link);
	list_remove(&relay->timed_link);
	list_remove(&relay->ready_link);
	(void)atomic_fetch_sub(&worker->shared->session_count, 1);
	relay->dying.free = free_dying;
	list_add_tail(&worker->dying, &relay->dying.link);
}

void relay_accept(struct worker *worker, int fd, const struct worker_listener *listener)
{
	const struct proxy_options *options = &worker->shared->options;
	bool full = options->sessions_max != 0 &&
		    atomic_load(&worker->shared->session_count) >= options->sessions_max;
	struct relay *relay = full ? NULL : mem_try(sizeof(*relay));
	if (!relay) {
		(void)close(fd);
		return;
	}
	relay->worker = worker;
	relay->service = listener->service;
	relay->give_up_us = worker->now_us + (uint64_t)options->connect_ms_max * US_PER_MS;
	relay->moved_us = worker->now_us;
	relay->client = (struct relay_end){ .watch = { on_event }, .relay = relay };
	relay->backend = (struct relay_end){ .watch = { on_event }, .relay = relay };
	transport_init_tcp(&relay->client.io, fd);
	relay->backend.io.fd = -1;
	buf_init(&relay->up.rest, WORKER_SCRATCH_BYTES);
	buf_init(&relay->down.rest, WORKER_SCRATCH_BYTES);
	list_init(&relay->ready_link);
	list_add_tail(&worker->relays.all, &relay->link);
	list_add_tail(&worker->relays.timed, &relay->timed_link);
	(void)atomic_fetch_add(&worker->shared->session_count, 1);
	if (worker_watch(worker, fd, &relay->client.watch) != ERR_OK) {
		relay_close(relay, true);
		return;
	}
	relay->client.io.writable = true;
	relay_run(relay);
}

/* ---------------------------------------------------------------- the choice of a back end */

static bool was_tried(const struct relay *relay, const struct backend_slot *slot)
{
	for (uint32_t i = 0; i < relay->tried_count; i++) {
		if (relay->tried[i] == slot) {
			return true;
		}
	}
	return false;
}

/* How well a back end suits: the lowest that any has is chosen among. */
enum suit {
	SUIT_GOOD,
	SUIT_AVOIDED, /* it refused somebody a moment ago */
	SUIT_AGAIN, /* this client was tried on it, but that was a while ago, or a check has been good since */
	SUIT_NONE,
};

static enum suit suit_of(const struct relay *relay, const struct backend *row)
{
	const struct backend_slot *slot = row->slot;
	bool avoided = atomic_load(&slot->avoid_until_us) > relay->worker->now_us;
	if (!row->open || !row->resolved || atomic_load(&slot->state) != BALANCE_UP) {
		return SUIT_NONE;
	}
	if (was_tried(relay, slot)) {
		return avoided ? SUIT_NONE : SUIT_AGAIN;
	}
	return avoided ? SUIT_AVOIDED : SUIT_GOOD;
}

/* NULL: none can be had now. */
static const struct backend *choose(struct relay *relay)
{
	struct worker *worker = relay->worker;
	uint32_t service = backends_find(worker->backends, relay->service);
	struct balance_row rows[SERVICE_BACKENDS_MAX];
	enum suit suits[SERVICE_BACKENDS_MAX];
	enum suit best = SUIT_NONE;
	if (service == BALANCE_NONE) {
		return NULL;
	}
	const struct backends_service *of = &worker->backends->services[service];
	for (uint32_t i = 0; i < of->count; i++) {
		suits[i] = suit_of(relay, &of->rows[i]);
		best = suits[i] < best ? suits[i] : best;
	}
	if (best == SUIT_NONE) {
		return NULL;
	}
	for (uint32_t i = 0; i < of->count; i++) {
		rows[i] = (struct balance_row){
			.usable = suits[i] == best,
			.weight = of->rows[i].weight,
			.connections = atomic_load(&of->rows[i].slot->connections),
			.credit = worker->relays.credits[service][i],
		};
	}
	uint32_t chosen = balance_choose(rows, of->count);
	for (uint32_t i = 0; i < of->count; i++) {
		worker->relays.credits[service][i] = rows[i].credit;
	}
	return &of->rows[chosen];
}

/* The one in hand can't be connected to. blame: it is the back end's fault. */
static void give_up(struct relay *relay, bool blame)
{
	struct worker *worker = relay->worker;
	struct backend_slot *slot = backend_slot_ref(relay->slot);
	close_end(relay, &relay->backend, true);
	leave_slot(relay);
	relay->phase = RELAY_WAITS;
	relay->tried[relay->tried_count++] = slot;
	if (blame) {
		atomic_store(&slot->avoid_until_us, worker->now_us + RELAY_AVOID_US);
		service_checks_ask(worker, slot);
	}
}

/* false: it failed at once. */
static bool begin(struct relay *relay, const struct backend *backend)
{
	struct worker *worker = relay->worker;
	int fd = -1;
	relay->slot = backend_slot_ref(backend->slot);
	(void)atomic_fetch_add(&relay->slot->connections, 1);
	enum err rc = net_connect(&backend->address, &fd, NULL);
	if (rc != ERR_OK) {
		/* ERR_IO: no socket could be had, which is not the back end's fault. */
		give_up(relay, rc == ERR_UNREACHABLE);
		return false;
	}
	transport_init_tcp(&relay->backend.io, fd);
	relay->phase = RELAY_CONNECTING;
	relay->deadline_us =
		worker->now_us + (uint64_t)worker->shared->options.connect_ms_max * US_PER_MS;
	if (worker_watch(worker, fd, &relay->backend.watch) != ERR_OK) {
		give_up(relay, false);
		return false;
	}
	return true;
}

static void find_backend(struct relay *relay)
{
	while (relay->tried_count < RELAY_TRIES_MAX) {
		const struct backend *backend = choose(relay);
		if (!backend && relay->worker->now_us < relay->give_up_us) {
			return; /* one may come: a check ends, a table arrives */
		}
		if (!backend) {
			break;
		}
		if (begin(relay, backend)) {
			return;
		}
	}
	relay_close(relay, true);
}

/* ---------------------------------------------------------------- the bytes */

static enum relay_flow flow_of(enum transport_result rc)
{
	return rc == TRANSPORT_BLOCKED ? FLOW_WAITS : rc == TRANSPORT_OK ? FLOW_MORE : FLOW_BROKEN;
}

static enum relay_flow write_rest(struct relay_way *way, struct transport *to)
{
	size_t count = 0;
	enum transport_result rc = transport_write(to, way->rest.ptr + way->rest_at,
						   way->rest.len - way->rest_at, &count);
	way->rest_at += count;
	if (rc == TRANSPORT_OK && way->rest_at == way->rest.len) {
		buf_fini(&way->rest);
		way->rest_at = 0;
	}
	return flow_of(rc);
}

static enum relay_flow pass_end(struct relay_way *way, struct transport *to)
{
	if (!way->passed) {
		way->passed = true;
		transport_shut(to);
	}
	return FLOW_DONE;
}

/* One piece: what is left of the last one, or a new one. */
static enum relay_flow move_piece(struct relay *relay, struct relay_way *way,
				  struct transport *from, struct transport *to)
{
	uint8_t *scratch = relay->worker->scratch;
	size_t got = 0;
	size_t put = 0;
	if (way->rest.len) {
		return write_rest(way, to);
	}
	if (way->ended) {
		return pass_end(way, to);
	}
	if (!to->writable) {
		return FLOW_WAITS; /* so nothing is read that would have to be kept */
	}
	enum transport_result rc = transport_read(from, scratch, WORKER_SCRATCH_BYTES, &got);
	if (rc == TRANSPORT_CLOSED) {
		way->ended = true;
		return from->broken ? FLOW_BROKEN : FLOW_MORE;
	}
	if (rc != TRANSPORT_OK) {
		return flow_of(rc);
	}
	relay->moved_us = relay->worker->now_us;
	rc = transport_write(to, scratch, got, &put);
	if (rc == TRANSPORT_CLOSED) {
		return FLOW_BROKEN;
	}
	if (put < got) {
		buf_add(&way->rest, scratch + put, got - put);
		return buf_finish(&way->rest) == ERR_OK ? FLOW_MORE : FLOW_BROKEN;
	}
	return FLOW_MORE;
}

static enum relay_flow move(struct relay *relay, struct relay_way *way, struct transport *from,
			    struct transport *to)
{
	enum relay_flow flow = FLOW_MORE;
	for (int i = 0; i < RELAY_PIECES_PER_TURN && flow == FLOW_MORE; i++) {
		flow = move_piece(relay, way, from, to);
	}
	return flow;
}

static void relay_bytes(struct relay *relay)
{
	enum relay_flow up = move(relay, &relay->up, &relay->client.io, &relay->backend.io);
	enum relay_flow down = up == FLOW_BROKEN ? FLOW_BROKEN
						 : move(relay, &relay->down, &relay->backend.io,
							&relay->client.io);
	if (down == FLOW_BROKEN) {
		relay_close(relay, true);
	} else if (up == FLOW_DONE && down == FLOW_DONE) {
		relay_close(relay, false);
	} else if ((up == FLOW_MORE || down == FLOW_MORE) && list_is_empty(&relay->ready_link)) {
		list_add_tail(&relay->worker->relays.ready, &relay->ready_link);
	}
}

/* Whether the connection is made by now; it may be given up instead. */
static bool is_connected(struct relay *relay)
{
	if (!relay->backend.io.writable) {
		return false;
	}
	if (net_connect_error(relay->backend.io.fd)) {
		give_up(relay, true);
		return false;
	}
	relay->phase = RELAY_OPEN;
	forget_tried(relay);
	list_remove(&relay->timed_link);
	return true;
}

static void relay_run(struct relay *relay)
{
	/* Each round but the last has tried one back end more. */
	for (int i = 0; i <= RELAY_TRIES_MAX; i++) {
		if (relay->phase == RELAY_WAITS) {
			find_backend(relay);
		}
		if (relay->phase != RELAY_CONNECTING || is_connected(relay) ||
		    relay->phase == RELAY_CONNECTING) {
			break;
		}
	}
	if (relay->phase == RELAY_OPEN) {
		relay_bytes(relay);
	}
}

/* ---------------------------------------------------------------- the worker's turn */

void relays_apply(struct worker *worker)
{
	struct relays *relays = &worker->relays;
	for (size_t i = 0; i < SERVICES_MAX; i++) {
		for (size_t k = 0; k < SERVICE_BACKENDS_MAX; k++) {
			relays->credits[i][k] = 0;
		}
	}
	relays->due_us = 0;
	relays->look_us = 0;
}

static void run_timed(struct worker *worker)
{
	struct relays *relays = &worker->relays;
	uint32_t news = atomic_load(&worker->shared->health_version);
	bool look = news != relays->health_version || worker->now_us >= relays->look_us;
	if (look) {
		relays->health_version = news;
		relays->look_us = worker->now_us + (uint64_t)RELAY_LOOK_MS * US_PER_MS;
	}
	LIST_EACH (&relays->timed, link) {
		struct relay *relay = LIST_ENTRY(link, struct relay, timed_link);
		if (relay->phase == RELAY_CONNECTING && relay->deadline_us <= worker->now_us) {
			give_up(relay, true);
			relay_run(relay);
		} else if (relay->phase == RELAY_WAITS && look) {
			relay_run(relay);
		}
	}
}

/* A back end whose process has ended must not be kept in use by a client that never hangs up. */
static void sweep(struct worker *worker)
{
	LIST_EACH (&worker->relays.all, link) {
		struct relay *relay = LIST_ENTRY(link, struct relay, link);
		bool half = relay->phase == RELAY_OPEN && relay->down.passed;
		if (half && worker->now_us - relay->moved_us >= RELAY_HALF_US_MAX) {
			relay_close(relay, true);
		}
	}
}

void relays_turn(struct worker *worker)
{
	struct relays *relays = &worker->relays;
	struct list ready;
	list_init(&ready);
	LIST_EACH (&relays->ready, link) {
		list_remove(link);
		list_add_tail(&ready, link);
	}
	for (struct list *link = list_pop(&ready); link; link = list_pop(&ready)) {
		relay_run(LIST_ENTRY(link, struct relay, ready_link));
	}
	if (worker->now_us >= relays->due_us) {
		relays->due_us = worker->now_us + (uint64_t)RELAY_TIMER_MS * US_PER_MS;
		run_timed(worker);
	}
	if (worker->now_us >= relays->sweep_us) {
		relays->sweep_us = worker->now_us + (uint64_t)RELAY_SWEEP_MS * US_PER_MS;
		sweep(worker);
	}
}

void relays_close(struct worker *worker)
{
	LIST_EACH (&worker->relays.all, link) {
		relay_close(LIST_ENTRY(link, struct relay, link), false);
	}
}

int relays_sleep_ms(const struct worker *worker, int most_ms)
{
	if (!list_is_empty(&worker->relays.ready)) {
		return 0;
	}
	bool timed = !list_is_empty(&worker->relays.timed);
	return timed && most_ms > RELAY_TIMER_MS ? (int)RELAY_TIMER_MS : most_ms;
}
