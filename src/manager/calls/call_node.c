/* node.join, node.renew, node.report: what nodes ask for, through the door between nodes. */
#include <string.h>

#include "agent/join_token.h"
#include "base/check.h"
#include "manager/calls/call.h"
#include "manager/calls/call_node.h"
#include "manager/nodes/node_report.h"
#include "store/store.h"
#include "wire/digest.h"

enum { TOKEN_BYTES_MAX = 1024 };

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

enum err call_node_need(const struct manager_core *core, struct err_ctx *err)
{
	if (core->nodes && core->nodes->leads) {
		return ERR_OK;
	}
	(void)err_set(err, ERR_REFUSED, "%s",
		      core->nodes ? "this manager doesn't lead yet: try again in a moment"
				  : "this manager takes no nodes: set listen-port in [node] of its "
				    "configuration");
	return ERR_REFUSED;
}

enum err call_node_asker(struct manager_core *core, const json_t *params, struct managed_node **ret,
			 struct err_ctx *err)
{
	const char *name = text_of(params, "by_node");
	*ret = NULL;
	if (!name[0]) {
		return ERR_OK;
	}
	struct managed_node *node = core->nodes ? nodes_find(core->nodes, name) : NULL;
	if (!node || node->record.removed ||
	    strcmp(node->record.id, text_of(params, "by_node_id")) != 0) {
		return err_set(err, ERR_PRIVILEGE, "node '%.64s' was removed", name);
	}
	if (!(node->record.roles & NODE_AGENT)) {
		return err_set(err, ERR_PRIVILEGE,
			       "node '%s' has no role agent: make a token with it and join anew",
			       node->record.name);
	}
	*ret = node;
	return ERR_OK;
}

enum err call_authority(struct manager_core *core, struct call *call, json_t **ret,
			struct err_ctx *err)
{
	(void)call;
	if (!core->nodes) {
		return call_node_need(core, err);
	}
	*ret = json_pack("{s:s}", "certificate", core->nodes->options.authority->certificate);
	return ERR_OK;
}

/* ---------------------------------------------------------------- joining */

static enum err refuse_token(struct err_ctx *err)
{
	/* One answer to all that is wrong: who guesses learns nothing. */
	return err_set(err, ERR_PRIVILEGE,
		       "the token is unknown, was used, or its time is over: make another with "
		       "`muster node token`");
}

/* Reads a token from the store and checks the secret against it. */
static enum err check_token(struct manager_core *core, const char *key, const char *secret,
			    uint32_t *ret_roles, struct err_ctx *err)
{
	char hash[NODE_FINGERPRINT_BYTES_MAX];
	struct buf text;
	uint64_t version = 0;
	buf_init(&text, TOKEN_BYTES_MAX);
	enum err rc = store_get(core->options.store, str_of(key), &text, &version, err);
	json_t *json = rc == ERR_OK ? json_loadb((const char *)text.ptr, text.len, 0, NULL) : NULL;
	buf_fini(&text);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND) {
		return rc;
	}
	const char *stored = text_of(json, "hash");
	json_int_t ends_us = json_integer_value(json_object_get(json, "ends_us"));
	join_token_hash(secret, hash);
	bool good = strlen(stored) == strlen(hash) &&
		    digest_equal((const uint8_t *)stored, (const uint8_t *)hash, strlen(hash)) &&
		    ends_us > 0 && (uint64_t)ends_us > clock_wall_us(core->options.clock);
	*ret_roles = (uint32_t)json_integer_value(json_object_get(json, "roles"));
	json_decref(json);
	return good ? ERR_OK : refuse_token(err);
}

static enum err sign(struct manager_core *core, const struct node_record *record,
		     const char *request, json_t **ret, struct err_ctx *err)
{
	const struct node_options *options = &core->nodes->options;
	const struct authority_subject subject = {
		.name = record->name,
		.id = record->id,
		.manager = (record->roles & NODE_MANAGER) != 0,
		.days = options->certificate_days,
		.wall_us = clock_wall_us(core->options.clock),
	};
	char certificate[IDENTITY_PEM_BYTES_MAX];
	enum err rc =
		authority_sign(options->authority, str_of(request), &subject, certificate, err);
	if (rc == ERR_OK) {
		*ret = json_pack("{s:s, s:s, s:s}", "certificate", certificate, "authority",
				 options->authority->certificate, "node", record->name);
	}
	return rc;
}

/* A name that is in use is given away anew only when its node is silent: two would share one lease. */
static enum err check_free(struct manager_core *core, const char *name, struct err_ctx *err)
{
	const struct managed_node *old = nodes_find(core->nodes, name);
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	if (strcmp(core->nodes->options.name, name) == 0 ||
	    (old && nodes_may_hold(core->nodes, old, now_us))) {
		return err_set(err, ERR_EXISTS,
			       "there is a node '%s' whose lease is not over: choose another name, "
			       "or remove it first",
			       name);
	}
	return ERR_OK;
}

enum err call_node_join(struct manager_core *core, struct call *call, json_t **ret,
			struct err_ctx *err)
{
	const char *name = text_of(call->params, "name");
	const char *token_id = text_of(call->params, "token");
	struct node_record record = { .joined_us = clock_wall_us(core->options.clock) };
	char key[64];
	enum err rc = call_node_need(core, err);
	rc = rc ? rc : identity_check_name(str_of(token_id), err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (strlen(token_id) >= JOIN_TOKEN_ID_BYTES_MAX) {
		return refuse_token(err);
	}
	(void)snprintf(key, sizeof(key), CALL_NODE_TOKEN_PREFIX "%s", token_id);
	rc = check_token(core, key, text_of(call->params, "secret"), &record.roles, err);
	rc = rc ? rc : identity_check_name(str_of(name), err);
	rc = rc ? rc : check_free(core, name, err);
	if (rc != ERR_OK) {
		return rc;
	}
	check(str_copy(str_of(name), record.name, sizeof(record.name)) == ERR_OK);
	join_token_node_id(record.id);
	rc = sign(core, &record, text_of(call->params, "request"), ret, err);
	if (rc != ERR_OK) {
		return rc;
	}
	/* The token goes with the very change that makes the node: it works once. */
	rc = nodes_put(core->nodes, core->options.store, &record, key, err);
	if (rc != ERR_OK) {
		json_decref(*ret);
		return rc;
	}
	call_node_tell(core, LOG_INFO, "node.joined", name, "a node has joined");
	return ERR_OK;
}

enum err call_node_renew(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	struct managed_node *node = NULL;
	enum err rc = call_node_need(core, err);
	rc = rc ? rc : node_report_authenticate(core, call->params, &node, err);
	rc = rc ? rc : sign(core, &node->record, text_of(call->params, "request"), ret, err);
	if (rc == ERR_OK) {
		call_node_tell(core, LOG_INFO, "node.renewed", node->record.name,
			       "its certificate was made anew");
	}
	return rc;
}

/* ---------------------------------------------------------------- reports */

enum err call_node_report(struct manager_core *core, struct call *call, json_t **ret,
			  struct err_ctx *err)
{
	enum err rc = call_node_need(core, err);
	return rc ? rc : node_report_take(core, call, ret, err);
}

void call_node_tell(struct manager_core *core, enum log_level level, const char *evt,
		    const char *node, const char *message)
{
	char text[256];
	(void)snprintf(text, sizeof(text), "node %s: %s", node, message);
	const struct event event = { .level = level, .evt = evt, .message = text };
	event_log_add(core->events, &event);
}
