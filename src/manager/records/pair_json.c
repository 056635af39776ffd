#include "manager/records/pair_json.h"

#include <stdio.h>

#include "decide/pair.h"
#include "manager/records/record_json.h"

uint32_t pair_passive(const struct record *record)
{
	const struct record_pair *pair = &record->pair;
	for (uint32_t i = 0; i < 2 && pair->set; i++) {
		if (record->primary == pair->masters[i]) {
			return pair->masters[1 - i];
		}
	}
	return SERVER_NONE;
}

static json_t *name_of(const struct record *record, uint32_t server)
{
	return server == SERVER_NONE ? json_null() : json_string(record->servers[server].name);
}

static json_t *side_json(const struct record *record, uint32_t master)
{
	json_t *below = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != master && pair_is_below(record, i, master)) {
			(void)json_array_append_new(below, json_string(record->servers[i].name));
		}
	}
	return json_pack("{s:s, s:o, s:b}", "master", record->servers[master].name, "replicas",
			 below, "active", (int)(record->primary == master));
}

/* Each side makes numbers that the other doesn't, so that rows of both never meet: written into the option files, since a
 * restart forgets what was only set. */
static void add_warnings(const struct group *group, json_t *warnings)
{
	const struct record *record = &group->record;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t server = record->pair.masters[i];
		const struct server_status *status = &group->seen.servers[server].status;
		const struct server_status *other =
			&group->seen.servers[record->pair.masters[1 - i]].status;
		if (!observation_answers(&group->seen, server) || status->auto_increment == 0) {
			continue;
		}
		/* The second is told to differ when both are right but equal. */
		uint32_t wanted = i + 1;
		if (other->auto_increment == 2 && other->auto_increment_offset >= 1 &&
		    other->auto_increment_offset <= 2) {
			wanted = i == 0 && status->auto_increment_offset == 1
					 ? 1
					 : 3 - other->auto_increment_offset;
		}
		if (status->auto_increment == 2 && status->auto_increment_offset == wanted) {
			continue;
		}
		char text[256];
		(void)snprintf(text, sizeof(text),
			       "%s: auto_increment_increment is %u and auto_increment_offset %u; "
			       "set them, and write into its option file: "
			       "auto_increment_increment=2, auto_increment_offset=%u",
			       record->servers[server].name, status->auto_increment,
			       status->auto_increment_offset, wanted);
		(void)json_array_append_new(warnings, json_string(text));
	}
}

/* What of the change is there, as far as it is known. */
static json_t *change_json(const struct group *group)
{
	const struct record_pair *pair = &group->record.pair;
	if (pair->out == SERVER_NONE || !observation_answers(&group->seen, pair->out)) {
		return json_string("");
	}
	const struct gtid_set *executed = &group->seen.servers[pair->out].status.executed;
	struct gtid_set own;
	gtid_set_init(&own);
	gtid_set_subtract(executed, &pair->change, &own);
	gtid_set_subtract(executed, &own, &own);
	json_t *json = gtid_to_json(&own);
	gtid_set_fini(&own);
	return json;
}

static bool is_open(const struct group *group)
{
	const struct record_pair *pair = &group->record.pair;
	if (pair->state != PAIR_CHANGING || pair->ask != PAIR_ASK_NONE ||
	    !observation_answers(&group->seen, pair->out)) {
		return false;
	}
	const struct server_status *status = &group->seen.servers[pair->out].status;
	return status->flavor == GTID_MARIADB
		       ? status->gtid_domain == pair->domain && !status->parallel_mode[0]
		       : status->admins_write;
}

static json_t *facts_json(uint32_t facts)
{
	json_t *names = json_array();
	for (uint32_t i = 0; i < PAIR_FACT_COUNT_; i++) {
		if (facts & (1u << i)) {
			(void)json_array_append_new(names, json_string(pair_fact_name(i)));
		}
	}
	return names;
}

static json_t *lacking_json(const struct group *group)
{
	const struct record *record = &group->record;
	json_t *names = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		bool has = observation_answers(&group->seen, i) &&
			   gtid_set_contains(&group->seen.servers[i].status.executed,
					     &record->pair.change);
		if (!has && record->pair.state > PAIR_CHANGING) {
			(void)json_array_append_new(names, json_string(record->servers[i].name));
		}
	}
	return names;
}

static const struct pair_rule *find_rule(uint32_t id)
{
	for (uint32_t i = 0; i < pair_rules_count; i++) {
		if (pair_rules[i].id == id) {
			return &pair_rules[i];
		}
	}
	return NULL;
}

static bool is_completed(const struct pair_rule *ended)
{
	return ended && ended->from == PAIR_FOLLOWING;
}

json_t *pair_to_json(const struct group *group, uint64_t now_us)
{
	const struct record *record = &group->record;
	const struct record_pair *pair = &record->pair;
	char missing[256];
	if (!pair->set) {
		return json_null();
	}
	uint32_t facts = pair_facts_find(record, &group->seen, now_us, missing, sizeof(missing));
	const struct pair_rule *rule = pair_rules_match(pair->state, facts);
	const struct pair_rule *ended = find_rule(pair->ended);
	json_t *warnings = json_array();
	add_warnings(group, warnings);
	uint32_t out = pair->out;
	json_t *json = json_pack(
		"{s:[o, o], s:o, s:i, s:s, s:i, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:s, s:s, s:i, "
		"s:I, s:o, s:b, s:s}",
		"sides", side_json(record, pair->masters[0]), side_json(record, pair->masters[1]),
		"passive", name_of(record, pair_passive(record)), "domain", (int)pair->domain,
		"state", pair_state_name(pair->state), "rule", (int)rule->id, "text", rule->why,
		"missing", missing, "out", name_of(record, out), "open", (int)is_open(group),
		"allowed",
		pair->state == PAIR_CHANGING ? gtid_to_json(&pair->change) : json_string(""),
		"change", change_json(group), "lacking", lacking_json(group), "what", pair->what,
		"script", pair->script, "script_done", (int)pair->script_done, "script_mark",
		(json_int_t)pair->script_mark, "warnings", warnings, "completed",
		(int)is_completed(ended), "ended", ended ? ended->why : "");
	(void)json_object_set_new(json, "facts", facts_json(facts));
	if (out != SERVER_NONE) {
		(void)json_object_set_new(json, "host", json_string(record->servers[out].host));
		(void)json_object_set_new(json, "port", json_integer(record->servers[out].port));
	}
	return json;
}
