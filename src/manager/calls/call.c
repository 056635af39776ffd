#include "manager/calls/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/calls/foresee_json.h"
#include "manager/records/record_json.h"
#include "os/thread.h"

enum access { READS, CHANGES };

enum { POINTLESS_LOOK_MS = 25 };

static const struct call_row rows[] = {
#define X(method, access, prepare, run) { method, (access) == CHANGES, prepare, run },
#include "manager/calls/calls.def"
#undef X
};

const struct call_row *call_find(const char *method)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].method, method) == 0) {
			return &rows[i];
		}
	}
	return NULL;
}

struct call *call_new(const json_t *params, uint64_t deadline_us)
{
	struct call *call = mem_need(sizeof(*call));
	call->params = params;
	call->deadline_us = deadline_us;
	record_init(&call->plan);
	list_init(&call->waiter.list);
	call->waiter.call = call;
	check(pthread_mutex_init(&call->mutex, NULL) == 0);
	pthread_condattr_t attributes;
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&call->answered, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
	return call;
}

void call_free(struct call *call)
{
	record_fini(&call->plan);
	json_decref(call->notes);
	json_decref(call->result);
	(void)pthread_mutex_destroy(&call->mutex);
	(void)pthread_cond_destroy(&call->answered);
	mem_free(call);
}

void call_answer(struct call *call, enum err rc, const struct err_ctx *err, json_t *result)
{
	(void)pthread_mutex_lock(&call->mutex);
	call->done = true;
	call->rc = rc;
	call->result = result;
	if (err) {
		call->err = *err;
	}
	bool abandoned = call->abandoned;
	(void)pthread_cond_signal(&call->answered);
	(void)pthread_mutex_unlock(&call->mutex);
	if (abandoned) {
		call_free(call);
	}
}

/* Waits for the answer, until the deadline or while it makes sense; call->mutex is held. */
static int wait_on(struct call *call, const struct clock *clock)
{
	uint64_t now_us = clock_monotonic_us(clock);
	uint64_t left_us = call->deadline_us > now_us ? call->deadline_us - now_us : 0;
	if (left_us == 0 || (call->pointless && call->pointless(call->pointless_ctx))) {
		return ETIMEDOUT;
	}
	uint64_t slice_us = (uint64_t)POINTLESS_LOOK_MS * US_PER_MS;
	const struct timespec until =
		thread_moment(call->pointless && slice_us < left_us ? slice_us : left_us);
	(void)pthread_cond_timedwait(&call->answered, &call->mutex, &until);
	return 0;
}

enum err call_wait(struct call *call, const struct clock *clock, json_t **ret, struct err_ctx *err)
{
	(void)pthread_mutex_lock(&call->mutex);
	int rc = 0;
	/* While it runs (which is short) the parameters are in use, so it is waited for in any case. */
	while (!call->done && (rc == 0 || (call->taken && !call->parked))) {
		if (rc == 0) {
			rc = wait_on(call, clock);
		} else {
			(void)pthread_cond_wait(&call->answered, &call->mutex);
		}
	}
	if (!call->done) {
		call->abandoned = true;
		(void)pthread_mutex_unlock(&call->mutex);
		return err_set(err, ERR_DEADLINE, "no answer from the manager in time");
	}
	enum err result = call->rc;
	if (result == ERR_OK) {
		*ret = call->result;
		call->result = NULL;
	} else if (err) {
		*err = call->err;
	}
	(void)pthread_mutex_unlock(&call->mutex);
	call_free(call);
	return result;
}

void call_park(struct call *call)
{
	(void)pthread_mutex_lock(&call->mutex);
	call->parked = true;
	(void)pthread_cond_signal(&call->answered);
	(void)pthread_mutex_unlock(&call->mutex);
}

bool call_is_dry(const struct call *call)
{
	return json_is_true(json_object_get(call->params, "dry_run"));
}

struct turn_context call_context(const struct manager_core *core)
{
	return (struct turn_context){ .core = core,
				      .options = &core->options,
				      .events = core->events,
				      .hooks = &core->hooks,
				      .leader = core->role.leader,
				      .nodes = core->nodes,
				      .now_us = clock_monotonic_us(core->options.clock) };
}

enum err call_group(struct manager_core *core, const json_t *params, struct group **ret,
		    struct err_ctx *err)
{
	const char *name = json_string_value(json_object_get(params, "group"));
	struct group *only = NULL;
	size_t count = 0;
	LIST_EACH (&core->groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		only = group;
		count++;
		if (name && strcmp(group->record.group, name) == 0) {
			*ret = group;
			return ERR_OK;
		}
	}
	if (name) {
		return err_set(err, ERR_NOT_FOUND, "there is no group '%.64s'", name);
	}
	if (count != 1) {
		return err_set(err, count ? ERR_USAGE : ERR_NOT_FOUND,
			       count ? "there are several groups: name one"
				     : "there is no group yet");
	}
	*ret = only;
	return ERR_OK;
}

/* ---------------------------------------------------------------- orders */

static enum err find_server(const struct record *record, const json_t *params, const char *key,
			    uint32_t *ret, struct err_ctx *err)
{
	const json_t *value = json_object_get(params, key);
	*ret = SERVER_NONE;
	if (!value || json_is_null(value)) {
		return ERR_OK;
	}
	const char *name = json_string_value(value);
	*ret = name ? record_find(record, name) : SERVER_NONE;
	if (*ret == SERVER_NONE) {
		return err_set(err, ERR_NOT_FOUND, "group '%s' has no server '%.64s'",
			       record->group, name ? name : "?");
	}
	return ERR_OK;
}

/* What would follow from the order; nothing is touched. */
static json_t *foresee_order(const struct group *group, const struct record *next, uint64_t now_us)
{
	CLEANUP(mem_freep) struct foresee *course = mem_need(sizeof(*course));
	foresee_run(next, &group->seen, &group->options, now_us, course);
	const struct foresee_move *last = &course->moves[course->move_count - 1];
	bool would = course->settled && !course->refusal[0] && last->epoch > next->epoch;
	return foresee_dry_run(next, course, would);
}

/* Puts the order on the record; the turn that follows carries it out. */
static enum err order(struct manager_core *core, struct group *group, struct call *call,
		      const struct record *next, json_t **ret, struct err_ctx *err)
{
	struct turn_context context = call_context(core);
	if (call_is_dry(call)) {
		*ret = foresee_order(group, next, context.now_us);
		return ERR_OK;
	}
	enum err rc = group_store(group, &context, next, err);
	if (rc != ERR_OK) {
		return rc;
	}
	group->gave_up[0] = 0;
	call->waiter.report_id = group->report.id;
	list_add_tail(&group->waiters, &call->waiter.list);
	return ERR_AGAIN;
}

static enum err order_by(struct manager_core *core, struct group *group, struct call *call,
			 enum ask ask, uint32_t server, json_t **ret, struct err_ctx *err)
{
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	next.ask = ask;
	next.ask_server = server;
	next.ask_accept_loss =
		ask == ASK_FAILOVER && json_is_true(json_object_get(call->params, "accept_loss"));
	next.version++;
	enum err rc = order(core, group, call, &next, ret, err);
	record_fini(&next);
	return rc;
}

enum err call_switchover(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	struct group *group = NULL;
	uint32_t server = SERVER_NONE;
	enum err rc = call_group(core, call->params, &group, err);
	rc = rc ? rc : find_server(&group->record, call->params, "to", &server, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (group->record.state != GROUP_STEADY || group->record.ask != ASK_NONE) {
		return err_set(err, ERR_REFUSED,
			       "group '%s' is %s: a switchover starts from steady",
			       group->record.group, group_state_name(group->record.state));
	}
	enum pair_state pair = group->record.pair.state;
	if (pair != PAIR_NONE && pair != PAIR_FOLLOWING) {
		return err_set(err, ERR_REFUSED,
			       "a change of the pair's passive side is under way (%s), the roles "
			       "switch at its end: see 'muster pair show'",
			       pair_state_name(pair));
	}
	if (server == group->record.primary) {
		return err_set(err, ERR_REFUSED, "'%s' is the primary already",
			       group->record.servers[server].name);
	}
	if (server != SERVER_NONE && group->record.servers[server].never_promote) {
		return err_set(err, ERR_REFUSED, "'%s' is set to never-promote",
			       group->record.servers[server].name);
	}
	return order_by(core, group, call, ASK_SWITCHOVER, server, ret, err);
}

enum err call_failover(struct manager_core *core, struct call *call, json_t **ret,
		       struct err_ctx *err)
{
	struct group *group = NULL;
	uint32_t server = SERVER_NONE;
	enum err rc = call_group(core, call->params, &group, err);
	rc = rc ? rc : find_server(&group->record, call->params, "to", &server, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (group->record.state != GROUP_STEADY && group->record.state != GROUP_REFUSED) {
		return err_set(err, ERR_REFUSED, "group '%s' is %s: wait until that has ended",
			       group->record.group, group_state_name(group->record.state));
	}
	return order_by(core, group, call, ASK_FAILOVER, server, ret, err);
}

void call_answer_waiters(struct manager_core *core, struct group *group)
{
	LIST_EACH (&group->waiters, at) {
		struct waiter *waiter = LIST_ENTRY(at, struct waiter, list);
		struct call *call = waiter->call;
		struct err_ctx err = { 0 };
		bool ended = group->record.ask == ASK_NONE && !group->report.open;
		bool late = clock_monotonic_us(core->options.clock) >= call->deadline_us;
		if (!ended && !late) {
			continue;
		}
		list_remove(&waiter->list);
		if (!ended) {
			enum err rc = err_set(&err, ERR_DEADLINE,
					      "not done in time; it goes on: see the status");
			call_answer(call, rc, &err, NULL);
		} else if (group->gave_up[0] || group->report.id == waiter->report_id) {
			enum err rc = err_set(&err, ERR_REFUSED, "%s",
					      group->gave_up[0] ? group->gave_up
								: "nothing was to be done");
			call_answer(call, rc, &err, NULL);
		} else {
			call_answer(call, ERR_OK, NULL,
				    json_pack("{s:o}", "report", report_to_json(&group->report)));
		}
	}
}

/* ---------------------------------------------------------------- settings */

static enum err answer_text(struct group *group, const char *text, json_t **ret)
{
	*ret = json_pack("{s:s, s:s}", "group", group->record.group, "text", text);
	return ERR_OK;
}

static enum err set_paused(struct manager_core *core, struct call *call, bool paused, json_t **ret,
			   struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct turn_context context = call_context(core);
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	next.paused = paused;
	if (!paused) {
		record_forget_failovers(&next);
	}
	next.version++;
	rc = group_store(group, &context, &next, err);
	record_fini(&next);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *text = paused ? "automatic failover is paused" : "automatic failover is on";
	group_tell(group, &context, LOG_INFO, "group.set", SERVER_NONE, 0, 0, text);
	return answer_text(group, text, ret);
}

enum err call_pause(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
{
	return set_paused(core, call, true, ret, err);
}

enum err call_resume(struct manager_core *core, struct call *call, json_t **ret,
		     struct err_ctx *err)
{
	return set_paused(core, call, false, ret, err);
}

enum err call_version(struct manager_core *core, struct call *call, json_t **ret,
		      struct err_ctx *err)
{
	(void)core;
	(void)call;
	(void)err;
	*ret = json_pack("{s:s}", "version", MUSTER_VERSION);
	return ERR_OK;
}

enum err call_show(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc == ERR_OK) {
		const struct record_moment now = record_moment_now(core->options.clock);
		*ret = record_to_json(&group->record, &now);
		(void)json_object_set_new(*ret, "addresses",
					  addresses_of_group(core, group->record.group));
	}
	return rc;
}

enum err call_list(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
{
	(void)call;
	(void)err;
	json_t *groups = json_array();
	LIST_EACH (&core->groups, at) {
		const struct record *record = &LIST_ENTRY(at, struct group, list)->record;
		const char *primary = record->primary == SERVER_NONE
					      ? NULL
					      : record->servers[record->primary].name;
		(void)json_array_append_new(
			groups,
			json_pack("{s:s, s:s, s:I, s:s, s:s?}", "group", record->group, "policy",
				  policy_name(record->policy), "epoch", (json_int_t)record->epoch,
				  "state", group_state_name(record->state), "primary", primary));
	}
	*ret = json_pack("{s:o}", "groups", groups);
	return ERR_OK;
}
