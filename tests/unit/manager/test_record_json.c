/* A record that comes back from the store changed would fail over to the wrong server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/records/record_json.h"

static const struct record_moment now = { .monotonic_us = 5000000, .wall_us = 1700000000000000 };

static void fill(struct record *record)
{
	record_init(record);
	assert_int_equal(str_copy(STR("orders"), record->group, NAME_BYTES_MAX), ERR_OK);
	record->policy = POLICY_LOSSLESS;
	record->paused = true;
	record->version = 77;
	record->epoch = 5;
	record->state = GROUP_OPENING;
	record->server_count = 3;
	record->primary = 1;
	record->previous = 0;
	record->sync_set = 4;
	record->acks = 1;
	record->ask = ASK_FAILOVER;
	record->ask_accept_loss = true;
	record->stay_in_dc = true;
	record->stalled = true;
	record->servers[2].below = 1;
	assert_int_equal(str_copy(STR("west"), record->servers[1].dc, NAME_BYTES_MAX), ERR_OK);
	record->servers[1].downtime_until_us = 65000000;
	assert_int_equal(
		str_copy(STR("new disk"), record->servers[1].downtime_why, DOWNTIME_BYTES_MAX),
		ERR_OK);
	record_note_failover(record, 1000000);
	record_note_failover(record, 4000000);
	const char *names[] = { "a", "b", "c" };
	for (uint32_t i = 0; i < 3; i++) {
		struct record_server *server = &record->servers[i];
		assert_int_equal(str_copy(str_of(names[i]), server->name, NAME_BYTES_MAX), ERR_OK);
		assert_int_equal(str_copy(STR("10.0.0.1"), server->host, HOST_BYTES_MAX), ERR_OK);
		server->port = (uint16_t)(3306 + i);
		server->weight = 10 * i;
	}
	record->servers[0].may_rewind = true;
	record->servers[1].started_s = 1790000000;
	record->servers[2].diverged = true;
	record->servers[2].recloning = true;
	assert_int_equal(str_copy(STR("4c2e5b9e-0000-11ee-9c2a-0242ac120002"),
				  record->servers[1].uuid, SERVER_UUID_BYTES_MAX),
			 ERR_OK);
	record->servers[2].never_promote = true;
	struct record_pair *pair = &record->pair;
	pair->set = true;
	pair->masters[0] = 2;
	pair->masters[1] = 1;
	pair->domain = 1000;
	pair->home_domain = 3;
	pair->state = PAIR_BACK;
	pair->out = 1;
	pair->ask = PAIR_ASK_ABORT;
	pair->discard = true;
	pair->script_done = 2;
	pair->script_mark = 17;
	pair->ended = 2510;
	assert_int_equal(str_copy(STR("a column"), pair->what, sizeof(pair->what)), ERR_OK);
	assert_int_equal(str_copy(STR("00-1"), pair->script, sizeof(pair->script)), ERR_OK);
	assert_int_equal(gtid_set_parse(STR("1000-2-4"), GTID_MARIADB, &pair->change, NULL),
			 ERR_OK);
	assert_int_equal(str_copy(STR("optimistic"), record->servers[0].parallel_mode,
				  PARALLEL_MODE_BYTES_MAX),
			 ERR_OK);
	assert_int_equal(
		gtid_set_parse(STR("0-1-104..105"), GTID_MARIADB, &record->servers[2].extra, NULL),
		ERR_OK);
	assert_int_equal(gtid_set_parse(STR("4c2e5b9e-0000-11ee-9c2a-0242ac120002:1-77"),
					GTID_MYSQL, &record->base, NULL),
			 ERR_OK);
}

static void test_a_record_survives_the_store(void **state)
{
	(void)state;
	struct record record;
	struct record back;
	struct err_ctx err = { 0 };
	fill(&record);
	record_init(&back);
	json_t *json = record_to_json(&record, &now);
	assert_non_null(json);
	assert_int_equal(record_from_json(json, &now, &back, &err), ERR_OK);
	assert_true(gtid_set_equal(&record.base, &back.base));
	assert_true(gtid_set_equal(&record.servers[2].extra, &back.servers[2].extra));
	assert_true(gtid_set_equal(&record.pair.change, &back.pair.change));
	assert_int_equal(back.pair.state, PAIR_BACK);
	json_t *again = record_to_json(&back, &now);
	assert_true(json_equal(json, again));
	json_decref(json);
	json_decref(again);
	record_fini(&record);
	record_fini(&back);
}

static void test_failovers_keep_their_age_over_a_restart_of_the_host(void **state)
{
	(void)state;
	struct record record;
	struct record back;
	struct err_ctx err = { 0 };
	fill(&record);
	record_init(&back);
	json_t *json = record_to_json(&record, &now);
	/* Half an hour later by the wall clock, and the monotonic one has begun anew. */
	const struct record_moment later = { .monotonic_us = 2000000,
					     .wall_us = now.wall_us + 1800000000 };
	assert_int_equal(record_from_json(json, &later, &back, &err), ERR_OK);
	assert_int_equal(back.failover_count, 2);
	assert_true(back.cooling);
	assert_true(back.stalled);
	assert_true(back.failovers_us[0] == 2000000 - 1800000000 - 1000000);
	assert_true(back.failovers_us[1] == 2000000 - 1800000000 - 4000000);
	/* A downtime that ended meanwhile is found to be over by the first decision. */
	assert_true(back.servers[1].downtime_until_us == 2000000 + 60000000 - 1800000000);
	/* The wall clock was set back: they count as of now. */
	const struct record_moment before = { .monotonic_us = 2000000,
					      .wall_us = now.wall_us - 1800000000 };
	assert_int_equal(record_from_json(json, &before, &back, &err), ERR_OK);
	assert_true(back.failovers_us[0] == 2000000);
	json_decref(json);
	record_fini(&record);
	record_fini(&back);
}

static void test_a_record_of_the_first_format_is_completed(void **state)
{
	(void)state;
	struct record record;
	struct record back;
	struct err_ctx err = { 0 };
	fill(&record);
	record_init(&back);
	json_t *json = record_to_json(&record, &now);
	(void)json_object_set_new(json, "format", json_integer(1));
	(void)json_object_del(json, "failovers_us");
	(void)json_object_del(json, "cooling");
	(void)json_object_del(json, "pair");
	assert_int_equal(record_from_json(json, &now, &back, &err), ERR_OK);
	assert_int_equal(back.failover_count, 0);
	assert_false(back.pair.set);
	assert_int_equal(back.pair.out, SERVER_NONE);
	assert_false(back.cooling);
	json_decref(json);
	record_fini(&record);
	record_fini(&back);
}

static void test_every_field_is_needed(void **state)
{
	(void)state;
	static const char *const keys[] = { "format",  "policy",   "version", "epoch",
					    "state",   "primary",  "acks",    "base",
					    "servers", "previous", "ask",     "ask_server" };
	struct record record;
	fill(&record);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct record back;
		struct err_ctx err = { 0 };
		record_init(&back);
		json_t *json = record_to_json(&record, &now);
		(void)json_object_set_new(json, keys[i], json_string("no such thing"));
		assert_int_not_equal(record_from_json(json, &now, &back, &err), ERR_OK);
		assert_true(err.text[0] != 0);
		json_decref(json);
		record_fini(&back);
	}
	record_fini(&record);
}

static void test_a_newer_format_is_refused(void **state)
{
	(void)state;
	struct record record;
	struct record back;
	struct err_ctx err = { 0 };
	fill(&record);
	record_init(&back);
	json_t *json = record_to_json(&record, &now);
	(void)json_object_set_new(json, "format", json_integer(RECORD_FORMAT + 1));
	assert_int_equal(record_from_json(json, &now, &back, &err), ERR_PARSE);
	json_decref(json);
	record_fini(&record);
	record_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_survives_the_store),
		cmocka_unit_test(test_failovers_keep_their_age_over_a_restart_of_the_host),
		cmocka_unit_test(test_a_record_of_the_first_format_is_completed),
		cmocka_unit_test(test_every_field_is_needed),
		cmocka_unit_test(test_a_newer_format_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
