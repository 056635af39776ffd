/* group.explain: why a group is as it is, what is missing for more, and what comes next. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "decide/explain.h"
#include "manager/calls/call.h"
#include "manager/calls/foresee_json.h"
#include "manager/records/pair_json.h"
#include "manager/records/text_json.h"

typedef const char *(*fact_words_fn)(uint32_t bit_index, bool proven);
typedef const char *(*fact_name_fn)(uint32_t bit_index);

static json_t *facts_json(uint32_t set, bool proven, fact_name_fn name, fact_words_fn words)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < 32; i++) {
		if (set & (1u << i)) {
			(void)json_array_append_new(list, json_pack("{s:s, s:s}", "fact", name(i),
								    "text", words(i, proven)));
		}
	}
	return list;
}

static json_t *rules_json(const struct explain *all)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < all->rule_count; i++) {
		const struct explain_rule *one = &all->rules[i];
		(void)json_array_append_new(
			list,
			json_pack("{s:i, s:s, s:s, s:b, s:o, s:o}", "rule", (int)one->rule->id,
				  "to", group_state_name(one->rule->to), "why", one->rule->why,
				  "matches", (int)(one->rule == all->decision.rule), "have",
				  facts_json(one->have, true, fact_name, explain_fact), "lack",
				  facts_json(one->lack, false, fact_name, explain_fact)));
	}
	return list;
}

static json_t *optional_text(const char *text)
{
	return text ? text_to_json(str_of(text)) : json_null();
}

static json_t *server_json(const struct record *record, const struct explain *all, uint32_t i)
{
	const struct explain_server *one = &all->servers[i];
	const char *step = one->step == STEP_NONE ? NULL : step_key(one->step);
	json_t *json =
		json_pack("{s:s, s:b, s:o, s:s?, s:o, s:s?, s:s?, s:o, s:o}", "name",
			  record->servers[i].name, "primary", (int)(i == record->primary), "rule",
			  one->rule ? json_integer((json_int_t)one->rule->id) : json_null(), "why",
			  one->rule ? one->rule->why : NULL, "facts",
			  facts_json(one->facts, true, server_fact_name, explain_server_fact),
			  "step", step, "step_why", one->step_why, "problem",
			  optional_text(one->problem), "unfit", optional_text(one->unfit));
	return json;
}

/* left_us: 0 where it isn't known when it ends. */
static void add_wait(json_t *list, const char *what, uint64_t left_us, const char *text)
{
	(void)json_array_append_new(
		list,
		json_pack("{s:s, s:o, s:o}", "what", what, "left_ms",
			  left_us ? json_integer((json_int_t)(left_us / US_PER_MS)) : json_null(),
			  "text", text_to_json(str_of(text))));
}

static json_t *waits_json(const struct group *group, const struct explain *all, uint64_t now_us)
{
	const struct explain_waits *waits = &all->waits;
	json_t *list = json_array();
	if (waits->held[0]) {
		add_wait(list, group->record.paused ? "paused" : "cooldown", 0, waits->held);
	}
	if (waits->silent_us) {
		add_wait(list, "silence", waits->silent_us - now_us,
			 "until the primary, which does not answer, counts as silent");
	}
	if (waits->deadline_us > now_us) {
		add_wait(list, "deadline", waits->deadline_us - now_us,
			 "until this state is given up");
	}
	if (waits->hook) {
		add_wait(list, "hook", 0, all->decision.facts.missing);
	}
	if (group->record.ask != ASK_NONE) {
		char text[64];
		(void)snprintf(text, sizeof(text), "a %s is asked for",
			       ask_name(group->record.ask));
		add_wait(list, "asked", 0, text);
	}
	return list;
}

/* What would be lost, in words; the number is of this moment. */
static void print_loss(const struct record *record, const struct explain *all, char *text,
		       size_t bytes)
{
	if (record->policy == POLICY_LOSSLESS) {
		(void)snprintf(text, bytes, "nothing acknowledged");
	} else {
		(void)snprintf(text, bytes,
			       "what %s has not received by then: %llu transactions at this moment",
			       record->servers[all->rehearsal.candidate].name,
			       (unsigned long long)all->unreceived);
	}
}

static void print_duration(const struct group *group, const struct explain *all, char *text,
			   size_t bytes)
{
	(void)snprintf(text, bytes,
		       "begins at once when its process dies, %llu ms after it fell silent "
		       "otherwise; %llu transactions are left to apply",
		       (unsigned long long)(group->options.silence_us / US_PER_MS),
		       (unsigned long long)all->unapplied);
}

static json_t *death_json(const struct group *group, const struct explain *all)
{
	const struct record *record = &group->record;
	char loss[192] = "";
	char duration[192] = "";
	if (!all->rehearsed) {
		return json_null();
	}
	bool safe = all->rehearsal.candidate != SERVER_NONE;
	if (safe) {
		print_loss(record, all, loss, sizeof(loss));
		print_duration(group, all, duration, sizeof(duration));
	}
	const char *winner = safe ? record->servers[all->rehearsal.candidate].name : NULL;
	return json_pack("{s:s?, s:s, s:s, s:o, s:o}", "winner", winner, "loss", loss, "duration",
			 duration, "blocked_by",
			 text_to_json(str_of(safe ? all->death.refusal : all->rehearsal.missing)),
			 "course", foresee_to_json(record, &all->death));
}

enum err call_explain(struct manager_core *core, struct call *call, json_t **ret,
		      struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct record *record = &group->record;
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	CLEANUP(mem_freep) struct explain *all = mem_need(sizeof(*all));
	explain_find(record, &group->seen, &group->options, now_us, all);
	json_t *servers = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		(void)json_array_append_new(servers, server_json(record, all, i));
	}
	const char *primary =
		record->primary == SERVER_NONE ? NULL : record->servers[record->primary].name;
	*ret = json_pack(
		"{s:s, s:s, s:s, s:I, s:s?, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "group",
		record->group, "policy", policy_name(record->policy), "state",
		group_state_name(record->state), "epoch", (json_int_t)record->epoch, "primary",
		primary, "rule", (int)all->decision.rule->id, "why", all->decision.rule->why,
		"missing", text_to_json(str_of(all->decision.facts.missing)), "rules",
		rules_json(all), "servers", servers, "waits", waits_json(group, all, now_us),
		"next", foresee_to_json(record, &all->course), "if_the_primary_died",
		death_json(group, all));
	(void)json_object_set_new(*ret, "pair", pair_to_json(group, now_us));
	return *ret ? ERR_OK : err_set(err, ERR_FAILED, "the explanation can't be written as JSON");
}
