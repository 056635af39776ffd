/* group.set: the settings of a group and of its servers. */
#include <string.h>

#include "manager/calls/call.h"
#include "manager/calls/foresee_json.h"
#include "manager/calls/plan.h"

enum { WEIGHT_MAX = 1000, DOWNTIME_S_MAX = 30 * 86400 };

static enum err set_weight(struct record_server *server, const json_t *weight, struct err_ctx *err)
{
	if (!weight) {
		return ERR_OK;
	}
	json_int_t value = json_integer_value(weight);
	if (!json_is_integer(weight) || value < 0 || value > WEIGHT_MAX) {
		return err_set(err, ERR_USAGE, "weight: a number from 0 to %d is needed",
			       WEIGHT_MAX);
	}
	server->weight = (uint32_t)value;
	return ERR_OK;
}

/* 0 seconds: it ends now. */
static enum err set_downtime(struct record_server *server, const json_t *row, uint64_t now_us,
			     struct err_ctx *err)
{
	const json_t *seconds = json_object_get(row, "downtime_s");
	const char *why = json_string_value(json_object_get(row, "downtime_why"));
	json_int_t value = json_integer_value(seconds);
	if (!seconds) {
		return ERR_OK;
	}
	if (!json_is_integer(seconds) || value < 0 || value > DOWNTIME_S_MAX) {
		return err_set(err, ERR_USAGE, "downtime_s: a number from 0 to %d is needed",
			       DOWNTIME_S_MAX);
	}
	server->downtime_why[0] = 0;
	if (value > 0 && why &&
	    str_copy(str_of(why), server->downtime_why, sizeof(server->downtime_why)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "downtime_why: at most %d bytes",
			       DOWNTIME_BYTES_MAX - 1);
	}
	server->downtime_until_us = value > 0 ? (int64_t)now_us + value * (int64_t)US_PER_S : 0;
	return ERR_OK;
}

static enum err set_server(struct record *next, const json_t *row, uint64_t now_us,
			   struct err_ctx *err)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	uint32_t index = name ? record_find(next, name) : SERVER_NONE;
	if (index == SERVER_NONE) {
		return name ? err_set(err, ERR_NOT_FOUND, "group '%s' has no server '%.64s'",
				      next->group, name)
			    : err_set(err, ERR_USAGE, "a server without a name");
	}
	struct record_server *server = &next->servers[index];
	const json_t *never = json_object_get(row, "never_promote");
	if (json_is_boolean(never)) {
		server->never_promote = json_is_true(never);
	}
	enum err rc = set_weight(server, json_object_get(row, "weight"), err);
	rc = rc ? rc : plan_read_dc(row, server, err);
	rc = rc ? rc : plan_read_below(row, index, next, err);
	return rc ? rc : set_downtime(server, row, now_us, err);
}

enum err call_set(struct manager_core *core, struct call *call, json_t **ret, struct err_ctx *err)
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
	rc = plan_read_policy(call->params, &next, err);
	const json_t *stay = json_object_get(call->params, "stay_in_dc");
	if (json_is_boolean(stay)) {
		next.stay_in_dc = json_is_true(stay);
	}
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(call->params, "servers"), i, row)
	{
		rc = rc ? rc : set_server(&next, row, context.now_us, err);
	}
	next.version++;
	bool dry = call_is_dry(call);
	if (rc == ERR_OK && dry) {
		*ret = foresee_settings(&next, &group->seen, &group->options, context.now_us);
	} else if (rc == ERR_OK) {
		rc = group_store(group, &context, &next, err);
	}
	record_fini(&next);
	if (rc != ERR_OK || dry) {
		return rc;
	}
	group_tell(group, &context, LOG_INFO, "group.set", SERVER_NONE, 0, 0,
		   "settings were changed");
	*ret = json_pack("{s:s, s:s}", "group", group->record.group, "text", "changed");
	return ERR_OK;
}
