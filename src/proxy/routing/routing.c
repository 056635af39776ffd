/* Writes to the primary; reads to the least loaded replica by weight, to the primary without one. */
#include "proxy/routing/routing.h"

#include <string.h>

static bool serves_reads(const struct route *route, uint32_t server)
{
	return server < route->server_count && route->servers[server].serves_reads &&
	       route->servers[server].weight > 0;
}

/* The lowest (sessions + 1) / weight; ties go round. */
static uint32_t least_loaded(const struct routing_question *question, uint32_t avoided)
{
	const struct route *route = question->route;
	uint32_t best = ROUTING_NOWHERE;
	for (uint32_t i = 0; i < route->server_count; i++) {
		uint32_t server = (i + question->tie) % route->server_count;
		if (!serves_reads(route, server) || (avoided & (UINT32_C(1) << server))) {
			continue;
		}
		if (best == ROUTING_NOWHERE) {
			best = server;
			continue;
		}
		uint64_t load = (uint64_t)question->reads[server] + 1;
		uint64_t best_load = (uint64_t)question->reads[best] + 1;
		if (load * route->servers[best].weight <
		    best_load * route->servers[server].weight) {
			best = server;
		}
	}
	return best;
}

static struct routing_answer to_primary(const struct routing_question *question)
{
	const struct route *route = question->route;
	struct routing_answer answer = { .server = ROUTING_NOWHERE,
					 .hold = true,
					 .to_primary = true };
	bool has_primary = route->primary < route->server_count;
	if (has_primary) {
		answer.server = route->primary;
	}
	answer.drop = question->current != ROUTING_NOWHERE && question->current != answer.server;
	if (question->frozen) {
		return answer;
	}
	switch (route->writes) {
	case ROUTE_OPEN:
		answer.hold = !has_primary;
		break;
	case ROUTE_DRAIN:
		answer.hold = !has_primary || !question->in_transaction || answer.drop;
		break;
	case ROUTE_HOLD:
		break;
	}
	return answer;
}

/* One statement: a replica has it only where it may, and what is pinned stays where it is. */
static struct routing_answer split(const struct routing_question *question)
{
	const struct route *route = question->route;
	bool on_replica = question->current < route->server_count && !question->as_primary &&
			  question->current != route->primary;
	if (question->pinned && on_replica) {
		return (struct routing_answer){ .server = question->current };
	}
	uint32_t replica = on_replica ? question->current : question->linked;
	if (question->pinned || !question->replica) {
		return to_primary(question);
	}
	if (!serves_reads(route, replica)) {
		replica = least_loaded(question, question->avoided);
	}
	if (replica == ROUTING_NOWHERE || replica == route->primary) {
		return to_primary(question);
	}
	return (struct routing_answer){ .server = replica,
					.drop = question->current != ROUTING_NOWHERE &&
						question->current != replica };
}

struct routing_answer routing_decide(const struct routing_question *question)
{
	const struct route *route = question->route;
	if (!route) {
		return (struct routing_answer){ .server = ROUTING_NOWHERE, .hold = true };
	}
	if (question->role == PROXY_WRITES) {
		return to_primary(question);
	}
	if (question->role == PROXY_SPLIT) {
		return split(question);
	}
	if (question->current == route->primary) {
		if (question->in_transaction || serves_reads(route, question->current)) {
			return to_primary(question);
		}
	} else if (question->current < route->server_count && !question->as_primary &&
		   (question->in_transaction || serves_reads(route, question->current))) {
		/* What is open on a replica may end there, even when it has fallen behind. */
		return (struct routing_answer){ .server = question->current };
	}
	uint32_t replica = least_loaded(question, question->avoided);
	if (replica == ROUTING_NOWHERE) {
		replica = least_loaded(question, 0);
	}
	if (replica == ROUTING_NOWHERE || replica == route->primary) {
		return to_primary(question);
	}
	return (struct routing_answer){ .server = replica,
					.drop = question->current != ROUTING_NOWHERE };
}

uint32_t routing_find(const struct route *route, const char *host, uint16_t port)
{
	for (uint32_t i = 0; route && i < route->server_count; i++) {
		if (route->servers[i].port == port && strcmp(route->servers[i].host, host) == 0) {
			return i;
		}
	}
	return ROUTING_NOWHERE;
}
