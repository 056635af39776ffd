#include "decide/decide.h"

#include <string.h>

#include "decide/bound.h"
#include "decide/health.h"
#include "decide/pair.h"
#include "decide/promise.h"
#include "decide/tree.h"
#include "decide/verdict.h"

static bool is_done(const struct observation *seen, uint32_t server, enum step step)
{
	return (seen->servers[server].steps_done & (1u << step)) != 0;
}

static void want(struct decision *ret, uint32_t server, enum step step, const char *why)
{
	ret->steps[server] = step;
	ret->steps_why[server] = why;
}

/* Who will acknowledge the new primary's commits: all that answer and have nothing that it lacks, but not a primary that
 * was just fenced: it follows only after it was looked at again. */
static uint32_t future_members(const struct record *record, const struct observation *seen,
			       uint32_t candidate, uint32_t fenced, const struct gtid_set *base)
{
	uint32_t members = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != candidate && i != fenced && observation_answers(seen, i) &&
		    tree_may_acknowledge(record, seen, i) && !record->servers[i].diverged &&
		    seen->servers[i].status.semisync.available &&
		    gtid_set_contains(base, &seen->servers[i].status.received)) {
			members |= 1u << i;
		}
	}
	/* Without anybody who answers nothing is promised. Else those count too that may acknowledge unasked. */
	for (uint32_t i = 0; i < record->server_count && members != 0; i++) {
		members |= promise_may_acknowledge(record, seen, i, candidate) ? 1u << i : 0;
	}
	return members;
}

static void begin_epoch(struct record *record, const struct observation *seen,
			const struct rule *rule, const struct facts *facts, uint64_t now_us)
{
	record->epoch++;
	record->stalled =
		record->primary != SERVER_NONE && verdict_is_stalled(record, seen, record->primary);
	record->previous = record->primary;
	record->primary = SERVER_NONE;
	record->handed = false;
	if (record->ask == ASK_SWITCHOVER) {
		record->ask = ASK_NONE;
	}
	/* A server that answers (rule 230) has been through its recovery already. */
	record->lost_us = 0;
	if (record->previous != SERVER_NONE) {
		record->lost_us = bound_lost_us(seen, record->previous);
		record->servers[record->previous].may_rewind =
			record->acks > 0 && !(facts->set & FACT_SHUT);
	}
	if (facts->set & FACT_ORDERED) {
		record_forget_failovers(record);
	} else if ((facts->set & FACT_GONE) ||
		   (rule->from != GROUP_OPENING && !(facts->set & FACT_SHUT))) {
		/* A new primary that only took too long to open is still the same failover, and one that came back
		 * by itself is none. */
		record_note_failover(record, now_us);
	}
}

/* What was acknowledged: a change that the candidate brings along was not, and who lacks it may take over after it. */
static void find_base(const struct record *record, const struct gtid_set *executed,
		      struct gtid_set *ret)
{
	gtid_set_copy(ret, executed);
	if (record->pair.set && record->pair.state != PAIR_NONE) {
		gtid_set_subtract(executed, &record->pair.change, ret);
	}
}

static void elect(struct record *record, const struct observation *seen,
		  const struct decide_options *options, uint32_t candidate, uint64_t now_us)
{
	const struct gtid_set *executed = &seen->servers[candidate].status.executed;
	record->primary = candidate;
	tree_update(record, seen, options, now_us);
	struct gtid_set base;
	gtid_set_init(&base);
	find_base(record, executed, &base);
	promise_begin(record, seen,
		      future_members(record, seen, candidate, record->previous, executed), &base);
	gtid_set_fini(&base);
	/* A server that becomes primary keeps its log whole. */
	record->servers[candidate].may_rewind = false;
}

static void hand_over(struct record *record, const struct observation *seen,
		      const struct decide_options *options, uint32_t candidate, uint64_t now_us)
{
	const struct gtid_set *final = &seen->servers[record->primary].status.executed;
	/* The candidate may bring a change along that its replicas have and the old primary lacks. */
	const struct gtid_set *executed = &seen->servers[candidate].status.executed;
	record->epoch++;
	record->previous = record->primary;
	record->primary = candidate;
	record->handed = true;
	tree_update(record, seen, options, now_us);
	promise_begin(record, seen, future_members(record, seen, candidate, SERVER_NONE, executed),
		      final);
	record->ask = ASK_NONE;
}

static void apply_rule(struct record *record, const struct observation *seen,
		       const struct decide_options *options, uint64_t now_us, struct decision *ret)
{
	const struct rule *rule = ret->rule;
	switch (rule->act) {
	case ACT_NEW_EPOCH:
		begin_epoch(record, seen, rule, &ret->facts, now_us);
		break;
	case ACT_ELECT:
		elect(record, seen, options, ret->facts.candidate, now_us);
		break;
	case ACT_HAND_OVER:
		hand_over(record, seen, options, ret->facts.candidate, now_us);
		break;
	case ACT_GIVE_UP:
	case ACT_SETTLE:
		record->ask = ASK_NONE;
		record->ask_server = SERVER_NONE;
		record->ask_accept_loss = false;
		break;
	case ACT_NONE:
	case ACT_COUNT_:
		break;
	}
	ret->moved = rule->to != rule->from || rule->act == ACT_NEW_EPOCH;
	ret->changed = ret->moved || rule->act != ACT_NONE;
	if (ret->moved) {
		record->state = rule->to;
		record->state_since_us = now_us;
		record->stage++;
		record->clients_none_since_us = 0;
	}
}

/* A downtime ends by itself. */
static void end_downtimes(struct record *record, uint64_t now_us, struct decision *ret)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct record_server *one = &record->servers[i];
		if (one->downtime_until_us != 0 && one->downtime_until_us <= (int64_t)now_us) {
			one->downtime_until_us = 0;
			one->downtime_why[0] = 0;
			ret->downtime_over |= 1u << i;
		}
	}
}

static void note_extra(struct record *record, const struct observation *seen, uint64_t now_us)
{
	if (record->primary == SERVER_NONE || !observation_answers(seen, record->primary)) {
		return;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i == record->primary || !observation_answers(seen, i)) {
			continue;
		}
		enum server_order order = server_facts_compare(record, seen, i, record->primary);
		if (order == SERVER_ORDER_SUBSET) {
			record->extra_since_us[i] = 0;
		} else if (order == SERVER_ORDER_EXTRA && record->extra_since_us[i] == 0) {
			record->extra_since_us[i] = now_us;
		}
	}
}

/* Whether a server that is made anew, kept out, or set to acknowledge no more can acknowledge nothing now. */
static bool is_idle(const struct record *record, const struct observation *seen, uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	if (!observation_answers(seen, server)) {
		return false;
	}
	if (record->servers[server].recloning || record->servers[server].diverged) {
		return status->replica.io == IO_NO;
	}
	/* A step that is under way may be what makes it acknowledge. */
	return record->primary != SERVER_NONE && server != record->primary &&
	       seen->servers[server].steps_running == 0 &&
	       !tree_may_acknowledge(record, seen, server) &&
	       (!status->semisync.replica_enabled ||
		!record_follows(record, seen, server, record->primary));
}

static void note_allowed(struct record *record, const struct observation *seen, uint64_t now_us)
{
	bool goes = seen->hooks.switchover.answer == HOOK_GO;
	if (record->ask != ASK_SWITCHOVER) {
		record->allowed_since_us = 0;
	} else if (record->allowed_since_us == 0 && record->state == GROUP_STEADY && goes) {
		record->allowed_since_us = now_us;
	}
}

/* The others move below it, so it stays the one. */
static void name_successor(struct record *record, struct decision *ret)
{
	if (record->allowed_since_us != 0 && record->ask_server == SERVER_NONE &&
	    record->state == GROUP_STEADY && ret->facts.candidate != SERVER_NONE) {
		record->ask_server = ret->facts.candidate;
		ret->changed = true;
	}
}

/* Since when. One that is made anew is started again only by who makes it anew. */
static void note_idle(struct record *record, const struct observation *seen)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		const struct record_server *server = &record->servers[i];
		const struct observation_server *one = &seen->servers[i];
		bool idle = is_idle(record, seen, i);
		if (!server->recloning && !idle) {
			record->idle_since_us[i] = 0;
		} else if (record->idle_since_us[i] == 0 && idle) {
			record->idle_since_us[i] = one->status_end_us;
		}
	}
}

/* Which server it is that belongs here: one that takes part. */
static void note_uuid(struct record_server *server, const struct server_status *status,
		      struct decision *ret)
{
	if (status->server_uuid[0] && strcmp(server->uuid, status->server_uuid) != 0) {
		memcpy(server->uuid, status->server_uuid, sizeof(server->uuid));
		ret->changed = true;
	}
}

static void act_on_server(struct record *record, const struct observation *seen, uint32_t server,
			  enum server_act act, struct decision *ret)
{
	struct record_server *one = &record->servers[server];
	switch (act) {
	case SERVER_ACT_ADMIT:
		if (record_is_member(record, server)) {
			return;
		}
		record->sync_set |= 1u << server;
		one->started_s = promise_process(&seen->servers[server].status);
		one->acknowledges = true;
		break;
	case SERVER_ACT_EVICT:
		record->sync_set &= ~(1u << server);
		break;
	case SERVER_ACT_DIVERGE:
		/* A member stays one: until it is kept out it may acknowledge a commit alone. */
		one->diverged = true;
		gtid_set_clear(&one->extra);
		gtid_set_subtract(&seen->servers[server].status.executed,
				  &seen->servers[record->primary].status.executed, &one->extra);
		break;
	case SERVER_ACT_RETURN:
		one->diverged = false;
		gtid_set_clear(&one->extra);
		break;
	case SERVER_ACT_NONE:
	case SERVER_ACT_COUNT_:
		return;
	}
	ret->changed = true;
	ret->acted |= 1u << server;
}

/* To whom a server is pointed. Below another replica it may say that it acknowledges: nobody waits for it there, and
 * MariaDB gives a server its own transactions back only so. */
static void point(const struct record *record, uint32_t server, uint32_t facts,
		  struct decision *ret)
{
	bool below = tree_source(record, server) != record->primary;
	ret->steps_source[server] = tree_source(record, server);
	if (record->policy == POLICY_LOSSLESS && (below || (facts & SERVER_MAY_ACK))) {
		ret->steps_acknowledge |= 1u << server;
	}
}

/* A former primary that still waits for acknowledgements must cease to before a change comes: MySQL, waiting for one in the
 * middle of an ALTER that it applies, answers nobody, so that it could not be told any more. */
static bool waits_for_change(const struct record *record, const struct observation *seen,
			     uint32_t server, enum step step)
{
	return step == STEP_REPOINT && seen->servers[server].status.semisync.source_enabled &&
	       pair_wants_order(record, seen, server);
}

/* What a change on one side of a pair asks of a server that has nothing else to do. */
static void tend_change(const struct record *record, const struct observation *seen,
			uint32_t server, struct decision *ret)
{
	const char *why = NULL;
	enum step step = pair_step(record, seen, server, &why);
	if (step != STEP_NONE) {
		want(ret, server, step, why);
	}
}

/* All servers but the primary, by the second table. */
static void tend_servers(struct record *record, const struct observation *seen,
			 const struct decide_options *options, uint64_t now_us,
			 struct decision *ret)
{
	bool pressed = promise_is_pressed(record, seen, options, now_us);
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i == record->primary) {
			continue;
		}
		uint32_t facts = server_facts_find(record, seen, options, i, now_us);
		const struct server_rule *rule = server_rules_match(facts);
		ret->server_rules[i] = rule;
		act_on_server(record, seen, i, rule->act, ret);
		bool later = pressed && i == record->previous && rule->step == STEP_REPOINT;
		enum step step = waits_for_change(record, seen, i, rule->step)
					 ? STEP_SEMISYNC_SOURCE_OFF
					 : rule->step;
		if (step != STEP_NONE && !later) {
			want(ret, i, step, rule->why);
			if (step == STEP_REPOINT) {
				point(record, i, facts, ret);
			}
		} else if (!record->servers[i].recloning && !record->servers[i].diverged) {
			tend_change(record, seen, i, ret);
		}
		if ((facts & (SERVER_RUNNING | SERVER_SUBSET)) ==
		    (SERVER_RUNNING | SERVER_SUBSET)) {
			note_uuid(&record->servers[i], &seen->servers[i].status, ret);
		}
		/* Seen alive with the group steady: what its log holds is known, nothing is to be taken back. */
		if (record->state == GROUP_STEADY && (facts & SERVER_ANSWERS) &&
		    record->servers[i].may_rewind) {
			record->servers[i].may_rewind = false;
			ret->changed = true;
		}
	}
}

/* The candidate receives from the source that was found for it. */
static bool is_fed(const struct record *record, const struct observation *seen,
		   const struct facts *facts)
{
	const struct replica_status *replica = &seen->servers[facts->candidate].status.replica;
	return facts->source != SERVER_NONE && replica->io != IO_NO && replica->sql_running &&
	       record_follows(record, seen, facts->candidate, facts->source);
}

/* What has to happen on a server that receives nothing more, so that the candidate has everything. */
static void gather(const struct record *record, const struct observation *seen, uint32_t server,
		   struct decision *ret)
{
	const struct facts *facts = &ret->facts;
	const struct server_status *status = &seen->servers[server].status;
	if (server != facts->candidate && server != facts->source) {
		return;
	}
	if (status->semisync.source_enabled) {
		/* A primary of an earlier epoch: its applier waits for somebody to acknowledge, though what it applied is
		 * in its log already, and can't be stopped. */
		want(ret, server, STEP_SEMISYNC_SOURCE_OFF,
		     "a replica must not wait for acknowledgements");
		return;
	}
	if (!gtid_set_contains(&status->executed, &status->received)) {
		if (status->replica.sql_running) {
			want(ret, server, STEP_DRAIN, "what was received has to be applied");
		}
		return;
	}
	/* A source gives only what it has applied, and to repoint forgets what was received: both have to be drained. */
	if (server == facts->candidate && facts->source != SERVER_NONE &&
	    gtid_set_contains(&seen->servers[facts->source].status.executed,
			      &seen->servers[facts->source].status.received) &&
	    !is_fed(record, seen, facts)) {
		want(ret, server, STEP_FEED, "it takes over, and another server has more");
		ret->steps_source[server] = facts->source;
		ret->steps_acknowledge |= record->policy == POLICY_LOSSLESS ? 1u << server : 0;
	}
}

static void revoke_servers(const struct record *record, const struct observation *seen,
			   struct decision *ret)
{
	static const char why[] = "nothing may be acknowledged any more";
	for (uint32_t i = 0; i < record->server_count; i++) {
		const struct server_status *status = &seen->servers[i].status;
		if (!observation_answers(seen, i)) {
			continue;
		}
		if ((i == record->previous || !status->read_only) &&
		    !is_done(seen, i, STEP_FENCE)) {
			want(ret, i, STEP_FENCE, why);
		} else if (i != record->previous && !is_done(seen, i, STEP_STOP_RECEIVER)) {
			want(ret, i, STEP_STOP_RECEIVER, why);
		} else if (i != record->previous && status->replica.io != IO_NO &&
			   !(i == ret->facts.candidate && is_fed(record, seen, &ret->facts))) {
			want(ret, i, STEP_STOP_RECEIVER, "it receives again");
		} else {
			gather(record, seen, i, ret);
		}
	}
}

/* One that was restarted since it was promoted may replicate again by itself: from the old primary, whose log may have a tail
 * that nobody else has. */
static void open_primary(const struct record *record, const struct observation *seen,
			 struct decision *ret)
{
	const struct replica_status *replica = &seen->servers[record->primary].status.replica;
	bool answers = observation_answers(seen, record->primary);
	/* An applier that has nothing left after a switchover may go on. */
	bool replicates = replica->io != IO_NO || (replica->sql_running && !record->handed);
	if (!is_done(seen, record->primary, STEP_PROMOTE) || (answers && replicates)) {
		want(ret, record->primary, STEP_PROMOTE, "it becomes the primary");
	} else if (answers && !seen->hooks.before_runs &&
		   !is_done(seen, record->primary, STEP_OPEN)) {
		want(ret, record->primary, STEP_OPEN, "it is the primary");
	}
}

static void freeze_primary(const struct record *record, const struct observation *seen,
			   struct decision *ret)
{
	if (!is_done(seen, record->primary, STEP_FREEZE)) {
		want(ret, record->primary, STEP_FREEZE, "a successor takes over");
	} else if ((ret->facts.set & FACT_FROZEN) && ret->facts.candidate != SERVER_NONE &&
		   !is_done(seen, ret->facts.candidate, STEP_CATCH_UP)) {
		want(ret, ret->facts.candidate, STEP_CATCH_UP, "it takes over");
	}
}

static void tend_primary(struct record *record, const struct observation *seen,
			 const struct decide_options *options, uint64_t now_us,
			 struct decision *ret)
{
	ret->promise_why = promise_update(record, seen, options, now_us);
	ret->changed = ret->changed || ret->promise_why;
	if (!observation_answers(seen, record->primary)) {
		return;
	}
	bool counted = promise_count_processes(record, seen, options, now_us);
	bool advanced = promise_advance_base(record, seen, options, now_us);
	ret->changed = ret->changed || counted || advanced;
	note_uuid(&record->servers[record->primary], &seen->servers[record->primary].status, ret);
	enum step step = promise_step(record, seen);
	if (step != STEP_NONE) {
		want(ret, record->primary, step, "as the record says of acknowledgements");
	} else if (seen->servers[record->primary].status.replica.configured &&
		   !promise_is_pressed(record, seen, options, now_us)) {
		want(ret, record->primary, STEP_FORGET_SOURCE, "a primary has no source");
	} else {
		tend_change(record, seen, record->primary, ret);
	}
}

static void plan(struct record *record, const struct observation *seen,
		 const struct decide_options *options, uint64_t now_us, struct decision *ret)
{
	switch (record->state) {
	case GROUP_FORMING:
	case GROUP_REVOKING:
	case GROUP_REFUSED:
		revoke_servers(record, seen, ret);
		break;
	case GROUP_OPENING:
		open_primary(record, seen, ret);
		tend_servers(record, seen, options, now_us, ret);
		break;
	case GROUP_STEADY:
		tend_primary(record, seen, options, now_us, ret);
		tend_servers(record, seen, options, now_us, ret);
		break;
	case GROUP_FREEZING:
		freeze_primary(record, seen, ret);
		break;
	case GROUP_UNDOING:
		if (!is_done(seen, record->primary, STEP_OPEN)) {
			want(ret, record->primary, STEP_OPEN, "the switchover is undone");
		}
		break;
	case GROUP_DRAINING:
	case GROUP_STATE_COUNT_:
		break;
	}
}

/* Who is told to acknowledge is on the record before it is, and no longer when it is seen with that switched off. */
static void note_acknowledging(struct record *record, const struct observation *seen,
			       struct decision *ret)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct record_server *one = &record->servers[i];
		enum step step = ret->steps[i];
		bool repointed = step == STEP_REPOINT || step == STEP_FEED;
		bool told = (repointed && (ret->steps_acknowledge & (1u << i))) ||
			    step == STEP_SEMISYNC_REPLICA_ON;
		bool silent = observation_answers(seen, i) &&
			      !seen->servers[i].status.semisync.replica_enabled &&
			      seen->servers[i].steps_running == 0 && !record_is_member(record, i);
		bool next = told || (one->acknowledges && !silent);
		ret->changed = ret->changed || next != one->acknowledges;
		one->acknowledges = next;
	}
}

void decide(struct record *record, const struct observation *seen,
	    const struct decide_options *options, uint64_t now_us, struct decision *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		ret->steps[i] = STEP_NONE;
		ret->steps_source[i] = SERVER_NONE;
	}
	note_extra(record, seen, now_us);
	tree_update(record, seen, options, now_us);
	note_idle(record, seen);
	note_allowed(record, seen, now_us);
	end_downtimes(record, now_us, ret);
	facts_find(record, seen, options, now_us, &ret->facts);
	ret->rule = rules_match(record->state, ret->facts.set);
	if (ret->facts.withheld != 0) {
		const struct rule *unheld =
			rules_match(record->state, ret->facts.set | ret->facts.withheld);
		ret->withheld = unheld != ret->rule ? unheld : NULL;
	}
	apply_rule(record, seen, options, now_us, ret);
	if (!ret->moved) {
		name_successor(record, ret);
		bool pair_changed = false;
		ret->pair_rule = pair_update(record, seen, now_us, &pair_changed);
		ret->changed = pair_note_modes(record, seen) || pair_changed || ret->changed;
		plan(record, seen, options, now_us, ret);
		note_acknowledging(record, seen, ret);
	}
	ret->changed = ret->changed || ret->downtime_over != 0;
	if (record->cooling && health_check(record, seen, NULL)) {
		record->cooling = false;
		ret->changed = true;
	}
	if (ret->changed) {
		record->version++;
	}
}
