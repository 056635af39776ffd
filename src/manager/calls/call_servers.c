/* group.add and group.remove: servers join a group and leave it. */
#include <string.h>

#include "decide/pair.h"
#include "manager/calls/call.h"
#include "manager/calls/plan.h"
#include "manager/rejoin/rejoin.h"

enum err call_add_prepare(const struct manager_core *core, struct call *call, struct err_ctx *err)
{
	call->notes = json_array();
	enum err rc = plan_read_rows(call->params, &call->plan, err);
	for (uint32_t i = 0; i < call->plan.server_count && rc == ERR_OK; i++) {
		struct plan_look look = { 0 };
		rc = plan_look_at(core, &call->plan.servers[i], &look, call->notes, err);
		plan_look_fini(&look);
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

/* The answer of a dry run whose checks have all passed. */
static json_t *would_be(const struct group *group, const char *text)
{
	return json_pack("{s:b, s:s, s:b, s:s, s:s}", "dry_run", 1, "group", group->record.group,
			 "would", 1, "reason", "", "text", text);
}

enum err call_add(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
{
	struct group *group = NULL;
	const json_t *rows = json_object_get(call->params, "servers");
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	for (uint32_t i = 0; i < call->plan.server_count && rc == ERR_OK; i++) {
		rc = plan_add_row(&next, &call->plan.servers[i], err);
		rc = rc ? rc
			: plan_read_below(json_array_get(rows, i), next.server_count - 1, &next,
					  err);
	}
	if (rc == ERR_OK && call_is_dry(call)) {
		*ret = would_be(group, "the servers would be added");
	} else if (rc == ERR_OK) {
		rc = change_servers(core, group, &next, "servers were added", ret, err);
	}
	record_fini(&next);
	return rc;
}

/* Takes server `gone` out of the record; the indexes behind it move up, and who was below it moves up in the tree. */
static void drop_server(struct record *record, uint32_t gone)
{
	uint32_t above = record->servers[gone].below;
	for (uint32_t i = 0; i < record->server_count; i++) {
		uint32_t *below = &record->servers[i].below;
		*below = *below == gone + 1 ? above : *below;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		uint32_t *below = &record->servers[i].below;
		*below -= *below > gone + 1 ? 1 : 0;
	}
	for (uint32_t i = 0; i < 2 && record->pair.set; i++) {
		record->pair.masters[i] -= record->pair.masters[i] > gone ? 1 : 0;
	}
	if (record->pair.out != SERVER_NONE && record->pair.out > gone) {
		record->pair.out--;
	}
	memset(record->source, 0, sizeof(record->source)); /* by index; found anew at once */
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
	if (pair_is_master(&group->record, server)) {
		return err_set(err, ERR_REFUSED,
			       "'%s' is one of the pair: first 'muster pair unset'", name);
	}
	const struct rejoin *job = rejoin_under_way(group);
	if (job && strcmp(job->order.server.name, name) == 0) {
		return err_set(err, ERR_REFUSED, "'%s' is busy with %s: wait for its end", name,
			       rejoin_action_name(job->order.action));
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
	if (call_is_dry(call)) {
		*ret = would_be(group, "the server would be removed");
		return ERR_OK;
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	drop_server(&next, server);
	rc = change_servers(core, group, &next, "a server was removed", ret, err);
	record_fini(&next);
	return rc;
}
