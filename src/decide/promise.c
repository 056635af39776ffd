#include "decide/promise.h"

#include "decide/server_rules.h"

static void promise_nothing(struct record *record)
{
	record->sync_set = 0;
	record->acks = 0;
}

uint64_t promise_process(const struct server_status *status)
{
	return status->started_s != 0 && status->uptime_s > 0 ? status->started_s : PROCESS_NONE;
}

void promise_begin(struct record *record, const struct observation *seen, uint32_t members,
		   const struct gtid_set *base)
{
	gtid_set_clear(&record->base);
	gtid_set_copy(&record->base, base);
	promise_nothing(record);
	if (record->policy == POLICY_LOSSLESS && members != 0) {
		record->sync_set = members;
		record->acks = 1;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (record_is_member(record, i)) {
			record->servers[i].started_s = promise_process(&seen->servers[i].status);
			record->servers[i].acknowledges = true;
		}
	}
}

bool promise_may_acknowledge(const struct record *record, const struct observation *seen,
			     uint32_t server, uint32_t primary)
{
	if (server == primary || server_facts_is_dead(seen, server)) {
		return false;
	}
	if (!observation_answers(seen, server)) {
		return record->servers[server].acknowledges;
	}
	return seen->servers[server].status.semisync.replica_enabled &&
	       seen->servers[server].status.replica.io != IO_NO &&
	       record_follows(record, seen, server, primary);
}

static uint32_t unseen_members(const struct record *record, const struct observation *seen)
{
	uint32_t set = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		set |= promise_may_acknowledge(record, seen, i, record->primary) ? 1u << i : 0;
	}
	return set;
}

/* Bit i: server i replicates from the primary and has `facts`. */
static uint32_t servers_with(const struct record *record, const struct observation *seen,
			     const struct decide_options *options, uint64_t now_us, uint32_t facts)
{
	uint32_t set = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != record->primary &&
		    (server_facts_find(record, seen, options, i, now_us) & facts) == facts) {
			set |= 1u << i;
		}
	}
	return set;
}

/* To go on alone weakens the promise: it is put on the record first, and done after. */
static const char *go_alone(struct record *record, const struct observation *seen,
			    const struct decide_options *options, uint64_t now_us)
{
	if (seen->servers[record->primary].status.semisync.source_clients > 0) {
		record->clients_none_since_us = 0;
		return NULL;
	}
	if (record->clients_none_since_us == 0) {
		record->clients_none_since_us = now_us;
	}
	uint32_t dead = servers_with(record, seen, options, now_us, SERVER_DEAD | SERVER_MEMBER);
	bool all_dead = dead == record->sync_set;
	if (!all_dead && now_us - record->clients_none_since_us < options->alone_us) {
		return NULL;
	}
	promise_nothing(record);
	return all_dead ? "no replica that acknowledges is alive: the primary goes on alone"
			: "no replica acknowledges: the primary goes on alone";
}

/* To wait again strengthens the promise: the servers do it first, and it is put on the record after. */
static const char *wait_again(struct record *record, const struct observation *seen,
			      const struct decide_options *options, uint64_t now_us)
{
	const struct server_status *primary = &seen->servers[record->primary].status;
	bool stops_waiting = (seen->servers[record->primary].steps_running &
			      (1u << STEP_SEMISYNC_SOURCE_OFF)) != 0;
	if (!primary->semisync.source_enabled || !primary->semisync.source_active ||
	    primary->semisync.source_clients == 0 || stops_waiting) {
		return NULL;
	}
	uint32_t ackers = servers_with(record, seen, options, now_us, SERVER_RUNNING | SERVER_ACKS);
	uint32_t ready = servers_with(record, seen, options, now_us,
				      SERVER_RUNNING | SERVER_ACKS | SERVER_CAUGHT_UP);
	if (ready == 0) {
		return NULL;
	}
	promise_begin(record, seen, ackers | unseen_members(record, seen), &primary->executed);
	return "commits wait for an acknowledgement";
}

bool promise_count_processes(struct record *record, const struct observation *seen,
			     const struct decide_options *options, uint64_t now_us)
{
	bool changed = false;
	for (uint32_t i = 0; i < record->server_count; i++) {
		const struct observation_server *one = &seen->servers[i];
		if (i == record->primary || !observation_answers(seen, i)) {
			continue;
		}
		if (!record_is_member(record, i) ||
		    one->status.started_s == record->servers[i].started_s) {
			record->restarted_us[i] = 0;
			continue;
		}
		if (record->restarted_us[i] == 0) {
			record->restarted_us[i] = now_us;
		}
		uint32_t facts = server_facts_find(record, seen, options, i, now_us);
		uint64_t process = promise_process(&one->status);
		if (process != PROCESS_NONE && (facts & SERVER_RUNNING) &&
		    server_facts_caught_up(seen, i, record->primary, record->restarted_us[i])) {
			record->servers[i].started_s = process;
			record->restarted_us[i] = 0;
			changed = true;
		}
	}
	return changed;
}

/* Whether every member, read after it, has what the primary had at its older reading. */
static bool is_everywhere(const struct record *record, const struct observation *seen)
{
	const struct observation_older *source = &seen->servers[record->primary].older;
	bool everywhere = source->begun_us != 0;
	for (uint32_t i = 0; i < record->server_count && everywhere; i++) {
		const struct observation_server *one = &seen->servers[i];
		if (record_is_member(record, i)) {
			everywhere = observation_answers(seen, i) &&
				     !record_is_void(record, seen, i) &&
				     one->status_us > source->ended_us &&
				     gtid_set_contains(&one->status.received, &source->executed);
		}
	}
	return everywhere;
}

bool promise_advance_base(struct record *record, const struct observation *seen,
			  const struct decide_options *options, uint64_t now_us)
{
	if (record->based_us == 0) {
		record->based_us = now_us;
	}
	if (record->acks == 0 || now_us - record->based_us < options->base_us ||
	    !is_everywhere(record, seen)) {
		return false;
	}
	const struct gtid_set *executed = &seen->servers[record->primary].older.executed;
	record->based_us = now_us;
	if (gtid_set_contains(&record->base, executed)) {
		return false;
	}
	gtid_set_add(&record->base, executed);
	return true;
}

const char *promise_update(struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint64_t now_us)
{
	if (!observation_answers(seen, record->primary)) {
		record->clients_none_since_us = 0;
		return NULL;
	}
	if (record->policy != POLICY_LOSSLESS) {
		if (record->acks == 0 && record->sync_set == 0) {
			return NULL;
		}
		promise_nothing(record);
		return "the policy asks for no acknowledgements";
	}
	return record->acks > 0 ? go_alone(record, seen, options, now_us)
				: wait_again(record, seen, options, now_us);
}

enum step promise_step(const struct record *record, const struct observation *seen)
{
	if (!observation_answers(seen, record->primary)) {
		return STEP_NONE;
	}
	const struct semisync_status *semisync = &seen->servers[record->primary].status.semisync;
	bool wanted = record->acks > 0;
	for (uint32_t i = 0; i < record->server_count && record->policy == POLICY_LOSSLESS; i++) {
		wanted = wanted || (i != record->primary && observation_answers(seen, i) &&
				    record_follows(record, seen, i, record->primary) &&
				    seen->servers[i].status.semisync.replica_active);
	}
	if (wanted && !semisync->source_enabled) {
		return STEP_SEMISYNC_SOURCE_ON;
	}
	return !wanted && semisync->source_enabled ? STEP_SEMISYNC_SOURCE_OFF : STEP_NONE;
}

static bool acknowledges_now(const struct record *record, const struct observation *seen,
			     uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	return status->replica.io == IO_YES && status->semisync.replica_active &&
	       record_follows(record, seen, server, record->primary);
}

bool promise_is_pressed(const struct record *record, const struct observation *seen,
			const struct decide_options *options, uint64_t now_us)
{
	uint64_t age_us = now_us - record->state_since_us;
	bool opening = record->state == GROUP_OPENING;
	bool steady = record->state == GROUP_STEADY;
	uint32_t coming = 0;
	uint32_t there = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != record->previous && record_is_member(record, i) &&
		    observation_answers(seen, i)) {
			coming++;
			there += acknowledges_now(record, seen, i) ? 1 : 0;
		}
	}
	/* Without the former primary no commit would be acknowledged: then it comes first. */
	if (coming < record->acks) {
		return false;
	}
	uint64_t spared_us = there < record->acks ? options->press_us : options->rush_us;
	return opening || (steady && age_us < spared_us);
}
