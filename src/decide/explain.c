#include "decide/explain.h"

#include <string.h>

#include "base/check.h"
#include "decide/cooldown.h"
#include "decide/health.h"

struct wording {
	const char *proven;
	const char *missing;
};

#define AT(fact) [__builtin_ctz(fact)]

/* clang-format off */
static const struct wording fact_words[] = {
	AT(FACT_GONE)          = { "the primary is gone, and every witness confirms it", "the primary is not proven to be gone" },
	AT(FACT_MAY_FAIL_OVER) = { "a failover may start", "a failover may not start by itself" },
	AT(FACT_ORDERED)       = { "a person ordered a failover", "nobody ordered a failover" },
	AT(FACT_SHUT)          = { "the primary is read-only though nobody here asked for it", "the primary did not come back read-only" },
	AT(FACT_COMPLETE)      = { "enough of the sync set stopped receiving", "not enough of the sync set is known to have stopped receiving" },
	AT(FACT_SAFE)          = { "a candidate has every acknowledged commit", "no candidate is proven to have every acknowledged commit" },
	AT(FACT_APPLIED)       = { "the candidate has applied all that it received", "the candidate is not known to have applied all that it received" },
	AT(FACT_PATHS_CLOSED)  = { "no path leads to the old primary", "a path to the old primary may be open" },
	AT(FACT_WRITABLE)      = { "the primary takes writes", "the primary is not seen to take writes" },
	AT(FACT_DEADLINE)      = { "the time for this state is over", "the time for this state is not over" },
	AT(FACT_ASKED)         = { "a switchover is asked for", "no switchover is asked for" },
	AT(FACT_FIT)           = { "a successor can take over", "no successor is known to be able to take over" },
	AT(FACT_DRAINED)       = { "no transaction is open on the primary", "transactions may be open on the primary" },
	AT(FACT_FROZEN)        = { "the old primary is read-only", "the old primary is not read-only yet" },
	AT(FACT_CAUGHT_UP)     = { "the successor has everything", "the successor is not known to have everything" },
	AT(FACT_APPLYING)      = { "the candidate applies what it received", "the candidate is not seen to apply anything" },
	AT(FACT_SOON)     = { "a successor can take over soon", "nothing is under way that a successor waits for" },
	AT(FACT_FEEDING)       = { "the candidate gets from the most advanced what it lacks", "no candidate is seen that gets what it lacks from another server" },
	AT(FACT_STALLED)       = { "the primary's disk takes no writes for too long, and another server could take over", "the primary's disk is not known to take no writes for too long" },
};

static const struct wording server_fact_words[] = {
	AT(SERVER_ANSWERS)     = { "answers", "does not answer" },
	AT(SERVER_DEAD)        = { "has no process", "is not proven to have no process" },
	AT(SERVER_WRITABLE)    = { "is writable", "is read-only" },
	AT(SERVER_SUBSET)      = { "has nothing that the primary lacks", "is not proven to have nothing that the primary lacks" },
	AT(SERVER_EXTRA)       = { "has what the primary lacks", "is not known to have what the primary lacks" },
	AT(SERVER_DIVERGED)    = { "is diverged on the record", "is not diverged on the record" },
	AT(SERVER_STRAY)       = { "does not replicate from where it should, by GTID", "replicates from where it should, by GTID" },
	AT(SERVER_STOPPED)     = { "has a stopped replication thread", "has no stopped replication thread" },
	AT(SERVER_RUNNING)     = { "replicates, both threads run", "is not seen to replicate with both threads" },
	AT(SERVER_CAUGHT_UP)   = { "received all that the primary had", "is not known to have received all that the primary had" },
	AT(SERVER_MEMBER)      = { "is in the sync set", "is not in the sync set" },
	AT(SERVER_ACKS)        = { "acknowledges", "is not seen to acknowledge" },
	AT(SERVER_SILENT_ACKS) = { "replicates without acknowledging", "is not seen to replicate without acknowledging" },
	AT(SERVER_WAITS)       = { "waits for acknowledgements itself", "does not wait for acknowledgements itself" },
	AT(SERVER_REPLICATING) = { "has a running replication thread", "has no running replication thread" },
	AT(SERVER_SETTLED)     = { "applies nothing that the primary lacks", "may be applying what the primary lacks" },
	AT(GROUP_PROMISED)     = { "commits wait for acknowledgements", "commits don't wait for acknowledgements" },
	AT(GROUP_ALONE)        = { "the primary commits alone", "the primary does not commit alone" },
	AT(GROUP_IS_ASYNC)     = { "the policy is async", "the policy is not async" },
	AT(GROUP_COVERED)      = { "another member has received everything since", "no other member is known to have received everything since" },
	AT(SERVER_MAY_ACK)     = { "may acknowledge commits", "is not to acknowledge commits" },
	AT(SERVER_LEAVES)      = { "is to acknowledge no more, since others do", "is not told to acknowledge no more" },
	AT(SERVER_RECLONING)   = { "is being made anew", "is not being made anew" },
};
/* clang-format on */

_Static_assert(sizeof(fact_words) / sizeof(fact_words[0]) == FACT_COUNT_, "words for each fact");
_Static_assert(sizeof(server_fact_words) / sizeof(server_fact_words[0]) == SERVER_FACT_COUNT_,
	       "words for each fact");

static const char *pick(const struct wording *words, bool proven)
{
	return proven ? words->proven : words->missing;
}

const char *explain_fact(uint32_t bit_index, bool proven)
{
	check(bit_index < FACT_COUNT_);
	return pick(&fact_words[bit_index], proven);
}

const char *explain_server_fact(uint32_t bit_index, bool proven)
{
	check(bit_index < SERVER_FACT_COUNT_);
	return pick(&server_fact_words[bit_index], proven);
}

static void find_rules(enum group_state state, uint32_t facts, struct explain *ret)
{
	for (uint32_t i = 0; i < rules_count && ret->rule_count < EXPLAIN_RULES_MAX; i++) {
		if (rules[i].from == state) {
			ret->rules[ret->rule_count++] =
				(struct explain_rule){ .rule = &rules[i],
						       .have = rules[i].need & facts,
						       .lack = rules[i].need & ~facts };
		}
	}
}

static void find_servers(const struct record *record, const struct observation *seen,
			 const struct decide_options *options, uint64_t now_us, struct explain *ret)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct explain_server *one = &ret->servers[i];
		one->step = ret->decision.steps[i];
		one->step_why = ret->decision.steps_why[i];
		one->problem = health_problem(record, seen, i);
		one->unfit = election_unfit(record, seen, i);
		if (record->primary != SERVER_NONE && i != record->primary) {
			one->facts = server_facts_find(record, seen, options, i, now_us);
			one->rule = server_rules_match(one->facts);
		}
	}
}

static void find_waits(const struct record *record, const struct observation *seen,
		       const struct decide_options *options, uint64_t now_us,
		       const struct decision *decision, struct explain_waits *ret)
{
	bool gone = (decision->facts.set & FACT_GONE) != 0;
	uint64_t limit_us = facts_limit_us(options, record->state);
	if (cooldown_is_over(record, options, now_us, ret->held, sizeof(ret->held))) {
		ret->held[0] = 0;
	}
	ret->hook = decision->withheld != NULL;
	if (limit_us != UINT64_MAX) {
		ret->deadline_us = record->state_since_us + limit_us;
	}
	if (!gone && record->primary != SERVER_NONE &&
	    !observation_answers(seen, record->primary)) {
		uint64_t silent_us = facts_silent_us(seen, options, record->primary);
		ret->silent_us = silent_us > now_us ? silent_us : 0;
	}
}

static void rehearse(const struct record *record, const struct observation *seen,
		     const struct decide_options *options, uint64_t now_us, struct explain *ret)
{
	ret->rehearsed = record->primary != SERVER_NONE;
	if (!ret->rehearsed) {
		return;
	}
	election_rehearse(record, seen, &ret->rehearsal);
	foresee_death(record, seen, options, now_us, &ret->death);
	if (ret->rehearsal.candidate != SERVER_NONE) {
		const struct server_status *old = &seen->servers[record->primary].status;
		const struct server_status *winner =
			&seen->servers[ret->rehearsal.candidate].status;
		ret->unreceived = gtid_set_distance(&old->executed, &winner->received);
		ret->unapplied = gtid_set_distance(&winner->received, &winner->executed);
	}
}

void explain_find(const struct record *record, const struct observation *seen,
		  const struct decide_options *options, uint64_t now_us, struct explain *ret)
{
	struct record next;
	memset(ret, 0, sizeof(*ret));
	record_init(&next);
	record_copy(&next, record);
	decide(&next, seen, options, now_us, &ret->decision);
	record_fini(&next);
	find_rules(record->state, ret->decision.facts.set, ret);
	find_servers(record, seen, options, now_us, ret);
	find_waits(record, seen, options, now_us, &ret->decision, &ret->waits);
	foresee_run(record, seen, options, now_us, &ret->course);
	rehearse(record, seen, options, now_us, ret);
}
