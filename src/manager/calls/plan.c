#include "manager/calls/plan.h"

#include <string.h>

#include "base/mem.h"
#include "db/server/server.h"
#include "decide/tree.h"

enum { MAX_LOSS_S = 86400 };

void plan_look_fini(struct plan_look *look)
{
	look->conn = conn_close(look->conn);
	server_status_fini(&look->status);
}

enum err plan_read_row(const json_t *row, struct record_server *ret, struct err_ctx *err)
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
	return plan_read_dc(row, ret, err);
}

enum err plan_read_dc(const json_t *row, struct record_server *ret, struct err_ctx *err)
{
	const char *dc = json_string_value(json_object_get(row, "dc"));
	if (dc && str_copy(str_of(dc), ret->dc, sizeof(ret->dc)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "dc: at most %d characters", NAME_BYTES_MAX - 1);
	}
	return ERR_OK;
}

enum err plan_read_below(const json_t *row, uint32_t server, struct record *plan,
			 struct err_ctx *err)
{
	const json_t *below = json_object_get(row, "below");
	if (!below) {
		return ERR_OK;
	}
	if (json_is_null(below)) {
		plan->servers[server].below = 0;
		return ERR_OK;
	}
	const char *name = json_string_value(below);
	uint32_t parent = name ? record_find(plan, name) : SERVER_NONE;
	if (parent == SERVER_NONE) {
		return err_set(err, ERR_NOT_FOUND, "below: there is no server '%.64s'",
			       name ? name : "?");
	}
	if (tree_makes_circle(plan, server, parent)) {
		return err_set(err, ERR_USAGE,
			       "'%s' can't be below '%s': that is below '%s' itself",
			       plan->servers[server].name, name, plan->servers[server].name);
	}
	plan->servers[server].below = parent + 1;
	return ERR_OK;
}

enum err plan_add_row(struct record *plan, const struct record_server *server, struct err_ctx *err)
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

enum err plan_read_rows(const json_t *params, struct record *plan, struct err_ctx *err)
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
		enum err rc = plan_read_row(row, &server, err);
		rc = rc ? rc : plan_add_row(plan, &server, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

enum err plan_read_policy(const json_t *params, struct record *record, struct err_ctx *err)
{
	const char *word = json_string_value(json_object_get(params, "policy"));
	const json_t *max_loss = json_object_get(params, "max_loss_s");
	json_int_t max_loss_s = json_integer_value(max_loss);
	enum policy policy = 0;
	while (word && policy < POLICY_COUNT_ && strcmp(word, policy_name(policy)) != 0) {
		policy++;
	}
	if (policy == POLICY_COUNT_) {
		return err_set(err, ERR_USAGE, "policy '%.32s' is none of lossless, bounded, async",
			       word);
	}
	if (max_loss && (!json_is_integer(max_loss) || max_loss_s < 1 || max_loss_s > MAX_LOSS_S)) {
		return err_set(err, ERR_USAGE, "max_loss_s: a number from 1 to %d is needed",
			       MAX_LOSS_S);
	}
	record->policy = word ? policy : record->policy;
	if (max_loss && record->policy != POLICY_BOUNDED) {
		return err_set(err, ERR_USAGE, "max_loss_s goes with policy bounded");
	}
	record->max_loss_s = max_loss ? (uint32_t)max_loss_s : record->max_loss_s;
	if (record->policy == POLICY_BOUNDED && record->max_loss_s == 0) {
		return err_set(err, ERR_USAGE,
			       "policy bounded needs max_loss_s: how much a failover may lose");
	}
	return ERR_OK;
}

enum err plan_read_head(const json_t *params, struct record *plan, struct err_ctx *err)
{
	const char *name = json_string_value(json_object_get(params, "group"));
	if (!name || !name[0] ||
	    str_copy(str_of(name), plan->group, sizeof(plan->group)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "a group needs a name of at most %d characters",
			       NAME_BYTES_MAX - 1);
	}
	if (strchr(name, '/')) {
		return err_set(err, ERR_USAGE, "a group's name has no '/'");
	}
	plan->policy = POLICY_LOSSLESS;
	return plan_read_policy(params, plan, err);
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
enum err plan_look_at(const struct manager_core *core, const struct record_server *server,
		      struct plan_look *ret, json_t *notes, struct err_ctx *err)
{
	const struct conn_options options = { .host = server->host,
					      .port = server->port,
					      .user = core->options.accounts.manager_user,
					      .password = &core->options.accounts.manager_password,
					      .clock = core->options.clock };
	uint64_t deadline_us = clock_monotonic_us(core->options.clock) +
			       (uint64_t)PLAN_LOOK_TIMEOUT_MS * US_PER_MS;
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
static enum err check_pair(const struct record *plan, const struct plan_look *looks, uint32_t a,
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

enum err plan_check_pairs(const struct record *plan, const struct plan_look *looks,
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

uint32_t plan_find_address(const struct record *plan, const char *host, uint16_t port)
{
	for (uint32_t i = 0; i < plan->server_count; i++) {
		if (plan->servers[i].port == port && strcmp(plan->servers[i].host, host) == 0) {
			return i;
		}
	}
	return SERVER_NONE;
}
