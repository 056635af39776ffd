/* server.register and server.deregister: a database host's server comes into the balance and leaves it. */
#include <string.h>

#include "base/check.h"
#include "manager/calls/call_node.h"

enum { WEIGHT_DEFAULT = 100, WEIGHT_MAX = 1000 };

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

/* By its name, or by its address as "HOST:PORT" would give it. */
static uint32_t find_server(const struct group *group, const json_t *row)
{
	const char *name = text_of(row, "name");
	const char *host = text_of(row, "host");
	json_int_t port = json_integer_value(json_object_get(row, "port"));
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		const struct record_server *server = &group->record.servers[i];
		if (host[0] ? server->port == port && strcmp(server->host, host) == 0
			    : strcmp(server->name, name) == 0) {
			return i;
		}
	}
	return SERVER_NONE;
}

static enum err set_weight(struct manager_core *core, struct group *group, uint32_t server,
			   uint32_t weight, struct err_ctx *err)
{
	struct turn_context context = call_context(core);
	struct record next;
	if (group->record.servers[server].weight == weight) {
		return ERR_OK;
	}
	record_init(&next);
	record_copy(&next, &group->record);
	next.servers[server].weight = weight;
	next.version++;
	enum err rc = group_store(group, &context, &next, err);
	record_fini(&next);
	return rc;
}

/* The node's record says whose server is on it; empty: none any more. */
static enum err bind(struct manager_core *core, const struct managed_node *node, const char *group,
		     const char *server, struct err_ctx *err)
{
	if (!node || (strcmp(node->record.server_group, group) == 0 &&
		      strcmp(node->record.server, server) == 0)) {
		return ERR_OK;
	}
	struct node_record next = node->record;
	check(str_copy(str_of(group), next.server_group, sizeof(next.server_group)) == ERR_OK &&
	      str_copy(str_of(server), next.server, sizeof(next.server)) == ERR_OK);
	return nodes_put(core->nodes, core->options.store, &next, NULL, err);
}

/* A node speaks for the server that it has registered, and for no other one's. */
static enum err check_owner(struct manager_core *core, const struct managed_node *asker,
			    const struct group *group, uint32_t server, struct err_ctx *err)
{
	const char *name = group->record.servers[server].name;
	if (!asker) {
		return ERR_OK;
	}
	const struct managed_node *owner =
		nodes_find_owner(core->nodes, group->record.group, name, asker);
	return owner ? err_set(err, ERR_PRIVILEGE, "'%s' is registered by node '%s'", name,
			       owner->record.name)
		     : ERR_OK;
}

static enum err read_weight(const json_t *params, uint32_t *ret, struct err_ctx *err)
{
	const json_t *value = json_object_get(params, "weight");
	json_int_t weight = value ? json_integer_value(value) : WEIGHT_DEFAULT;
	if ((value && !json_is_integer(value)) || weight < 1 || weight > WEIGHT_MAX) {
		return err_set(err, ERR_USAGE, "weight: a number from 1 to %d is needed",
			       (int)WEIGHT_MAX);
	}
	*ret = (uint32_t)weight;
	return ERR_OK;
}

enum err call_register(struct manager_core *core, struct call *call, json_t **ret,
		       struct err_ctx *err)
{
	struct group *group = NULL;
	struct managed_node *node = NULL;
	json_t *added = NULL;
	uint32_t weight = 0;
	const json_t *row = json_array_get(json_object_get(call->params, "servers"), 0);
	enum err rc = call_node_asker(core, call->params, &node, err);
	rc = rc ? rc : read_weight(call->params, &weight, err);
	rc = rc ? rc : call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	uint32_t server = find_server(group, row);
	bool known = server != SERVER_NONE;
	rc = known ? check_owner(core, node, group, server, err) : ERR_OK;
	if (rc == ERR_OK && !known) {
		rc = call_add(core, call, &added, err);
		json_decref(added);
		server = rc == ERR_OK ? find_server(group, row) : (uint32_t)SERVER_NONE;
	}
	if (rc != ERR_OK || server == SERVER_NONE) {
		return rc;
	}
	const char *name = group->record.servers[server].name;
	rc = set_weight(core, group, server, weight, err);
	rc = rc ? rc : bind(core, node, group->record.group, name, err);
	if (rc == ERR_OK) {
		struct turn_context context = call_context(core);
		const char *text = known ? "is in the balance again when it is fit"
					 : "is added, and in the balance when it is fit";
		group_tell(group, &context, LOG_INFO, "server.registered", server, 0, 0, text);
		*ret = json_pack("{s:s, s:s, s:s}", "group", group->record.group, "server", name,
				 "text", text);
	}
	return rc;
}

enum err call_deregister(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	struct group *group = NULL;
	struct managed_node *node = NULL;
	enum err rc = call_node_asker(core, call->params, &node, err);
	rc = rc ? rc : call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	uint32_t server = find_server(group, call->params);
	if (server == SERVER_NONE) {
		return err_set(err, ERR_NOT_FOUND, "group '%s' has no such server",
			       group->record.group);
	}
	const char *name = group->record.servers[server].name;
	rc = check_owner(core, node, group, server, err);
	rc = rc ? rc : set_weight(core, group, server, 0, err);
	rc = rc ? rc : bind(core, node, "", "", err);
	if (rc == ERR_OK) {
		struct turn_context context = call_context(core);
		bool primary = server == group->record.primary;
		const char *text =
			primary ? "gets no reads any more; it is the primary, writes stay"
				: "gets no reads any more";
		group_tell(group, &context, LOG_INFO, "server.deregistered", server, 0, 0, text);
		*ret = json_pack("{s:s, s:s, s:s, s:b}", "group", group->record.group, "server",
				 name, "text", text, "primary", (int)primary);
	}
	return rc;
}
