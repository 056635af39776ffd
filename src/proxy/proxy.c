/* The proxy as others see it: starts workers, hands snapshots to them, adds their status up.
 *
 * A route with host names is resolved by a thread of its own, so that neither the publisher nor a
 * worker ever waits for a name server; addresses once found serve until a later look-up succeeds.
 */
#include "proxy/proxy.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "os/net.h"
#include "os/thread.h"
#include "proxy/routing/routing.h"
#include "proxy/worker.h"

enum { WORKERS_MAX = 256, KNOWN_ADDRESSES_MAX = 64, RESOLVE_AGAIN_US = 5 * US_PER_S };

struct known_address {
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
	struct net_address address;
};

struct proxy {
	struct worker_shared shared;
	struct worker *workers; /* [worker_count] */
	uint32_t worker_count;
	uint32_t started_count;
	size_t listener_count;
	uint16_t ports[WORKER_LISTENERS_MAX];

	pthread_mutex_t mutex; /* guards all below; never taken by a worker */
	pthread_cond_t work;
	pthread_t resolver;
	bool resolver_runs;
	bool stopping;
	bool published;
	uint64_t epoch; /* of the newest route */
	uint64_t revision;
	struct target *unresolved; /* waits for the resolver; owned */
	struct known_address known[KNOWN_ADDRESSES_MAX];
	size_t known_count;
	struct backends *backends; /* the newest; owned; NULL: none yet */
	uint64_t backends_revision;
	bool backends_nameless; /* some of them have no address yet */
};

static const struct known_address *find_known(const struct proxy *proxy,
					      const struct route_server *server)
{
	for (size_t i = 0; i < proxy->known_count; i++) {
		if (proxy->known[i].port == server->port &&
		    strcmp(proxy->known[i].host, server->host) == 0) {
			return &proxy->known[i];
		}
	}
	return NULL;
}

static void remember(struct proxy *proxy, const struct route_server *server,
		     const struct net_address *address)
{
	for (size_t i = 0; i < proxy->known_count; i++) {
		if (find_known(proxy, server) == &proxy->known[i]) {
			proxy->known[i].address = *address;
			return;
		}
	}
	size_t at = proxy->known_count < KNOWN_ADDRESSES_MAX ? proxy->known_count++ : 0;
	proxy->known[at] = (struct known_address){ .port = server->port, .address = *address };
	memcpy(proxy->known[at].host, server->host, sizeof(server->host));
}

/* Fills in what is known without asking anybody. true: that is all. */
static bool resolve_known(struct proxy *proxy, struct target *target)
{
	bool complete = true;
	for (uint32_t i = 0; i < target->route.server_count; i++) {
		const struct route_server *server = &target->route.servers[i];
		const struct known_address *known = find_known(proxy, server);
		if (net_resolve(server->host, server->port, true, &target->addresses[i], NULL) ==
		    ERR_OK) {
			target->resolved[i] = true;
		} else if (known) {
			target->addresses[i] = known->address;
			target->resolved[i] = true;
		} else {
			complete = false;
		}
	}
	return complete;
}

static void post(struct proxy *proxy, struct target *target)
{
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		worker_post_target(&proxy->workers[i], target_ref(target));
	}
}

/* Asks the name service for all names of a route; without the lock, which it may take long. */
static void resolve_names(struct proxy *proxy, struct target *target)
{
	for (uint32_t i = 0; i < target->route.server_count; i++) {
		const struct route_server *server = &target->route.servers[i];
		struct net_address address;
		struct err_ctx err = { 0 };
		if (target->resolved[i]) {
			continue;
		}
		if (net_resolve(server->host, server->port, false, &address, &err) != ERR_OK) {
			log_event(proxy->shared.options.log, LOG_ERROR, "proxy.name.unknown",
				  err.text, LOG_TEXT("server", server->name));
			continue;
		}
		(void)pthread_mutex_lock(&proxy->mutex);
		remember(proxy, server, &address);
		(void)pthread_mutex_unlock(&proxy->mutex);
		target->addresses[i] = address;
		target->resolved[i] = true;
	}
}

static void post_backends(struct proxy *proxy)
{
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		worker_post_backends(&proxy->workers[i], backends_ref(proxy->backends));
	}
}

/* Asks the name service for all back ends that have no address; the lock is held, but not while it waits. */
static void resolve_backends(struct proxy *proxy)
{
	uint64_t revision = proxy->backends_revision;
	struct backends *next = backends_copy(proxy->backends);
	proxy->backends_nameless = false;
	(void)pthread_mutex_unlock(&proxy->mutex);
	bool complete = backends_resolve(next, false);
	(void)pthread_mutex_lock(&proxy->mutex);
	if (revision != proxy->backends_revision) {
		(void)backends_unref(next); /* a newer table has come meanwhile */
		return;
	}
	(void)backends_unref(proxy->backends);
	proxy->backends = next;
	post_backends(proxy);
	if (!complete) {
		const struct timespec until = thread_moment(RESOLVE_AGAIN_US);
		proxy->backends_nameless = true;
		(void)pthread_cond_timedwait(&proxy->work, &proxy->mutex, &until);
	}
}

static void *run_resolver(void *arg)
{
	struct proxy *proxy = arg;
	(void)pthread_mutex_lock(&proxy->mutex);
	while (!proxy->stopping) {
		if (!proxy->unresolved && proxy->backends_nameless) {
			resolve_backends(proxy);
			continue;
		}
		if (!proxy->unresolved) {
			(void)pthread_cond_wait(&proxy->work, &proxy->mutex);
			continue;
		}
		struct target *target = TAKE(proxy->unresolved);
		(void)pthread_mutex_unlock(&proxy->mutex);
		resolve_names(proxy, target);
		(void)pthread_mutex_lock(&proxy->mutex);
		if (target->route.epoch == proxy->epoch &&
		    target->route.revision == proxy->revision) {
			post(proxy, target);
		}
		(void)target_unref(target);
	}
	(void)pthread_mutex_unlock(&proxy->mutex);
	return NULL;
}

void proxy_publish(struct proxy *proxy, const struct route *route)
{
	(void)pthread_mutex_lock(&proxy->mutex);
	bool newer = !proxy->published || route->epoch > proxy->epoch ||
		     (route->epoch == proxy->epoch && route->revision > proxy->revision);
	if (newer) {
		struct target *target = target_new(route);
		proxy->published = true;
		proxy->epoch = route->epoch;
		proxy->revision = route->revision;
		(void)target_unref(proxy->unresolved);
		proxy->unresolved = NULL;
		if (resolve_known(proxy, target)) {
			post(proxy, target);
			(void)target_unref(target);
		} else {
			proxy->unresolved = target;
			(void)pthread_cond_signal(&proxy->work);
		}
	}
	(void)pthread_mutex_unlock(&proxy->mutex);
}

void proxy_publish_services(struct proxy *proxy, const struct service_table *table)
{
	(void)pthread_mutex_lock(&proxy->mutex);
	struct backends *next = backends_new(table, proxy->backends, ++proxy->backends_revision);
	proxy->backends_nameless = !backends_resolve(next, true);
	(void)backends_unref(proxy->backends);
	proxy->backends = next;
	post_backends(proxy);
	if (proxy->backends_nameless) {
		(void)pthread_cond_signal(&proxy->work);
	}
	(void)pthread_mutex_unlock(&proxy->mutex);
}

bool proxy_services_in_force(struct proxy *proxy)
{
	bool everywhere = true;
	(void)pthread_mutex_lock(&proxy->mutex);
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		everywhere =
			everywhere && atomic_load(&proxy->workers[i].status.services_revision) ==
					      proxy->backends_revision;
	}
	(void)pthread_mutex_unlock(&proxy->mutex);
	return everywhere;
}

const char *proxy_service(const struct proxy *proxy, size_t index)
{
	return index < proxy->shared.service_count ? proxy->shared.services[index] : NULL;
}

static void tell_backends(const struct backends_service *service,
			  void (*row)(void *ctx, const struct proxy_backend *backend), void *ctx)
{
	for (uint32_t i = 0; i < service->count; i++) {
		const struct backend_slot *slot = service->rows[i].slot;
		char text[128];
		struct buf why;
		buf_init_fixed(&why, text, sizeof(text));
		backend_why_print(atomic_load(&slot->why), &why);
		const struct proxy_backend backend = {
			.service = slot->service,
			.host = slot->host,
			.port = slot->port,
			.state = (enum balance_state)atomic_load(&slot->state),
			.connections = atomic_load(&slot->connections),
			.why = buf_text(&why),
		};
		row(ctx, &backend);
	}
}

void proxy_each_backend(struct proxy *proxy,
			void (*row)(void *ctx, const struct proxy_backend *backend), void *ctx)
{
	(void)pthread_mutex_lock(&proxy->mutex);
	struct backends *backends = backends_ref(proxy->backends);
	(void)pthread_mutex_unlock(&proxy->mutex);
	for (uint32_t i = 0; i < proxy->shared.service_count; i++) {
		uint32_t at = backends_find(backends, proxy->shared.services[i]);
		if (at != BALANCE_NONE) {
			tell_backends(&backends->services[at], row, ctx);
		}
	}
	(void)backends_unref(backends);
}

void proxy_set_accounts(struct proxy *proxy, struct accounts *accounts)
{
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		worker_post_accounts(&proxy->workers[i], accounts_ref(accounts));
	}
	(void)accounts_unref(accounts);
}

void proxy_set_lease(struct proxy *proxy, uint64_t until_us)
{
	uint64_t before_us = atomic_exchange(&proxy->shared.lease_until_us, until_us);
	if (before_us <= clock_monotonic_us(proxy->shared.options.clock)) {
		/* What was frozen goes on. */
		for (uint32_t i = 0; i < proxy->worker_count; i++) {
			worker_wake(&proxy->workers[i]);
		}
	}
}

void proxy_get_status(const struct proxy *proxy, struct proxy_status *ret)
{
	*ret = (struct proxy_status){ .held = true };
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		const struct worker_status *status = &proxy->workers[i].status;
		uint64_t revision = atomic_load(&status->revision);
		uint64_t epoch = atomic_load(&status->epoch);
		if (i == 0 || epoch < ret->epoch ||
		    (epoch == ret->epoch && revision < ret->revision)) {
			ret->epoch = epoch;
			ret->revision = revision;
		}
		ret->held = atomic_load(&status->held) && ret->held;
		ret->transactions_open += atomic_load(&status->transactions_open);
		ret->statements_held += atomic_load(&status->statements_held);
		ret->sessions += atomic_load(&status->sessions);
		for (size_t server = 0; server < ROUTE_SERVERS_MAX; server++) {
			ret->reads[server] += atomic_load(&status->reads[server]);
		}
	}
}

uint16_t proxy_port(const struct proxy *proxy, size_t listener_index)
{
	return listener_index < proxy->listener_count ? proxy->ports[listener_index] : 0;
}

/* One listening socket for each worker; the first one finds the port. */
static enum err open_listener(struct proxy *proxy, size_t index,
			      const struct proxy_listener *listener, struct err_ctx *err)
{
	int probe = -1;
	/* Without SO_REUSEPORT, so that another program's listener is noticed. */
	enum err rc = net_listen(listener->host, listener->port, false, &probe, err);
	if (rc) {
		return rc;
	}
	uint16_t port = net_local_port(probe);
	(void)close(probe);
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		int fd = -1;
		rc = net_listen(listener->host, port, true, &fd, err);
		if (rc) {
			return rc;
		}
		worker_add_listener(&proxy->workers[i], fd, listener);
	}
	if (listener->role == PROXY_SERVICE) {
		memcpy(proxy->shared.services[proxy->shared.service_count++], listener->service,
		       sizeof(listener->service));
	}
	proxy->ports[index] = port;
	return ERR_OK;
}

static enum err start(struct proxy *proxy, const struct proxy_options *options, struct err_ctx *err)
{
	enum err rc = auth_sha2_rsa_generate(&proxy->shared.key, err);
	for (uint32_t i = 0; !rc && i < proxy->worker_count; i++) {
		rc = worker_init(&proxy->workers[i], &proxy->shared, i, err);
	}
	for (size_t i = 0; !rc && i < options->listener_count; i++) {
		rc = open_listener(proxy, i, &options->listeners[i], err);
	}
	for (uint32_t i = 0; !rc && i < proxy->worker_count; i++) {
		rc = worker_start(&proxy->workers[i], err);
		proxy->started_count += rc ? 0 : 1;
	}
	if (!rc) {
		int failed = pthread_create(&proxy->resolver, NULL, run_resolver, proxy);
		proxy->resolver_runs = !failed;
		rc = failed ? err_set(err, ERR_IO, "the resolver's thread: %s",
				      strerrordesc_np(failed))
			    : ERR_OK;
	}
	return rc;
}

static uint32_t count_workers(uint32_t wanted)
{
	long processors = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);
	if (processors < 1) {
		return 1;
	}
	return processors > WORKERS_MAX ? (uint32_t)WORKERS_MAX : (uint32_t)processors;
}

enum err proxy_start(const struct proxy_options *options, struct proxy **ret, struct err_ctx *err)
{
	if (options->listener_count > WORKER_LISTENERS_MAX) {
		return err_set(err, ERR_LIMIT, "over %d listeners", WORKER_LISTENERS_MAX);
	}
	struct proxy *proxy = mem_need(sizeof(*proxy));
	proxy->worker_count = count_workers(options->workers);
	proxy->workers = mem_need(proxy->worker_count * sizeof(*proxy->workers));
	proxy->listener_count = options->listener_count;
	proxy->shared.options = *options;
	proxy->shared.options.listeners = NULL; /* the caller's memory */
	proxy->shared.worker_count = proxy->worker_count;
	proxy->shared.workers = proxy->workers;
	proxy->shared.secrets = secrets_new();
	atomic_init(&proxy->shared.lease_until_us, UINT64_MAX);
	thread_condition_init(&proxy->mutex, &proxy->work);
	enum err rc = start(proxy, options, err);
	if (rc) {
		(void)proxy_stop(proxy);
		return rc;
	}
	*ret = proxy;
	return ERR_OK;
}

struct proxy *proxy_stop(struct proxy *proxy)
{
	if (!proxy) {
		return NULL;
	}
	(void)pthread_mutex_lock(&proxy->mutex);
	proxy->stopping = true;
	(void)pthread_cond_signal(&proxy->work);
	(void)pthread_mutex_unlock(&proxy->mutex);
	if (proxy->resolver_runs) {
		(void)pthread_join(proxy->resolver, NULL);
	}
	for (uint32_t i = 0; i < proxy->started_count; i++) {
		worker_ask_stop(&proxy->workers[i]);
	}
	for (uint32_t i = 0; i < proxy->started_count; i++) {
		(void)pthread_join(proxy->workers[i].thread, NULL);
	}
	for (uint32_t i = 0; i < proxy->worker_count; i++) {
		worker_fini(&proxy->workers[i]);
	}
	(void)target_unref(proxy->unresolved);
	(void)backends_unref(proxy->backends);
	(void)auth_sha2_rsa_free(proxy->shared.key);
	(void)secrets_free(proxy->shared.secrets);
	(void)pthread_cond_destroy(&proxy->work);
	(void)pthread_mutex_destroy(&proxy->mutex);
	(void)mem_free(proxy->workers);
	return mem_free(proxy);
}
