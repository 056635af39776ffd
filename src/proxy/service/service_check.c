#include "proxy/service/service_check.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/transport.h"
#include "proxy/worker.h"

enum {
	CHECK_HEAD_BYTES = 12, /* "HTTP/1.1 200" */
	CHECK_REQUEST_BYTES_MAX = 1024,
	STATUS_GOOD_MIN = 200,
	STATUS_GOOD_MAX = 399,
	CHECKS_IDLE_MS = 1000,
};

/* One check under way. */
struct flight {
	struct watch watch;
	struct list link; /* checks->flights */
	struct dying dying;
	struct worker *worker;
	struct backend_slot *slot; /* a reference */
	struct transport io;
	struct service_check check;
	uint64_t deadline_us;
	bool sent;
	bool over;
	char head[CHECK_HEAD_BYTES];
	size_t head_bytes;
};

void service_checks_init(struct service_checks *checks, bool mine)
{
	checks->mine = mine;
	list_init(&checks->flights);
}

int service_check_status(struct str head)
{
	static const char form[] = "HTTP/d.d ddd";
	int status = 0;
	for (size_t i = 0; i < head.len && i < CHECK_HEAD_BYTES; i++) {
		bool digit = head.ptr[i] >= '0' && head.ptr[i] <= '9';
		if (form[i] == 'd' ? !digit : head.ptr[i] != form[i]) {
			return -1;
		}
		status = i + 3 >= CHECK_HEAD_BYTES ? status * 10 + (head.ptr[i] - '0') : 0;
	}
	return head.len < CHECK_HEAD_BYTES ? 0 : status;
}

/* ---------------------------------------------------------------- results */

static void tell(const struct worker *worker, const struct backend_slot *slot, uint32_t why)
{
	char address[SERVICE_ADDRESS_TEXT_BYTES_MAX];
	char words[128];
	struct buf address_text;
	struct buf why_text;
	bool up = atomic_load(&slot->state) == BALANCE_UP;
	buf_init_fixed(&address_text, address, sizeof(address));
	buf_init_fixed(&why_text, words, sizeof(words));
	service_address_print(slot->host, slot->port, &address_text);
	backend_why_print(why, &why_text);
	log_event(worker->shared->options.log, up ? LOG_INFO : LOG_WARN,
		  up ? "backend.up" : "backend.down",
		  up ? "the back end answers: it gets connections"
		     : "the back end fails its checks: it gets no new connections",
		  LOG_TEXT("service", slot->service), LOG_TEXT("backend", buf_text(&address_text)),
		  LOG_TEXT("why", buf_text(&why_text)));
}

static void take_result(struct worker *worker, struct backend_slot *slot, uint32_t why)
{
	const struct proxy_options *options = &worker->shared->options;
	bool good = why == backend_why_make(BACKEND_FINE, 0);
	bool changed = balance_take(&slot->health, good, options->check_rise, options->check_fall);
	bool rising = good && slot->health.state != BALANCE_UP;
	atomic_store(&slot->why, rising ? backend_why_make(BACKEND_RISING, 0) : why);
	bool cleared = good && atomic_exchange(&slot->avoid_until_us, 0) != 0;
	if (changed) {
		atomic_store(&slot->state, slot->health.state);
		tell(worker, slot, why);
	}
	if (good && (changed || cleared)) {
		/* Who waits for it looks again within a tick, with this worker or another. */
		(void)atomic_fetch_add(&worker->shared->health_version, 1);
	}
}

static void free_dying(struct dying *object)
{
	struct flight *flight = LIST_ENTRY(object, struct flight, dying);
	(void)backend_slot_unref(flight->slot);
	(void)mem_free(flight);
}

/* Ends the flight without a result. */
static void drop(struct flight *flight)
{
	struct worker *worker = flight->worker;
	flight->over = true;
	flight->slot->checking = false;
	worker_unwatch(worker, flight->io.fd);
	transport_close(&flight->io, false);
	list_remove(&flight->link);
	worker->checks.flying--;
	worker->checks.due_us = 0;
	flight->dying.free = free_dying;
	list_add_tail(&worker->dying, &flight->dying.link);
}

static void land(struct flight *flight, enum backend_why why, int number)
{
	struct worker *worker = flight->worker;
	struct backend_slot *slot = flight->slot;
	drop(flight);
	take_result(worker, slot, backend_why_make(why, (uint32_t)number));
}

/* ---------------------------------------------------------------- one check */

static void send_request(struct flight *flight)
{
	char memory[CHECK_REQUEST_BYTES_MAX];
	struct buf request;
	size_t count = 0;
	buf_init_fixed(&request, memory, sizeof(memory));
	buf_printf(&request, "GET %s HTTP/1.0\r\nHost: ", flight->check.path);
	service_address_print(flight->slot->host, flight->slot->port, &request);
	buf_add_text(&request, "\r\nUser-Agent: muster\r\nConnection: close\r\n\r\n");
	check(buf_finish(&request) == ERR_OK);
	flight->sent = true;
	/* A fresh connection takes it whole; one that doesn't is late. */
	(void)transport_write(&flight->io, request.ptr, request.len, &count);
}

static void read_head(struct flight *flight)
{
	enum transport_result rc = TRANSPORT_OK;
	while (rc == TRANSPORT_OK && flight->head_bytes < CHECK_HEAD_BYTES) {
		size_t count = 0;
		rc = transport_read(&flight->io, flight->head + flight->head_bytes,
				    CHECK_HEAD_BYTES - flight->head_bytes, &count);
		flight->head_bytes += count;
	}
	int status = service_check_status((struct str){ flight->head, flight->head_bytes });
	if (status < 0 || (status == 0 && rc == TRANSPORT_CLOSED)) {
		land(flight, BACKEND_NO_STATUS, 0);
	} else if (status > 0) {
		bool good = status >= STATUS_GOOD_MIN && status <= STATUS_GOOD_MAX;
		land(flight, good ? BACKEND_FINE : BACKEND_BAD_STATUS, good ? 0 : status);
	}
}

static void on_event(struct watch *watch, uint32_t epoll_events)
{
	struct flight *flight = LIST_ENTRY(watch, struct flight, watch);
	if (flight->over) {
		return;
	}
	transport_note(&flight->io, epoll_events);
	if (!flight->sent && flight->io.writable) {
		int failed = net_connect_error(flight->io.fd);
		if (failed) {
			land(flight, BACKEND_ERRNO, failed);
			return;
		}
		if (flight->check.kind == SERVICE_CHECK_TCP) {
			land(flight, BACKEND_FINE, 0);
			return;
		}
		send_request(flight);
	}
	if (flight->sent) {
		read_head(flight);
	}
}

static void take_off(struct worker *worker, const struct backend *backend)
{
	const struct proxy_options *options = &worker->shared->options;
	struct backend_slot *slot = backend->slot;
	int fd = -1;
	slot->check_due_us = worker->now_us + (uint64_t)options->check_interval_ms * US_PER_MS;
	if (!backend->resolved) {
		take_result(worker, slot, backend_why_make(BACKEND_NAMELESS, 0));
		return;
	}
	enum err rc = net_connect(&backend->address, &fd, NULL);
	struct flight *flight = rc == ERR_OK ? mem_try(sizeof(*flight)) : NULL;
	if (!flight) {
		/* Without a socket or memory of our own nothing is known of the back end. */
		if (rc == ERR_UNREACHABLE) {
			take_result(worker, slot, backend_why_make(BACKEND_ERRNO, 0));
		} else if (fd >= 0) {
			(void)close(fd);
		}
		return;
	}
	flight->watch.on_event = on_event;
	flight->worker = worker;
	flight->slot = backend_slot_ref(slot);
	flight->check = backend->check;
	flight->deadline_us = worker->now_us + (uint64_t)options->check_timeout_ms * US_PER_MS;
	slot->checking = true;
	transport_init_tcp(&flight->io, fd);
	list_add_tail(&worker->checks.flights, &flight->link);
	worker->checks.flying++;
	if (worker_watch(worker, fd, &flight->watch) != ERR_OK) {
		drop(flight);
	}
}

/* ---------------------------------------------------------------- the worker's turn */

static void sooner(uint64_t *due_us, uint64_t than_us)
{
	*due_us = than_us < *due_us ? than_us : *due_us;
}

static void end_late(struct worker *worker, uint64_t *due_us)
{
	LIST_EACH (&worker->checks.flights, link) {
		struct flight *flight = LIST_ENTRY(link, struct flight, link);
		if (flight->deadline_us > worker->now_us) {
			sooner(due_us, flight->deadline_us);
			break;
		}
		land(flight, BACKEND_LATE, 0);
	}
}

static void start_due(struct worker *worker, const struct backends_service *service,
		      uint64_t *due_us)
{
	for (uint32_t i = 0; i < service->count; i++) {
		struct backend_slot *slot = service->rows[i].slot;
		if (slot->checking) {
			continue;
		}
		if (atomic_exchange(&slot->check_asked, false)) {
			slot->check_due_us = 0;
		}
		if (slot->check_due_us <= worker->now_us &&
		    worker->checks.flying < SERVICE_CHECKS_MAX) {
			take_off(worker, &service->rows[i]);
		}
		if (slot->check_due_us > worker->now_us) {
			sooner(due_us, slot->check_due_us); /* else the end of a flight is */
		}
	}
}

void service_checks_turn(struct worker *worker)
{
	struct service_checks *checks = &worker->checks;
	bool asked = checks->mine && atomic_exchange(&worker->shared->check_asked, false);
	if (!checks->mine || (!asked && worker->now_us < checks->due_us)) {
		return;
	}
	uint64_t due_us = worker->now_us + (uint64_t)CHECKS_IDLE_MS * US_PER_MS;
	end_late(worker, &due_us);
	for (uint32_t i = 0; i < worker->shared->service_count; i++) {
		uint32_t at = backends_find(worker->backends, worker->shared->services[i]);
		if (at != BALANCE_NONE) {
			start_due(worker, &worker->backends->services[at], &due_us);
		}
	}
	LIST_EACH (&checks->flights, link) {
		sooner(&due_us, LIST_ENTRY(link, struct flight, link)->deadline_us);
		break;
	}
	checks->due_us = due_us;
}

void service_checks_apply(struct worker *worker)
{
	worker->checks.due_us = 0;
}

void service_checks_close(struct worker *worker)
{
	LIST_EACH (&worker->checks.flights, link) {
		drop(LIST_ENTRY(link, struct flight, link));
	}
}

void service_checks_ask(struct worker *worker, struct backend_slot *slot)
{
	atomic_store(&slot->check_asked, true);
	if (!atomic_exchange(&worker->shared->check_asked, true) && !worker->checks.mine) {
		worker_wake(&worker->shared->workers[0]);
	}
}

int service_checks_sleep_ms(const struct worker *worker, int most_ms)
{
	const struct service_checks *checks = &worker->checks;
	if (!checks->mine || !worker->backends) {
		return most_ms;
	}
	if (checks->due_us <= worker->now_us) {
		return 0;
	}
	uint64_t wait_ms = (checks->due_us - worker->now_us) / US_PER_MS + 1;
	return wait_ms < (uint64_t)most_ms ? (int)wait_ms : most_ms;
}
