#include "manager/hooks/hook_input.h"

#include <string.h>

#include "db/health/evidence.h"
#include "decide/election.h"
#include "decide/health.h"
#include "manager/group.h"
#include "manager/records/record_json.h"
#include "manager/records/text_json.h"
#include "manager/records/wall_time.h"

static json_t *server_json(const struct group *group, uint32_t server)
{
	const struct record_server *one = &group->record.servers[server];
	const struct observation_server *seen = &group->seen.servers[server];
	const char *problem = health_problem(&group->record, &group->seen, server);
	bool answers = observation_answers(&group->seen, server);
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:b, s:b, s:b, s:i, s:o, s:o}", "name",
			 one->name, "host", one->host, "port", (int)one->port, "role",
			 server == group->record.primary ? "primary" : "replica", "reach",
			 evidence_reach_name(seen->reach), "answers", (int)answers, "writable",
			 (int)(answers && !seen->status.read_only), "acknowledges",
			 (int)record_is_member(&group->record, server), "weight", (int)one->weight,
			 "problem", problem ? text_to_json(str_of(problem)) : json_null(),
			 "executed", gtid_to_json(&seen->status.executed));
}

/* The evidence in words, as far as there is any: what is wrong with whom. */
static json_t *evidence_json(const struct group *group)
{
	json_t *lines = json_array();
	const struct record *record = &group->record;
	for (uint32_t i = 0; i < record->server_count; i++) {
		const char *problem = health_problem(record, &group->seen, i);
		if (problem) {
			json_t *text = text_to_json(str_of(problem));
			(void)json_array_append_new(lines,
						    json_sprintf("%s: %s", record->servers[i].name,
								 json_string_value(text)));
			json_decref(text);
		}
	}
	return lines;
}

static uint32_t old_primary(const struct group *group)
{
	const struct record *record = &group->record;
	bool failing_over = record->state == GROUP_REVOKING || record->state == GROUP_REFUSED ||
			    record->state == GROUP_OPENING;
	return failing_over ? record->previous : record->primary;
}

/* Who will be the primary, as far as it is known. */
static uint32_t new_primary(const struct group *group, const struct hook_order *order)
{
	const struct record *record = &group->record;
	if (record->state == GROUP_OPENING) {
		return record->primary;
	}
	if (order->planned || record->primary == SERVER_NONE) {
		return group->decision.facts.candidate;
	}
	struct election election;
	election_rehearse(record, &group->seen, &election);
	return election.candidate;
}

static void put_name(const struct record *record, uint32_t server, char name[NAME_BYTES_MAX])
{
	if (server < record->server_count) {
		memcpy(name, record->servers[server].name, NAME_BYTES_MAX);
	}
}

static json_t *name_json(const char *name)
{
	return name[0] ? json_string(name) : json_null();
}

void hook_input_fill(const struct group *group, const char *why, uint64_t wall_us,
		     struct hook_order *order)
{
	const struct record *record = &group->record;
	const struct report *report = &group->report;
	bool after = order->kind == HOOK_AFTER_KIND;
	memcpy(order->group, record->group, sizeof(order->group));
	order->epoch = record->epoch;
	if (after && report->after_due) {
		memcpy(order->from, report->from, sizeof(order->from));
		memcpy(order->to, report->to, sizeof(order->to));
	} else {
		put_name(record, old_primary(group), order->from);
		put_name(record, new_primary(group, order), order->to);
	}
	json_t *servers = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		(void)json_array_append_new(servers, server_json(group, i));
	}
	bool ordered = order->planned || record->ask == ASK_FAILOVER;
	order->input = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "hook",
		hook_name(order->kind), "kind", order->planned ? "switchover" : "failover", "group",
		record->group, "policy", policy_name(record->policy), "state",
		group_state_name(record->state), "epoch", (json_int_t)record->epoch, "ordered",
		(int)ordered, "time", wall_time_to_json(wall_us), "from", name_json(order->from),
		"to", name_json(order->to), "cause", text_to_json(str_of(why)), "evidence",
		evidence_json(group), "servers", servers);
	if (after) {
		(void)json_object_set_new(order->input, "report",
					  report->after_due ? report_to_json(report) : json_null());
	}
}
