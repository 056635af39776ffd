/* group.create: a new group of servers that don't replicate yet. */
#include <string.h>

#include "db/server/server.h"
#include "manager/calls/call.h"
#include "manager/calls/plan.h"

/* A new group's first server must have all that the others have, and none may serve somebody else. */
static enum err check_new(const struct record *plan, const struct plan_look *looks,
			  struct err_ctx *err)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct replica_status *replica = &looks[i].status.replica;
		if (replica->configured && plan_find_address(plan, replica->source_host,
							     replica->source_port) == SERVER_NONE) {
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
	struct plan_look looks[SERVERS_MAX] = { 0 };
	call->notes = json_array();
	enum err rc = plan_read_head(call->params, &call->plan, err);
	rc = rc ? rc : plan_read_rows(call->params, &call->plan, err);
	for (uint32_t i = 0; i < call->plan.server_count && rc == ERR_OK; i++) {
		rc = plan_look_at(core, &call->plan.servers[i], &looks[i], call->notes, err);
	}
	rc = rc ? rc : plan_check_pairs(&call->plan, looks, err);
	rc = rc ? rc : check_new(&call->plan, looks, err);
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		plan_look_fini(&looks[i]);
	}
	call->plan.state = GROUP_FORMING;
	call->plan.epoch = 1;
	call->plan.version = 1;
	call->plan.ask_server = 0;
	return rc;
}

enum err call_begin_group(struct manager_core *core, struct call *call, struct err_ctx *err)
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
	enum err rc = call_begin_group(core, call, err);
	if (rc == ERR_OK) {
		*ret = json_pack("{s:s, s:o}", "group", call->plan.group, "warnings",
				 notes_of(call));
	}
	return rc;
}
