#include "decide/election.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "decide/bound.h"
#include "decide/pair.h"
#include "decide/server_rules.h"

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
	if (record_in_downtime(record, server)) {
		return "is in downtime";
	}
	if (pair_is_half_done(record, server)) {
		return "is on the side that is being changed";
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

/* Receives again since it was stopped, from one of `stopped`: nothing of the lost primary can come. */
static bool is_fed(const struct record *record, const struct observation *seen, uint32_t server,
		   uint32_t stopped)
{
	const struct observation_server *one = &seen->servers[server];
	if (!observation_answers(seen, server) || !(one->steps_done & (1u << STEP_STOP_RECEIVER))) {
		return false;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != server && (stopped & (1u << i)) &&
		    record_follows(record, seen, server, i)) {
			return true;
		}
	}
	return false;
}

/* Bit i: server i was reached, and can neither acknowledge nor receive from the lost primary any more. A primary that
 * was given up because its disk takes no writes is passed over while others may do without it: what it alone has was
 * never acknowledged. */
static uint32_t silenced_servers(const struct record *record, const struct observation *seen,
				 bool late)
{
	uint32_t stopped = 0;
	bool passed_over = record->stalled && record->state == GROUP_REVOKING && !late;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (passed_over && i == record->previous) {
			continue;
		}
		bool silenced = i == record->previous ? is_fenced(seen, i) : is_stopped(seen, i);
		if (silenced && !record->servers[i].diverged && !pair_is_half_done(record, i)) {
			stopped |= 1u << i;
		}
	}
	uint32_t set = stopped;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != record->previous && !record->servers[i].diverged &&
		    !pair_is_half_done(record, i) && is_fed(record, seen, i, stopped)) {
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
	enum election_patience patience;
	uint64_t lost_us; /* when the primary was lost, at the latest; 0: not known */
};

static uint32_t answering_servers(const struct record *record, const struct observation *seen)
{
	uint32_t set = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (observation_answers(seen, i) && !record->servers[i].diverged &&
		    !pair_is_half_done(record, i)) {
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

static bool loss_is_allowed(const struct record *record)
{
	return record->policy != POLICY_LOSSLESS || record->ask_accept_loss;
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

/* Those that answer are waited for, as long as there is time. */
static bool have_all_stopped(const struct record *record, const struct electorate *from,
			     char *missing, size_t missing_bytes)
{
	uint32_t running = from->answering & ~from->silenced;
	if (running == 0 || from->patience == ELECTION_LATE) {
		return true;
	}
	char names[160];
	list_names(record, running, names, sizeof(names));
	(void)snprintf(missing, missing_bytes, "waiting for %s to stop", names);
	return false;
}

/* The former primary, fenced, has every acknowledged commit by itself. */
static bool is_complete(const struct record *record, const struct electorate *from, char *missing,
			size_t missing_bytes)
{
	uint32_t silenced = from->silenced;
	if (silenced == 0) {
		(void)snprintf(missing, missing_bytes,
			       record->pair.state == PAIR_CHANGING
				       ? "no replica can be reached but those of the side that is "
					 "being changed, which may only take over by --accept-loss"
				       : "no replica can be reached");
		return false;
	}
	if (from->lost == SERVER_NONE) {
		return is_everybody_there(record, silenced, missing, missing_bytes);
	}
	if (silenced & (1u << from->lost)) {
		/* Who orders a failover wants another one, so it isn't over before another one can be had. */
		return record->ask != ASK_FAILOVER ||
		       have_all_stopped(record, from, missing, missing_bytes);
	}
	if (loss_is_allowed(record)) {
		/* The one with the most is to be found. */
		return have_all_stopped(record, from, missing, missing_bytes);
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

/* Whose word counts for what was acknowledged: the lost primary, fenced, has all of it by itself; else the members of
 * the sync set that were reached. What another server has besides was never acknowledged: it contradicts nobody. */
static uint32_t proving_servers(const struct record *record, const struct electorate *from)
{
	if (from->lost != SERVER_NONE && (from->silenced & (1u << from->lost))) {
		return 1u << from->lost;
	}
	if (from->lost == SERVER_NONE || loss_is_allowed(record)) {
		return from->silenced;
	}
	return record->sync_set & from->silenced & ~from->voided;
}

/* The one that has the most: what is proven to be acknowledged, and what others have in addition to it. */
static uint32_t find_most(const struct record *record, const struct observation *seen,
			  const struct electorate *from)
{
	uint32_t proving = proving_servers(record, from);
	uint32_t most = find_best(record, seen, proving);
	for (uint32_t i = 0; i < record->server_count && most != SERVER_NONE; i++) {
		if ((from->silenced & ~proving & (1u << i)) &&
		    gtid_set_contains(&seen->servers[i].status.received,
				      &seen->servers[most].status.received)) {
			most = i;
		}
	}
	return most;
}

/* What people said of the two: above 0 when they want `a` rather than `b`. Worth being fed for. */
static int compare_wishes(const struct record *record, uint32_t lost, uint32_t a, uint32_t b)
{
	if ((a == record->ask_server) != (b == record->ask_server)) {
		return a == record->ask_server ? 1 : -1;
	}
	/* Reopening the lost primary moves nobody; but who orders a failover wants another one. */
	if ((a == lost) != (b == lost)) {
		return (a == lost) != (record->ask == ASK_FAILOVER) ? 1 : -1;
	}
	/* The other one of a pair takes its replicas along, and is what people expect. */
	if (pair_is_master(record, a) != pair_is_master(record, b)) {
		return pair_is_master(record, a) ? 1 : -1;
	}
	if (lost != SERVER_NONE &&
	    record_same_dc(record, a, lost) != record_same_dc(record, b, lost)) {
		return record_same_dc(record, a, lost) ? 1 : -1;
	}
	if (record->servers[a].weight != record->servers[b].weight) {
		return record->servers[a].weight > record->servers[b].weight ? 1 : -1;
	}
	return 0;
}

uint64_t election_drain_us(const struct observation *seen, uint32_t server)
{
	const struct observation_server *one = &seen->servers[server];
	uint64_t left = gtid_set_distance(&one->status.received, &one->status.executed);
	if (left == 0) {
		return 0;
	}
	return one->applied_per_s == 0 || left > UINT64_MAX / 1000000
		       ? UINT64_MAX
		       : left * 1000000 / one->applied_per_s;
}

static bool drains_long(const struct observation *seen, uint32_t server)
{
	uint64_t drain_us = election_drain_us(seen, server);
	return drain_us != UINT64_MAX && drain_us > (uint64_t)ELECTION_DRAIN_LONG_S * 1000000;
}

/* Whether `a` is to be preferred to `b` when both hold the same. */
static bool is_preferred(const struct record *record, const struct observation *seen, uint32_t lost,
			 uint32_t a, uint32_t b)
{
	if (b == SERVER_NONE) {
		return true;
	}
	bool named = a == record->ask_server || b == record->ask_server;
	if (!named && drains_long(seen, a) != drains_long(seen, b)) {
		return drains_long(seen, b);
	}
	int wish = compare_wishes(record, lost, a, b);
	if (wish != 0) {
		return wish > 0;
	}
	/* The one that has less left to apply is ready sooner. */
	const struct server_status *one = &seen->servers[a].status;
	const struct server_status *other = &seen->servers[b].status;
	return gtid_set_distance(&one->received, &one->executed) <
	       gtid_set_distance(&other->received, &other->executed);
}

static bool is_drained(const struct observation *seen, uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	return gtid_set_contains(&status->executed, &status->received);
}

/* Why nobody can get what `server` has; NULL when somebody can, once it has applied it. */
static const char *unfit_source(const struct observation *seen, uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	if (!status->log_bin || !status->log_replica_updates) {
		return "does not log what it replicates (log_bin, log_slave_updates)";
	}
	if (!status->gtid_on) {
		return "GTID mode is off";
	}
	if (status->replica.filtered) {
		return "has replication filters";
	}
	if (!is_drained(seen, server) && !status->replica.sql_running) {
		return status->replica.sql_errno ? status->replica.sql_error
						 : "has something left to apply, and is stopped";
	}
	return NULL;
}

/* Whether the server could get from `source` what it lacks: what it has received itself is applied, or will be. */
static bool is_feedable(const struct record *record, const struct observation *seen,
			uint32_t server, uint32_t source)
{
	const struct replica_status *replica = &seen->servers[server].status.replica;
	if (replica->sql_errno != 0 || (!is_drained(seen, server) && !replica->sql_running)) {
		return false;
	}
	bool refused = record_follows(record, seen, server, source) && replica->io != IO_YES &&
		       replica->io_errno != 0 && !server_facts_is_network(replica->io_errno);
	return !refused;
}

/* Why the server can't follow the lost primary now; NULL when it can. */
static const char *unfit_now(const struct record *record, const struct observation *seen,
			     uint32_t lost, uint32_t server)
{
	const char *unfit = election_unfit(record, seen, server);
	bool elsewhere = lost != SERVER_NONE && server != lost && record->stay_in_dc &&
			 record->ask != ASK_FAILOVER && record->servers[lost].dc[0] &&
			 !record_same_dc(record, server, lost);
	return unfit	   ? unfit
	       : elsewhere ? "is in another data centre, where it may go by order only"
			   : NULL;
}

/* The best of those that could take over: of the ones that hold `most`, and of the ones that could be fed. */
struct choice {
	uint32_t full;
	uint32_t fed;
	uint32_t unfit; /* one that holds `most` and can't be a primary */
	const char *unfit_why;
};

static void find_choice(const struct record *record, const struct observation *seen,
			const struct electorate *from, uint32_t best, struct choice *ret)
{
	const struct gtid_set *most = &seen->servers[best].status.received;
	*ret = (struct choice){ .full = SERVER_NONE, .fed = SERVER_NONE, .unfit = SERVER_NONE };
	bool can_feed = unfit_source(seen, best) == NULL;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (!(from->silenced & (1u << i))) {
			continue;
		}
		bool full = gtid_set_contains(&seen->servers[i].status.received, most);
		const char *unfit = unfit_now(record, seen, from->lost, i);
		if (unfit && full && (ret->unfit == SERVER_NONE || i == best)) {
			ret->unfit = i;
			ret->unfit_why = unfit;
		} else if (unfit) {
			continue;
		} else if (full && is_preferred(record, seen, from->lost, i, ret->full)) {
			ret->full = i;
		} else if (!full && can_feed && is_feedable(record, seen, i, best) &&
			   is_preferred(record, seen, from->lost, i, ret->fed)) {
			ret->fed = i;
		}
	}
}

/* The one that has the most of those that can be a primary: what it lacks is lost, which is allowed. */
static uint32_t find_lossy(const struct record *record, const struct observation *seen,
			   const struct electorate *from)
{
	uint32_t fit = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if ((from->silenced & (1u << i)) && !unfit_now(record, seen, from->lost, i)) {
			fit |= 1u << i;
		}
	}
	return find_best(record, seen, fit);
}

static void say_unfit(const struct record *record, const struct observation *seen,
		      const struct choice *choice, struct election *ret)
{
	const char *why = unfit_source(seen, ret->best);
	check(choice->unfit_why != NULL);
	bool same = why && strcmp(why, choice->unfit_why) == 0;
	(void)snprintf(ret->missing, sizeof(ret->missing), "%s, the most advanced, %s%s%s",
		       record->servers[choice->unfit].name, choice->unfit_why, same ? "" : "; ",
		       same  ? ""
		       : why ? why
			     : "no other server can get from it what it has");
}

static void choose(const struct record *record, const struct observation *seen,
		   const struct electorate *from, struct election *ret)
{
	ret->best = find_most(record, seen, from);
	if (ret->best == SERVER_NONE) {
		(void)snprintf(ret->missing, sizeof(ret->missing),
			       "the replicas contradict each other: none holds what all hold");
		return;
	}
	const struct gtid_set *most = &seen->servers[ret->best].status.received;
	if (record->policy == POLICY_LOSSLESS && !record->ask_accept_loss &&
	    !gtid_set_contains(most, &record->base)) {
		(void)snprintf(ret->missing, sizeof(ret->missing),
			       "%s, the most advanced, lacks commits that are on the record as "
			       "acknowledged",
			       record->servers[ret->best].name);
		return;
	}
	struct choice choice;
	find_choice(record, seen, from, ret->best, &choice);
	bool wanted = choice.full == SERVER_NONE ||
		      (from->patience == ELECTION_PATIENT && choice.fed != SERVER_NONE &&
		       choice.fed != from->lost &&
		       compare_wishes(record, from->lost, choice.fed, choice.full) > 0);
	if (!wanted) {
		ret->candidate = choice.full;
	} else if (loss_is_allowed(record) && from->patience == ELECTION_LATE) {
		ret->candidate = find_lossy(record, seen, from);
	} else if (choice.fed != SERVER_NONE) {
		ret->candidate = choice.fed;
		ret->source = ret->best;
		(void)snprintf(ret->missing, sizeof(ret->missing),
			       "%s gets from %s, the most advanced, what it lacks",
			       record->servers[choice.fed].name, record->servers[ret->best].name);
	}
	ret->safe = ret->candidate != SERVER_NONE && ret->source == SERVER_NONE;
	if (ret->candidate == SERVER_NONE) {
		say_unfit(record, seen, &choice, ret);
	}
}

/* Under `bounded` only so much may be lost by itself. The lost primary, fenced, has everything. */
static void keep_bound(const struct record *record, const struct observation *seen,
		       const struct electorate *from, struct election *ret)
{
	bool bounded = record->policy == POLICY_BOUNDED && !record->ask_accept_loss &&
		       from->lost != SERVER_NONE && !(from->silenced & (1u << from->lost));
	uint32_t holder = ret->source != SERVER_NONE ? ret->source : ret->candidate;
	if (!bounded || holder == SERVER_NONE ||
	    bound_holds(record, seen, from->lost, holder, from->lost_us, ret->missing,
			sizeof(ret->missing))) {
		return;
	}
	ret->candidate = SERVER_NONE;
	ret->source = SERVER_NONE;
	ret->safe = false;
}

static void elect(const struct record *record, const struct observation *seen,
		  const struct electorate *from, struct election *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->best = SERVER_NONE;
	ret->candidate = SERVER_NONE;
	ret->source = SERVER_NONE;
	ret->complete = is_complete(record, from, ret->missing, sizeof(ret->missing));
	if (ret->complete) {
		choose(record, seen, from, ret);
		keep_bound(record, seen, from, ret);
	}
}

/* A change of one side that the other lacks was never acknowledged to anybody: without it the servers are compared. What
 * is left out in `without` is to be released. */
static void set_change_aside(const struct record *record, const struct observation *seen,
			     struct observation *without)
{
	observation_copy(without, seen);
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct server_status *status = &without->servers[i].status;
		gtid_set_subtract(&status->executed, &record->pair.change, &status->executed);
		gtid_set_subtract(&status->received, &record->pair.change, &status->received);
	}
}

static void hold(const struct record *record, const struct observation *seen,
		 enum election_patience patience, struct election *ret)
{
	const struct electorate from = {
		.silenced = silenced_servers(record, seen, patience == ELECTION_LATE),
		.answering = answering_servers(record, seen),
		.voided = void_members(record, seen),
		.lost = record->previous,
		.patience = patience,
		.lost_us = record->lost_us,
	};
	elect(record, seen, &from, ret);
}

static void rehearse(const struct record *record, const struct observation *seen,
		     struct election *ret)
{
	uint32_t reached = answering_servers(record, seen) & ~(1u << record->primary);
	const struct electorate from = {
		.silenced = reached,
		.answering = reached,
		.voided = void_members(record, seen),
		.lost = record->primary,
		.patience = ELECTION_PATIENT,
		.lost_us = bound_lost_us(seen, record->primary),
	};
	elect(record, seen, &from, ret);
}

void election_hold(const struct record *record, const struct observation *seen,
		   enum election_patience patience, struct election *ret)
{
	struct observation without;
	if (!pair_is_set_aside(record)) {
		hold(record, seen, patience, ret);
		return;
	}
	set_change_aside(record, seen, &without);
	hold(record, &without, patience, ret);
	observation_fini(&without);
}

void election_rehearse(const struct record *record, const struct observation *seen,
		       struct election *ret)
{
	struct observation without;
	if (!pair_is_set_aside(record)) {
		rehearse(record, seen, ret);
		return;
	}
	set_change_aside(record, seen, &without);
	rehearse(record, &without, ret);
	observation_fini(&without);
}
