/* A wrong answer sends a write to an old primary, or makes a client wait for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/routing/routing.h"

enum { A, B, C, NOWHERE = ROUTING_NOWHERE, GONE = ROUTING_GONE };

static struct route make(enum route_writes writes, uint32_t primary, unsigned readers)
{
	struct route route = { .writes = writes, .primary = primary, .server_count = 3 };
	for (unsigned i = 0; i < route.server_count; i++) {
		route.servers[i].weight = 100;
		route.servers[i].serves_reads = readers >> i & 1;
	}
	return route;
}

struct row {
	enum proxy_listener_role role;
	enum route_writes writes;
	uint32_t primary;
	unsigned readers;
	uint32_t current;
	bool as_primary;
	bool in_transaction;
	uint32_t server;
	bool hold;
	bool drop;
	bool to_primary;
};

static const struct row rows[] = {
	/* writers */
	{ PROXY_WRITES, ROUTE_OPEN, A, 0, NOWHERE, 0, 0, A, 0, 0, 1 },
	{ PROXY_WRITES, ROUTE_OPEN, A, 6, A, 1, 0, A, 0, 0, 1 },
	{ PROXY_WRITES, ROUTE_OPEN, B, 0, A, 1, 0, B, 0, 1, 1 },
	{ PROXY_WRITES, ROUTE_OPEN, B, 0, A, 1, 1, B, 0, 1, 1 },
	{ PROXY_WRITES, ROUTE_OPEN, B, 0, GONE, 1, 0, B, 0, 1, 1 },
	{ PROXY_WRITES, ROUTE_OPEN, NOWHERE, 0, A, 1, 0, NOWHERE, 1, 1, 1 },
	{ PROXY_WRITES, ROUTE_DRAIN, A, 0, A, 1, 0, A, 1, 0, 1 },
	{ PROXY_WRITES, ROUTE_DRAIN, A, 0, A, 1, 1, A, 0, 0, 1 },
	{ PROXY_WRITES, ROUTE_DRAIN, B, 0, A, 1, 1, B, 1, 1, 1 },
	{ PROXY_WRITES, ROUTE_HOLD, A, 0, A, 1, 1, A, 1, 0, 1 },
	{ PROXY_WRITES, ROUTE_HOLD, B, 0, A, 1, 0, B, 1, 1, 1 },
	{ PROXY_WRITES, ROUTE_HOLD, NOWHERE, 0, A, 1, 0, NOWHERE, 1, 1, 1 },
	/* readers */
	{ PROXY_READS, ROUTE_OPEN, A, 2, NOWHERE, 0, 0, B, 0, 0, 0 },
	{ PROXY_READS, ROUTE_HOLD, NOWHERE, 2, B, 0, 0, B, 0, 0, 0 },
	{ PROXY_READS, ROUTE_OPEN, A, 4, B, 0, 0, C, 0, 1, 0 },
	{ PROXY_READS, ROUTE_OPEN, A, 4, B, 0, 1, B, 0, 0, 0 },
	{ PROXY_READS, ROUTE_OPEN, A, 4, GONE, 0, 1, C, 0, 1, 0 },
	{ PROXY_READS, ROUTE_OPEN, A, 0, NOWHERE, 0, 0, A, 0, 0, 1 },
	{ PROXY_READS, ROUTE_HOLD, A, 0, NOWHERE, 0, 0, A, 1, 0, 1 },
	{ PROXY_READS, ROUTE_OPEN, A, 2, A, 1, 0, B, 0, 1, 0 },
	{ PROXY_READS, ROUTE_OPEN, A, 2, A, 1, 1, A, 0, 0, 1 },
	/* connected to a primary that is none any more: never stays, even in a transaction */
	{ PROXY_READS, ROUTE_OPEN, B, 1, A, 1, 1, A, 0, 1, 0 },
	{ PROXY_READS, ROUTE_OPEN, B, 0, A, 1, 1, B, 0, 1, 1 },
	/* a replica that became the primary counts as one */
	{ PROXY_READS, ROUTE_HOLD, B, 2, B, 0, 0, B, 1, 0, 1 },
};

static void table(void **state)
{
	static const uint32_t reads[ROUTE_SERVERS_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct route route = make(row->writes, row->primary, row->readers);
		struct routing_question question = { .route = &route,
						     .role = row->role,
						     .current = row->current,
						     .as_primary = row->as_primary,
						     .in_transaction = row->in_transaction,
						     .reads = reads };
		struct routing_answer answer = routing_decide(&question);
		if (answer.server != row->server || answer.hold != row->hold ||
		    answer.drop != row->drop || answer.to_primary != row->to_primary) {
			fail_msg("row %zu: server %u hold %d drop %d to_primary %d", i,
				 answer.server, answer.hold, answer.drop, answer.to_primary);
		}
	}
}

struct split_row {
	enum route_writes writes;
	uint32_t primary;
	unsigned readers;
	uint32_t current;
	bool as_primary;
	uint32_t linked;
	bool pinned;
	bool in_transaction;
	bool replica; /* may do it */
	uint32_t server;
	bool hold;
	bool drop;
	bool to_primary;
};

static const struct split_row split_rows[] = {
	/* by what the statement is */
	{ ROUTE_OPEN, A, 6, NOWHERE, 0, NOWHERE, 0, 0, 0, A, 0, 0, 1 },
	{ ROUTE_OPEN, A, 2, NOWHERE, 0, NOWHERE, 0, 0, 1, B, 0, 0, 0 },
	{ ROUTE_OPEN, A, 0, NOWHERE, 0, NOWHERE, 0, 0, 1, A, 0, 0, 1 },
	/* the reader that it has, as long as that serves */
	{ ROUTE_OPEN, A, 6, NOWHERE, 0, C, 0, 0, 1, C, 0, 0, 0 },
	{ ROUTE_OPEN, A, 2, NOWHERE, 0, C, 0, 0, 1, B, 0, 0, 0 },
	{ ROUTE_OPEN, A, 2, NOWHERE, 0, GONE, 0, 0, 1, B, 0, 0, 0 },
	/* what is in hand and not pinned gives way */
	{ ROUTE_OPEN, A, 2, A, 1, NOWHERE, 0, 0, 1, B, 0, 1, 0 },
	{ ROUTE_OPEN, A, 2, B, 0, NOWHERE, 0, 0, 0, A, 0, 1, 1 },
	{ ROUTE_OPEN, A, 6, B, 0, C, 0, 0, 1, B, 0, 0, 0 },
	/* what is pinned stays */
	{ ROUTE_OPEN, A, 2, A, 1, B, 1, 0, 1, A, 0, 0, 1 },
	{ ROUTE_OPEN, A, 2, B, 0, NOWHERE, 1, 1, 0, B, 0, 0, 0 },
	{ ROUTE_OPEN, A, 0, B, 0, NOWHERE, 1, 1, 1, B, 0, 0, 0 },
	/* but not on what is the primary no more, or on what is gone */
	{ ROUTE_OPEN, B, 5, A, 1, NOWHERE, 1, 1, 1, B, 0, 1, 1 },
	{ ROUTE_OPEN, A, 2, GONE, 0, NOWHERE, 1, 1, 1, A, 0, 1, 1 },
	/* reads go on without a primary; the rest waits */
	{ ROUTE_HOLD, NOWHERE, 2, NOWHERE, 0, NOWHERE, 0, 0, 1, B, 0, 0, 0 },
	{ ROUTE_HOLD, NOWHERE, 2, NOWHERE, 0, NOWHERE, 0, 0, 0, NOWHERE, 1, 0, 1 },
	{ ROUTE_DRAIN, A, 2, A, 1, NOWHERE, 1, 1, 0, A, 0, 0, 1 },
	{ ROUTE_DRAIN, A, 2, A, 1, NOWHERE, 1, 0, 0, A, 1, 0, 1 },
};

static void split_table(void **state)
{
	static const uint32_t reads[ROUTE_SERVERS_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(split_rows) / sizeof(split_rows[0]); i++) {
		const struct split_row *row = &split_rows[i];
		struct route route = make(row->writes, row->primary, row->readers);
		struct routing_question question = { .route = &route,
						     .role = PROXY_SPLIT,
						     .current = row->current,
						     .as_primary = row->as_primary,
						     .linked = row->linked,
						     .pinned = row->pinned,
						     .in_transaction = row->in_transaction,
						     .replica = row->replica,
						     .reads = reads };
		struct routing_answer answer = routing_decide(&question);
		if (answer.server != row->server || answer.hold != row->hold ||
		    answer.drop != row->drop || answer.to_primary != row->to_primary) {
			fail_msg("row %zu: server %u hold %d drop %d to_primary %d", i,
				 answer.server, answer.hold, answer.drop, answer.to_primary);
		}
	}
}

static void no_route_holds(void **state)
{
	struct routing_question question = { .current = NOWHERE };
	(void)state;
	assert_true(routing_decide(&question).hold);
}

static void least_connections_by_weight(void **state)
{
	struct route route = make(ROUTE_OPEN, A, 6);
	uint32_t reads[ROUTE_SERVERS_MAX] = { 0 };
	struct routing_question question = {
		.route = &route, .role = PROXY_READS, .current = NOWHERE, .reads = reads
	};
	(void)state;
	route.servers[C].weight = 300;
	for (uint32_t i = 0; i < 400; i++) {
		question.tie = i;
		reads[routing_decide(&question).server]++;
	}
	assert_int_equal(reads[A], 0);
	assert_in_range(reads[C], 295, 305);
	/* one that refused lately is left alone while there is another */
	question.avoided = 1u << C;
	assert_int_equal(routing_decide(&question).server, B);
	question.avoided = 1u << B | 1u << C;
	assert_int_not_equal(routing_decide(&question).server, A);
}

static void finds_by_address(void **state)
{
	struct route route = { .server_count = 2,
			       .servers = { { .host = "a", .port = 1 },
					    { .host = "a", .port = 2 } } };
	(void)state;
	assert_int_equal(routing_find(&route, "a", 2), 1);
	assert_int_equal(routing_find(&route, "b", 2), NOWHERE);
	assert_int_equal(routing_find(NULL, "a", 2), NOWHERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(split_table),
		cmocka_unit_test(no_route_holds),
		cmocka_unit_test(least_connections_by_weight),
		cmocka_unit_test(finds_by_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
