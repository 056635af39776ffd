#include "manager/publish.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/str.h"
#include "decide/facts.h"
#include "decide/pair.h"
#include "decide/tree.h"

static enum route_writes writes_of(enum group_state state)
{
	switch (state) {
	case GROUP_STEADY:
		return ROUTE_OPEN;
	case GROUP_DRAINING:
	case GROUP_FREEZING:
	case GROUP_UNDOING:
		return ROUTE_DRAIN;
	case GROUP_FORMING:
	case GROUP_REVOKING:
	case GROUP_REFUSED:
	case GROUP_OPENING:
	case GROUP_STATE_COUNT_:
		break;
	}
	return ROUTE_HOLD;
}

/* By the heartbeat row, which tells of all of the way from the primary; else by the server's own word, which tells of
 * the last hop alone. */
static bool lags(const struct observation_server *one, uint32_t limit_s)
{
	if (one->lag_known) {
		return one->lag_us > (uint64_t)limit_s * US_PER_S;
	}
	return one->status.replica.lag_known && one->status.replica.lag_s > limit_s;
}

/* It and all above it up to the primary replicate, and none is too far behind: one that is current with a parent that
 * stands still is not current. */
static bool is_current(const struct record *record, const struct observation *seen, uint32_t server,
		       uint32_t lag_limit_s)
{
	uint32_t at = server;
	for (uint32_t hops = 0; hops < record->server_count && at != record->primary; hops++) {
		const struct replica_status *replica = &seen->servers[at].status.replica;
		uint32_t source = tree_source(record, at);
		if (source == SERVER_NONE || !observation_answers(seen, at) ||
		    !record_follows(record, seen, at, source) || replica->io != IO_YES ||
		    !replica->sql_running || lags(&seen->servers[at], lag_limit_s)) {
			return false;
		}
		at = source;
	}
	return at == record->primary;
}

/* A replica may be read from while it replicates from the primary of the epoch and is not too far behind. Between
 * two primaries the replicas go on serving what they have. */
static bool serves_reads(const struct record *record, const struct observation *seen,
			 uint32_t server, uint32_t lag_limit_s)
{
	const struct replica_status *replica = &seen->servers[server].status.replica;
	if (server == record->primary || record->servers[server].diverged || replica->delay_s > 0 ||
	    pair_is_out(record, server) || !observation_answers(seen, server)) {
		return false;
	}
	if (record->state != GROUP_STEADY) {
		return replica->configured && seen->servers[server].status.read_only &&
		       server != record->previous;
	}
	return is_current(record, seen, server, lag_limit_s);
}

void publish_route(const struct record *record, const struct observation *seen,
		   const struct publish_options *options, struct route *ret)
{
	_Static_assert((int)ROUTE_SERVERS_MAX == (int)SERVERS_MAX, "one route server per server");
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->group, record->group, sizeof(ret->group));
	ret->epoch = record->epoch;
	ret->writes = writes_of(record->state);
	ret->primary = record->primary;
	ret->server_count = record->server_count;
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct route_server *server = &ret->servers[i];
		check(str_copy(str_of(record->servers[i].name), server->name,
			       sizeof(server->name)) == ERR_OK);
		check(str_copy(str_of(record->servers[i].host), server->host,
			       sizeof(server->host)) == ERR_OK);
		server->port = record->servers[i].port;
		server->weight = record->servers[i].weight;
		server->serves_reads = serves_reads(record, seen, i, options->lag_limit_s);
	}
}

static bool server_differs(const struct route_server *a, const struct route_server *b)
{
	return !str_equal(str_of(a->name), str_of(b->name)) ||
	       !str_equal(str_of(a->host), str_of(b->host)) || a->port != b->port ||
	       a->weight != b->weight || a->serves_reads != b->serves_reads;
}

bool publish_differs(const struct route *a, const struct route *b)
{
	bool differs = !str_equal(str_of(a->group), str_of(b->group)) || a->epoch != b->epoch ||
		       a->writes != b->writes || a->primary != b->primary ||
		       a->server_count != b->server_count;
	for (uint32_t i = 0; !differs && i < a->server_count; i++) {
		differs = server_differs(&a->servers[i], &b->servers[i]);
	}
	return differs;
}
