/* group.rejoin: what can be done about a server that comes back, and doing it. */
#include <string.h>

#include "manager/calls/call.h"
#include "manager/rejoin/rejoin.h"

static enum err read_action(const json_t *params, enum rejoin_action *ret, struct err_ctx *err)
{
	const char *text = json_string_value(json_object_get(params, "action"));
	for (enum rejoin_action i = 0; i < REJOIN_ACTION_COUNT_; i++) {
		if (text && strcmp(text, rejoin_action_name(i)) == 0) {
			*ret = i;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_USAGE, "action '%.32s' is none of plan, export-tail, reclone",
		       text ? text : "");
}

static void set_place(const struct record *record, uint32_t server, struct rejoin_place *ret)
{
	const struct record_server *one = &record->servers[server];
	memcpy(ret->name, one->name, sizeof(ret->name));
	memcpy(ret->host, one->host, sizeof(ret->host));
	ret->port = one->port;
}

/* Ready to be copied from: alive, not kept out, replicating from the primary without a long lag. */
static bool is_donor(const struct group *group, uint32_t server, uint32_t lag_limit_s)
{
	const struct replica_status *replica = &group->seen.servers[server].status.replica;
	return observation_answers(&group->seen, server) &&
	       !group->record.servers[server].diverged &&
	       record_follows(&group->record, &group->seen, server, group->record.primary) &&
	       replica->io == IO_YES && replica->sql_running && !replica->filtered &&
	       replica->delay_s == 0 && replica->lag_known && replica->lag_s <= lag_limit_s;
}

/* A replica, so that the primary isn't burdened; else the primary. */
static uint32_t find_donor(const struct group *group, uint32_t server, uint32_t lag_limit_s)
{
	uint32_t best = group->record.primary;
	uint64_t best_behind = UINT64_MAX;
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		if (i == server || i == group->record.primary || !is_donor(group, i, lag_limit_s)) {
			continue;
		}
		uint64_t behind = gtid_set_distance(
			&group->seen.servers[group->record.primary].status.executed,
			&group->seen.servers[i].status.executed);
		if (behind < best_behind) {
			best = i;
			best_behind = behind;
		}
	}
	return best;
}

static enum err choose_donor(const struct group *group, const struct call *call, uint32_t server,
			     const struct manager_options *options, struct rejoin_order *order,
			     struct err_ctx *err)
{
	const json_t *wanted = json_object_get(call->params, "donor");
	uint32_t donor = find_donor(group, server, options->lag_limit_s);
	if (json_is_string(wanted)) {
		donor = record_find(&group->record, json_string_value(wanted));
		if (donor == SERVER_NONE) {
			return err_set(err, ERR_NOT_FOUND, "group '%s' has no server '%.64s'",
				       group->record.group, json_string_value(wanted));
		}
		bool fit = donor == group->record.primary
				   ? observation_answers(&group->seen, donor)
				   : is_donor(group, donor, options->lag_limit_s);
		if (donor == server || !fit) {
			return err_set(err, ERR_REFUSED,
				       "'%s' can't be the donor: it has to be another server, the "
				       "primary or a replica of it that is not behind",
				       group->record.servers[donor].name);
		}
	}
	set_place(&group->record, donor, &order->donor);
	return ERR_OK;
}

/* The ids of all other servers, as far as they are known. */
static void note_others(const struct group *group, uint32_t server, struct rejoin_order *order)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		const struct server_status *status = &group->seen.servers[i].status;
		if (i == server || group->seen.servers[i].status_us == 0) {
			continue;
		}
		struct rejoin_identity *other = &order->others[order->other_count++];
		other->server_id = status->server_id;
		memcpy(other->uuid, status->server_uuid, sizeof(other->uuid));
	}
}

/* Where the tail goes: the parameter `to`, an absolute path, or a folder for each group below the data. */
static enum err choose_folder(const struct group *group, const struct call *call,
			      const struct manager_options *options, struct rejoin_order *order,
			      struct err_ctx *err)
{
	const json_t *to = json_object_get(call->params, "to");
	if (!to || json_is_null(to)) {
		return file_path(order->folder, err, "%s/tails/%s", options->data_dir,
				 group->record.group);
	}
	if (!json_is_string(to) || json_string_value(to)[0] != '/') {
		return err_set(err, ERR_USAGE, "to: an absolute path is needed");
	}
	return file_path(order->folder, err, "%s", json_string_value(to));
}

static enum err make_order(const struct manager_core *core, const struct group *group,
			   const struct call *call, struct rejoin_order *ret, struct err_ctx *err)
{
	const struct record *record = &group->record;
	const char *name = json_string_value(json_object_get(call->params, "server"));
	uint32_t server = name ? record_find(record, name) : SERVER_NONE;
	enum err rc = read_action(call->params, &ret->action, err);
	if (rc == ERR_OK && server == SERVER_NONE) {
		rc = err_set(err, ERR_NOT_FOUND, "group '%s' has no server '%.64s'", record->group,
			     name ? name : "?");
	}
	if (rc == ERR_OK && record->primary == SERVER_NONE) {
		rc = err_set(err, ERR_REFUSED,
			     "group '%s' has no primary that '%s' could be compared with",
			     record->group, name);
	}
	if (rc == ERR_OK && server == record->primary) {
		rc = err_set(err, ERR_REFUSED, "'%s' is the primary: it has nothing to rejoin",
			     name);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	memcpy(ret->group, record->group, sizeof(ret->group));
	set_place(record, server, &ret->server);
	set_place(record, record->primary, &ret->primary);
	ret->diverged = record->servers[server].diverged;
	ret->remade = record->servers[server].recloning;
	memcpy(ret->uuid, record->servers[server].uuid, sizeof(ret->uuid));
	ret->discard_tail = json_is_true(json_object_get(call->params, "discard_tail"));
	note_others(group, server, ret);
	rc = choose_donor(group, call, server, &core->options, ret, err);
	return rc ? rc : choose_folder(group, call, &core->options, ret, err);
}

enum err call_rejoin(struct manager_core *core, struct call *call, json_t **ret,
		     struct err_ctx *err)
{
	struct group *group = NULL;
	struct rejoin_order order = { .action = REJOIN_PLAN };
	enum err rc = call_group(core, call->params, &group, err);
	rc = rc ? rc : make_order(core, group, call, &order, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (order.action == REJOIN_RECLONE && group->record.state != GROUP_STEADY) {
		return err_set(err, ERR_REFUSED, "group '%s' is %s: wait until it is steady",
			       order.group, group_state_name(group->record.state));
	}
	const struct rejoin *other = rejoin_under_way(group);
	if (other && order.action != REJOIN_PLAN) {
		return err_set(err, ERR_CONFLICT, "'%s' is busy with %s of '%s': wait for its end",
			       order.group, rejoin_action_name(other->order.action),
			       other->order.server.name);
	}
	/* A copy takes long: its progress is in the status. */
	bool waits = order.action != REJOIN_RECLONE;
	rejoin_add(group, core, &order, waits ? call : NULL);
	if (!waits) {
		*ret = json_pack("{s:s, s:s, s:s, s:s}", "group", order.group, "server",
				 order.server.name, "donor", order.donor.name, "state", "running");
	}
	return waits ? ERR_AGAIN : ERR_OK;
}
