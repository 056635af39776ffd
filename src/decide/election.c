#include "decide/election.h"

#include <stdio.h>
#include <string.h>

#include "decide/verdict.h"

const char *election_unfit(const struct record *record, const struct observation *seen,
			   uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	if (!observation_answers(seen, server)) {
		return "does not answer";
	}
	if (record->servers[server].diverged) {
		return "diverged";
	}
	if (record->servers[server].never_promote) {
		return "set to never-promote";
	}
	if (!status->log_bin || !status->log_replica_updates) {
		return "does not log what it replicates (log_bin, log_slave_updates)";
	}
	if (!status->gtid_on) {
		return "GTID mode is off";
	}
	if (status->replica.filtered) {
		return "has replication filters";
	}
	if (status->replica.delay_s > 0) {
		return "is a delayed replica";
	}
	return NULL;
}

/* Proof that it receives nothing more: stopped in this epoch, and seen stopped. */
static bool is_stopped(const struct observation *seen, uint32_t server)
{
	const struct observation_server *one = &seen->servers[server];
	return observation_answers(seen, server) &&
	       (one->steps_done & (1u << STEP_STOP_RECEIVER)) && one->status.replica.io == IO_NO;
}

static bool is_fenced(const struct observation *seen, uint32_t server)
{
	const struct observation_server *one = &seen->servers[server];
	return observation_answers(seen, server) && (one->steps_done & (1u << STEP_FENCE)) &&
	       one->status.read_only;
}

/* Bit i: server i was reached, and can neither acknowledge nor receive any more. A primary that was given up because
 * its disk takes no writes is passed over while others may do without it: what it alone has was never acknowledged. */
static uint32_t silenced_servers(const struct record *record, const struct observation *seen,
				 bool late)
{
	uint32_t set = 0;
	bool patient = record->state == GROUP_REVOKING && !late;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (patient && i == record->previous && verdict_is_stalled(record, seen, i)) {
			continue;
		}
		bool silenced = i == record->previous ? is_fenced(seen, i) : is_stopped(seen, i);
		if (silenced && !record->servers[i].diverged) {
			set |= 1u << i;
		}
	}
	return set;
}

/* Who takes part. */
struct electorate {
	uint32_t silenced; /* bit i: server i was reached and can neither acknowledge nor receive */
	uint32_t answering; /* bit i: server i answers and is not kept out */
	uint32_t voided;    /* bit i: server i may have lost what it acknowledged */
	uint32_t lost;	    /* the primary that was lost; SERVER_NONE when there was none */
	bool late;	    /* the time to wait for the answering ones is over */
};

static uint32_t answering_servers(const struct record *record, const struct observation *seen)
{
	uint32_t set = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (observation_answers(seen, i) && !record->servers[i].diverged) {
			set |= 1u << i;
		}
	}
	return set;
}

static uint32_t void_members(const struct record *record, const struct observation *seen)
{
	uint32_t set = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (record_is_member(record, i) && record_is_void(record, seen, i)) {
			set |= 1u << i;
		}
	}
	return set;
}

static uint32_t count_bits(uint32_t set)
{
	return (uint32_t)__builtin_popcount(set);
}

/* Names the members of `set`, as "a, b". */
static void list_names(const struct record *record, uint32_t set, char *text, size_t bytes)
{
	struct buf out;
	buf_init_fixed(&out, text, bytes);
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (set & (1u << i)) {
			buf_printf(&out, "%s%s", out.len ? ", " : "", record->servers[i].name);
		}
	}
	(void)buf_text(&out);
}

/* A new group: nobody was primary, so each configured server is to be looked at. */
static bool is_everybody_there(const struct record *record, uint32_t silenced, char *missing,
			       size_t missing_bytes)
{
	uint32_t all = (1u << record->server_count) - 1;
	if (silenced == all) {
		return true;
	}
	char names[160];
	list_names(record, all & ~silenced, names, sizeof(names));
	(void)snprintf(missing, missing_bytes, "waiting for %s", names);
	return false;
}

/* By the pigeonhole: every acknowledged commit is on `acks` of the sync set, so at least one of any
 * |S| - acks + 1 members has it, if it was not restarted since. */
static bool is_intersected(const struct record *record, const struct electorate *from,
			   char *missing, size_t missing_bytes)
{
	uint32_t reached = record->sync_set & from->silenced & ~from->voided;
	if (count_bits(reached) >= count_bits(record->sync_set) - record->acks + 1) {
		return true;
	}
	char names[160];
	uint32_t voided = record->sync_set & from->silenced & from->voided;
	list_names(record, voided ? voided : record->sync_set & ~reached, names, sizeof(names));
	(void)snprintf(missing, missing_bytes,
		       voided ? "an acknowledged commit may be lost with the relay log of %s, "
				"restarted since"
			      : "an acknowledged commit may be on %s alone, which can't be reached",
		       names);
	return false;
}

/* The former primary, fenced, has every acknowledged commit by itself. */
static bool is_complete(const struct record *record, const struct electorate *from, char *missing,
			size_t missing_bytes)
{
	uint32_t silenced = from->silenced;
	if (silenced == 0) {
		(void)snprintf(missing, missing_bytes, "no replica can be reached");
		return false;
	}
	if (from->lost == SERVER_NONE) {
		return is_everybody_there(record, silenced, missing, missing_bytes);
	}
	if (silenced & (1u << from->lost)) {
		return true;
	}
	if (record->policy == POLICY_ASYNC || record->ask_accept_loss) {
		/* The one with the most is to be found, so those that answer are waited for. */
		if ((from->answering & ~silenced) && !from->late) {
			char names[160];
			list_names(record, from->answering & ~silenced, names, sizeof(names));
			(void)snprintf(missing, missing_bytes, "waiting for %s to stop", names);
			return false;
		}
		return true;
	}
	if (record->acks == 0) {
		(void)snprintf(
			missing, missing_bytes,
			"the primary committed alone: only it is certain to have every commit");
		return false;
	}
	return is_intersected(record, from, missing, missing_bytes);
}

/* The one whose received set contains that of all others; SERVER_NONE when two contradict each other. */
static uint32_t find_best(const struct record *record, const struct observation *seen,
			  uint32_t silenced)
{
	uint32_t best = SERVER_NONE;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (!(silenced & (1u << i))) {
			continue;
		}
		if (best == SERVER_NONE ||
		    gtid_set_contains(&seen->servers[i].status.received,
				      &seen->servers[best].status.received)) {
			best = i;
		}
	}
	for (uint32_t i = 0; i < record->server_count && best != SERVER_NONE; i++) {
		if ((silenced & (1u << i)) &&
		    !gtid_set_contains(&seen->servers[best].status.received,
				       &seen->servers[i].status.received)) {
			return SERVER_NONE;
		}
	}
	return best;
}

/* Whether `a` is to be preferred to `b` when both hold the same. */
static bool is_preferred(const struct record *record, const struct observation *seen, uint32_t lost,
			 uint32_t a, uint32_t b)
{
	if (b == SERVER_NONE) {
		return true;
	}
	if ((a == record->ask_server) != (b == record->ask_server)) {
		return a == record->ask_server;
	}
	/* Reopening the lost primary moves nobody; but who orders a failover wants another one. */
	if ((a == lost) != (b == lost)) {
		return (a == lost) != (record->ask == ASK_FAILOVER);
	}
	if (record->servers[a].weight != record->servers[b].weight) {
		return record->servers[a].weight > record->servers[b].weight;
	}
	/* The one that has less left to apply is ready sooner. */
	const struct server_status *one = &seen->servers[a].status;
	const struct server_status *other = &seen->servers[b].status;
	return gtid_set_distance(&one->received, &one->executed) <
	       gtid_set_distance(&other->received, &other->executed);
}

static void choose(const struct record *record, const struct observation *seen,
		   const struct electorate *from, struct election *ret)
{
	uint32_t silenced = from->silenced;
	ret->best = find_best(record, seen, silenced);
	if (ret->best == SERVER_NONE) {
		(void)snprintf(ret->missing, sizeof(ret->missing),
			       "the replicas contradict each other: none holds what all hold");
		return;
	}
	const struct gtid_set *most = &seen->servers[ret->best].status.received;
	if (record->policy == POLICY_LOSSLESS && !record->ask_accept_loss &&
	    !gtid_set_contains(most, &record->base)) {
		(void)snprintf(ret->missing, sizeof(ret->missing),
			       "%s, the most advanced, lacks commits of an earlier epoch",
			       record->servers[ret->best].name);
		return;
	}
	const char *reason = NULL;
	uint32_t reason_server = SERVER_NONE;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (!(silenced & (1u << i)) ||
		    !gtid_set_contains(&seen->servers[i].status.received, most)) {
			continue;
		}
		const char *unfit = election_unfit(record, seen, i);
		if (unfit) {
			reason = unfit;
			reason_server = i;
		} else if (is_preferred(record, seen, from->lost, i, ret->candidate)) {
			ret->candidate = i;
		}
	}
	ret->safe = ret->candidate != SERVER_NONE;
	if (!ret->safe && reason) {
		(void)snprintf(ret->missing, sizeof(ret->missing), "%s, the most advanced, %s",
			       record->servers[reason_server].name, reason);
	}
}

static void elect(const struct record *record, const struct observation *seen,
		  const struct electorate *from, struct election *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->best = SERVER_NONE;
	ret->candidate = SERVER_NONE;
	ret->complete = is_complete(record, from, ret->missing, sizeof(ret->missing));
	if (ret->complete) {
		choose(record, seen, from, ret);
	}
}

void election_hold(const struct record *record, const struct observation *seen, bool late,
		   struct election *ret)
{
	const struct electorate from = {
		.silenced = silenced_servers(record, seen, late),
		.answering = answering_servers(record, seen),
		.voided = void_members(record, seen),
		.lost = record->previous,
		.late = late,
	};
	elect(record, seen, &from, ret);
}

void election_rehearse(const struct record *record, const struct observation *seen,
		       struct election *ret)
{
	uint32_t reached = answering_servers(record, seen) & ~(1u << record->primary);
	const struct electorate from = {
		.silenced = reached,
		.answering = reached,
		.voided = void_members(record, seen),
		.lost = record->primary,
		.late = false,
	};
	elect(record, seen, &from, ret);
}
