/* node.token, node.list, node.show, node.drain, node.remove: what people do about nodes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/join_token.h"
#include "base/check.h"
#include "base/mem.h"
#include "manager/calls/call_node.h"
#include "store/store.h"

enum {
	TOKEN_TTL_S = 3600,
	TOKEN_TTL_S_MAX = 30 * 24 * 3600,
	TOKENS_MAX = 32,
	TOKEN_KEY_BYTES_MAX = 64,
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

/* ---------------------------------------------------------------- tokens */

/* Tokens of which the time is over, to be removed together with the making of a new one. */
struct stale {
	uint64_t now_us;
	char keys[TOKENS_MAX][TOKEN_KEY_BYTES_MAX];
	size_t count;
	size_t alive;
};

static bool find_stale(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct stale *stale = ctx;
	(void)version;
	json_t *json = json_loadb(value.ptr, value.len, 0, NULL);
	json_int_t ends_us = json_integer_value(json_object_get(json, "ends_us"));
	json_decref(json);
	if (ends_us > 0 && (uint64_t)ends_us > stale->now_us) {
		stale->alive++;
	} else if (stale->count < TOKENS_MAX &&
		   str_copy(key, stale->keys[stale->count], TOKEN_KEY_BYTES_MAX) == ERR_OK) {
		stale->count++;
	}
	return true;
}

static enum err store_token(struct manager_core *core, const struct join_token *token,
			    uint64_t ttl_s, uint32_t roles, struct err_ctx *err)
{
	char hash[NODE_FINGERPRINT_BYTES_MAX];
	char key[TOKEN_KEY_BYTES_MAX];
	struct store_change changes[TOKENS_MAX + 1];
	struct stale stale = { .now_us = clock_wall_us(core->options.clock) };
	enum err rc = store_list(core->options.store, STR(CALL_NODE_TOKEN_PREFIX), find_stale,
				 &stale, err);
	if (rc == ERR_OK && stale.alive >= TOKENS_MAX) {
		rc = err_set(err, ERR_LIMIT, "%d tokens wait for their nodes already",
			     (int)TOKENS_MAX);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	uint64_t ends_us = stale.now_us + ttl_s * US_PER_S;
	join_token_hash(token->secret, hash);
	(void)snprintf(key, sizeof(key), CALL_NODE_TOKEN_PREFIX "%s", token->id);
	json_t *json = json_pack("{s:s, s:i, s:I}", "hash", hash, "roles", (int)roles, "ends_us",
				 (json_int_t)ends_us);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	check(text);
	changes[0] = (struct store_change){ .key = str_of(key), .value = str_of(text) };
	for (size_t i = 0; i < stale.count; i++) {
		changes[i + 1] =
			(struct store_change){ .key = str_of(stale.keys[i]), .remove = true };
	}
	rc = store_commit(core->options.store, changes, stale.count + 1, err);
	mem_free(text);
	return rc;
}

enum err call_node_token(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	const json_t *ttl = json_object_get(call->params, "ttl_s");
	json_int_t ttl_s = ttl ? json_integer_value(ttl) : TOKEN_TTL_S;
	const char *words = text_of(call->params, "roles");
	char fingerprint[NODE_FINGERPRINT_BYTES_MAX];
	struct join_token token;
	uint32_t roles = NODE_PROXY | NODE_AGENT;
	enum err rc = call_node_need(core, err);
	if (rc == ERR_OK && words[0]) {
		rc = node_record_parse_roles(str_of(words), &roles, err);
	}
	if (rc == ERR_OK && (ttl_s < 1 || ttl_s > TOKEN_TTL_S_MAX)) {
		rc = err_set(err, ERR_USAGE, "ttl_s: from 1 to %d", (int)TOKEN_TTL_S_MAX);
	}
	rc = rc ? rc
		: identity_fingerprint(str_of(core->nodes->options.authority->certificate),
				       fingerprint, err);
	if (rc != ERR_OK) {
		return rc;
	}
	join_token_make(fingerprint, &token);
	rc = store_token(core, &token, (uint64_t)ttl_s, roles, err);
	if (rc == ERR_OK) {
		char text[JOIN_TOKEN_TEXT_BYTES_MAX];
		struct buf out;
		buf_init_fixed(&out, text, sizeof(text));
		join_token_print(&token, &out);
		*ret = json_pack("{s:s, s:I, s:o}", "token", buf_text(&out), "ttl_s", ttl_s,
				 "roles", node_record_roles(roles));
		call_node_tell(core, LOG_INFO, "node.token", token.id, "a join token was made");
	}
	explicit_bzero(&token, sizeof(token));
	return rc;
}

/* ---------------------------------------------------------------- looking */

static const char *state_of(const struct manager_core *core, const struct managed_node *node,
			    uint64_t now_us)
{
	bool holds = nodes_may_hold(core->nodes, node, now_us);
	if (node->record.removed) {
		return "removed";
	}
	if (node->answered_us == 0) {
		return "silent";
	}
	if (!holds) {
		return "silent";
	}
	return node->record.draining ? "draining" : "up";
}

/* The names of the services that it listens for. */
static json_t *services_json(const struct node_record *record)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < record->service_count; i++) {
		check(json_array_append_new(list, json_string(record->services[i])) == 0);
	}
	return list;
}

static json_t *node_json(const struct manager_core *core, const struct managed_node *node)
{
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	const struct node_record *record = &node->record;
	const char *state = state_of(core, node, now_us);
	json_t *json = json_pack(
		"{s:s, s:s, s:o, s:s, s:i, s:s, s:I, s:I, s:b, s:i, s:i, s:s, s:s, s:o}", "node",
		record->name, "state", state, "roles", node_record_roles(record->roles), "host",
		record->host, "port", (int)record->port, "group", record->group, "epoch",
		(json_int_t)node->proxy.epoch, "revision", (json_int_t)node->proxy.revision, "held",
		(int)node->proxy.held, "transactions_open", (int)node->proxy.transactions_open,
		"sessions", (int)node->proxy.sessions, "version", text_of(node->report, "version"),
		"server", record->server, "services", services_json(record));
	check(json);
	check(json_object_set_new(json, "server_group", json_string(record->server_group)) == 0);
	check(json_object_set_new(json, "draining", json_boolean(record->draining)) == 0);
	json_t *addresses = json_object_get(node->report, "addresses");
	json_t *guard = json_object_get(node->report, "guard");
	check(json_object_set_new(json, "guard", guard ? json_deep_copy(guard) : json_null()) == 0);
	check(json_object_set_new(json, "addresses",
				  addresses ? json_deep_copy(addresses) : json_null()) == 0);
	check(json_object_set_new(
		      json, "answered_ms_ago",
		      node->answered_us
			      ? json_integer((json_int_t)((now_us - node->answered_us) / US_PER_MS))
			      : json_null()) == 0);
	return json;
}

enum err call_node_list(struct manager_core *core, struct call *call, json_t **ret,
			struct err_ctx *err)
{
	(void)call;
	(void)err;
	json_t *list = json_array();
	if (core->nodes) {
		LIST_EACH (&core->nodes->list, at) {
			check(json_array_append_new(
				      list, node_json(core, LIST_ENTRY(at, struct managed_node,
								       list))) == 0);
		}
	}
	*ret = json_pack("{s:o}", "nodes", list);
	return ERR_OK;
}

static enum err find(struct manager_core *core, const struct call *call, struct managed_node **ret,
		     struct err_ctx *err)
{
	const char *name = text_of(call->params, "node");
	enum err rc = call_node_need(core, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = nodes_find(core->nodes, name);
	return *ret ? ERR_OK : err_set(err, ERR_NOT_FOUND, "there is no node '%.64s'", name);
}

enum err call_node_show(struct manager_core *core, struct call *call, json_t **ret,
			struct err_ctx *err)
{
	struct managed_node *node = NULL;
	enum err rc = find(core, call, &node, err);
	if (rc == ERR_OK) {
		*ret = node_json(core, node);
	}
	return rc;
}

/* ---------------------------------------------------------------- changing */

enum err call_node_drain(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	struct managed_node *node = NULL;
	enum err rc = find(core, call, &node, err);
	if (rc != ERR_OK) {
		return rc;
	}
	bool undo = json_is_true(json_object_get(call->params, "undo"));
	struct node_record next = node->record;
	next.draining = !undo;
	rc = nodes_put(core->nodes, core->options.store, &next, NULL, err);
	if (rc == ERR_OK) {
		const char *text = undo ? "takes part again" : "is draining";
		call_node_tell(core, LOG_INFO, "node.drain", next.name, text);
		*ret = json_pack("{s:s, s:s}", "node", next.name, "text", text);
	}
	return rc;
}

/* One that has left its group keeps nobody. */
static bool has_server(const struct manager_core *core, const struct node_record *record)
{
	LIST_EACH (&core->groups, at) {
		const struct record *group = &LIST_ENTRY(at, struct group, list)->record;
		if (record->server[0] && strcmp(group->group, record->server_group) == 0 &&
		    record_find(group, record->server) != SERVER_NONE) {
			return true;
		}
	}
	return false;
}

enum err call_node_remove(struct manager_core *core, struct call *call, json_t **ret,
			  struct err_ctx *err)
{
	struct managed_node *node = NULL;
	enum err rc = find(core, call, &node, err);
	if (rc == ERR_OK && has_server(core, &node->record)) {
		rc = err_set(err, ERR_REFUSED,
			     "server '%s' of group '%s' is registered on it: `muster deregister` "
			     "there, or `muster group remove`, comes first",
			     node->record.server, node->record.server_group);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct node_record next = node->record;
	next.removed = true;
	rc = nodes_put(core->nodes, core->options.store, &next, NULL, err);
	if (rc == ERR_OK) {
		const char *text = "is removed: its certificate is refused from now on";
		call_node_tell(core, LOG_INFO, "node.removed", next.name, text);
		*ret = json_pack("{s:s, s:s}", "node", next.name, "text", text);
	}
	return rc;
}
