/* group.adopt: takes over a replication set-up that runs already; one address is enough. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "db/server/server.h"
#include "decide/tree.h"
#include "manager/calls/call.h"
#include "manager/calls/plan.h"

/* Adds every server around server `from` that the plan doesn't have yet. */
static enum err add_neighbours(struct record *plan, const struct plan_look *look,
			       struct err_ctx *err)
{
	struct server_neighbours *around = mem_need(sizeof(*around));
	uint64_t deadline_us = conn_now_us(look->conn) + (uint64_t)PLAN_LOOK_TIMEOUT_MS * US_PER_MS;
	enum err rc = server_discover(look->conn, deadline_us, around, err);
	for (size_t i = 0; i < around->count && rc == ERR_OK; i++) {
		const struct server_neighbour *one = &around->list[i];
		if (one->port == 0) {
			rc = err_set(err, ERR_REFUSED,
				     "a replica at %s doesn't tell its port: set report_host and "
				     "report_port in "
				     "its option file, or make the group with group create",
				     one->host);
		} else if (plan_find_address(plan, one->host, one->port) == SERVER_NONE) {
			struct record_server server = { .port = one->port, .weight = 100 };
			memcpy(server.host, one->host, sizeof(server.host));
			(void)snprintf(server.name, sizeof(server.name), "s%u", one->server_id);
			rc = plan_add_row(plan, &server, err);
		}
	}
	mem_free(around);
	return rc;
}

static enum err find_primary(const struct record *plan, const struct plan_look *looks,
			     uint32_t *ret, struct err_ctx *err)
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

/* Finds who is below whom. */
static enum err check_replicas(struct record *plan, const struct plan_look *looks, uint32_t primary,
			       struct err_ctx *err)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		const struct replica_status *replica = &looks[i].status.replica;
		if (i == primary) {
			continue;
		}
		uint32_t source =
			plan_find_address(plan, replica->source_host, replica->source_port);
		if (source == SERVER_NONE || tree_makes_circle(plan, i, source)) {
			return err_set(err, ERR_REFUSED,
				       "%s:%u replicates from %s:%u, which leads to no primary",
				       plan->servers[i].host, plan->servers[i].port,
				       replica->source_host, replica->source_port);
		}
		plan->servers[i].below = source == primary ? 0 : source + 1;
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
static void list_changes(const struct record *plan, const struct plan_look *looks, uint32_t primary,
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
		    plan->servers[i].below == 0 && status->replica.delay_s == 0 &&
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
		if (plan->policy != POLICY_LOSSLESS && status->semisync.source_enabled) {
			(void)json_array_append_new(
				changes,
				json_sprintf("%s: commits wait no longer (semi-sync off)", name));
		}
	}
}

static void list_found(const struct record *plan, const struct plan_look *looks, uint32_t primary,
		       json_t *servers)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		uint32_t parent = record_parent(plan, i);
		(void)json_array_append_new(
			servers,
			json_pack("{s:s, s:s, s:i, s:s, s:s, s:s?}", "name", plan->servers[i].name,
				  "host", plan->servers[i].host, "port", (int)plan->servers[i].port,
				  "role", i == primary ? "primary" : "replica", "version",
				  looks[i].status.version, "below",
				  parent == SERVER_NONE ? NULL : plan->servers[parent].name));
	}
}

enum err call_adopt_prepare(const struct manager_core *core, struct call *call, struct err_ctx *err)
{
	struct plan_look looks[SERVERS_MAX] = { 0 };
	struct record *plan = &call->plan;
	struct record_server first = { .weight = 100 };
	json_t *warnings = json_array();
	json_t *changes = json_array();
	json_t *servers = json_array();
	uint32_t primary = SERVER_NONE;
	json_t *row = json_pack("{s:s, s:O?, s:O?}", "name", "first", "host",
				json_object_get(call->params, "host"), "port",
				json_object_get(call->params, "port"));
	enum err rc = plan_read_head(call->params, plan, err);
	rc = rc ? rc : plan_read_row(row, &first, err);
	rc = rc ? rc : plan_add_row(plan, &first, err);
	for (uint32_t i = 0; i < plan->server_count && rc == ERR_OK; i++) {
		rc = plan_look_at(core, &plan->servers[i], &looks[i], warnings, err);
		/* Now its id is known, too, when it was found as somebody's source. */
		if (rc == ERR_OK) {
			(void)snprintf(plan->servers[i].name, NAME_BYTES_MAX, "s%u",
				       looks[i].status.server_id);
		}
		rc = rc ? rc : add_neighbours(plan, &looks[i], err);
	}
	rc = rc ? rc : plan_check_pairs(plan, looks, err);
	rc = rc ? rc : find_primary(plan, looks, &primary, err);
	rc = rc ? rc : check_replicas(plan, looks, primary, err);
	if (rc == ERR_OK) {
		list_found(plan, looks, primary, servers);
		list_changes(plan, looks, primary, changes);
		plan->primary = primary;
		gtid_set_copy(&plan->base, &looks[primary].status.executed);
	}
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		plan_look_fini(&looks[i]);
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
		rc = call_begin_group(core, call, err);
	}
	if (rc == ERR_OK) {
		*ret = json_incref(call->notes);
	}
	return rc;
}
