#include "decide/pair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "decide/election.h"
#include "decide/tree.h"

enum { TRY_AGAIN_US = 10 * 1000 * 1000 };

/* clang-format off */
const struct pair_rule pair_rules[] = {
	{ 2010, PAIR_NONE,      PAIR_NONE,      0,                                PAIR_ACT_NONE,   "no change is under way" },

	{ 2110, PAIR_OUT,       PAIR_NONE,      PAIR_ABORT,                       PAIR_ACT_END,    "called off before anything was changed" },
	{ 2120, PAIR_OUT,       PAIR_NONE,      PAIR_TAKEN,                       PAIR_ACT_END,    "given up: the passive side had to take over before anything was changed" },
	{ 2130, PAIR_OUT,       PAIR_CHANGING,  PAIR_ACTIVE | PAIR_LEFT,          PAIR_ACT_BEGIN,  "the passive side is out: it can be changed" },
	{ 2140, PAIR_OUT,       PAIR_OUT,       0,                                PAIR_ACT_NONE,   "the passive side leaves sync set and readers" },

	{ 2210, PAIR_CHANGING,  PAIR_FOLLOWING, PAIR_TAKEN | PAIR_CHANGED,        PAIR_ACT_FREEZE, "a person let the changed side take over: the others get the change from it" },
	{ 2215, PAIR_CHANGING,  PAIR_NONE,      PAIR_TAKEN,                       PAIR_ACT_END,    "given up: a person let the passive side take over, unchanged" },
	{ 2220, PAIR_CHANGING,  PAIR_NONE,      PAIR_ABORT | PAIR_DISCARD,        PAIR_ACT_END,    "called off: what was changed counts as too much" },
	{ 2225, PAIR_CHANGING,  PAIR_NONE,      PAIR_ABORT | PAIR_SHUT | PAIR_UNCHANGED, PAIR_ACT_END, "called off, and nothing was changed" },
	{ 2227, PAIR_CHANGING,  PAIR_CHANGING,  PAIR_ABORT | PAIR_SHUT | PAIR_CHANGED, PAIR_ACT_REFUSE, "something was changed already: it goes on, unless a person discards it" },
	{ 2230, PAIR_CHANGING,  PAIR_BACK,      PAIR_DONE | PAIR_SHUT | PAIR_CHANGED,    PAIR_ACT_FREEZE, "the change is complete: the side comes back" },
	{ 2235, PAIR_CHANGING,  PAIR_NONE,      PAIR_DONE | PAIR_SHUT | PAIR_UNCHANGED,  PAIR_ACT_END, "nothing was changed: the side comes back" },
	{ 2240, PAIR_CHANGING,  PAIR_CHANGING,  0,                                PAIR_ACT_NONE,   "the passive side is changed" },

	{ 2310, PAIR_BACK,      PAIR_FOLLOWING, PAIR_TAKEN,                       PAIR_ACT_NONE,   "the changed side took over: the others get the change from it" },
	{ 2320, PAIR_BACK,      PAIR_NONE,      PAIR_ABORT | PAIR_DISCARD,        PAIR_ACT_END,    "called off: what was changed counts as too much" },
	{ 2330, PAIR_BACK,      PAIR_SWITCHING, PAIR_ACTIVE | PAIR_READY | PAIR_RESTED, PAIR_ACT_SWITCH, "the changed side has everything: the roles switch" },
	{ 2340, PAIR_BACK,      PAIR_BACK,      0,                                PAIR_ACT_NONE,   "the changed side catches up" },

	{ 2410, PAIR_SWITCHING, PAIR_FOLLOWING, PAIR_TAKEN,                       PAIR_ACT_NONE,   "the roles have switched: the other side gets the change" },
	{ 2420, PAIR_SWITCHING, PAIR_SWITCHING, PAIR_ASKED,                       PAIR_ACT_NONE,   "the roles switch" },
	{ 2430, PAIR_SWITCHING, PAIR_BACK,      0,                                PAIR_ACT_NONE,   "the switchover was given up: it is tried again" },

	{ 2510, PAIR_FOLLOWING, PAIR_NONE,      PAIR_FOLLOWED,                    PAIR_ACT_END,    "every server has the change" },
	{ 2520, PAIR_FOLLOWING, PAIR_BACK,      PAIR_ACTIVE | PAIR_LACKS,         PAIR_ACT_NONE,   "a server without the change took over: the changed side catches up again" },
	{ 2530, PAIR_FOLLOWING, PAIR_NONE,      PAIR_ABORT,                       PAIR_ACT_END,    "not waited for any longer: who lacks the change gets it when it replicates" },
	{ 2540, PAIR_FOLLOWING, PAIR_FOLLOWING, 0,                                PAIR_ACT_NONE,   "the other side gets the change by replication" },
};

const uint32_t pair_act_proof[PAIR_ACT_COUNT_] = {
	[PAIR_ACT_BEGIN] = PAIR_ACTIVE | PAIR_LEFT,
	[PAIR_ACT_FREEZE] = PAIR_CHANGED,
	[PAIR_ACT_SWITCH] = PAIR_ACTIVE | PAIR_READY,
};
/* clang-format on */

const uint32_t pair_rules_count = sizeof(pair_rules) / sizeof(pair_rules[0]);

static const char *const names[PAIR_FACT_COUNT_] = {
	"ACTIVE",  "TAKEN",	"LEFT",	 "ABORT",  "DISCARD", "DONE",	  "SHUT",
	"CHANGED", "UNCHANGED", "READY", "RESTED", "ASKED",   "FOLLOWED", "LACKS",
};

const char *pair_fact_name(uint32_t bit_index)
{
	return bit_index < PAIR_FACT_COUNT_ ? names[bit_index] : "?";
}

const struct pair_rule *pair_rules_match(enum pair_state state, uint32_t facts)
{
	for (uint32_t i = 0; i < pair_rules_count; i++) {
		if (pair_rules[i].from == state &&
		    (facts & pair_rules[i].need) == pair_rules[i].need) {
			return &pair_rules[i];
		}
	}
	check_failed("a state without a row that needs nothing", __FILE__, __LINE__);
	return &pair_rules[0];
}

/* ---------------------------------------------------------------- who belongs where */

bool pair_is_master(const struct record *record, uint32_t server)
{
	const struct record_pair *pair = &record->pair;
	return pair->set && (server == pair->masters[0] || server == pair->masters[1]);
}

bool pair_is_below(const struct record *record, uint32_t server, uint32_t master)
{
	uint32_t at = server;
	for (uint32_t hops = 0; hops <= record->server_count && at != SERVER_NONE; hops++) {
		if (at == master) {
			return true;
		}
		at = record_parent(record, at);
	}
	return false;
}

static bool is_on_side(const struct record *record, uint32_t server)
{
	const struct record_pair *pair = &record->pair;
	return pair->set && pair->out != SERVER_NONE && server != SERVER_NONE &&
	       pair_is_below(record, server, pair->out);
}

bool pair_is_out(const struct record *record, uint32_t server)
{
	enum pair_state state = record->pair.state;
	return (state == PAIR_OUT || state == PAIR_CHANGING) && is_on_side(record, server) &&
	       !is_on_side(record, record->primary);
}

bool pair_is_half_done(const struct record *record, uint32_t server)
{
	return record->pair.state == PAIR_CHANGING && pair_is_out(record, server) &&
	       !(record->ask == ASK_FAILOVER && record->ask_accept_loss);
}

static bool is_unsent(const struct record *record)
{
	enum pair_state state = record->pair.state;
	return state == PAIR_CHANGING || state == PAIR_BACK || state == PAIR_SWITCHING;
}

bool pair_is_pinned(const struct record *record, uint32_t server)
{
	return is_unsent(record) && is_on_side(record, server) &&
	       !is_on_side(record, record->primary);
}

static bool parent_has_all(const struct record *record, const struct observation *seen,
			   uint32_t server)
{
	uint32_t parent = record_parent(record, server);
	return parent != SERVER_NONE && observation_answers(seen, parent) &&
	       observation_answers(seen, server) &&
	       gtid_set_contains(&seen->servers[parent].status.executed,
				 &seen->servers[server].status.executed);
}

bool pair_is_bound(const struct record *record, const struct observation *seen, uint32_t server)
{
	uint32_t parent = record_parent(record, server);
	if (parent == SERVER_NONE ||
	    !(pair_is_out(record, server) || pair_is_pinned(record, server))) {
		return false;
	}
	return record_follows(record, seen, server, parent) || parent_has_all(record, seen, server);
}

bool pair_can_go_on(const struct record *record, const struct observation *seen, uint32_t server)
{
	return (pair_is_out(record, server) || pair_is_pinned(record, server)) &&
	       parent_has_all(record, seen, server);
}

bool pair_is_set_aside(const struct record *record)
{
	return record->pair.set && is_unsent(record) && !is_on_side(record, record->primary);
}

bool pair_explains(const struct record *record, uint32_t server, const struct gtid_set *executed,
		   const struct gtid_set *of_primary)
{
	if (!record->pair.set || gtid_set_is_empty(&record->pair.change) ||
	    (record->pair.state == PAIR_CHANGING && !is_on_side(record, server))) {
		return false;
	}
	struct gtid_set allowed;
	gtid_set_init(&allowed);
	gtid_set_copy(&allowed, of_primary);
	gtid_set_add(&allowed, &record->pair.change);
	bool explained = gtid_set_contains(&allowed, executed);
	gtid_set_fini(&allowed);
	return explained;
}

/* ---------------------------------------------------------------- facts */

static bool has_change(const struct record *record, const struct observation *seen, uint32_t server)
{
	return observation_answers(seen, server) &&
	       gtid_set_contains(&seen->servers[server].status.executed, &record->pair.change);
}

static bool applies_in_parallel(const struct observation *seen, uint32_t server)
{
	return seen->servers[server].status.parallel_mode[0] != 0;
}

bool pair_wants_order(const struct record *record, const struct observation *seen, uint32_t server)
{
	if (!record->pair.set || !observation_answers(seen, server)) {
		return false;
	}
	switch (record->pair.state) {
	case PAIR_OUT:
	case PAIR_CHANGING:
		return is_on_side(record, server);
	case PAIR_BACK:
	case PAIR_SWITCHING:
	case PAIR_FOLLOWING:
		return !has_change(record, seen, server);
	case PAIR_NONE:
	case PAIR_STATE_COUNT_:
		break;
	}
	return false;
}

/* What of `change` the side's master has. */
static void find_own(const struct record *record, const struct observation *seen,
		     struct gtid_set *ret)
{
	const struct gtid_set *executed = &seen->servers[record->pair.out].status.executed;
	struct gtid_set others;
	gtid_set_init(&others);
	gtid_set_subtract(executed, &record->pair.change, &others);
	gtid_set_subtract(executed, &others, ret);
	gtid_set_fini(&others);
}

static bool admits_change(const struct record *record, const struct observation *seen,
			  uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	return status->flavor == GTID_MARIADB ? status->gtid_domain == record->pair.domain
					      : status->admins_write;
}

static bool has_left(const struct record *record, const struct observation *seen, char *missing,
		     size_t missing_bytes)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (!is_on_side(record, i)) {
			continue;
		}
		if (record_is_member(record, i)) {
			(void)snprintf(missing, missing_bytes,
				       "%s is in the sync set still, until another member has all "
				       "that it acknowledged",
				       record->servers[i].name);
			return false;
		}
		uint32_t parent =
			i == record->pair.out ? record->primary : record_parent(record, i);
		bool answers = observation_answers(seen, i);
		if (i == record->pair.out && !answers) {
			(void)snprintf(missing, missing_bytes, "%s does not answer",
				       record->servers[i].name);
			return false;
		}
		if (answers && applies_in_parallel(seen, i)) {
			(void)snprintf(missing, missing_bytes, "%s applies in parallel still",
				       record->servers[i].name);
			return false;
		}
		if (answers && !record_follows(record, seen, i, parent)) {
			(void)snprintf(missing, missing_bytes, "%s does not replicate from %s yet",
				       record->servers[i].name, record->servers[parent].name);
			return false;
		}
	}
	return true;
}

/* Why the changed side can't take over yet; NULL: it can. */
static const char *unready(const struct record *record, const struct observation *seen,
			   uint32_t *ret_server)
{
	uint32_t out = record->pair.out;
	const struct server_status *status = &seen->servers[out].status;
	*ret_server = out;
	const char *unfit = election_unfit(record, seen, out);
	if (unfit) {
		return unfit;
	}
	if (!record_follows(record, seen, out, record->primary) || status->replica.io != IO_YES ||
	    !status->replica.sql_running) {
		return "does not replicate from the primary";
	}
	if (record->acks > 0 && !record_is_member(record, out)) {
		return "does not acknowledge commits yet";
	}
	const struct observation_older *source = &seen->servers[record->primary].older;
	if (source->begun_us == 0 || !gtid_set_contains(&status->executed, &source->executed)) {
		return "has not applied yet what the primary had a moment ago";
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		*ret_server = i;
		if (!observation_answers(seen, i)) {
			continue;
		}
		if (is_on_side(record, i) && !has_change(record, seen, i) &&
		    !record->servers[i].diverged) {
			return "has not applied the change yet";
		}
		if (!is_on_side(record, i) && i != record->primary &&
		    applies_in_parallel(seen, i)) {
			return "applies in parallel still: what needs the change could overtake it";
		}
	}
	return NULL;
}

static bool have_all_followed(const struct record *record, const struct observation *seen,
			      char *missing, size_t missing_bytes)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (!has_change(record, seen, i)) {
			(void)snprintf(missing, missing_bytes, "%s %s", record->servers[i].name,
				       observation_answers(seen, i) ? "has not applied it yet"
								    : "does not answer");
			return false;
		}
	}
	return true;
}

static uint32_t own_facts(const struct record *record, const struct observation *seen)
{
	uint32_t out = record->pair.out;
	if (!observation_answers(seen, out)) {
		return 0;
	}
	struct gtid_set own;
	gtid_set_init(&own);
	find_own(record, seen, &own);
	uint32_t set = gtid_set_is_empty(&own) ? PAIR_UNCHANGED : PAIR_CHANGED;
	gtid_set_fini(&own);
	bool shut = !admits_change(record, seen, out) && seen->servers[out].steps_running == 0;
	return shut ? set | PAIR_SHUT : set;
}

static uint32_t asked_facts(const struct record *record)
{
	const struct record_pair *pair = &record->pair;
	uint32_t set = pair->ask == PAIR_ASK_DONE ? PAIR_DONE : 0;
	set |= pair->ask == PAIR_ASK_ABORT ? PAIR_ABORT : 0;
	set |= pair->ask == PAIR_ASK_ABORT && pair->discard ? PAIR_DISCARD : 0;
	return record->ask == ASK_SWITCHOVER ? set | PAIR_ASKED : set;
}

uint32_t pair_facts_find(const struct record *record, const struct observation *seen,
			 uint64_t now_us, char *missing, size_t missing_bytes)
{
	const struct record_pair *pair = &record->pair;
	missing[0] = 0;
	if (!pair->set || pair->state == PAIR_NONE || pair->out == SERVER_NONE) {
		return 0;
	}
	uint32_t set = asked_facts(record) | own_facts(record, seen);
	bool known = record->primary != SERVER_NONE && observation_answers(seen, record->primary);
	if (is_on_side(record, record->primary)) {
		set |= PAIR_TAKEN;
	} else if (known && record->state == GROUP_STEADY) {
		set |= PAIR_ACTIVE;
	} else {
		(void)snprintf(missing, missing_bytes, "the group is %s",
			       known ? group_state_name(record->state)
				     : "without a primary that answers");
	}
	if (known && !has_change(record, seen, record->primary)) {
		set |= PAIR_LACKS;
	}
	if (pair->tried_us == 0 || now_us - pair->tried_us >= TRY_AGAIN_US) {
		set |= PAIR_RESTED;
	}
	if (pair->state == PAIR_OUT && (set & PAIR_ACTIVE) &&
	    has_left(record, seen, missing, missing_bytes)) {
		set |= PAIR_LEFT;
	}
	if (pair->state == PAIR_FOLLOWING &&
	    have_all_followed(record, seen, missing, missing_bytes)) {
		set |= PAIR_FOLLOWED;
	}
	if (pair->state == PAIR_BACK && (set & PAIR_ACTIVE)) {
		uint32_t server = SERVER_NONE;
		const char *why = unready(record, seen, &server);
		set |= why ? 0 : PAIR_READY;
		(void)snprintf(missing, missing_bytes, "%s%s%s",
			       why ? record->servers[server].name : "", why ? " " : "",
			       why ? why : "");
	}
	return set;
}

/* ---------------------------------------------------------------- the record */

/* Whatever the side's master numbers itself from here on. */
static void begin_change(struct record *record, const struct observation *seen)
{
	struct record_pair *pair = &record->pair;
	const struct server_status *status = &seen->servers[pair->out].status;
	char text[SERVER_UUID_BYTES_MAX + 32];
	if (status->flavor == GTID_MYSQL) {
		(void)snprintf(text, sizeof(text), "%s:1-%" PRIi64, status->server_uuid,
			       INT64_MAX - 1);
	} else {
		(void)snprintf(text, sizeof(text), "%u-%u-%" PRIi64, pair->domain,
			       status->server_id, INT64_MAX - 1);
	}
	check(gtid_set_parse(str_of(text), status->flavor, &pair->change, NULL) == ERR_OK);
	gtid_set_subtract(&pair->change, &status->executed, &pair->change);
	pair->home_domain = status->gtid_domain != pair->domain ? status->gtid_domain : 0;
	pair->script_mark = 0;
	pair->script_done = 0;
}

static void end_change(struct record *record)
{
	struct record_pair *pair = &record->pair;
	gtid_set_clear(&pair->change);
	pair->out = SERVER_NONE;
	pair->ask = PAIR_ASK_NONE;
	pair->discard = false;
	pair->what[0] = 0;
	pair->script[0] = 0;
	pair->tried_us = 0;
}

static void apply(struct record *record, const struct observation *seen,
		  const struct pair_rule *rule, uint64_t now_us)
{
	switch (rule->act) {
	case PAIR_ACT_BEGIN:
		begin_change(record, seen);
		break;
	case PAIR_ACT_FREEZE: {
		struct gtid_set own;
		gtid_set_init(&own);
		find_own(record, seen, &own);
		gtid_set_copy(&record->pair.change, &own);
		gtid_set_fini(&own);
		break;
	}
	case PAIR_ACT_SWITCH:
		record->ask = ASK_SWITCHOVER;
		record->ask_server = record->pair.out;
		record->pair.tried_us = now_us;
		break;
	case PAIR_ACT_REFUSE:
		record->pair.ask = PAIR_ASK_NONE;
		break;
	case PAIR_ACT_END:
		end_change(record);
		record->pair.ended = rule->id;
		break;
	case PAIR_ACT_NONE:
	case PAIR_ACT_COUNT_:
		break;
	}
}

const struct pair_rule *pair_update(struct record *record, const struct observation *seen,
				    uint64_t now_us, bool *ret_changed)
{
	char missing[256];
	*ret_changed = false;
	if (!record->pair.set) {
		return NULL;
	}
	uint32_t facts = pair_facts_find(record, seen, now_us, missing, sizeof(missing));
	const struct pair_rule *rule = pair_rules_match(record->pair.state, facts);
	apply(record, seen, rule, now_us);
	if (rule->to != rule->from) {
		record->pair.state = rule->to;
		record->pair.since_us = now_us;
		record->pair.ask = PAIR_ASK_NONE;
	}
	*ret_changed = rule->to != rule->from || rule->act != PAIR_ACT_NONE;
	return rule;
}

/* ---------------------------------------------------------------- steps */

/* No other member of the sync set acknowledges now. Before the roles switch there will be one; after it there may be none,
 * and then commits wait for a moment. */
static bool is_needed(const struct record *record, const struct observation *seen, uint32_t server,
		      bool ordered)
{
	uint32_t others = record->sync_set & ~(1u << server);
	if (!record_is_member(record, server) || (others == 0 && !ordered)) {
		return false;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		if ((others & (1u << i)) && observation_answers(seen, i) &&
		    seen->servers[i].status.semisync.replica_active) {
			return false;
		}
	}
	return true;
}

enum step pair_step(const struct record *record, const struct observation *seen, uint32_t server,
		    const char **ret_why)
{
	const struct record_pair *pair = &record->pair;
	const struct server_status *status = &seen->servers[server].status;
	if (!pair->set || !observation_answers(seen, server)) {
		return STEP_NONE;
	}
	bool open = pair->state == PAIR_CHANGING && pair->ask == PAIR_ASK_NONE &&
		    server == pair->out && server != record->primary;
	bool admits = pair_is_master(record, server) && admits_change(record, seen, server);
	if (open && !admits && status->read_only && !applies_in_parallel(seen, server)) {
		*ret_why = "the passive side is out: it can be changed";
		return STEP_ADMIT_CHANGE;
	}
	if (!open && admits) {
		*ret_why = "no change is made here";
		return STEP_END_CHANGE;
	}
	if (server == record->primary || !status->replica.configured ||
	    status->replica.io == IO_NO || !status->replica.sql_running) {
		return STEP_NONE;
	}
	bool ordered = pair_wants_order(record, seen, server);
	/* Its receiver stops for a moment: another one has to acknowledge meanwhile. */
	if (is_needed(record, seen, server, ordered)) {
		return STEP_NONE;
	}
	if (ordered && applies_in_parallel(seen, server)) {
		*ret_why =
			"a change comes here: transactions must neither overtake it nor block it";
		return STEP_APPLY_IN_ORDER;
	}
	if (!ordered && record->servers[server].parallel_mode[0] &&
	    !applies_in_parallel(seen, server)) {
		*ret_why = "it has the change";
		return STEP_APPLY_AS_BEFORE;
	}
	return STEP_NONE;
}

bool pair_note_modes(struct record *record, const struct observation *seen)
{
	bool changed = false;
	for (uint32_t i = 0; i < record->server_count && record->pair.set; i++) {
		char *kept = record->servers[i].parallel_mode;
		const char *now = seen->servers[i].status.parallel_mode;
		/* What is seen while a step is under way may be of before it. */
		if (!observation_answers(seen, i) || seen->servers[i].steps_running != 0) {
			continue;
		}
		bool ordered = pair_wants_order(record, seen, i);
		if (ordered && now[0] && strcmp(kept, now) != 0) {
			memcpy(kept, now, PARALLEL_MODE_BYTES_MAX);
			changed = true;
		} else if (!ordered && now[0] && kept[0]) {
			kept[0] = 0;
			changed = true;
		}
	}
	return changed;
}
