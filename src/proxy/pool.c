#include "proxy/pool.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "proxy/routing/routing.h"
#include "proxy/session/session.h"

static struct upstream **link_of(struct session *session, const struct upstream *upstream)
{
	return &session->links[upstream->as_primary ? POOL_PRIMARY : POOL_READER];
}

/* It is nobody's: a KILL of its session must not hit who gets it next. */
static void disown(struct upstream *upstream)
{
	struct session *owner = upstream->owner;
	if (!owner) {
		return;
	}
	*link_of(owner, upstream) = NULL;
	upstream->owner = NULL;
	if (owner->named_thread == upstream->thread_id) {
		session_set_name(owner, 0);
	}
}

static void unpark(struct upstream *upstream)
{
	if (upstream->owner) {
		*link_of(upstream->owner, upstream) = NULL;
		upstream->owner = NULL;
	}
	if (upstream->parked) {
		upstream->parked = false;
		list_remove(&upstream->pool_link);
		upstream->worker->parked_count--;
	}
}

bool pool_is_pinned(const struct session *session)
{
	return session->state.in_transaction || session->state.losses || session->lost ||
	       session->keeps_last;
}

bool pool_can_park(const struct session *session)
{
	const struct upstream *upstream = session->upstream;
	return session->role == PROXY_SPLIT && upstream && upstream->phase == UPSTREAM_READY &&
	       !pool_is_pinned(session);
}

void pool_settle(struct session *session)
{
	if (session->phase == SESSION_IDLE && pool_can_park(session)) {
		pool_park(session);
	}
}

/* Who has waited longest is served first. */
static void wake_waiting(struct worker *worker)
{
	struct list *link = list_pop(&worker->starved);
	if (link) {
		struct session *session = LIST_ENTRY(link, struct session, starved_link);
		list_remove(&session->ready_link);
		list_add_tail(&worker->ready, &session->ready_link);
	}
}

void pool_park(struct session *session)
{
	struct upstream *upstream = session->upstream;
	struct worker *worker = session->worker;
	struct upstream **link = link_of(session, upstream);
	check(upstream->phase == UPSTREAM_READY && !*link);
	session_release_upstream(session);
	upstream->session = NULL;
	upstream->owner = session;
	*link = upstream;
	if (worker->shared->options.pool_forgets) {
		disown(upstream);
	}
	upstream->has_schema |= session->state.schema != NULL;
	upstream->state_hash = session->state.hash;
	if (upstream->as_primary) {
		upstream->insert_id = session->state.last_insert_id;
	}
	upstream->parked_us = worker->now_us;
	upstream->parked = true;
	list_add_tail(&worker->parked, &upstream->pool_link);
	worker->parked_count++;
	wake_waiting(worker);
}

/* Of those that would do: one that is set up alike, else the one that was parked longest. */
static struct upstream *find_other(const struct session *session, uint32_t server)
{
	struct worker *worker = session->worker;
	struct upstream *longest = NULL;
	bool full = pool_is_full(worker, server);
	unsigned looks = 0;
	LIST_EACH (&worker->parked, link) {
		struct upstream *upstream = LIST_ENTRY(link, struct upstream, pool_link);
		if (upstream->owner && !full &&
		    worker->now_us - upstream->parked_us < POOL_STEAL_US) {
			break; /* so are all that follow, or they will be nobody's soon */
		}
		if (upstream->server != server || !upstream_fits(upstream, session)) {
			continue;
		}
		if (upstream->state_hash == session->state.hash) {
			return upstream;
		}
		longest = longest ? longest : upstream;
		if (++looks >= POOL_LOOKS) {
			break;
		}
	}
	return longest;
}

/* Only what differs is set up. Of what a replica is asked nothing depends on the insert id, but in a transaction. */
static void set_up(struct session *session, struct upstream *upstream, bool was_here)
{
	bool alike = upstream->state_hash == session->state.hash;
	bool forgets = session->worker->shared->options.pool_forgets;
	bool needs_id = upstream->as_primary || session->command.statement.kind == OUTCOME_BEGIN;
	struct upstream_setup setup = {
		.reset = !was_here &&
			 (!alike || forgets || upstream->statements > POOL_STATEMENTS_MAX),
		.insert_id = needs_id && upstream->insert_id != session->state.last_insert_id,
	};
	setup.state = setup.reset || !alike;
	if (setup.state || setup.insert_id) {
		upstream_set_up(upstream, &setup);
	}
}

static void hand_over(struct session *session, struct upstream *upstream, bool as_primary)
{
	struct session *before = upstream->owner;
	if (before != session) {
		disown(upstream);
	}
	unpark(upstream);
	upstream->as_primary = as_primary;
	upstream->session = session;
	session->upstream = upstream;
	if (session->named_thread != upstream->thread_id) {
		session_set_name(session, upstream->thread_id);
	}
	set_up(session, upstream, before == session);
}

bool pool_take(struct session *session, uint32_t server, bool as_primary)
{
	struct upstream *upstream = session->links[as_primary ? POOL_PRIMARY : POOL_READER];
	if (upstream && upstream->server != server) {
		disown(upstream);
		upstream = NULL;
	}
	if (!upstream) {
		upstream = find_other(session, server);
	}
	if (upstream) {
		hand_over(session, upstream, as_primary);
	}
	return upstream != NULL;
}

bool pool_is_full(const struct worker *worker, uint32_t server)
{
	uint32_t most = worker->shared->options.server_connections_max;
	uint32_t share = (most + worker->shared->worker_count - 1) / worker->shared->worker_count;
	return most && server < ROUTE_SERVERS_MAX && worker->shared_open[server] >= share;
}

void pool_wait(struct session *session)
{
	if (list_is_empty(&session->starved_link)) {
		list_add_tail(&session->worker->starved, &session->starved_link);
	}
}

void pool_leave(struct session *session)
{
	for (size_t i = 0; i < POOL_LINKS; i++) {
		if (session->links[i]) {
			disown(session->links[i]);
		}
	}
}

void pool_look(struct upstream *upstream)
{
	struct session *owner = upstream->owner;
	uint8_t word = 0;
	size_t count = 0;
	enum transport_result rc = transport_read(&upstream->io, &word, sizeof(word), &count);
	if (rc == TRANSPORT_BLOCKED) {
		return;
	}
	struct worker *worker = upstream->worker;
	bool killed = owner && names_is_killed(&worker->names, owner->id, upstream->thread_id);
	if (rc == TRANSPORT_CLOSED && !killed) {
		worker_report_trouble(worker, upstream->server);
	}
	(void)upstream_close(upstream, false);
	if (killed) {
		session_close(owner); /* that is what KILL asked for */
	}
}

static void count_open(struct upstream *upstream, uint32_t by)
{
	if (upstream->shared && upstream->server < ROUTE_SERVERS_MAX) {
		upstream->worker->shared_open[upstream->server] += by;
	}
}

void pool_adopt(struct upstream *upstream)
{
	struct session *session = upstream->session;
	struct secrets *secrets = upstream->worker->shared->secrets;
	upstream->shared = true;
	upstream->user = mem_dup_text(session->user, strlen(session->user));
	upstream->credential = secrets_ref(secrets, session->credential);
	upstream->collation = session->collation;
	upstream->has_schema = session->state.schema != NULL;
	count_open(upstream, 1);
}

void pool_forget(struct upstream *upstream)
{
	if (!upstream->shared) {
		return;
	}
	disown(upstream);
	unpark(upstream);
	count_open(upstream, UINT32_MAX);
	upstream->shared = false;
	upstream->user = mem_free(upstream->user);
	secrets_release(upstream->worker->shared->secrets, upstream->credential);
	upstream->credential = NULL;
	wake_waiting(upstream->worker);
}

/* Nothing goes to where nothing may go any more: what was the primary, what serves no reads. */
static bool is_wanted(const struct route *route, const struct upstream *upstream)
{
	uint32_t server = upstream->server;
	if (server >= route->server_count) {
		return false;
	}
	return upstream->as_primary
		       ? server == route->primary
		       : server != route->primary && route->servers[server].serves_reads;
}

void pool_reroute(struct worker *worker)
{
	const struct route *route = &worker->target->route;
	memset(worker->shared_open, 0, sizeof(worker->shared_open));
	LIST_EACH (&worker->parked, link) {
		struct upstream *upstream = LIST_ENTRY(link, struct upstream, pool_link);
		upstream->server = routing_find(route, upstream->host, upstream->port);
		count_open(upstream, 1);
		if (!is_wanted(route, upstream)) {
			(void)upstream_close(upstream, false);
		}
	}
	LIST_EACH (&worker->sessions, link) {
		struct session *session = LIST_ENTRY(link, struct session, link);
		if (session->upstream) {
			count_open(session->upstream, 1);
		}
	}
}

void pool_turn(struct worker *worker)
{
	LIST_EACH (&worker->parked, link) {
		struct upstream *upstream = LIST_ENTRY(link, struct upstream, pool_link);
		if (worker->parked_count <= POOL_KEEP ||
		    worker->now_us - upstream->parked_us < (uint64_t)POOL_IDLE_S * US_PER_S) {
			return;
		}
		(void)upstream_close(upstream, false);
	}
}

void pool_close(struct worker *worker)
{
	LIST_EACH (&worker->parked, link) {
		(void)upstream_close(LIST_ENTRY(link, struct upstream, pool_link), false);
	}
}
