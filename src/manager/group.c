/* The life of a group in the manager: its peers, and what they report. The turn is in turn.c. */
#include "manager/group.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/health/evidence.h"
#include "db/server/server.h"
#include "manager/rejoin/rejoin.h"
#include "os/fault.h"
#include "os/thread.h"

enum {
	RETRY_FIRST_MS = 50,
	RETRY_MAX_MS = 5000,
	STREAM_HEARTBEATS = 5, /* half heartbeats without a sign of life: the stream is lost */
	TENSE_MS = 3000,
	BASE_INTERVAL_S = 30,
	RUSH_MS = 200,
	PRESS_MS = 1000,
	MOMENT_MS = 3000,
	APPLY_RATE_LEAST_MS = 100, /* between two readings that tell a rate */
};

static struct decide_options decide_options_of(const struct manager_options *options)
{
	uint64_t ms = US_PER_MS;
	/* The new primary opens when the hook before it has ended. */
	uint64_t before_ms = hook_is_set(&options->hooks, HOOK_BEFORE_KIND)
				     ? options->hooks.timeout_ms[HOOK_BEFORE_KIND]
				     : 0;
	return (struct decide_options){
		.silence_us = options->silence_ms * ms,
		.slow_us = (uint64_t)options->probe_timeout_ms * ms / 2,
		.write_stall_us = options->write_stall_ms * ms,
		.stream_silence_us = (uint64_t)options->heartbeat_ms * STREAM_HEARTBEATS / 2 * ms,
		.revoke_us = options->step_timeout_ms * ms,
		.feed_us = options->feed_ms * ms,
		.open_us = (options->step_timeout_ms + before_ms) * ms,
		.moment_us = MOMENT_MS * ms,
		.drain_us = options->drain_ms * ms,
		.freeze_us = options->freeze_ms * ms,
		.rush_us = RUSH_MS * ms,
		.press_us = PRESS_MS * ms,
		.undo_us = options->step_timeout_ms * ms,
		.parent_us = (uint64_t)options->parent_return_s * US_PER_S,
		.base_us = (uint64_t)BASE_INTERVAL_S * US_PER_S,
		.alone_us = (uint64_t)options->silence_ms * 2 * ms,
		.extra_us = (uint64_t)options->heartbeat_ms * 2 * ms,
		.cooldown_us = (uint64_t)options->failover_cooldown_s * US_PER_S,
		.failovers_max = options->failover_max,
		.failover_window_us = (uint64_t)options->failover_window_s * US_PER_S,
	};
}

static void member_start(struct group *group, uint32_t server,
			 const struct manager_options *options, const struct peer_options *on)
{
	struct peer_options one = *on;
	one.host = group->record.servers[server].host;
	one.port = group->record.servers[server].port;
	one.group = group->record.group;
	server_status_init(&group->seen.servers[server].status);
	group->members[server] =
		(struct member){ .peer = peer_start(&one, options->probe_interval_ms),
				 .step = STEP_NONE };
}

struct group *group_new(const struct record *record, const struct manager_options *options,
			const struct peer_options *on, uint64_t now_us)
{
	struct group *group = mem_need(sizeof(*group));
	list_init(&group->list);
	list_init(&group->waiters);
	list_init(&group->goodbyes);
	list_init(&group->rejoins);
	record_init(&group->record);
	record_copy(&group->record, record);
	group->record.state_since_us = now_us;
	group->record.stage = 1;
	group->options = decide_options_of(options);
	group->hooks = hooks_new(&options->hooks);
	group->beat_interval_us = (uint64_t)options->write_probe_interval_ms * US_PER_MS;
	group->seen.started_us = now_us;
	group->decision.rule = rules_match(record->state, 0);
	for (uint32_t i = 0; i < record->server_count; i++) {
		member_start(group, i, options, on);
	}
	return group;
}

/* A server's last hours: its threads may be in the middle of a step, so they are waited for aside. */
struct goodbye {
	struct list list; /* in group->goodbyes */
	struct thread thread;
	struct peer *peer;
	atomic_bool done; /* the thread has nothing more to do */
};

static void say_goodbye(void *ctx)
{
	struct goodbye *goodbye = ctx;
	peer_stop(goodbye->peer);
	(void)peer_unref(goodbye->peer);
	atomic_store(&goodbye->done, true);
}

/* Releases the goodbyes that are over, or (`all`) waits for every one. */
static void reap_goodbyes(struct group *group, bool all)
{
	LIST_EACH (&group->goodbyes, at) {
		struct goodbye *goodbye = LIST_ENTRY(at, struct goodbye, list);
		if (all || atomic_load(&goodbye->done)) {
			list_remove(&goodbye->list);
			thread_join(&goodbye->thread);
			mem_free(goodbye);
		}
	}
}

static void forget_seen(struct observation_server *seen)
{
	server_status_fini(&seen->status);
	gtid_set_fini(&seen->older.executed);
	memset(seen, 0, sizeof(*seen));
}

static void member_part(struct group *group, struct peer *peer)
{
	struct goodbye *goodbye = mem_need(sizeof(*goodbye));
	goodbye->peer = peer;
	list_add_tail(&group->goodbyes, &goodbye->list);
	if (thread_start(&goodbye->thread, "goodbye", say_goodbye, goodbye, NULL) != ERR_OK) {
		say_goodbye(goodbye);
	}
}

struct group *group_free(struct group *group)
{
	if (!group) {
		return NULL;
	}
	rejoin_stop(group);
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		forget_seen(&group->seen.servers[i]);
		if (group->members[i].peer) {
			peer_stop(group->members[i].peer);
			group->members[i].peer = peer_unref(group->members[i].peer);
		}
	}
	observation_fini(&group->seen);
	reap_goodbyes(group, true);
	check(list_is_empty(&group->waiters));
	list_remove(&group->list);
	group->hooks = hooks_free(group->hooks);
	report_fini(&group->report);
	json_decref(group->old_report);
	json_decref(group->rejoin_ended);
	record_fini(&group->record);
	return mem_free(group);
}

static bool same_place(const struct record_server *a, const struct record_server *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0 && strcmp(a->name, b->name) == 0;
}

void group_set_servers(struct group *group, const struct record *record,
		       const struct manager_options *options, const struct peer_options *on,
		       uint64_t now_us)
{
	struct member old_members[SERVERS_MAX];
	struct observation_server old_seen[SERVERS_MAX];
	struct record old_record;
	memcpy(old_members, group->members, sizeof(old_members));
	memcpy(old_seen, group->seen.servers, sizeof(old_seen));
	record_init(&old_record);
	record_copy(&old_record, &group->record);
	memset(group->members, 0, sizeof(group->members));
	memset(group->seen.servers, 0, sizeof(group->seen.servers));
	group->seen.mark_count = 0; /* of an index that may be another server's now */
	uint64_t since_us = group->record.state_since_us;
	uint64_t stage = group->record.stage;
	record_copy(&group->record, record);
	group->record.state_since_us = since_us;
	group->record.stage = stage;
	for (uint32_t i = 0; i < record->server_count; i++) {
		uint32_t old = record_find(&old_record, record->servers[i].name);
		if (old != SERVER_NONE &&
		    same_place(&old_record.servers[old], &record->servers[i])) {
			group->members[i] = old_members[old];
			group->seen.servers[i] = old_seen[old];
			memset(&old_members[old], 0, sizeof(old_members[old]));
			memset(&old_seen[old], 0, sizeof(old_seen[old]));
		} else {
			member_start(group, i, options, on);
		}
	}
	reap_goodbyes(group, false);
	/* What is left over goes the way of a removed server. */
	for (uint32_t i = 0; i < old_record.server_count; i++) {
		forget_seen(&old_seen[i]);
		if (old_members[i].peer) {
			member_part(group, old_members[i].peer);
		}
	}
	record_fini(&old_record);
	group->tense_until_us = now_us + (uint64_t)TENSE_MS * US_PER_MS;
}

void group_begin_anew(struct group *group, uint64_t now_us)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		struct member *member = &group->members[i];
		group->seen.servers[i].steps_done = 0;
		member->journaled = 0;
		member->retry_us = 0;
		member->failures = 0;
	}
	/* The outcome of a step that is still under way is one of an earlier stage. */
	group->record.stage++;
	group->record.state_since_us = now_us;
	group->decision.rule = rules_match(group->record.state, 0);
	group->unstored = false;
	group->healthy_told = false;
	group->held_told = false;
	group->gave_up[0] = 0;
	report_fini(&group->report);
	group->report = (struct report){ .id = group->loaded_report_id };
}

uint32_t group_find_peer(const struct group *group, const struct peer *peer)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		if (group->members[i].peer == peer) {
			return i;
		}
	}
	return SERVER_NONE;
}

void group_tell(struct group *group, const struct turn_context *context, enum log_level level,
		const char *evt, uint32_t server, uint32_t rule, uint64_t duration_us,
		const char *message)
{
	const struct event event = {
		.level = level,
		.evt = evt,
		.group = group->record.group,
		.server = server < group->record.server_count ? group->record.servers[server].name
							      : NULL,
		.epoch = group->record.epoch,
		.rule = rule,
		.duration_us = duration_us,
		.message = message,
	};
	event_log_add(context->events, &event);
}

static void tell_reach(struct group *group, const struct turn_context *context, uint32_t server)
{
	struct member *member = &group->members[server];
	enum reach reach = group->seen.servers[server].reach;
	/* The end of a connection proves nothing by itself; the next contact does. */
	if (reach == member->told || reach == REACH_UNKNOWN) {
		return;
	}
	member->told = reach;
	char text[SERVER_ERROR_BYTES_MAX + 64];
	(void)snprintf(text, sizeof(text), "%s%s%s", evidence_reach_name(reach),
		       member->words[0] ? ": " : "", member->words);
	bool expected = reach == REACH_ANSWERS || record_in_downtime(&group->record, server);
	group_tell(group, context, expected ? LOG_INFO : LOG_WARN, "server.reach", server, 0, 0,
		   text);
}

/* Two readings at which it had something to apply tell how fast it does. One that gets nowhere counts as slow. */
static void note_apply_rate(struct observation_server *seen, const struct server_status *status,
			    uint64_t begun_us)
{
	const struct server_status *old = &seen->status;
	uint64_t took_us = begun_us - seen->status_us;
	if (seen->status_us == 0 || took_us < (uint64_t)APPLY_RATE_LEAST_MS * US_PER_MS ||
	    gtid_set_contains(&old->executed, &old->received) ||
	    gtid_set_contains(&status->executed, &status->received)) {
		return;
	}
	uint64_t done = gtid_set_distance(&status->executed, &old->executed);
	uint64_t rate = done < UINT32_MAX ? done * US_PER_S / took_us : UINT32_MAX;
	rate = seen->applied_per_s == 0 ? rate : (3 * (uint64_t)seen->applied_per_s + rate) / 4;
	seen->applied_per_s = rate == 0 ? 1 : rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
}

/* Takes the status over unless a newer one is there; what was there becomes the older one. */
static void take_status(struct observation_server *seen, struct server_status *status,
			uint64_t begun_us, uint64_t ended_us)
{
	if (begun_us <= seen->status_us) {
		return;
	}
	if (!gtid_set_contains(&seen->status.received, &status->received)) {
		seen->moved_us = begun_us;
	}
	note_apply_rate(seen, status, begun_us);
	struct server_status old = seen->status;
	struct gtid_set reused = seen->older.executed;
	seen->older.executed = old.executed;
	seen->older.begun_us = seen->status_us;
	seen->older.ended_us = seen->status_end_us;
	seen->older.read_only = old.read_only;
	old.executed = reused;
	seen->status = *status;
	seen->status_us = begun_us;
	seen->status_end_us = ended_us;
	*status = old;
}

/* How far behind a replica was when the primary was lost is told by what the primary had at some moments before. */
static void mark_primary(struct group *group, uint32_t server)
{
	const struct record *record = &group->record;
	if (server == record->primary && record->policy == POLICY_BOUNDED) {
		observation_mark(&group->seen, server,
				 (uint64_t)record->max_loss_s * US_PER_S / OBSERVATION_MARKS_MAX);
	}
}

void group_take_sighting(struct group *group, const struct turn_context *context, uint32_t server,
			 struct sighting *sighting)
{
	struct observation_server *seen = &group->seen.servers[server];
	struct member *member = &group->members[server];
	if (sighting->contact_us >= seen->contact_us) {
		bool refused = sighting->reach == REACH_NOBODY_LISTENS;
		if (!refused) {
			seen->refused_since_us = 0;
		} else if (seen->refused_since_us == 0) {
			seen->refused_since_us = sighting->contact_us;
		}
		seen->reach = sighting->reach;
		seen->misses = sighting->misses;
		seen->refused_errno = sighting->server_errno;
		seen->contact_us = sighting->contact_us;
		memcpy(member->words, sighting->words, sizeof(member->words));
	}
	if (sighting->answered_us > seen->answered_us) {
		seen->answered_us = sighting->answered_us;
	}
	seen->stream_us = sighting->stream_us;
	if (sighting->has_status) {
		take_status(seen, &sighting->status, sighting->contact_us, sighting->answered_us);
		mark_primary(group, server);
	}
	if (seen->misses == 0) {
		member->trouble_us = 0;
	} else if (member->trouble_us == 0) {
		member->trouble_us = context->now_us;
	}
	if (server == group->record.primary && seen->misses > 0) {
		group->tense_until_us = context->now_us + (uint64_t)TENSE_MS * US_PER_MS;
	}
	tell_reach(group, context, server);
	(void)sighting_free(sighting);
}

static void step_failed(struct group *group, const struct turn_context *context, uint32_t server,
			const struct outcome *outcome)
{
	struct member *member = &group->members[server];
	member->failures++;
	uint64_t wait_ms = (uint64_t)RETRY_FIRST_MS
			   << (member->failures < 8 ? member->failures - 1 : 7);
	wait_ms = wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
	member->retry_us = context->now_us + wait_ms * US_PER_MS;
	char text[ERR_TEXT_BYTES_MAX + 64];
	(void)snprintf(text, sizeof(text), "%s: %s; trying again in %llu ms if still needed",
		       step_key(outcome->step), err_text(outcome->rc, &outcome->err),
		       (unsigned long long)wait_ms);
	group_tell(group, context, member->failures == 1 ? LOG_WARN : LOG_DEBUG, "step.failed",
		   server, 0, outcome->ended_us - outcome->started_us, text);
}

void group_take_outcome(struct group *group, const struct turn_context *context, uint32_t server,
			struct outcome *outcome)
{
	struct observation_server *seen = &group->seen.servers[server];
	struct member *member = &group->members[server];
	member->running = false;
	seen->steps_running = 0;
	if (outcome->has_status && outcome->status_us > seen->contact_us) {
		seen->reach = REACH_ANSWERS;
		seen->refused_since_us = 0;
		seen->misses = 0;
		seen->contact_us = outcome->status_us;
		seen->answered_us = outcome->ended_us;
		take_status(seen, &outcome->status, outcome->status_us, outcome->ended_us);
		mark_primary(group, server);
	}
	if (outcome->rc != ERR_OK) {
		step_failed(group, context, server, outcome);
	} else {
		member->failures = 0;
		member->retry_us = 0;
		/* A result of an earlier stage proves nothing about this one. */
		if (outcome->stage == group->record.stage) {
			seen->steps_done |= 1u << outcome->step;
		}
		char point[64];
		(void)snprintf(point, sizeof(point), "step.%s.done", step_key(outcome->step));
		fault_point(point);
		group_tell(group, context, LOG_INFO, "step.done", server, 0,
			   outcome->ended_us - outcome->started_us, step_text(outcome->step));
	}
	(void)outcome_free(outcome);
}
