#include "manager/hooks/hooks.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "manager/group.h"
#include "manager/hooks/hook_input.h"
#include "manager/records/text_json.h"

enum {
	GO_KEPT_MS =
		1000, /* an answer is about this moment: what is not begun by then is asked again */
	AGAIN_MIN_MS = 1000, /* between two askings, however much changes */
	PENDING_MAX = 8,     /* answers that wait for a report */
};

/* What was asked about: when it changes, a veto is asked about again. */
struct subject {
	uint32_t rule;
	uint32_t answering; /* bit i: server i answers */
	uint64_t epoch;
	uint32_t candidate;
};

/* May it begin? Once for failovers, once for switchovers. */
struct asking {
	struct hook_run *run; /* NULL: nothing is under way */
	enum hook_answer answer;
	uint64_t answered_us; /* 0: never */
	struct subject subject;
	char words[HOOK_WORDS_BYTES_MAX];
};

/* A program that is told of something, which its answer doesn't change. */
struct telling {
	struct hook_run *run; /* NULL: nothing is under way */
	uint64_t epoch;	      /* it was told of; 0: of none */
	uint64_t report;      /* its result belongs to */
};

struct hooks {
	const struct hook_options *options;
	struct asking failover;
	struct asking switchover;
	bool prepared;	       /* a switchover that hasn't begun yet was told by `before` */
	struct telling told;   /* the veto hook, of a failover that a person ordered */
	struct telling before; /* of a failover */
	bool before_ended;
	struct telling after;
	json_t *pending; /* results that came before their report begins */
};

struct hooks *hooks_new(const struct hook_options *options)
{
	bool any = false;
	for (enum hook_kind kind = 0; kind < HOOK_KIND_COUNT_; kind++) {
		any = any || hook_is_set(options, kind);
	}
	if (!any) {
		return NULL;
	}
	struct hooks *hooks = mem_need(sizeof(*hooks));
	hooks->options = options;
	hooks->failover.answer = HOOK_OPEN;
	hooks->switchover.answer = HOOK_OPEN;
	hooks->pending = json_array();
	return hooks;
}

struct hooks *hooks_free(struct hooks *hooks)
{
	if (hooks) {
		(void)hook_free(hooks->failover.run);
		(void)hook_free(hooks->switchover.run);
		(void)hook_free(hooks->told.run);
		(void)hook_free(hooks->before.run);
		(void)hook_free(hooks->after.run);
		json_decref(hooks->pending);
	}
	return mem_free(hooks);
}

void hooks_begin_anew(struct group *group)
{
	if (group->hooks) {
		const struct hook_options *options = group->hooks->options;
		(void)hooks_free(group->hooks);
		group->hooks = hooks_new(options);
	}
}

/* ---------------------------------------------------------------- what the decision sees */

static bool is_planned(const struct group *group)
{
	return group->report.open && group->report.planned;
}

/* A failover in which the new primary isn't open yet. */
static bool is_failing_over(const struct group *group)
{
	const struct record *record = &group->record;
	bool under_way = record->state == GROUP_REVOKING || record->state == GROUP_REFUSED ||
			 record->state == GROUP_OPENING;
	return under_way && record->previous != SERVER_NONE && !is_planned(group);
}

static void see(struct asking *asking, bool configured, uint64_t now_us,
		struct observation_hook *ret)
{
	bool lapsed = now_us - asking->answered_us > (uint64_t)GO_KEPT_MS * US_PER_MS;
	if (asking->answer == HOOK_GO && lapsed) {
		asking->answer = HOOK_OPEN;
	}
	ret->answer = configured ? asking->answer : HOOK_GO;
	memcpy(ret->words, asking->words, sizeof(ret->words));
}

void hooks_see(struct group *group, const struct turn_context *context)
{
	struct hooks *hooks = group->hooks;
	if (!hooks) {
		return;
	}
	struct observation_hooks *seen = &group->seen.hooks;
	bool veto = hook_is_set(hooks->options, HOOK_VETO_KIND);
	bool before = hook_is_set(hooks->options, HOOK_BEFORE_KIND);
	see(&hooks->failover, veto, context->now_us, &seen->failover);
	see(&hooks->switchover, veto || before, context->now_us, &seen->switchover);
	bool ended = hooks->before_ended && hooks->before.epoch == group->record.epoch;
	seen->before_runs = before && is_failing_over(group) && !ended;
}

/* ---------------------------------------------------------------- asking and telling */

static struct hook_run *start(struct group *group, const struct turn_context *context,
			      enum hook_kind kind, bool planned, const char *why)
{
	struct hook_order order = { .kind = kind, .planned = planned };
	struct hook_run *run = NULL;
	struct err_ctx err = { 0 };
	hook_input_fill(group, why, clock_wall_us(context->options->clock), &order);
	enum err rc = hook_start(context->hooks, &order, &run, &err);
	if (rc != ERR_OK) {
		log_event(context->options->log, LOG_WARN, "hook.failed",
			  "a hook could not be started; it is tried again",
			  LOG_TEXT("hook", hook_name(kind)), LOG_TEXT("error", err_text(rc, &err)));
	}
	return run;
}

static struct subject subject_of(const struct group *group, const struct rule *held)
{
	struct subject subject = { .rule = held->id,
				   .epoch = group->record.epoch,
				   .candidate = group->decision.facts.candidate };
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		subject.answering |= observation_answers(&group->seen, i) ? 1u << i : 0;
	}
	return subject;
}

static bool is_same(const struct subject *a, const struct subject *b)
{
	return a->rule == b->rule && a->answering == b->answering && a->epoch == b->epoch &&
	       a->candidate == b->candidate;
}

static bool is_time(const struct hooks *hooks, const struct asking *asking,
		    const struct subject *now, uint64_t now_us)
{
	uint64_t since_us = now_us - asking->answered_us;
	if (asking->answered_us == 0) {
		return true;
	}
	if (since_us < (uint64_t)AGAIN_MIN_MS * US_PER_MS) {
		return false;
	}
	return asking->answer != HOOK_VETO || !is_same(now, &asking->subject) ||
	       since_us >= (uint64_t)hooks->options->veto_again_s * US_PER_S;
}

/* The row that the hooks hold back is asked about. */
static void ask(struct group *group, const struct turn_context *context, const struct rule *held)
{
	struct hooks *hooks = group->hooks;
	bool planned = held->act != ACT_NEW_EPOCH;
	struct asking *asking = planned ? &hooks->switchover : &hooks->failover;
	struct subject now = subject_of(group, held);
	if (asking->run || !is_time(hooks, asking, &now, context->now_us)) {
		return;
	}
	bool veto = hook_is_set(hooks->options, HOOK_VETO_KIND);
	asking->subject = now;
	asking->run =
		start(group, context, veto ? HOOK_VETO_KIND : HOOK_BEFORE_KIND, planned, held->why);
}

/* Nothing is held back: a veto is over, and a person who asks later is answered anew at once. */
static void rest(struct asking *asking)
{
	if (!asking->run && asking->answer == HOOK_VETO) {
		asking->answer = HOOK_OPEN;
		asking->answered_us = 0;
	}
}

static void rest_all(struct group *group)
{
	struct hooks *hooks = group->hooks;
	rest(&hooks->failover);
	rest(&hooks->switchover);
	bool quiet = !hooks->failover.run && !hooks->switchover.run && !hooks->told.run &&
		     hooks->failover.answer != HOOK_GO && hooks->switchover.answer != HOOK_GO;
	if (quiet && !group->report.open) {
		(void)json_array_clear(hooks->pending);
	}
	/* An answer is good for one beginning. */
	if (group->record.state != GROUP_STEADY) {
		hooks->failover.answer = HOOK_OPEN;
		hooks->switchover.answer = HOOK_OPEN;
	}
}

static void begin_telling(struct group *group, const struct turn_context *context,
			  struct telling *telling, enum hook_kind kind, bool planned,
			  const char *why)
{
	telling->run = start(group, context, kind, planned, why);
	telling->epoch = telling->run ? group->record.epoch : 0;
	telling->report = group->report.id;
}

/* A person's word stands; the veto hook is told all the same. */
static void tell_order(struct group *group, const struct turn_context *context)
{
	struct telling *told = &group->hooks->told;
	const struct record *record = &group->record;
	if (hook_is_set(group->hooks->options, HOOK_VETO_KIND) && record->ask == ASK_FAILOVER &&
	    record->state == GROUP_REVOKING && told->epoch != record->epoch && !told->run) {
		begin_telling(group, context, told, HOOK_VETO_KIND, false,
			      "a person ordered a failover");
	}
}

static void tell_before(struct group *group, const struct turn_context *context)
{
	struct telling *before = &group->hooks->before;
	if (group->seen.hooks.before_runs && before->epoch != group->record.epoch && !before->run) {
		group->hooks->before_ended = false;
		begin_telling(group, context, before, HOOK_BEFORE_KIND, false, group->report.cause);
	}
}

static void tell_after(struct group *group, const struct turn_context *context)
{
	struct hooks *hooks = group->hooks;
	const struct report *report = &group->report;
	if (!hook_is_set(hooks->options, HOOK_AFTER_KIND) || hooks->after.run || report->open) {
		return;
	}
	if (report->after_due) {
		begin_telling(group, context, &hooks->after, HOOK_AFTER_KIND, report->planned,
			      report->end[0] ? report->end : report->cause);
	} else if (hooks->prepared && group->record.ask == ASK_NONE) {
		/* `before` was run, and then the switchover did not begin. */
		hooks->prepared = false;
		begin_telling(group, context, &hooks->after, HOOK_AFTER_KIND, true, group->gave_up);
		hooks->after.report = 0;
	}
}

void hooks_turn(struct group *group, const struct turn_context *context)
{
	struct hooks *hooks = group->hooks;
	if (!hooks) {
		return;
	}
	if (group->decision.withheld) {
		ask(group, context, group->decision.withheld);
	} else {
		rest_all(group);
	}
	if (group->report.open && json_array_size(hooks->pending) > 0) {
		report_add_hooks(&group->report, hooks->pending);
		(void)json_array_clear(hooks->pending);
	}
	hooks->prepared = hooks->prepared && !group->report.open;
	tell_order(group, context);
	tell_before(group, context);
	tell_after(group, context);
}

/* ---------------------------------------------------------------- answers */

/* NULL when it is none of the group's. */
static struct hook_run *find_run(const struct hooks *hooks, uint64_t serial)
{
	struct hook_run *const runs[] = { hooks->failover.run, hooks->switchover.run,
					  hooks->told.run, hooks->before.run, hooks->after.run };
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		if (runs[i] && hook_serial_of(runs[i]) == serial) {
			return runs[i];
		}
	}
	return NULL;
}

static void tell(struct group *group, const struct turn_context *context,
		 const struct hook_run *run)
{
	const struct hook_result *result = hook_result_of(run);
	const struct hook_order *order = hook_order_of(run);
	char evt[32];
	char text[HOOK_TEXT_BYTES_MAX + 96];
	(void)snprintf(evt, sizeof(evt), "hook.%s", hook_name(order->kind));
	bool veto = order->kind == HOOK_VETO_KIND;
	const char *good = veto ? "go: " : "done: ";
	const char *bad = veto ? "no: " : "failed: ";
	(void)snprintf(text, sizeof(text), "%s hook of a %s: %s%s", hook_name(order->kind),
		       order->planned ? "switchover" : "failover",
		       !result->answered ? "no answer: "
		       : result->go	 ? good
					 : bad,
		       result->words);
	json_t *clean = text_to_json(str_of(text));
	group_tell(group, context, result->go ? LOG_INFO : LOG_WARN, evt, SERVER_NONE, 0,
		   result->took_us, json_string_value(clean));
	json_decref(clean);
}

static void add_to_report(struct group *group, const struct hook_run *run)
{
	json_t *list = json_pack("[O]", hook_result_of(run)->json);
	report_add_hooks(&group->report, list);
	json_decref(list);
}

/* What was answered before there is a report waits for it; the newest few. */
static void keep_for_report(struct group *group, const struct hook_run *run)
{
	json_t *pending = group->hooks->pending;
	if (group->report.open) {
		add_to_report(group, run);
		return;
	}
	if (json_array_size(pending) == PENDING_MAX) {
		(void)json_array_remove(pending, 0);
	}
	(void)json_array_append(pending, hook_result_of(run)->json);
}

static void take_veto(const struct hooks *hooks, struct asking *asking,
		      const struct hook_result *result, uint64_t now_us)
{
	bool go = result->answered ? result->go : hooks->options->late_is_go;
	asking->answer = go ? HOOK_GO : HOOK_VETO;
	asking->answered_us = now_us;
	json_t *clean = text_to_json(str_of(result->words));
	(void)snprintf(asking->words, sizeof(asking->words), "%.*s", (int)sizeof(asking->words) - 1,
		       json_string_value(clean));
	json_decref(clean);
}

/* The veto comes first, then what is to be done before: both before the first transaction is held. */
static void take_switchover(struct group *group, const struct turn_context *context,
			    const struct hook_order *order, const struct hook_result *result)
{
	struct hooks *hooks = group->hooks;
	struct asking *asking = &hooks->switchover;
	if (order->kind == HOOK_BEFORE_KIND) {
		hooks->prepared = true;
		asking->answer = HOOK_GO;
		asking->answered_us = context->now_us;
	} else {
		take_veto(hooks, asking, result, context->now_us);
	}
	if (group->record.ask != ASK_SWITCHOVER || group->record.state != GROUP_STEADY) {
		asking->answer = HOOK_OPEN; /* nobody waits for it any more */
	} else if (asking->answer == HOOK_GO && order->kind == HOOK_VETO_KIND &&
		   hook_is_set(hooks->options, HOOK_BEFORE_KIND)) {
		asking->run =
			start(group, context, HOOK_BEFORE_KIND, true, "a switchover is asked for");
		asking->answer = asking->run ? HOOK_OPEN : HOOK_GO;
	}
}

/* A report that is closed already is stored again with what came late. */
static void end_telling(struct group *group, const struct turn_context *context,
			struct telling *telling)
{
	bool is_after = telling == &group->hooks->after;
	if (telling->report == group->report.id) {
		add_to_report(group, telling->run);
		group->report.after_due = group->report.after_due && !is_after;
	}
	telling->run = NULL;
	if (telling->report != group->report.id || group->report.open) {
		return;
	}
	struct err_ctx err = { 0 };
	enum err rc = group_store_report(group, context, &err);
	if (rc != ERR_OK) {
		log_event(context->options->log, LOG_WARN, "store.failed",
			  "the report could not be stored; it is kept in memory",
			  LOG_TEXT("error", err_text(rc, &err)));
	}
}

bool hooks_take(struct group *group, const struct turn_context *context, uint64_t serial)
{
	struct hooks *hooks = group->hooks;
	struct hook_run *run = hooks ? find_run(hooks, serial) : NULL;
	if (!run) {
		return false;
	}
	const struct hook_order *order = hook_order_of(run);
	const struct hook_result *result = hook_result_of(run);
	tell(group, context, run);
	if (run == hooks->failover.run) {
		hooks->failover.run = NULL;
		keep_for_report(group, run);
		take_veto(hooks, &hooks->failover, result, context->now_us);
	} else if (run == hooks->switchover.run) {
		hooks->switchover.run = NULL;
		keep_for_report(group, run);
		take_switchover(group, context, order, result);
	} else if (run == hooks->told.run) {
		end_telling(group, context, &hooks->told);
	} else if (run == hooks->before.run) {
		hooks->before_ended = true;
		end_telling(group, context, &hooks->before);
	} else if (run == hooks->after.run) {
		end_telling(group, context, &hooks->after);
	}
	(void)hook_free(run);
	return true;
}
