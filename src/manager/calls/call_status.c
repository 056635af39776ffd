/* group.status: what a DBA wants to see of a group, in one answer. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "db/health/evidence.h"
#include "decide/election.h"
#include "decide/health.h"
#include "decide/tree.h"
#include "manager/calls/call.h"
#include "manager/records/pair_json.h"
#include "manager/records/record_json.h"
#include "manager/rejoin/rejoin.h"

static const char *role_of(const struct record *record, uint32_t server)
{
	if (server == record->primary) {
		return "primary";
	}
	return record->servers[server].diverged ? "none" : "replica";
}

static const char *state_of(const struct group *group, uint32_t server)
{
	const struct server_status *status = &group->seen.servers[server].status;
	if (!observation_answers(&group->seen, server)) {
		return "down";
	}
	if (group->record.servers[server].recloning) {
		return "recloning";
	}
	if (group->record.servers[server].diverged) {
		return "diverged";
	}
	if (server == group->record.primary) {
		return status->read_only ? "read-only" : "writable";
	}
	if (!status->replica.configured) {
		return "not replicating";
	}
	if (status->replica.io == IO_YES && status->replica.sql_running) {
		return "replicating";
	}
	return status->replica.io == IO_CONNECTING ? "connecting" : "stopped";
}

static json_t *lag_of(const struct group *group, uint32_t server)
{
	const struct replica_status *replica = &group->seen.servers[server].status.replica;
	const struct observation_server *seen = &group->seen.servers[server];
	bool replicates = observation_answers(&group->seen, server) &&
			  server != group->record.primary && replica->configured;
	if (replicates && seen->lag_known) {
		return json_integer((json_int_t)(seen->lag_us / US_PER_S));
	}
	return replicates && replica->lag_known ? json_integer(replica->lag_s) : json_null();
}

/* From end to end, by the heartbeat row. */
static json_t *lag_ms_of(const struct group *group, uint32_t server)
{
	const struct observation_server *seen = &group->seen.servers[server];
	bool known = observation_answers(&group->seen, server) && seen->lag_known;
	return known ? json_integer((json_int_t)(seen->lag_us / US_PER_MS)) : json_null();
}

/* What the evidence says, with what is known beside it and what a person can do. */
static json_t *verdict_json(const struct group *group, uint32_t server, uint64_t now_us)
{
	const struct observation_write *write = &group->seen.servers[server].write;
	const struct verdict_row *row =
		verdict_find(&group->record, &group->seen, &group->options, server, now_us);
	bool overdue = write->since_us != 0 && server == group->record.primary;
	json_t *since = overdue ? json_integer((json_int_t)((now_us - write->since_us) / US_PER_MS))
				: json_null();
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:o}", "name", verdict_name(row->verdict),
			 "rule", (int)row->id, "treatment", verdict_treatment_name(row->treatment),
			 "text", row->text, "detail", overdue ? write->words : "", "remedy",
			 row->remedy, "write_overdue_ms", since);
}

static json_t *behind_of(const struct group *group, uint32_t server)
{
	uint32_t primary = group->record.primary;
	if (primary == SERVER_NONE || server == primary ||
	    !observation_answers(&group->seen, server)) {
		return json_null();
	}
	return json_integer(
		(json_int_t)gtid_set_distance(&group->seen.servers[primary].status.executed,
					      &group->seen.servers[server].status.executed));
}

/* Numbers by which the client library says that it could not connect. */
static bool is_network_errno(uint32_t number)
{
	return number >= 2000 && number < 3000;
}

/* What a person can do about a server that doesn't come back by itself: kept out, or refused by the primary, which no
 * longer has what it asks for. */
static json_t *next_of(const struct group *group, uint32_t server)
{
	const struct record_server *one = &group->record.servers[server];
	const struct replica_status *replica = &group->seen.servers[server].status.replica;
	bool answers = observation_answers(&group->seen, server);
	bool refused = answers && server != group->record.primary && replica->io == IO_NO &&
		       replica->io_errno != 0 && !is_network_errno(replica->io_errno);
	if (!one->diverged && !refused) {
		return json_null();
	}
	return json_sprintf("muster rejoin %s %s --plan", group->record.group, one->name);
}

static const char *health_of(const struct group *group, uint32_t server, const char *problem)
{
	if (!problem) {
		return "ok";
	}
	bool answers = observation_answers(&group->seen, server) ||
		       record_in_downtime(&group->record, server);
	return answers && !group->record.servers[server].diverged && server != group->record.primary
		       ? "warn"
		       : "bad";
}

/* How long it lasts yet, and why; null when somebody may be alarmed about the server. */
static json_t *downtime_json(const struct group *group, uint32_t server, uint64_t now_us)
{
	const struct record_server *one = &group->record.servers[server];
	int64_t left_us = one->downtime_until_us - (int64_t)now_us;
	return record_in_downtime(&group->record, server)
		       ? json_pack("{s:I, s:s}", "left_s",
				   (json_int_t)(left_us > 0 ? left_us / (int64_t)US_PER_S : 0),
				   "why", one->downtime_why)
		       : json_null();
}

/* Sessions that read from a server, at all proxies. One more for each proxy that does not have the newest route yet. */
static json_int_t count_readers(const struct manager_core *core, const struct group *group,
				uint32_t server, uint64_t now_us)
{
	const struct manager_options *options = &core->options;
	json_int_t readers = 0;
	if (core->nodes) {
		readers += nodes_count_reads(core->nodes, group, server, now_us);
	}
	if (options->proxy && !options->nodes.linked &&
	    strcmp(options->proxy_group, group->record.group) == 0) {
		struct proxy_status status;
		proxy_get_status(options->proxy, &status);
		readers += status.reads[server];
		readers += status.revision < group->route.revision ? 1 : 0;
	}
	return readers;
}

static json_t *server_json(const struct group *group, uint32_t server, uint64_t now_us)
{
	const struct record_server *one = &group->record.servers[server];
	const struct observation_server *seen = &group->seen.servers[server];
	const char *problem = health_problem(&group->record, &group->seen, server);
	char downtime[DOWNTIME_BYTES_MAX + 32];
	if (record_in_downtime(&group->record, server)) {
		(void)snprintf(downtime, sizeof(downtime), "in downtime%s%s",
			       one->downtime_why[0] ? ": " : "", one->downtime_why);
		problem = downtime;
	}
	json_t *json = json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:s, s:s?, s:b, s:b, s:i, s:b, "
		"s:s}",
		"name", one->name, "host", one->host, "port", (int)one->port, "role",
		role_of(&group->record, server), "state", state_of(group, server), "reach",
		evidence_reach_name(seen->reach), "writable",
		(int)(observation_answers(&group->seen, server) && !seen->status.read_only),
		"lag_s", lag_of(group, server), "behind", behind_of(group, server), "gtid",
		gtid_to_json(&seen->status.executed), "health", health_of(group, server, problem),
		"problem", problem, "acknowledges", (int)record_is_member(&group->record, server),
		"rewind", (int)record_may_rewind(&group->record, server), "weight",
		(int)one->weight, "never_promote", (int)one->never_promote, "version",
		seen->status.version);
	(void)json_object_set_new(json, "recloning", json_boolean(one->recloning));
	(void)json_object_set_new(json, "lag_ms", lag_ms_of(group, server));
	(void)json_object_set_new(json, "verdict", verdict_json(group, server, now_us));
	uint32_t source = tree_source(&group->record, server);
	(void)json_object_set_new(json, "parent",
				  server == group->record.primary || source == SERVER_NONE
					  ? json_null()
					  : json_string(group->record.servers[source].name));
	uint32_t parent = record_parent(&group->record, server);
	(void)json_object_set_new(json, "below",
				  parent == SERVER_NONE
					  ? json_null()
					  : json_string(group->record.servers[parent].name));
	(void)json_object_set_new(json, "dc", json_string(one->dc));
	(void)json_object_set_new(json, "downtime", downtime_json(group, server, now_us));
	(void)json_object_set_new(json, "executed", gtid_to_json(&seen->status.executed));
	(void)json_object_set_new(json, "next", next_of(group, server));
	(void)json_object_set_new(json, "extra", gtid_to_json(&one->extra));
	return json;
}

static json_t *lines_to_json(struct str text)
{
	json_t *list = json_array();
	struct str line;
	while (str_next(&text, '\n', &line)) {
		if (line.len) {
			(void)json_array_append_new(list, json_stringn(line.ptr, line.len));
		}
	}
	return list;
}

/* How long the server would still apply; null when that is not known. */
static json_t *drain_json(const struct observation *seen, uint32_t server)
{
	uint64_t drain_us = election_drain_us(seen, server);
	return drain_us == UINT64_MAX ? json_null()
				      : json_integer((json_int_t)(drain_us / US_PER_MS));
}

static json_t *readiness_json(const struct group *group)
{
	const struct record *record = &group->record;
	struct election election;
	char text[512];
	if (record->primary == SERVER_NONE) {
		return json_pack("{s:n, s:s, s:[], s:s}", "winner", "loss", "", "blocked_by",
				 "text", "there is no primary now");
	}
	election_rehearse(record, &group->seen, &election);
	const char *winner =
		election.candidate != SERVER_NONE ? record->servers[election.candidate].name : NULL;
	const char *source =
		election.source != SERVER_NONE ? record->servers[election.source].name : NULL;
	json_t *blocked = json_array();
	if (record->paused) {
		(void)json_array_append_new(blocked, json_string("automatic failover is paused"));
	}
	if (!winner) {
		(void)json_array_append_new(blocked, json_string(election.missing));
	}
	char loss[64] = "nothing acknowledged";
	if (record->policy == POLICY_BOUNDED) {
		(void)snprintf(loss, sizeof(loss), "at most what was committed in the last %u s",
			       record->max_loss_s);
	} else if (record->policy == POLICY_ASYNC) {
		(void)snprintf(loss, sizeof(loss), "what no replica has received by then");
	}
	uint64_t unapplied = 0;
	json_t *drain_ms = json_null();
	char wait[96] = "";
	if (winner) {
		const struct server_status *status =
			&group->seen.servers[election.candidate].status;
		unapplied = gtid_set_distance(&status->received, &status->executed);
		drain_ms = drain_json(&group->seen, election.candidate);
	}
	if (unapplied > 0) {
		char about[48] = "";
		if (json_is_integer(drain_ms)) {
			(void)snprintf(about, sizeof(about), " (about %lld ms)",
				       (long long)json_integer_value(drain_ms));
		}
		(void)snprintf(wait, sizeof(wait), " after applying %llu transactions%s",
			       (unsigned long long)unapplied, about);
	}
	if (winner) {
		(void)snprintf(text, sizeof(text), "%s would take over%s%s%s, %s would be lost%s",
			       winner, wait, source ? " with what it lacks from " : "",
			       source ? source : "", loss,
			       record->paused ? "; but automatic failover is paused" : "");
	} else {
		(void)snprintf(text, sizeof(text), "nobody would take over: %s", election.missing);
	}
	return json_pack("{s:s?, s:s, s:o, s:I, s:o, s:s}", "winner", winner, "loss", loss,
			 "blocked_by", blocked, "unapplied", (json_int_t)unapplied, "drain_ms",
			 drain_ms, "text", text);
}

static json_t *last_report(const struct group *group)
{
	if (group->report.id > group->loaded_report_id) {
		return report_to_json(&group->report);
	}
	return group->old_report ? json_incref(group->old_report) : json_null();
}

static json_t *proxy_json(const struct manager_core *core, const struct group *group)
{
	const struct manager_options *options = &core->options;
	if (!options->proxy || strcmp(options->proxy_group, group->record.group) != 0) {
		return json_null();
	}
	struct proxy_status status;
	proxy_get_status(options->proxy, &status);
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:b}", "write_port",
			 (int)options->write_port, "read_port", (int)options->read_port,
			 "split_port", (int)options->split_port, "sessions", (int)status.sessions,
			 "transactions_open", (int)status.transactions_open, "statements_held",
			 (int)status.statements_held, "epoch", (json_int_t)status.epoch, "held",
			 (int)status.held);
}

static json_t *names_json(const struct record *record, uint32_t set)
{
	json_t *names = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (set & (1u << i)) {
			(void)json_array_append_new(names, json_string(record->servers[i].name));
		}
	}
	return names;
}

/* The row of the rules that holds now, and what is missing for more. */
static json_t *state_text(const struct group *group)
{
	const struct decision *decision = &group->decision;
	char text[512];
	const char *missing = decision->facts.missing;
	bool held = (decision->facts.set & FACT_GONE) != 0;
	bool with_missing = missing[0] && (group->record.state != GROUP_STEADY || held);
	(void)snprintf(text, sizeof(text), "%s%s%s", decision->rule->why, with_missing ? ": " : "",
		       with_missing ? missing : "");
	return json_string(text);
}

enum err call_status(struct manager_core *core, struct call *call, json_t **ret,
		     struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct record *record = &group->record;
	struct buf missing;
	buf_init(&missing, 16384);
	bool healthy = health_check(record, &group->seen, &missing);
	json_t *servers = json_array();
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	for (uint32_t i = 0; i < record->server_count; i++) {
		json_t *server = server_json(group, i, now_us);
		(void)json_object_set_new(server, "readers",
					  json_integer(count_readers(core, group, i, now_us)));
		(void)json_array_append_new(servers, server);
	}
	const char *primary =
		record->primary == SERVER_NONE ? NULL : record->servers[record->primary].name;
	*ret = json_pack(
		"{s:s, s:s, s:i, s:I, s:s, s:o, s:s?, s:b, s:b, s:o, s:o, s:i, s:o, s:o, s:o, s:o}",
		"group", record->group, "policy", policy_name(record->policy), "max_loss_s",
		(int)record->max_loss_s, "epoch", (json_int_t)record->epoch, "state",
		group_state_name(record->state), "state_text", state_text(group), "primary",
		primary, "paused", (int)record->paused, "healthy", (int)healthy, "why_not_healthy",
		lines_to_json(buf_str(&missing)), "sync_set", names_json(record, record->sync_set),
		"acks", (int)record->acks, "servers", servers, "readiness", readiness_json(group),
		"last_failover", last_report(group), "proxy", proxy_json(core, group));
	(void)json_object_set_new(*ret, "manager", role_to_json(core));
	(void)json_object_set_new(*ret, "rejoin", rejoin_to_json(group));
	(void)json_object_set_new(*ret, "addresses", addresses_of_group(core, record->group));
	(void)json_object_set_new(*ret, "pair", pair_to_json(group, now_us));
	buf_fini(&missing);
	return *ret ? ERR_OK : err_set(err, ERR_FAILED, "the status can't be written as JSON");
}
