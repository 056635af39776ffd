/* One turn of a group: decide until nothing moves, store, start the steps, publish the route. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "decide/health.h"
#include "manager/addresses/addresses.h"
#include "manager/group.h"
#include "manager/leader.h"
#include "manager/publish.h"
#include "manager/records/record_json.h"
#include "manager/rejoin/rejoin.h"
#include "manager/story.h"
#include "manager/vitals.h"
#include "os/fault.h"

enum {
	MOVES_MAX = 8, /* changes of state in one turn */
	TENSE_FIRST_MS = 5,
	TENSE_NEXT_MS = 100,
	ACCOUNTS_INTERVAL_S = 10,
	KEY_BYTES_MAX = 160,
	UNSTORED_RETRY_MS = 1000,
	ADDRESS_WAIT_S = 10,
	COUNT_BITS = 20, /* of a route's revision: how often it was published for one record */
};

/* A journalled step stands for those that follow it on the same server in the same stage. */
static uint32_t journal_bits(enum step step)
{
	switch (step) {
	case STEP_STOP_RECEIVER:
		return 1u << STEP_STOP_RECEIVER | 1u << STEP_DRAIN;
	case STEP_PROMOTE:
		return 1u << STEP_PROMOTE | 1u << STEP_OPEN;
	case STEP_DRAIN:
	case STEP_FEED:
	case STEP_FENCE:
	case STEP_FREEZE:
	case STEP_CATCH_UP:
	case STEP_OPEN:
	case STEP_REPOINT:
	case STEP_FORGET_SOURCE:
	case STEP_KEEP_OUT:
	case STEP_SEMISYNC_REPLICA_ON:
	case STEP_SEMISYNC_REPLICA_OFF:
	case STEP_SEMISYNC_SOURCE_ON:
	case STEP_SEMISYNC_SOURCE_OFF:
	case STEP_ADMIT_CHANGE:
	case STEP_END_CHANGE:
	case STEP_APPLY_IN_ORDER:
	case STEP_APPLY_AS_BEFORE:
	case STEP_COUNT_:
		break;
	}
	return 1u << step;
}

/* ---------------------------------------------------------------- deciding */

static bool is_local(const struct group *group, const struct turn_context *context)
{
	return context->options->proxy && !context->options->nodes.linked &&
	       strcmp(context->options->proxy_group, group->record.group) == 0;
}

/* What the local proxy has in force. It needs no lease: it is told by this very process. */
static void see_local(const struct group *group, const struct turn_context *context,
		      struct lease_node *ret)
{
	struct proxy_status status;
	proxy_get_status(context->options->proxy, &status);
	bool newest =
		status.epoch == group->route.epoch && status.revision >= group->route.revision;
	*ret = (struct lease_node){
		.carries = true,
		.until_us = UINT64_MAX,
		.epoch = status.epoch,
		.revision = newest ? group->route_version : 0,
		.held = status.held,
		.transactions_open = status.transactions_open,
	};
}

static void see_routes(struct group *group, const struct turn_context *context)
{
	struct observation_routes *routes = &group->seen.routes;
	const struct lease_terms none = { .duration_us = US_PER_S };
	struct lease_node local;
	bool is_here = is_local(group, context);
	if (is_here) {
		see_local(group, context, &local);
	}
	if (context->nodes) {
		nodes_see_routes(context->nodes, group, is_here ? &local : NULL, context->now_us,
				 routes);
	} else {
		lease_routes(&local, is_here ? 1 : 0, &none, 0, group->record.epoch,
			     context->now_us, routes);
	}
}

static void forget_stage(struct group *group)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		group->seen.servers[i].steps_done = 0;
		group->members[i].journaled = 0;
		group->members[i].retry_us = 0;
		group->members[i].failures = 0;
	}
}

/* Decides until nothing moves. group->record is then the next record; the caller stores it or takes `old` back. */
static bool decide_all(struct group *group, const struct turn_context *context)
{
	bool dirty = false;
	for (unsigned moves = 0; moves < MOVES_MAX; moves++) {
		struct record next;
		record_init(&next);
		record_copy(&next, &group->record);
		decide(&next, &group->seen, &group->options, context->now_us, &group->decision);
		const struct decision *decision = &group->decision;
		if (decision->changed) {
			story_tell_report(group, context, &next, decision);
		}
		struct record old = group->record;
		group->record = next;
		if (decision->moved || decision->rule->act != ACT_NONE) {
			story_tell_move(group, context, decision);
		}
		story_tell_promise(group, context, &old, decision);
		story_tell_pair(group, context, &old, decision);
		record_fini(&old);
		dirty = dirty || decision->changed;
		if (!decision->moved) {
			break;
		}
		forget_stage(group);
		see_routes(group, context);
	}
	return dirty;
}

/* ---------------------------------------------------------------- storing */

static json_t *journal_to_json(const struct group *group, const uint32_t *starting)
{
	json_t *steps = json_array();
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		uint32_t bits = group->members[i].journaled | starting[i];
		for (enum step step = 0; step < STEP_COUNT_; step++) {
			if (bits & (1u << step)) {
				(void)json_array_append_new(steps,
							    json_pack("{s:s, s:s}", "server",
								      group->record.servers[i].name,
								      "step", step_key(step)));
			}
		}
	}
	return json_pack("{s:I, s:s, s:o}", "epoch", (json_int_t)group->record.epoch, "state",
			 group_state_name(group->record.state), "steps", steps);
}

/* One value of a commit: the key and the JSON text, both released after it. */
struct stored {
	char key[KEY_BYTES_MAX];
	char *text;
};

static void add_change(struct stored *stored, const char *group, const char *what, json_t *json,
		       struct store_change *changes, size_t *count)
{
	(void)snprintf(stored->key, sizeof(stored->key), "group/%s/%s", group, what);
	stored->text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	changes[(*count)++] =
		(struct store_change){ .key = str_of(stored->key), .value = str_of(stored->text) };
}

static enum err commit(struct group *group, const struct turn_context *context,
		       const struct record *record, bool with_record, const uint32_t *starting,
		       struct err_ctx *err)
{
	struct store_change changes[STORE_CHANGES_MAX];
	struct stored stored[3] = { 0 };
	size_t count = 0;
	if (with_record) {
		const struct record_moment now = record_moment_now(context->options->clock);
		add_change(&stored[0], record->group, "record", record_to_json(record, &now),
			   changes, &count);
		add_change(&stored[1], record->group, "report", report_to_json(&group->report),
			   changes, &count);
	}
	if (starting) {
		add_change(&stored[2], record->group, "journal", journal_to_json(group, starting),
			   changes, &count);
	}
	count += event_log_flush(context->events, changes + count, STORE_CHANGES_MAX - count);
	enum err rc = store_commit(context->options->store, changes, count, err);
	for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		mem_free(stored[i].text);
	}
	if (rc == ERR_OK) {
		event_log_flushed(context->events);
	} else if (rc == ERR_CONFLICT && context->leader) {
		leader_doubt(context->leader);
	}
	return rc;
}

enum err group_store(struct group *group, const struct turn_context *context,
		     const struct record *next, struct err_ctx *err)
{
	enum err rc = commit(group, context, next, true, NULL, err);
	if (rc == ERR_OK) {
		uint64_t since_us = group->record.state_since_us;
		uint64_t stage = group->record.stage;
		record_copy(&group->record, next);
		group->record.state_since_us = since_us;
		group->record.stage = stage;
	}
	return rc;
}

enum err group_store_report(struct group *group, const struct turn_context *context,
			    struct err_ctx *err)
{
	return commit(group, context, &group->record, true, NULL, err);
}

/* ---------------------------------------------------------------- acting */

static bool is_due(const struct group *group, uint32_t server, uint64_t now_us)
{
	const struct member *member = &group->members[server];
	return group->decision.steps[server] != STEP_NONE && !member->running &&
	       member->retry_us <= now_us && !peer_is_busy(member->peer);
}

static void start_step(struct group *group, const struct turn_context *context, uint32_t server)
{
	struct member *member = &group->members[server];
	const struct record *record = &group->record;
	const struct server_status *status = &group->seen.servers[server].status;
	enum step step = group->decision.steps[server];
	uint64_t limit_us = (uint64_t)context->options->step_timeout_ms * US_PER_MS;
	if (step == STEP_FREEZE || step == STEP_CATCH_UP) {
		limit_us = (uint64_t)context->options->freeze_ms * US_PER_MS;
	}
	/* A MariaDB server that lost transactions of its own takes them back (under its own server_id) only as one
	 * that acknowledges. */
	struct task task = {
		.step = step,
		.stage = record->stage,
		.epoch = record->epoch,
		.started_us = context->now_us,
		.deadline_us = context->now_us + limit_us,
		.acknowledge = step == STEP_REPOINT || step == STEP_FEED
				       ? (group->decision.steps_acknowledge & (1u << server)) != 0
				       : status->semisync.replica_enabled,
		.wait_for_acks = record->acks > 0,
		.handed = record->handed,
		.was_primary = !pair_is_pinned(record, server),
		.in_order = pair_wants_order(record, &group->seen, server),
		.domain =
			step == STEP_ADMIT_CHANGE ? record->pair.domain : record->pair.home_domain,
	};
	memcpy(task.parallel_mode, record->servers[server].parallel_mode,
	       sizeof(task.parallel_mode));
	uint32_t source = group->decision.steps_source[server];
	if (source != SERVER_NONE) {
		memcpy(task.source_host, record->servers[source].host, sizeof(task.source_host));
		task.source_port = record->servers[source].port;
	}
	if (step == STEP_CATCH_UP) {
		gtid_set_copy(&task.set, &group->seen.servers[record->primary].status.executed);
	}
	char point[64];
	(void)snprintf(point, sizeof(point), "step.%s.started", step_key(step));
	fault_point(point);
	if (peer_begin(member->peer, &task)) {
		member->running = true;
		group->seen.servers[server].steps_running = 1u << step;
		member->step = step;
		group_tell(group, context, LOG_DEBUG, "step.started", server, 0, 0,
			   group->decision.steps_why[server]);
	}
	gtid_set_fini(&task.set);
}

static void act(struct group *group, const struct turn_context *context, bool dirty)
{
	uint32_t starting[SERVERS_MAX] = { 0 };
	bool news = false;
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		if (is_due(group, i, context->now_us)) {
			starting[i] = journal_bits(group->decision.steps[i]);
			news = news || (starting[i] & ~group->members[i].journaled);
		}
	}
	if (!dirty && !news) {
		for (uint32_t i = 0; i < group->record.server_count; i++) {
			if (starting[i]) {
				start_step(group, context, i);
			}
		}
		return;
	}
	struct err_ctx err = { 0 };
	enum err rc = commit(group, context, &group->record, dirty, starting, &err);
	/* What isn't on the record is not acted upon, and no route follows from it; the next turn tries again. */
	group->unstored = rc != ERR_OK && dirty;
	if (rc != ERR_OK) {
		log_event(context->options->log, LOG_ERROR, "store.failed",
			  "the record can't be written; nothing more is done until it can",
			  LOG_TEXT("group", group->record.group),
			  LOG_TEXT("error", err_text(rc, &err)));
		return;
	}
	char point[64];
	(void)snprintf(point, sizeof(point), "record.%s.stored",
		       group_state_name(group->record.state));
	fault_point(point);
	const struct pair_rule *pair = group->decision.pair_rule;
	if (pair && pair->to != pair->from) {
		(void)snprintf(point, sizeof(point), "pair.%s.stored", pair_state_name(pair->to));
		fault_point(point);
	}
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		group->members[i].journaled |= starting[i];
		if (starting[i]) {
			start_step(group, context, i);
		}
	}
}

/* ---------------------------------------------------------------- publishing */

static void publish(struct group *group, const struct turn_context *context)
{
	bool is_here = is_local(group, context);
	uint64_t floor = context->nodes ? nodes_revision_floor(context->nodes, group) : 0;
	if (!is_here && !(context->nodes &&
			  nodes_carry(context->nodes, group->record.group, context->now_us))) {
		return;
	}
	struct route route;
	const struct publish_options options = { .lag_limit_s = context->options->lag_limit_s };
	publish_route(&group->record, &group->seen, &options, &route);
	for (uint32_t i = 0; context->nodes && i < route.server_count; i++) {
		if (nodes_drain_server(context->nodes, group->record.group,
				       route.servers[i].name)) {
			route.servers[i].serves_reads = false;
		}
	}
	bool newer = group->route_version != group->record.version;
	if (!newer && !publish_differs(&group->route, &route) && group->route.revision > floor) {
		return;
	}
	uint64_t base = group->record.version << COUNT_BITS;
	group->route_count = newer ? 0 : group->route_count + 1;
	/* An earlier manager may have handed out routes of this version. */
	if (floor >= base + group->route_count) {
		group->route_count = floor - base + 1;
	}
	route.revision = base + group->route_count;
	group->route = route;
	group->route_version = group->record.version;
	if (is_here) {
		proxy_publish(context->options->proxy, &route);
	}
}

/* Clients of an address at the primary are routed when it has moved, too. A report doesn't wait for ever. */
static bool waits_for_addresses(const struct group *group, const struct turn_context *context)
{
	uint64_t end_us =
		group->report.ends_us[PHASE_PROMOTED] + (uint64_t)ADDRESS_WAIT_S * US_PER_S;
	return context->now_us < end_us &&
	       !addresses_have_moved(context->core, group->record.group);
}

static void finish_report(struct group *group, const struct turn_context *context)
{
	struct report *report = &group->report;
	const struct observation_routes *routes = &group->seen.routes;
	if (!report->open || group->record.state != GROUP_STEADY ||
	    report->ends_us[PHASE_PROMOTED] == 0 || routes->epoch < group->record.epoch ||
	    routes->revision < group->record.version || waits_for_addresses(group, context)) {
		return;
	}
	report_mark(report, PHASE_ROUTED, context->now_us);
	report->open = false;
	char text[256];
	uint64_t took_us = context->now_us - report->started_us;
	(void)snprintf(text, sizeof(text), "%s from %s to %s done",
		       report->planned ? "switchover" : "failover", report->from, report->to);
	group_tell(group, context, LOG_INFO, report->planned ? "switchover.done" : "failover.done",
		   group->record.primary, 0, took_us, text);
	struct err_ctx err = { 0 };
	enum err rc = group_store_report(group, context, &err);
	if (rc != ERR_OK) {
		log_event(context->options->log, LOG_WARN, "store.failed",
			  "the report could not be stored; it is kept in memory",
			  LOG_TEXT("error", err_text(rc, &err)));
	}
}

static void tell_health(struct group *group, const struct turn_context *context)
{
	bool healthy = health_check(&group->record, &group->seen, NULL);
	if (healthy != group->healthy_told) {
		group->healthy_told = healthy;
		group_tell(group, context, LOG_INFO, healthy ? "group.healthy" : "group.unhealthy",
			   SERVER_NONE, 0, 0,
			   healthy ? "all is as it should be"
				   : "something is missing: see the status");
	}
}

/* A primary that is gone, and nothing is done about it: said once, with what would change that. */
static void tell_held(struct group *group, const struct turn_context *context)
{
	const struct facts *facts = &group->decision.facts;
	bool asked = group->decision.withheld &&
		     group->seen.hooks.failover.answer == HOOK_OPEN; /* it answers in time */
	bool held = group->record.state == GROUP_STEADY && (facts->set & FACT_GONE) != 0 &&
		    (facts->set & FACT_MAY_FAIL_OVER) == 0 && !asked;
	if (held && !group->held_told) {
		group_tell(group, context, LOG_ERROR, "failover.held", group->record.primary,
			   group->decision.rule->id, 0, facts->missing);
	}
	group->held_told = held;
}

/* How often the servers are looked at: often while something is going on. */
static void pace(struct group *group, const struct turn_context *context)
{
	uint64_t now_us = context->now_us;
	bool resting = group->record.state == GROUP_STEADY ||
		       group->record.state == GROUP_REFUSED || group->record.state == GROUP_FORMING;
	uint64_t left_us = group->tense_until_us > now_us ? group->tense_until_us - now_us : 0;
	uint32_t interval_ms = context->options->probe_interval_ms;
	if (left_us > (uint64_t)2 * US_PER_S) {
		interval_ms = TENSE_FIRST_MS;
	} else if (left_us > 0 || !resting || !group->healthy_told) {
		interval_ms = TENSE_NEXT_MS;
	}
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		peer_set_interval(group->members[i].peer, interval_ms);
	}
}

static void ask_for_accounts(struct group *group, const struct turn_context *context)
{
	bool wanted = is_local(group, context) ||
		      (context->nodes &&
		       nodes_carry(context->nodes, group->record.group, context->now_us));
	if (!wanted || group->record.primary == SERVER_NONE ||
	    !observation_answers(&group->seen, group->record.primary)) {
		return;
	}
	if (group->accounts_us == 0 ||
	    context->now_us - group->accounts_us >= (uint64_t)ACCOUNTS_INTERVAL_S * US_PER_S) {
		group->accounts_us = context->now_us;
		peer_ask_accounts(group->members[group->record.primary].peer);
	}
}

static uint64_t next_due_us(const struct group *group, const struct turn_context *context)
{
	bool resting = group->record.state == GROUP_STEADY ||
		       group->record.state == GROUP_REFUSED || group->record.state == GROUP_FORMING;
	bool tense = group->tense_until_us > context->now_us;
	uint64_t wait_ms = resting && !tense ? 100 : 5;
	return context->now_us + wait_ms * US_PER_MS;
}

void group_turn(struct group *group, const struct turn_context *context, uint64_t *ret_next_us)
{
	rejoin_turn(group, context);
	see_routes(group, context);
	hooks_see(group, context);
	bool dirty = decide_all(group, context) || group->unstored;
	act(group, context, dirty);
	vitals_set_roles(group);
	if (group->unstored) {
		*ret_next_us = context->now_us + (uint64_t)UNSTORED_RETRY_MS * US_PER_MS;
		return;
	}
	if (dirty && group->report.ends_us[PHASE_DETECTED] != 0) {
		report_mark(&group->report, PHASE_DECIDED,
			    clock_monotonic_us(context->options->clock));
	}
	publish(group, context);
	finish_report(group, context);
	hooks_turn(group, context);
	tell_health(group, context);
	vitals_tell(group, context);
	tell_held(group, context);
	pace(group, context);
	ask_for_accounts(group, context);
	*ret_next_us = next_due_us(group, context);
}

void group_follow(struct group *group, const struct turn_context *context)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		peer_set_interval(group->members[i].peer, context->options->probe_interval_ms);
	}
	vitals_rest(group);
	facts_find(&group->record, &group->seen, &group->options, context->now_us,
		   &group->decision.facts);
	publish(group, context);
	ask_for_accounts(group, context);
}
