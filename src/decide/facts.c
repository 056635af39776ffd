#include "decide/facts.h"

#include <stdio.h>
#include <string.h>

#include "decide/cooldown.h"
#include "decide/election.h"
#include "decide/pair.h"
#include "decide/tree.h"
#include "decide/verdict.h"

enum { BACKLOG_MAX = 20 }; /* transactions: a few milliseconds */

static const char *const fact_names[FACT_COUNT_] = {
	"GONE",		"MAY_FAIL_OVER", "ORDERED",  "SHUT",	"COMPLETE", "SAFE",    "APPLIED",
	"PATHS_CLOSED", "WRITABLE",	 "DEADLINE", "ASKED",	"FIT",	    "DRAINED", "FROZEN",
	"CAUGHT_UP",	"APPLYING",	 "SOON",     "STALLED", "FEEDING",
};

const char *fact_name(uint32_t bit_index)
{
	return bit_index < FACT_COUNT_ ? fact_names[bit_index] : "?";
}

/* When the primary was last proven to live. */
static uint64_t last_answer_us(const struct observation *seen, uint32_t server)
{
	uint64_t answered_us = seen->servers[server].answered_us;
	return answered_us > seen->started_us ? answered_us : seen->started_us;
}

static bool is_dead(const struct observation *seen, uint32_t server)
{
	const struct observation_server *one = &seen->servers[server];
	return one->reach == REACH_NOBODY_LISTENS && one->misses >= 2 &&
	       one->contact_us >= seen->started_us;
}

static bool is_silent(const struct observation *seen, const struct decide_options *options,
		      uint32_t server, uint64_t now_us)
{
	const struct observation_server *one = &seen->servers[server];
	bool without_answer = one->reach == REACH_SILENT || one->reach == REACH_HUNG ||
			      one->reach == REACH_NOBODY_LISTENS;
	return without_answer && one->misses >= 1 &&
	       now_us >= facts_silent_us(seen, options, server);
}

uint64_t facts_silent_us(const struct observation *seen, const struct decide_options *options,
			 uint32_t server)
{
	return last_answer_us(seen, server) + options->silence_us;
}

int facts_streams_lost(const struct record *record, const struct observation *seen,
		       const struct decide_options *options, uint64_t now_us)
{
	uint32_t lost = 0;
	bool unasked = false;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i == record->primary || !observation_answers(seen, i) ||
		    !record_follows(record, seen, i, record->primary)) {
			continue;
		}
		const struct observation_server *one = &seen->servers[i];
		uint64_t heard_us =
			one->stream_us > seen->started_us ? one->stream_us : seen->started_us;
		if (one->status_us <= seen->servers[record->primary].answered_us) {
			unasked = true;
		} else if (one->status.replica.io != IO_YES ||
			   now_us - heard_us >= options->stream_silence_us) {
			lost++;
		} else {
			return -1;
		}
	}
	return lost > 0 && !unasked ? 1 : 0;
}

static void missing(struct facts *ret, const char *text)
{
	if (!ret->missing[0]) {
		(void)snprintf(ret->missing, sizeof(ret->missing), "%.*s",
			       (int)sizeof(ret->missing) - 1, text);
	}
}

static void find_primary_facts(const struct record *record, const struct observation *seen,
			       const struct decide_options *options, uint64_t now_us,
			       struct facts *ret)
{
	uint32_t primary = record->primary;
	if (primary == SERVER_NONE) {
		return;
	}
	const struct observation_server *one = &seen->servers[primary];
	if (is_dead(seen, primary) || is_silent(seen, options, primary, now_us)) {
		int lost = facts_streams_lost(record, seen, options, now_us);
		/* Nobody follows a primary that is just being made; that its process is gone is enough then. */
		if (record->state == GROUP_OPENING && is_dead(seen, primary)) {
			lost = 1;
		}
		if (lost > 0) {
			ret->set |= FACT_GONE;
		} else if (lost < 0) {
			missing(ret, "the primary can't be reached from here, but a replica still "
				     "receives from it");
		} else {
			missing(ret, "the primary can't be reached, and no replica can confirm "
				     "that it is gone");
		}
	}
	if (observation_answers(seen, primary)) {
		/* What was handed over is applied: then it matters only that nothing more is received. */
		const struct replica_status *replica = &one->status.replica;
		bool stopped = record->handed ? replica->io == IO_NO : !replica->sql_running;
		bool opened = !one->status.read_only && stopped;
		if (opened && one->status_us >= record->state_since_us) {
			ret->set |= FACT_WRITABLE;
		}
		if (!one->status.read_only || one->status_us <= record->state_since_us) {
			return;
		}
		if (record->paused) {
			missing(ret, "the primary is read-only, and automatic failover is paused");
		} else {
			ret->set |= FACT_SHUT;
		}
	}
}

/* The primary answers, but what it is to store it can't. While nobody else could take over it is left as it is:
 * it may still be read, and its disk may come back. */
static void find_stall(const struct record *record, const struct observation *seen,
		       const struct decide_options *options, uint64_t now_us, struct facts *ret)
{
	if (record->primary == SERVER_NONE || options->write_stall_us == 0 ||
	    !verdict_is_stalled(record, seen, record->primary)) {
		return;
	}
	const struct observation_write *write = &seen->servers[record->primary].write;
	uint64_t from_us = record->state_since_us > seen->started_us ? record->state_since_us
								     : seen->started_us;
	uint64_t since_us = write->since_us > from_us ? write->since_us : from_us;
	if (write->seen_us <= from_us || now_us - since_us < options->write_stall_us) {
		return;
	}
	struct election election;
	election_rehearse(record, seen, &election);
	if (election.safe) {
		ret->set |= FACT_STALLED;
	} else {
		missing(ret, election.missing);
	}
}

/* The hook comes last: it is asked about what nothing else stands in the way of. */
static void heed_hook(const struct observation_hook *hook, uint32_t fact, bool tell,
		      struct facts *ret)
{
	if (hook->answer == HOOK_GO) {
		ret->set |= fact;
		return;
	}
	ret->withheld |= fact;
	if (tell) {
		char text[HOOK_WORDS_BYTES_MAX + 64];
		(void)snprintf(text, sizeof(text), "the veto hook %s%s",
			       hook->answer == HOOK_VETO ? "says no: " : "has not answered yet",
			       hook->answer == HOOK_VETO ? hook->words : "");
		missing(ret, text);
	}
}

/* Refused before anything is touched: the primary may come back as it was. */
static bool is_within_bound(const struct record *record, const struct observation *seen, char *text,
			    size_t text_bytes)
{
	if (record->policy != POLICY_BOUNDED) {
		return true;
	}
	struct election election;
	election_rehearse(record, seen, &election);
	(void)snprintf(text, text_bytes, "%.*s", (int)text_bytes - 1, election.missing);
	return election.candidate != SERVER_NONE;
}

static void find_failover_facts(const struct record *record, const struct observation *seen,
				const struct decide_options *options, uint64_t now_us,
				struct facts *ret)
{
	bool electing = record->state == GROUP_REVOKING || record->state == GROUP_REFUSED ||
			record->state == GROUP_FORMING;
	bool called_for = !electing && (ret->set & (FACT_GONE | FACT_STALLED));
	if (record->ask == ASK_FAILOVER) {
		ret->set |= FACT_ORDERED | FACT_MAY_FAIL_OVER;
	} else {
		char held[sizeof(ret->missing)];
		bool may = cooldown_is_over(record, options, now_us, held, sizeof(held));
		if (may && called_for && !(ret->set & FACT_SHUT)) {
			may = is_within_bound(record, seen, held, sizeof(held));
		}
		if (may) {
			heed_hook(&seen->hooks.failover, FACT_MAY_FAIL_OVER, called_for, ret);
		} else if (called_for) {
			missing(ret, held);
		}
	}
	if (!electing) {
		return;
	}
	bool hurried = now_us - record->state_since_us >= options->feed_us;
	struct election election;
	election_hold(record, seen,
		      ret->set & FACT_DEADLINE ? ELECTION_LATE
		      : hurried		       ? ELECTION_HURRIED
					       : ELECTION_PATIENT,
		      &election);
	ret->candidate = election.candidate;
	ret->source = election.source;
	ret->set |= election.complete ? FACT_COMPLETE : 0;
	ret->set |= election.safe ? FACT_SAFE : 0;
	ret->set |= election.source != SERVER_NONE ? FACT_FEEDING : 0;
	missing(ret, election.missing);
	if (election.safe) {
		const struct server_status *status = &seen->servers[election.candidate].status;
		if (status->semisync.source_enabled) {
			missing(ret, "the candidate still waits for acknowledgements, as a primary "
				     "does");
		} else if (gtid_set_contains(&status->executed, &status->received)) {
			ret->set |= FACT_APPLIED;
		} else if (status->replica.sql_errno != 0) {
			missing(ret, status->replica.sql_error);
		} else if (status->replica.sql_running) {
			ret->set |= FACT_APPLYING;
			missing(ret, "the candidate is still applying what it received");
		} else {
			missing(ret,
				"the candidate's applier is stopped, with something left to apply");
		}
	}
}

/* Whether `a` is the better successor: by data centre and weight, and among equals who can take over sooner. */
static bool is_readier(const struct record *record, const struct observation *seen, uint32_t a,
		       uint32_t b)
{
	if (b == SERVER_NONE) {
		return true;
	}
	uint32_t primary = record->primary;
	if (record_same_dc(record, a, primary) != record_same_dc(record, b, primary)) {
		return record_same_dc(record, a, primary);
	}
	if (pair_is_master(record, a) != pair_is_master(record, b)) {
		return pair_is_master(record, a);
	}
	if (record->servers[a].weight != record->servers[b].weight) {
		return record->servers[a].weight > record->servers[b].weight;
	}
	const struct server_status *one = &seen->servers[a].status;
	const struct server_status *other = &seen->servers[b].status;
	/* A former primary that still waits for acknowledgements is busy with being told not to. */
	if (one->semisync.source_enabled != other->semisync.source_enabled) {
		return other->semisync.source_enabled;
	}
	return gtid_set_distance(&one->received, &one->executed) <
	       gtid_set_distance(&other->received, &other->executed);
}

/* The server to switch to: the one asked for, or the best of those that could take over now. */
static uint32_t find_successor(const struct record *record, const struct observation *seen,
			       struct facts *ret)
{
	uint32_t best = SERVER_NONE;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i == record->primary ||
		    (record->ask_server != SERVER_NONE && record->ask_server != i)) {
			continue;
		}
		const struct replica_status *replica = &seen->servers[i].status.replica;
		const char *unfit = election_unfit(record, seen, i);
		if (!unfit && (!record_follows(record, seen, i, record->primary) ||
			       replica->io != IO_YES || !replica->sql_running)) {
			unfit = "does not replicate from the primary";
		}
		if (!unfit && record->acks > 0 && !record_is_member(record, i)) {
			unfit = "does not acknowledge commits yet";
		}
		if (unfit) {
			char text[128];
			(void)snprintf(text, sizeof(text), "%s %s", record->servers[i].name, unfit);
			missing(ret, text);
		} else if (is_readier(record, seen, i, best)) {
			best = i;
		}
	}
	if (best == SERVER_NONE) {
		missing(ret, "there is no replica to switch to");
	}
	return best;
}

/* Before clients are made to wait: the other replicas are below the successor, so that it has somebody who acknowledges at
 * once, and it has next to no backlog. That comes and goes under load, so a good moment is worth some waiting. */
static bool is_good_moment(const struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint32_t candidate,
			   uint64_t now_us)
{
	bool waited = record->allowed_since_us != 0 &&
		      now_us - record->allowed_since_us >= options->moment_us;
	const struct server_status *next = &seen->servers[candidate].status;
	return waited || (gtid_set_distance(&next->received, &next->executed) <= BACKLOG_MAX &&
			  record->ask_server == candidate && tree_is_gathered(record, seen));
}

static void find_readiness(const struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint64_t now_us, struct facts *ret)
{
	enum hook_answer answer = seen->hooks.switchover.answer;
	if (answer == HOOK_GO && !is_good_moment(record, seen, options, ret->candidate, now_us)) {
		missing(ret, "the replicas get ready for it");
		ret->set |= FACT_SOON;
		return;
	}
	heed_hook(&seen->hooks.switchover, FACT_FIT, true, ret);
	ret->set |= answer == HOOK_OPEN ? FACT_SOON : 0;
}

static void find_switchover_facts(const struct record *record, const struct observation *seen,
				  const struct decide_options *options, uint64_t now_us,
				  struct facts *ret)
{
	if (record->ask != ASK_SWITCHOVER || record->primary == SERVER_NONE) {
		return;
	}
	ret->set |= FACT_ASKED;
	ret->candidate = find_successor(record, seen, ret);
	if (ret->candidate == SERVER_NONE) {
		return;
	}
	const struct observation_server *old = &seen->servers[record->primary];
	const struct observation_server *next = &seen->servers[ret->candidate];
	if (!observation_answers(seen, record->primary)) {
		missing(ret, "the primary doesn't answer");
	} else if (record->state != GROUP_STEADY) {
		ret->set |= FACT_FIT;
	} else {
		find_readiness(record, seen, options, now_us, ret);
	}
	if (record->state == GROUP_FREEZING && (old->steps_done & (1u << STEP_FREEZE)) &&
	    old->status.read_only && observation_answers(seen, record->primary)) {
		ret->set |= FACT_FROZEN;
		if ((next->steps_done & (1u << STEP_CATCH_UP)) &&
		    gtid_set_contains(&next->status.executed, &old->status.executed)) {
			ret->set |= FACT_CAUGHT_UP;
		}
	}
}

uint64_t facts_limit_us(const struct decide_options *options, enum group_state state)
{
	switch (state) {
	case GROUP_REVOKING:
		return options->revoke_us;
	case GROUP_OPENING:
		return options->open_us;
	case GROUP_DRAINING:
		return options->drain_us;
	case GROUP_FREEZING:
		return options->freeze_us;
	case GROUP_UNDOING:
		return options->undo_us;
	case GROUP_FORMING:
	case GROUP_STEADY:
	case GROUP_REFUSED:
	case GROUP_STATE_COUNT_:
		break;
	}
	return UINT64_MAX; /* resting states */
}

void facts_find(const struct record *record, const struct observation *seen,
		const struct decide_options *options, uint64_t now_us, struct facts *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->candidate = SERVER_NONE;
	ret->source = SERVER_NONE;
	if (now_us - record->state_since_us >= facts_limit_us(options, record->state)) {
		ret->set |= FACT_DEADLINE;
	}
	bool in_force = seen->routes.epoch == record->epoch &&
			seen->routes.revision >= record->version && seen->routes.held;
	if (in_force) {
		ret->set |= FACT_PATHS_CLOSED;
		if (seen->routes.transactions_open == 0) {
			ret->set |= FACT_DRAINED;
		}
	}
	find_primary_facts(record, seen, options, now_us, ret);
	find_stall(record, seen, options, now_us, ret);
	find_failover_facts(record, seen, options, now_us, ret);
	find_switchover_facts(record, seen, options, now_us, ret);
}
