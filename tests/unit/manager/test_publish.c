/* A wrong route sends writes to a server that isn't the primary, or readers to one that is behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/publish.h"

static const struct publish_options options = { .lag_limit_s = 10 };

static void fill(struct record *record, struct observation *seen)
{
	record_init(record);
	memset(seen, 0, sizeof(*seen));
	record->epoch = 3;
	record->state = GROUP_STEADY;
	record->primary = 0;
	record->server_count = 3;
	for (uint32_t i = 0; i < 3; i++) {
		struct record_server *server = &record->servers[i];
		server->name[0] = (char)('a' + i);
		assert_int_equal(str_copy(STR("127.0.0.1"), server->host, HOST_BYTES_MAX), ERR_OK);
		server->port = (uint16_t)(3306 + i);
		server->weight = 100;
		seen->servers[i].reach = REACH_ANSWERS;
		seen->servers[i].status_us = 1;
		if (i > 0) {
			struct replica_status *replica = &seen->servers[i].status.replica;
			seen->servers[i].status.read_only = true;
			replica->configured = true;
			replica->io = IO_YES;
			replica->sql_running = true;
			replica->source_port = 3306;
			replica->lag_known = true;
			memcpy(replica->source_host, server->host, sizeof(replica->source_host));
		}
	}
}

static void test_replicas_serve_reads_while_they_keep_up(void **state)
{
	(void)state;
	struct record record;
	struct observation seen;
	struct route route;
	fill(&record, &seen);
	seen.servers[2].status.replica.lag_s = 11;
	publish_route(&record, &seen, &options, &route);
	assert_int_equal(route.writes, ROUTE_OPEN);
	assert_int_equal(route.primary, 0);
	assert_false(route.servers[0].serves_reads);
	assert_true(route.servers[1].serves_reads);
	assert_false(route.servers[2].serves_reads);
	seen.servers[1].status.replica.source_port = 9999;
	publish_route(&record, &seen, &options, &route);
	assert_false(route.servers[1].serves_reads);
	record_fini(&record);
}

static void test_the_lag_from_end_to_end_counts_where_it_is_known(void **state)
{
	(void)state;
	struct record record;
	struct observation seen;
	struct route route;
	fill(&record, &seen);
	/* Its own word: none. What it shows is old all the same. */
	seen.servers[1].lag_known = true;
	seen.servers[1].lag_us = 10000001;
	/* Its own word is that of a slow clock. */
	seen.servers[2].status.replica.lag_s = 3600;
	seen.servers[2].lag_known = true;
	seen.servers[2].lag_us = 1000;
	publish_route(&record, &seen, &options, &route);
	assert_false(route.servers[1].serves_reads);
	assert_true(route.servers[2].serves_reads);
	record_fini(&record);
}

static void test_a_side_that_is_changed_serves_no_reads(void **state)
{
	(void)state;
	struct record record;
	struct observation seen;
	struct route route;
	fill(&record, &seen);
	record.pair.set = true;
	record.pair.masters[1] = 1;
	record.pair.out = 1;
	for (enum pair_state at = PAIR_OUT; at < PAIR_STATE_COUNT_; at++) {
		record.pair.state = at;
		publish_route(&record, &seen, &options, &route);
		assert_int_equal(route.servers[1].serves_reads,
				 at != PAIR_OUT && at != PAIR_CHANGING);
		assert_true(route.servers[2].serves_reads);
	}
	record_fini(&record);
}

static void test_writes_are_open_in_the_steady_state_only(void **state)
{
	(void)state;
	struct record record;
	struct observation seen;
	struct route route;
	fill(&record, &seen);
	for (enum group_state at = 0; at < GROUP_STATE_COUNT_; at++) {
		record.state = at;
		publish_route(&record, &seen, &options, &route);
		assert_int_equal(route.writes == ROUTE_OPEN, at == GROUP_STEADY);
	}
	record_fini(&record);
}

static void test_only_differences_are_told(void **state)
{
	(void)state;
	struct record record;
	struct observation seen;
	struct route a;
	struct route b;
	fill(&record, &seen);
	publish_route(&record, &seen, &options, &a);
	publish_route(&record, &seen, &options, &b);
	b.revision = 99;
	assert_false(publish_differs(&a, &b));
	b.servers[1].serves_reads = false;
	assert_true(publish_differs(&a, &b));
	record_fini(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicas_serve_reads_while_they_keep_up),
		cmocka_unit_test(test_the_lag_from_end_to_end_counts_where_it_is_known),
		cmocka_unit_test(test_a_side_that_is_changed_serves_no_reads),
		cmocka_unit_test(test_writes_are_open_in_the_steady_state_only),
		cmocka_unit_test(test_only_differences_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
