/* A row of the tables that says too little would act without a proof: which facts follow from others is proven here, on
 * records and observations of every kind, likely or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lemmas.h"

enum { WORLDS = 150000, SETS = 6, HITS_MIN = 50 };

static struct gtid_set sets[SETS];
static uint64_t chance = 1;

static uint32_t any(uint32_t count)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((chance >> 33) % count);
}

/* True once in `of` times. */
static bool seldom(uint32_t of)
{
	return any(of) == 0;
}

static bool often(void)
{
	return any(5) != 0;
}

static int read_sets(void **state)
{
	static const char *const texts[SETS] = { "",	  "0-1-5",	  "0-1-9",
						 "0-2-4", "0-1-9,0-2-12", "0-1-5,0-2-4" };
	(void)state;
	for (uint32_t i = 0; i < SETS; i++) {
		assert_int_equal(gtid_set_parse(str_of(texts[i]), GTID_MARIADB, &sets[i], NULL),
				 ERR_OK);
	}
	return 0;
}

static int free_sets(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SETS; i++) {
		gtid_set_fini(&sets[i]);
	}
	return 0;
}

static struct gtid_set any_set(void)
{
	return sets[seldom(3) ? any(SETS) : 2];
}

/* Moments around the present one: some before the watch began. */
static uint64_t any_time(void)
{
	return seldom(8) ? 0 : 1 + any(12);
}

static void any_record(struct record *record)
{
	record_init(record);
	record->server_count = 1 + any(4);
	uint32_t all = (1u << record->server_count) - 1;
	record->policy = often() ? POLICY_LOSSLESS : (enum policy)any(POLICY_COUNT_);
	record->stay_in_dc = seldom(8);
	record->paused = seldom(4);
	record->version = any(3);
	record->epoch = 1 + any(2);
	record->state = (enum group_state)any(GROUP_STATE_COUNT_);
	record->primary = often() ? any(record->server_count) : (uint32_t)SERVER_NONE;
	record->previous = often() ? any(record->server_count) : (uint32_t)SERVER_NONE;
	record->sync_set = any(16) & all;
	record->acks = any(2);
	record->base = any_set();
	record->ask = (enum ask)any(ASK_COUNT_);
	record->ask_server = often() ? (uint32_t)SERVER_NONE : any(record->server_count);
	record->ask_accept_loss = seldom(6);
	record->stalled = seldom(6);
	record->state_since_us = any_time();
	record->leaving = seldom(4) ? any(16) : 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct record_server *server = &record->servers[i];
		(void)snprintf(server->name, sizeof(server->name), "s%u", i);
		(void)snprintf(server->host, sizeof(server->host), "s%u", i);
		server->weight = 100 + any(2);
		server->never_promote = seldom(12);
		server->diverged = seldom(6);
		server->recloning = seldom(12);
		server->acknowledges = seldom(2);
		server->started_s = any(3);
		server->below = seldom(5) ? any(record->server_count) : 0;
		server->downtime_until_us = seldom(12) ? 100 : 0;
		record->source[i] = seldom(5) ? any(record->server_count + 1) : 0;
		record->extra_since_us[i] = any_time();
		record->idle_since_us[i] = any_time();
	}
}

static void any_status(const struct record *record, struct server_status *status)
{
	memset(status, 0, sizeof(*status));
	status->flavor = GTID_MARIADB;
	status->read_only = often();
	status->log_bin = !seldom(20);
	status->log_replica_updates = !seldom(20);
	status->gtid_on = !seldom(20);
	status->started_s = any(3);
	status->executed = any_set();
	status->received = any_set();
	struct replica_status *replica = &status->replica;
	replica->configured = often();
	(void)snprintf(replica->source_host, sizeof(replica->source_host), "s%u",
		       record->primary != SERVER_NONE && often() ? record->primary : any(4));
	replica->io = (enum io_state)any(3);
	replica->sql_running = often();
	replica->gtid_position = often();
	replica->filtered = seldom(20);
	replica->delay_s = seldom(12) ? 60 : 0;
	replica->io_errno = seldom(6) ? 2003 : 0;
	replica->sql_errno = seldom(8) ? 1062 : 0;
	status->semisync.available = true;
	status->semisync.source_enabled = seldom(4);
	status->semisync.replica_enabled = often();
	status->semisync.replica_active = often();
}

static void any_observation(const struct record *record, struct observation *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->started_us = any(4);
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct observation_server *one = &seen->servers[i];
		one->reach = often() ? REACH_ANSWERS : (enum reach)any(REACH_COUNT_);
		one->misses = any(3);
		one->contact_us = any_time();
		one->answered_us = any_time();
		one->refused_since_us = any_time();
		one->status_us = any_time();
		one->status_end_us = one->status_us + any(2);
		one->stream_us = any_time();
		one->steps_done = (uint32_t)any(1u << 31) | (uint32_t)any(1u << 31) << 1;
		one->older.begun_us = any_time();
		one->older.ended_us = one->older.begun_us + any(2);
		one->older.read_only = often();
		one->older.executed = any_set();
		one->write.trouble = seldom(4) ? WRITE_DISK_STALLED : WRITE_THROUGH;
		one->write.since_us = any_time();
		one->write.seen_us = any_time();
		any_status(record, &one->status);
	}
	seen->routes = (struct observation_routes){ .epoch = 1 + any(2),
						    .revision = any(4),
						    .held = often(),
						    .transactions_open = any(2) };
	seen->hooks.failover.answer = (enum hook_answer)any(HOOK_ANSWER_COUNT_);
	seen->hooks.switchover.answer = (enum hook_answer)any(HOOK_ANSWER_COUNT_);
}

static void hold(const struct lemma *lemmas, uint32_t count, uint32_t facts, const char *of,
		 uint32_t *hits)
{
	const struct lemma *broken = lemmas_broken(lemmas, count, facts);
	if (broken) {
		fail_msg("%s %#x: lemma %u does not hold", of, facts, (unsigned)(broken - lemmas));
	}
	for (uint32_t i = 0; i < count; i++) {
		hits[i] += facts & lemmas[i].given ? 1 : 0;
	}
}

static void test_every_lemma_holds_whatever_is_seen(void **state)
{
	(void)state;
	uint32_t group_hits[GROUP_LEMMAS] = { 0 };
	uint32_t server_hits[SERVER_LEMMAS] = { 0 };
	const struct decide_options options = { .silence_us = 3,
						.stream_silence_us = 2,
						.revoke_us = 6,
						.feed_us = 3,
						.open_us = 6,
						.drain_us = 6,
						.freeze_us = 6,
						.undo_us = 6,
						.extra_us = 2,
						.write_stall_us = 2 };
	for (unsigned n = 0; n < WORLDS; n++) {
		struct record record;
		struct observation seen;
		struct facts facts;
		any_record(&record);
		any_observation(&record, &seen);
		facts_find(&record, &seen, &options, 12, &facts);
		hold(group_lemmas, GROUP_LEMMAS, facts.set, "facts", group_hits);
		hold(group_lemmas, GROUP_LEMMAS, facts.set | facts.withheld, "facts with hooks",
		     group_hits);
		for (uint32_t i = 0; i < record.server_count; i++) {
			if (i != record.primary && record.primary != SERVER_NONE) {
				hold(server_lemmas, SERVER_LEMMAS,
				     server_facts_find(&record, &seen, &options, i, 12),
				     "server facts", server_hits);
			}
		}
	}
	/* A proof by cases that never came up is none. */
	for (uint32_t i = 0; i < GROUP_LEMMAS; i++) {
		assert_true(group_hits[i] >= HITS_MIN);
	}
	for (uint32_t i = 0; i < SERVER_LEMMAS; i++) {
		assert_true(server_hits[i] >= HITS_MIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_lemma_holds_whatever_is_seen),
	};
	return cmocka_run_group_tests(tests, read_sets, free_sets);
}
