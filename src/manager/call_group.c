/* The commands that make and change groups: create, adopt, add, remove. What has to be asked of servers is asked
 * in the caller's thread (prepare), so that the manager never waits for a server. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "db/server.h"
#include "manager/call.h"

enum { LOOK_TIMEOUT_MS = 3000 };

/* A server as prepare finds it. */
struct look {
	struct conn *conn;
	struct server_status status;
};

static void look_fini(struct look *look)
{
	look->conn = conn_close(look->conn);
	server_status_fini(&look->status);
}

static enum err read_row(const json_t *row, struct record_server *ret, struct err_ctx *err)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *host = json_string_value(json_object_get(row, "host"));
	json_int_t port = json_integer_value(json_object_get(row, "port"));
	if (!name || !name[0] || str_copy(str_of(name), ret->name, sizeof(ret->name)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "a server needs a name of at most %d characters",
			       NAME_BYTES_MAX - 1);
	}
	if (!host || !host[0] || str_copy(str_of(host), ret->host, sizeof(ret->host)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "server '%s' needs a host", ret->name);
	}
	if (port < 1 || port > UINT16_MAX) {
		return err_set(err, ERR_USAGE, "server '%s' needs a port from 1 to 65535",
			       ret->name);
	}
	ret->port = (uint16_t)port;
	ret->weight = 100;
	return ERR_OK;
}

static enum err add_row(struct record *plan, const struct record_server *server,
			struct err_ctx *err)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct record_server *other = &plan->servers[i];
		if (strcmp(other->name, server->name) == 0) {
			return err_set(err, ERR_USAGE, "two servers are named '%s'", server->name);
		}
		if (strcmp(other->host, server->host) == 0 && other->port == server->port) {
			return err_set(err, ERR_USAGE, "'%s' and '%s' are the same address, %s:%u",
				       other->name, server->name, server->host, server->port);
		}
	}
	if (plan->server_count == SERVERS_MAX) {
		return err_set(err, ERR_LIMIT, "a group has at most %d servers", SERVERS_MAX);
	}
	plan->servers[plan->server_count++] = *server;
	return ERR_OK;
}

static enum err read_rows(const json_t *params, struct record *plan, struct err_ctx *err)
{
	size_t i;
	json_t *row;
	const json_t *rows = json_object_get(params, "servers");
	if (!json_is_array(rows) || json_array_size(rows) == 0) {
		return err_set(err, ERR_USAGE, "no servers are named");
	}
	json_array_foreach(rows, i, row)
	{
		struct record_server server = { 0 };
		enum err rc = read_row(row, &server, err);
		rc = rc ? rc : add_row(plan, &server, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err read_head(const json_t *params, struct record *plan, struct err_ctx *err)
{
	const char *name = json_string_value(json_object_get(params, "group"));
	const char *policy = json_string_value(json_object_get(params, "policy"));
	if (!name || !name[0] ||
	    str_copy(str_of(name), plan->group, sizeof(plan->group)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "a group needs a name of at most %d characters",
			       NAME_BYTES_MAX - 1);
	}
	if (strchr(name, '/')) {
		return err_set(err, ERR_USAGE, "a group's name has no '/'");
	}
	plan->policy = POLICY_LOSSLESS;
	if (policy && strcmp(policy, "async") == 0) {
		plan->policy = POLICY_ASYNC;
	} else if (policy && strcmp(policy, "lossless") != 0) {
		return err_set(err, ERR_USAGE, "policy '%.32s' is none of lossless, async", policy);
	}
	return ERR_OK;
}

/* The first finding that stands in the way, as one line that says what to do. */
static enum err refuse_findings(const struct server_findings *findings, const char *name,
				enum err code, json_t *notes, struct err_ctx *err)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct server_finding *finding = &findings->list[i];
		if (finding->severity == FINDING_BLOCKING) {
			return err_set(err, code, "%s: %s; remedy: %s", name, finding->text,
				       finding->remedy);
		}
		(void)json_array_append_new(notes, json_sprintf("%s: %s; remedy: %s", name,
								finding->text, finding->remedy));
	}
	return ERR_OK;
}

/* Connects, checks privileges and configuration, reads the status. notes: gets what is worth a warning. */
static enum err look_at(const struct manager_core *core, const struct record_server *server,
			struct look *ret, json_t *notes, struct err_ctx *err)
{
	const struct conn_options options = { .host = server->host,
					      .port = server->port,
					      .user = core->options.accounts.manager_user,
					      .password = &core->options.accounts.manager_password,
					      .clock = core->options.clock };
	uint64_t deadline_us =
		clock_monotonic_us(core->options.clock) + (uint64_t)LOOK_TIMEOUT_MS * US_PER_MS;
	struct server_findings *findings = mem_need(sizeof(*findings));
	server_status_init(&ret->status);
	enum err rc = conn_open(&options, deadline_us, &ret->conn, NULL, err);
	if (rc == ERR_OK) {
		rc = server_check_privileges(ret->conn, deadline_us, findings, err);
		rc = rc ? rc : refuse_findings(findings, server->name, ERR_PRIVILEGE, notes, err);
		rc = rc ? rc : server_audit(ret->conn, deadline_us, findings, err);
		rc = rc ? rc : refuse_findings(findings, server->name, ERR_REFUSED, notes, err);
		rc = rc ? rc : server_read_status(ret->conn, deadline_us, &ret->status, err);
	} else {
		rc = err_wrap(err, rc, "%s (%s:%u)", server->name, server->host, server->port);
	}
	mem_free(findings);
	return rc;
}

/* Servers of one group speak one dialect and have an id each. */
static enum err check_pair(const struct record *plan, const struct look *looks, uint32_t a,
			   uint32_t b, struct err_ctx *err)
{
	const struct server_status *one = &looks[a].status;
	const struct server_status *other = &looks[b].status;
	if (one->flavor != other->flavor) {
		return err_set(err, ERR_REFUSED, "'%s' (%s) and '%s' (%s) can't be in one group",
			       plan->servers[a].name, one->version, plan->servers[b].name,
			       other->version);
	}
	bool same_uuid = one->server_uuid[0] && strcmp(one->server_uuid, other->server_uuid) == 0;
	if (one->server_id == other->server_id || same_uuid) {
		return err_set(err, ERR_REFUSED,
			       "'%s' and '%s' both have server_%s %s%u: give each server its own",
			       plan->servers[a].name, plan->servers[b].name,
			       same_uuid ? "uuid" : "id", same_uuid ? "; server_id " : "",
			       one->server_id);
	}
	return ERR_OK;
}

static enum err check_pairs(const struct record *plan, const struct look *looks,
			    struct err_ctx *err)
{
	enum err rc = ERR_OK;
	for (uint32_t a = 0; a < plan->server_count && rc == ERR_OK; a++) {
		for (uint32_t b = a + 1; b < plan->server_count && rc == ERR_OK; b++) {
			rc = check_pair(plan, looks, a, b, err);
		}
	}
	return rc;
}

static uint32_t find_address(const struct record *plan, const char *host, uint16_t port)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		if (plan->servers[i].port == port && strcmp(plan->servers[i].host, host) == 0) {
			return i;
		}
	}
	return SERVER_NONE;
}

/* A new group's first server must have all that the others have, and none may serve somebody else. */
static enum err check_new(const struct record *plan, const struct look *looks, struct err_ctx *err)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct replica_status *replica = &looks[i].status.replica;
		if (replica->configured &&
		    find_address(plan, replica->source_host, replica->source_port) == SERVER_NONE) {
			return err_set(err, ERR_REFUSED,
				       "'%s' replicates from %s:%u, which is not of this group: "
				       "use group adopt",
				       plan->servers[i].name, replica->source_host,
				       replica->source_port);
		}
		if (!gtid_set_contains(&looks[0].status.executed, &looks[i].status.executed)) {
			return err_set(
				err, ERR_REFUSED,
				"'%s' has transactions that '%s', named first, lacks: name the one "
				"with the data first, or empty the other",
				plan->servers[i].name, plan->servers[0].name);
		}
	}
	return ERR_OK;
}

enum err call_create_prepare(const struct manager_core *core, struct call *call,
			     struct err_ctx *err)
{
	struct look looks[SERVERS_MAX] = { 0 };
	call->notes = json_array();
	enum err rc = read_head(call->params, &call->plan, err);
	rc = rc ? rc : read_rows(call->params, &call->plan, err);
	for (uint32_t i = 0; i < call->plan.server_count && rc == ERR_OK; i++) {
		rc = look_at(core, &call->plan.servers[i], &looks[i], call->notes, err);
	}
	rc = rc ? rc : check_pairs(&call->plan, looks, err);
	rc = rc ? rc : check_new(&call->plan, looks, err);
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		look_fini(&looks[i]);
	}
	call->plan.state = GROUP_FORMING;
	call->plan.epoch = 1;
	call->plan.version = 1;
	call->plan.ask_server = 0;
	return rc;
}

static enum err begin_group(struct manager_core *core, struct call *call, struct err_ctx *err)
{
	LIST_EACH (&core->groups, at) {
		if (strcmp(LIST_ENTRY(at, struct group, list)->record.group, call->plan.group) ==
		    0) {
			return err_set(err, ERR_EXISTS, "there is a group '%s' already",
				       call->plan.group);
		}
	}
	struct turn_context context = call_context(core);
	struct group *group = group_new(&call->plan, &core->options, &core->on, context.now_us);
	enum err rc = group_store(group, &context, &call->plan, err);
	if (rc != ERR_OK) {
		(void)group_free(group);
		return rc;
	}
	list_add_tail(&core->groups, &group->list);
	group_tell(group, &context, LOG_INFO, "group.created", SERVER_NONE, 0, 0,
		   "the group is on the record");
	return ERR_OK;
}

static json_t *notes_of(struct call *call)
{
	return call->notes ? json_incref(call->notes) : json_array();
}

enum err call_create(struct manager_core *core, struct call *call, json_t **ret,
		     struct err_ctx *err)
{
	enum err rc = begin_group(core, call, err);
	if (rc == ERR_OK) {
		*ret = json_pack("{s:s, s:o}", "group", call->plan.group, "warnings",
				 notes_of(call));
	}
	return rc;
}

/* ---------------------------------------------------------------- adopt */

/* Adds every server around server `from` that the plan doesn't have yet. */
static enum err add_neighbours(struct record *plan, const struct look *look, struct err_ctx *err)
{
	struct server_neighbours *around = mem_need(sizeof(*around));
	uint64_t deadline_us = conn_now_us(look->conn) + (uint64_t)LOOK_TIMEOUT_MS * US_PER_MS;
	enum err rc = server_discover(look->conn, deadline_us, around, err);
	for (size_t i = 0; i < around->count && rc == ERR_OK; i++) {
		const struct server_neighbour *one = &around->list[i];
		if (one->port == 0) {
			rc = err_set(err, ERR_REFUSED,
				     "a replica at %s doesn't tell its port: set report_host and "
				     "report_port in "
				     "its option file, or make the group with group create",
				     one->host);
		} else if (find_address(plan, one->host, one->port) == SERVER_NONE) {
			struct record_server server = { .port = one->port, .weight = 100 };
			memcpy(server.host, one->host, sizeof(server.host));
			(void)snprintf(server.name, sizeof(server.name), "s%u", one->server_id);
			rc = add_row(plan, &server, err);
		}
	}
	mem_free(around);
	return rc;
}

static enum err find_primary(const struct record *plan, const struct look *looks, uint32_t *ret,
			     struct err_ctx *err)
{
	uint32_t primary = SERVER_NONE;
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct server_status *status = &looks[i].status;
		if (status->replica.configured) {
			continue;
		}
		if (primary != SERVER_NONE) {
			return err_set(err, ERR_REFUSED,
				       "both %s:%u and %s:%u have no source: which is the primary?",
				       plan->servers[primary].host, plan->servers[primary].port,
				       plan->servers[i].host, plan->servers[i].port);
		}
		primary = i;
	}
	if (primary == SERVER_NONE) {
		return err_set(err, ERR_REFUSED,
			       "every server replicates from another one: there is no primary");
	}
	*ret = primary;
	return ERR_OK;
}

static enum err check_replicas(const struct record *plan, const struct look *looks,
			       uint32_t primary, struct err_ctx *err)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct replica_status *replica = &looks[i].status.replica;
		if (i == primary) {
			continue;
		}
		if (find_address(plan, replica->source_host, replica->source_port) != primary) {
			return err_set(err, ERR_REFUSED,
				       "%s:%u replicates from %s:%u and not from the primary",
				       plan->servers[i].host, plan->servers[i].port,
				       replica->source_host, replica->source_port);
		}
		if (!replica->gtid_position) {
			return err_set(
				err, ERR_REFUSED,
				"%s:%u replicates by file and position: change it to GTID first "
				"(MASTER_USE_GTID=slave_pos, SOURCE_AUTO_POSITION=1)",
				plan->servers[i].host, plan->servers[i].port);
		}
	}
	return ERR_OK;
}

/* What taking over would change on the servers, in words. */
static void list_changes(const struct record *plan, const struct look *looks, uint32_t primary,
			 json_t *changes)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct server_status *status = &looks[i].status;
		const char *name = plan->servers[i].name;
		if (i != primary && !status->read_only) {
			(void)json_array_append_new(
				changes,
				json_sprintf("%s: read-only, and its client sessions end", name));
		}
		if (i == primary && status->read_only) {
			(void)json_array_append_new(changes, json_sprintf("%s: writable", name));
		}
		if (plan->policy == POLICY_LOSSLESS && i != primary &&
		    !status->semisync.replica_active) {
			(void)json_array_append_new(
				changes,
				json_sprintf("%s: acknowledges what it receives (semi-sync)",
					     name));
		}
		if (plan->policy == POLICY_LOSSLESS && i == primary &&
		    !status->semisync.source_enabled) {
			(void)json_array_append_new(
				changes,
				json_sprintf("%s: commits wait for an acknowledgement (semi-sync)",
					     name));
		}
		if (plan->policy == POLICY_ASYNC && status->semisync.source_enabled) {
			(void)json_array_append_new(
				changes,
				json_sprintf("%s: commits wait no longer (semi-sync off)", name));
		}
	}
}

static void list_found(const struct record *plan, const struct look *looks, uint32_t primary,
		       json_t *servers)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		(void)json_array_append_new(servers, json_pack("{s:s, s:s, s:i, s:s, s:s}", "name",
							       plan->servers[i].name, "host",
							       plan->servers[i].host, "port",
							       (int)plan->servers[i].port, "role",
							       i == primary ? "primary" : "replica",
							       "version", looks[i].status.version));
	}
}

enum err call_adopt_prepare(const struct manager_core *core, struct call *call, struct err_ctx *err)
{
	struct look looks[SERVERS_MAX] = { 0 };
	struct record *plan = &call->plan;
	struct record_server first = { .weight = 100 };
	json_t *warnings = json_array();
	json_t *changes = json_array();
	json_t *servers = json_array();
	uint32_t primary = SERVER_NONE;
	json_t *row = json_pack("{s:s, s:O?, s:O?}", "name", "first", "host",
				json_object_get(call->params, "host"), "port",
				json_object_get(call->params, "port"));
	enum err rc = read_head(call->params, plan, err);
	rc = rc ? rc : read_row(row, &first, err);
	rc = rc ? rc : add_row(plan, &first, err);
	for (uint32_t i = 0; i < plan->server_count && rc == ERR_OK; i++) {
		rc = look_at(core, &plan->servers[i], &looks[i], warnings, err);
		if (rc == ERR_OK && i == 0) {
			(void)snprintf(plan->servers[0].name, NAME_BYTES_MAX, "s%u",
				       looks[0].status.server_id);
		}
		rc = rc ? rc : add_neighbours(plan, &looks[i], err);
	}
	rc = rc ? rc : check_pairs(plan, looks, err);
	rc = rc ? rc : find_primary(plan, looks, &primary, err);
	rc = rc ? rc : check_replicas(plan, looks, primary, err);
	if (rc == ERR_OK) {
		list_found(plan, looks, primary, servers);
		list_changes(plan, looks, primary, changes);
		plan->primary = primary;
		gtid_set_copy(&plan->base, &looks[primary].status.executed);
	}
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		look_fini(&looks[i]);
	}
	json_decref(row);
	call->notes = json_pack("{s:s, s:o, s:o, s:o}", "group", plan->group, "servers", servers,
				"changes", changes, "warnings", warnings);
	/* It is steady as it is: nothing is promised until the servers do it. */
	plan->state = GROUP_STEADY;
	plan->epoch = 1;
	plan->version = 1;
	return rc;
}

enum err call_adopt(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
{
	enum err rc = ERR_OK;
	if (!json_is_true(json_object_get(call->params, "dry_run"))) {
		rc = begin_group(core, call, err);
	}
	if (rc == ERR_OK) {
		*ret = notes_of(call);
	}
	return rc;
}

/* ---------------------------------------------------------------- add, remove */

enum err call_add_prepare(const struct manager_core *core, struct call *call, struct err_ctx *err)
{
	call->notes = json_array();
	enum err rc = read_rows(call->params, &call->plan, err);
	for (uint32_t i = 0; i < call->plan.server_count && rc == ERR_OK; i++) {
		struct look look = { 0 };
		rc = look_at(core, &call->plan.servers[i], &look, call->notes, err);
		look_fini(&look);
	}
	return rc;
}

static enum err change_servers(struct manager_core *core, struct group *group,
			       const struct record *next, const char *text, json_t **ret,
			       struct err_ctx *err)
{
	struct turn_context context = call_context(core);
	struct record stored;
	record_init(&stored);
	record_copy(&stored, next);
	stored.version++;
	/* The peers follow the record: stored first, under the old list, then put in place. */
	struct record old;
	record_init(&old);
	record_copy(&old, &group->record);
	enum err rc = group_store(group, &context, &stored, err);
	if (rc == ERR_OK) {
		record_copy(&group->record, &old);
		group_set_servers(group, &stored, &core->options, &core->on, context.now_us);
		group_tell(group, &context, LOG_INFO, "group.set", SERVER_NONE, 0, 0, text);
		*ret = json_pack("{s:s, s:s}", "group", group->record.group, "text", text);
	}
	record_fini(&old);
	record_fini(&stored);
	return rc;
}

enum err call_add(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	for (uint32_t i = 0; i < call->plan.server_count && rc == ERR_OK; i++) {
		rc = add_row(&next, &call->plan.servers[i], err);
	}
	rc = rc ? rc : change_servers(core, group, &next, "servers were added", ret, err);
	record_fini(&next);
	return rc;
}

/* Takes server `gone` out of the record; the indexes behind it move up. */
static void drop_server(struct record *record, uint32_t gone)
{
	gtid_set_fini(&record->servers[gone].extra);
	for (uint32_t i = gone; i + 1 < record->server_count; i++) {
		record->servers[i] = record->servers[i + 1];
	}
	record->server_count--;
	memset(&record->servers[record->server_count], 0, sizeof(record->servers[0]));
	uint32_t below = record->sync_set & ((1u << gone) - 1);
	record->sync_set = below | (record->sync_set >> (gone + 1) << gone);
	record->previous = record->previous == gone ? SERVER_NONE : record->previous;
	if (record->previous != SERVER_NONE && record->previous > gone) {
		record->previous--;
	}
	if (record->primary != SERVER_NONE && record->primary > gone) {
		record->primary--;
	}
}

enum err call_remove(struct manager_core *core, struct call *call, json_t **ret,
		     struct err_ctx *err)
{
	struct group *group = NULL;
	const char *name = json_string_value(json_object_get(call->params, "server"));
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	uint32_t server = name ? record_find(&group->record, name) : SERVER_NONE;
	if (server == SERVER_NONE) {
		return err_set(err, ERR_NOT_FOUND, "group '%s' has no server '%.64s'",
			       group->record.group, name ? name : "?");
	}
	if (group->record.state != GROUP_STEADY || server == group->record.primary) {
		return err_set(err, ERR_REFUSED, "%s",
			       server == group->record.primary
				       ? "it is the primary: switch over to another server first"
				       : "a server can be removed while the group is steady only");
	}
	/* An acknowledged commit may be there alone until another member has everything. */
	if (record_is_member(&group->record, server) && observation_answers(&group->seen, server)) {
		return err_set(err, ERR_REFUSED,
			       "'%s' acknowledges commits: stop it first, then remove it when it "
			       "has left the "
			       "sync set",
			       name);
	}
	if (record_is_member(&group->record, server)) {
		return err_set(err, ERR_REFUSED,
			       "'%s' is in the sync set: an acknowledged commit may be there alone",
			       name);
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	drop_server(&next, server);
	rc = change_servers(core, group, &next, "a server was removed", ret, err);
	record_fini(&next);
	return rc;
}
