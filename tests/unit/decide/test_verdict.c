/* The verdicts walked exhaustively, and the observations that lead to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decide/verdict.h"

static void test_every_set_of_evidence_has_a_row_and_every_row_is_hit(void **state)
{
	(void)state;
	unsigned hits[64] = { 0 };
	assert_true(verdict_rows_count < 64);
	for (uint32_t evidence = 0; evidence < 1u << EVIDENCE_COUNT_; evidence++) {
		const struct verdict_row *row = verdict_match(evidence);
		if ((evidence & row->need) != row->need) {
			fail_msg("row %u matches without its evidence", row->id);
		}
		hits[row - verdict_rows]++;
	}
	for (uint32_t i = 0; i < verdict_rows_count; i++) {
		if (hits[i] == 0) {
			fail_msg("row %u can never match", verdict_rows[i].id);
		}
		assert_true(i == 0 || verdict_rows[i].id > verdict_rows[i - 1].id);
	}
}

static void test_only_evidence_about_the_disk_or_the_process_costs_the_role(void **state)
{
	(void)state;
	const uint32_t disk = EVIDENCE_DISK_FULL | EVIDENCE_DISK_STALLED;
	const uint32_t process = EVIDENCE_NO_PROCESS | EVIDENCE_SILENT | EVIDENCE_HUNG;
	for (uint32_t evidence = 0; evidence < 1u << EVIDENCE_COUNT_; evidence++) {
		const struct verdict_row *row = verdict_match(evidence);
		if (row->treatment == TREAT_FAIL_OVER_LATE) {
			assert_true(evidence & disk);
			assert_true(evidence & EVIDENCE_OVERDUE);
			/* A lock, a missing acknowledgement or others' writes explain it without the disk. */
			assert_false(evidence & (EVIDENCE_MOVES | EVIDENCE_LOCK | EVIDENCE_NO_ACK |
						 EVIDENCE_QUEUE | EVIDENCE_READ_ONLY));
		}
		if (row->treatment == TREAT_FAIL_OVER) {
			assert_true(evidence & process);
		}
	}
}

static void test_every_word_is_there(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < verdict_rows_count; i++) {
		assert_non_null(verdict_name(verdict_rows[i].verdict));
		assert_non_null(verdict_treatment_name(verdict_rows[i].treatment));
		assert_true(verdict_rows[i].text[0] != '\0');
		assert_non_null(verdict_rows[i].remedy);
	}
	for (uint32_t bit = 0; bit < EVIDENCE_COUNT_; bit++) {
		assert_non_null(verdict_evidence_name(bit));
	}
	assert_string_equal(verdict_evidence_name(EVIDENCE_COUNT_), "?");
	assert_string_equal(verdict_name(VERDICT_COUNT_), "?");
	assert_string_equal(verdict_treatment_name(TREAT_COUNT_), "?");
}

enum { PRIMARY, REPLICA, SERVERS };

/* A group of a primary that answers and a replica that receives from it; the tests change one thing. */
struct scene {
	struct record record;
	struct observation seen;
	struct decide_options options;
	uint64_t now_us;
};

static void scene_init(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	record_init(&scene->record);
	scene->now_us = 100000000;
	scene->options = (struct decide_options){ .silence_us = 2000000,
						  .stream_silence_us = 1250000,
						  .slow_us = 500000 };
	scene->seen.started_us = 1000000;
	scene->record.primary = PRIMARY;
	scene->record.server_count = SERVERS;
	scene->record.state = GROUP_STEADY;
	for (uint32_t i = 0; i < SERVERS; i++) {
		struct observation_server *one = &scene->seen.servers[i];
		scene->record.servers[i].port = (uint16_t)(3306 + i);
		memcpy(scene->record.servers[i].host, "db", 3);
		one->reach = REACH_ANSWERS;
		one->contact_us = one->status_us = scene->now_us - 2000;
		one->answered_us = one->status_end_us = scene->now_us - 1000;
		one->status.sessions = 10;
		one->status.sessions_max = 100;
	}
	struct observation_server *replica = &scene->seen.servers[REPLICA];
	replica->stream_us = scene->now_us - 1000;
	replica->status.replica.configured = true;
	replica->status.replica.io = IO_YES;
	replica->status.replica.source_port = 3306;
	memcpy(replica->status.replica.source_host, "db", 3);
}

static const struct verdict_row *find(const struct scene *scene)
{
	return verdict_find(&scene->record, &scene->seen, &scene->options, PRIMARY, scene->now_us);
}

static void test_a_contact_that_fails(void **state)
{
	(void)state;
	static const struct {
		enum reach reach;
		uint32_t server_errno;
		uint32_t misses;
		uint64_t unanswered_us;
		bool streams;
		enum verdict want;
	} cases[] = {
		{ REACH_NOBODY_LISTENS, 0, 2, 10000, true, VERDICT_DEAD },
		{ REACH_NOBODY_LISTENS, 0, 1, 10000, true, VERDICT_SLOW },
		{ REACH_SILENT, 0, 1, 1000000, false, VERDICT_SLOW },
		{ REACH_SILENT, 0, 2, 3000000, false, VERDICT_SILENT },
		{ REACH_SILENT, 0, 2, 3000000, true, VERDICT_CUT_OFF },
		{ REACH_HUNG, 0, 2, 3000000, false, VERDICT_HUNG },
		{ REACH_HUNG, 0, 1, 1000000, false, VERDICT_SLOW },
		{ REACH_NAME, 0, 2, 3000000, false, VERDICT_NAME },
		{ REACH_REFUSES_US, 1040, 2, 3000000, true, VERDICT_FULL_HOUSE },
		{ REACH_REFUSES_US, 1203, 2, 3000000, true, VERDICT_FULL_HOUSE },
		{ REACH_REFUSES_US, 1226, 2, 3000000, true, VERDICT_FULL_HOUSE },
		{ REACH_REFUSES_US, 1045, 2, 3000000, true, VERDICT_REFUSES_US },
		{ REACH_REFUSES_US, 1053, 2, 3000000, true, VERDICT_LEAVING },
		{ REACH_UNKNOWN, 0, 0, 0, false, VERDICT_UNKNOWN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene scene;
		scene_init(&scene);
		struct observation_server *one = &scene.seen.servers[PRIMARY];
		one->reach = cases[i].reach;
		one->refused_errno = cases[i].server_errno;
		one->misses = cases[i].misses;
		one->answered_us = scene.now_us - cases[i].unanswered_us;
		if (!cases[i].streams) {
			scene.seen.servers[REPLICA].stream_us = scene.now_us - 5000000;
		}
		if (find(&scene)->verdict != cases[i].want) {
			fail_msg("case %zu: %s", i, verdict_name(find(&scene)->verdict));
		}
	}
}

static void test_a_write_that_is_overdue(void **state)
{
	(void)state;
	static const struct {
		enum write_trouble trouble;
		enum verdict want;
	} cases[] = {
		{ WRITE_UNEXPLAINED, VERDICT_WRITES_HANG },
		{ WRITE_LOCKED, VERDICT_LOCKED },
		{ WRITE_QUEUED, VERDICT_PROBE_FAILS },
		{ WRITE_UNACKNOWLEDGED, VERDICT_SEMISYNC },
		{ WRITE_DISK_FULL, VERDICT_DISK_FULL },
		{ WRITE_DISK_STALLED, VERDICT_DISK_STALLED },
		{ WRITE_READ_ONLY, VERDICT_READ_ONLY },
		{ WRITE_REFUSED, VERDICT_PROBE_FAILS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene scene;
		scene_init(&scene);
		struct observation_server *one = &scene.seen.servers[PRIMARY];
		one->write.trouble = cases[i].trouble;
		assert_int_equal(find(&scene)->verdict, VERDICT_UP); /* not overdue */
		one->write.since_us = scene.now_us - 5000000;
		one->write.late_us = scene.now_us - 3000000;
		assert_int_equal(find(&scene)->verdict, cases[i].want);
		/* Others' writes got through meanwhile: the primary's word, and a replica's. */
		if (cases[i].trouble != WRITE_READ_ONLY) {
			one->moved_us = scene.now_us - 1000000;
			assert_int_equal(find(&scene)->verdict, VERDICT_SLOW);
			one->moved_us = 0;
			scene.seen.servers[REPLICA].moved_us = scene.now_us - 1000000;
			assert_int_equal(find(&scene)->verdict, VERDICT_SLOW);
			scene.seen.servers[REPLICA].moved_us = scene.now_us - 4000000;
			assert_int_equal(find(&scene)->verdict, cases[i].want);
		}
		/* A server that is no primary isn't asked to write. */
		scene.record.primary = REPLICA;
		assert_int_equal(find(&scene)->verdict, VERDICT_UP);
	}
}

static void test_what_a_server_says_of_itself(void **state)
{
	(void)state;
	struct scene scene;
	scene_init(&scene);
	assert_int_equal(find(&scene)->verdict, VERDICT_UP);
	struct observation_server *one = &scene.seen.servers[PRIMARY];
	one->status.sessions = 101;
	assert_int_equal(find(&scene)->verdict, VERDICT_FULL_HOUSE);
	assert_true(verdict_is_harm(VERDICT_FULL_HOUSE));
	one->status.sessions = 10;
	one->status.read_only = true;
	assert_int_equal(find(&scene)->verdict, VERDICT_READ_ONLY);
	one->status.read_only = false;
	one->status_us = one->status_end_us - 600000;
	assert_int_equal(find(&scene)->verdict, VERDICT_SLOW);
	assert_false(verdict_is_harm(VERDICT_SLOW));
	one->status_us = one->status_end_us - 1000;
	one->write.took_us = 700000;
	assert_int_equal(find(&scene)->verdict, VERDICT_SLOW);
	scene.options.slow_us = 0;
	assert_int_equal(find(&scene)->verdict, VERDICT_UP);
	/* A replica is read-only as it should be. */
	scene.seen.servers[REPLICA].status.read_only = true;
	assert_int_equal(
		verdict_find(&scene.record, &scene.seen, &scene.options, REPLICA, scene.now_us)
			->verdict,
		VERDICT_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_set_of_evidence_has_a_row_and_every_row_is_hit),
		cmocka_unit_test(test_only_evidence_about_the_disk_or_the_process_costs_the_role),
		cmocka_unit_test(test_every_word_is_there),
		cmocka_unit_test(test_a_contact_that_fails),
		cmocka_unit_test(test_a_write_that_is_overdue),
		cmocka_unit_test(test_what_a_server_says_of_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
