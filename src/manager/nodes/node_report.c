#include "manager/nodes/node_report.h"

#include <stdio.h>
#include <string.h>

#include "agent/route_json.h"
#include "base/check.h"
#include "manager/addresses/addresses.h"
#include "manager/beside.h"
#include "manager/calls/call.h"
#include "manager/calls/call_node.h"
#include "manager/services/services.h"

enum {
	TENSE_WAIT_MS = 10, /* while something is going on: nodes report so often */
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

static uint64_t number_of(const json_t *json, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(json, key));
	return number > 0 ? (uint64_t)number : 0;
}

static struct managed_node *find_proven(const struct nodes *nodes, const json_t *params)
{
	struct managed_node *node = nodes_find(nodes, text_of(params, "node"));
	bool proven = node && !node->record.removed &&
		      strcmp(node->record.id, text_of(params, "node_id")) == 0;
	return proven ? node : NULL;
}

enum err node_report_authenticate(struct manager_core *core, const json_t *params,
				  struct managed_node **ret, struct err_ctx *err)
{
	const char *name = text_of(params, "node");
	struct managed_node *node = find_proven(core->nodes, params);
	/* A manager's host writes its own record when it starts. */
	if (!node && nodes_read(core->nodes, core->options.store, name, NULL) == ERR_OK) {
		node = find_proven(core->nodes, params);
	}
	if (!node) {
		(void)err_set(err, ERR_PRIVILEGE,
			      "node '%.64s' was removed or has joined anew: this certificate is "
			      "refused",
			      name);
		return ERR_PRIVILEGE;
	}
	*ret = node;
	return ERR_OK;
}

/* ---------------------------------------------------------------- taking in */

/* The server that the node's configuration names is registered on it, unless it is on another node. */
static void find_server(const struct manager_core *core, const struct managed_node *node,
			const char *text, struct node_record *next)
{
	const struct group *group = NULL;
	const char *server = NULL;
	if (!(next->roles & NODE_AGENT) || !beside_find(core, text, &group, &server) ||
	    nodes_find_owner(core->nodes, group->record.group, server, node)) {
		return;
	}
	check(str_copy(str_of(group->record.group), next->server_group,
		       sizeof(next->server_group)) == ERR_OK &&
	      str_copy(str_of(server), next->server, sizeof(next->server)) == ERR_OK);
}

static enum err take_record(struct manager_core *core, struct managed_node *node,
			    const json_t *report, struct err_ctx *err)
{
	struct node_record next = node->record;
	const char *host = text_of(report, "host");
	uint64_t port = number_of(report, "port");
	const char *group = text_of(report, "group");
	enum err rc = services_take_names(report, &next, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if ((group[0] || next.service_count) && !(next.roles & NODE_PROXY)) {
		return err_set(err, ERR_REFUSED,
			       "node '%s' has no role proxy: make a token with it and join anew",
			       next.name);
	}
	if (port > UINT16_MAX ||
	    str_copy(str_of(host[0] ? host : text_of(report, "from")), next.host,
		     sizeof(next.host)) != ERR_OK ||
	    str_copy(str_of(group), next.group, sizeof(next.group)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "the report's host, port or group is malformed");
	}
	next.port = (uint16_t)port;
	find_server(core, node, text_of(report, "server"), &next);
	if (strcmp(next.host, node->record.host) == 0 && next.port == node->record.port &&
	    strcmp(next.group, node->record.group) == 0 &&
	    strcmp(next.server_group, node->record.server_group) == 0 &&
	    strcmp(next.server, node->record.server) == 0 &&
	    next.service_count == node->record.service_count &&
	    memcmp(next.services, node->record.services, sizeof(next.services)) == 0) {
		return ERR_OK;
	}
	/* While its lease may hold, a node may still carry what it carried before. */
	if (node->record.group[0] && strcmp(next.group, node->record.group) != 0 &&
	    nodes_may_hold(core->nodes, node, clock_monotonic_us(core->options.clock))) {
		return err_set(err, ERR_CONFLICT, "what this node carried before is still leased");
	}
	return nodes_put(core->nodes, core->options.store, &next, NULL, err);
}

static void copy_tag(const json_t *report, const char *key, char to[NODE_TAG_BYTES_MAX])
{
	if (str_copy(str_of(text_of(report, key)), to, NODE_TAG_BYTES_MAX) != ERR_OK) {
		to[0] = 0;
	}
}

/* A report of a process whose successor has reported already says nothing any more. */
static enum err take_incarnation(struct managed_node *node, const json_t *report,
				 struct err_ctx *err)
{
	char incarnation[NODE_TAG_BYTES_MAX];
	copy_tag(report, "incarnation", incarnation);
	if (incarnation[0] && strcmp(incarnation, node->incarnation_before) == 0) {
		return err_set(err, ERR_CONFLICT, "a newer process of this node has reported");
	}
	if (strcmp(incarnation, node->incarnation) != 0) {
		memcpy(node->incarnation_before, node->incarnation, NODE_TAG_BYTES_MAX);
		memcpy(node->incarnation, incarnation, NODE_TAG_BYTES_MAX);
	}
	return ERR_OK;
}

static bool is_goodbye(const json_t *report)
{
	return json_is_true(json_object_get(report, "leaving"));
}

static void take_proxy(struct managed_node *node, const json_t *report)
{
	node->proxy = (struct node_proxy){
		.epoch = number_of(report, "epoch"),
		.revision = number_of(report, "revision"),
		.have_epoch = number_of(report, "have_epoch"),
		.have_revision = number_of(report, "have_revision"),
		.held = json_is_true(json_object_get(report, "held")),
		.transactions_open = (uint32_t)number_of(report, "transactions_open"),
		.statements_held = (uint32_t)number_of(report, "statements_held"),
		.sessions = (uint32_t)number_of(report, "sessions"),
	};
	copy_tag(report, "route_from", node->route_from);
	copy_tag(report, "accounts_have", node->accounts_have);
	copy_tag(report, "circle_have", node->circle_have);
	node->draining_have = json_is_true(json_object_get(report, "draining"));
}

/* The servers that this node's proxy had trouble with are looked at now. */
static void take_trouble(struct manager_core *core, const json_t *report)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(report, "trouble"), i, one)
	{
		core->look_now(core, text_of(one, "host"), (uint16_t)number_of(one, "port"));
	}
}

/* A host that was cut off fenced its server: it can say so only afterwards, maybe to another manager. */
static void tell_fence(struct manager_core *core, const struct managed_node *node,
		       const json_t *report, bool same_process)
{
	enum { OLD_S = 600 };
	const json_t *guard = json_object_get(report, "guard");
	const json_t *before = json_object_get(node->report, "guard");
	uint64_t known = same_process && before ? number_of(before, "fenced") : 0;
	uint64_t ago_s = number_of(guard, "ago_s");
	if (number_of(guard, "fenced") <= known || (!node->report && ago_s > OLD_S)) {
		return;
	}
	char text[160];
	(void)snprintf(text, sizeof(text),
		       "it had no lease and nobody agreed to go on, so it made its database server "
		       "read-only, %llu s ago",
		       (unsigned long long)ago_s);
	call_node_tell(core, LOG_WARN, "node.fenced", node->record.name, text);
}

/* ---------------------------------------------------------------- answering */

static struct group *group_of(struct manager_core *core, const struct managed_node *node)
{
	LIST_EACH (&core->groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		if (node->record.group[0] && strcmp(group->record.group, node->record.group) == 0) {
			return group;
		}
	}
	return NULL;
}

static bool route_is_news(const struct nodes *nodes, const struct managed_node *node,
			  const struct group *group)
{
	return group && group->route.revision != 0 &&
	       (node->proxy.have_epoch != group->route.epoch ||
		node->proxy.have_revision != group->route.revision ||
		strcmp(node->route_from, nodes->incarnation) != 0);
}

static bool has_news(struct manager_core *core, const struct managed_node *node)
{
	const struct nodes *nodes = core->nodes;
	char tag[NODE_TAG_BYTES_MAX];
	json_t *accounts = NULL;
	nodes_circle_tag(nodes, tag);
	if (strcmp(tag, node->circle_have) != 0 || node->record.draining != node->draining_have ||
	    node->record.removed || route_is_news(nodes, node, group_of(core, node)) ||
	    addresses_is_news(nodes, node) || services_are_news(core, node)) {
		return true;
	}
	nodes_get_accounts(nodes, node->record.group, tag, &accounts);
	json_decref(accounts);
	return accounts != NULL && strcmp(tag, node->accounts_have) != 0;
}

/* What the node has is only told again when it has something else. */
static json_t *answer_json(struct manager_core *core, const struct managed_node *node,
			   uint32_t good_ms)
{
	const struct nodes *nodes = core->nodes;
	const struct group *group = group_of(core, node);
	char tag[NODE_TAG_BYTES_MAX];
	json_t *accounts = NULL;
	nodes_circle_tag(nodes, tag);
	json_t *json = json_pack(
		"{s:b, s:s, s:i, s:i, s:i, s:b, s:s, s:s}", "leads", 1, "manager",
		nodes->options.name, "lease_ms", (int)good_ms, "round_ms",
		(int)nodes->options.lease_ms, "renew_ms", (int)nodes->options.renew_ms, "draining",
		(int)node->record.draining, "route_from", nodes->incarnation, "circle_tag", tag);
	check(json);
	if (strcmp(tag, node->circle_have) != 0) {
		check(json_object_set_new(json, "circle", nodes_circle_json(nodes)) == 0);
	}
	if (route_is_news(nodes, node, group)) {
		check(json_object_set_new(json, "route", route_json_write(&group->route)) == 0);
	}
	addresses_add_orders(nodes, node, json);
	nodes_get_accounts(nodes, node->record.group, tag, &accounts);
	if (accounts && strcmp(tag, node->accounts_have) != 0) {
		/* A copy: the answer is written out by another thread. */
		check(json_object_set_new(json, "accounts", json_deep_copy(accounts)) == 0);
		check(json_object_set_new(json, "accounts_tag", json_string(tag)) == 0);
	}
	json_decref(accounts);
	services_add(core, node, json);
	return json;
}

/* With a lease. */
static json_t *renewal_json(struct manager_core *core, struct managed_node *node, uint64_t now_us)
{
	uint64_t beat_us = role_beat_us(core, node->reported_us);
	return answer_json(core, node, nodes_grant_ms(core->nodes, node, beat_us, now_us));
}

/* Its lease is not renewed by it; what it registered and listened for ends. */
static enum err take_goodbye(struct manager_core *core, struct managed_node *node, json_t **ret,
			     struct err_ctx *err)
{
	struct node_record next = node->record;
	next.service_count = 0;
	memset(next.services, 0, sizeof(next.services));
	enum err rc = node->record.service_count == 0
			      ? ERR_OK
			      : nodes_put(core->nodes, core->options.store, &next, NULL, err);
	if (rc == ERR_OK) {
		node->gone = true;
		*ret = answer_json(core, node, 0);
	}
	return rc;
}

/* The server of its host was the primary: that it reports again shows that it is not cut off. */
static bool is_given_up(struct manager_core *core, const struct managed_node *node)
{
	LIST_EACH (&core->groups, at) {
		const struct record *record = &LIST_ENTRY(at, struct group, list)->record;
		if (record->state == GROUP_REVOKING && record->previous != SERVER_NONE &&
		    strcmp(node->record.server_group, record->group) == 0 &&
		    strcmp(node->record.server, record->servers[record->previous].name) == 0) {
			return true;
		}
	}
	return false;
}

/* How long a report may wait: not long while a group changes, or while the node is on its way to a new route. */
static uint64_t wait_us(struct manager_core *core, const struct managed_node *node)
{
	const struct group *group = group_of(core, node);
	bool tense = group && group->record.state != GROUP_STEADY &&
		     group->record.state != GROUP_REFUSED && group->record.state != GROUP_FORMING;
	tense = tense || is_given_up(core, node) || addresses_is_tense(core->nodes, node) ||
		node->proxy.have_epoch != node->proxy.epoch ||
		node->proxy.have_revision != node->proxy.revision;
	return tense ? (uint64_t)TENSE_WAIT_MS * US_PER_MS : core->nodes->terms.renew_us;
}

enum err node_report_take(struct manager_core *core, struct call *call, json_t **ret,
			  struct err_ctx *err)
{
	struct managed_node *node = NULL;
	const json_t *report = call->params;
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	enum err rc = node_report_authenticate(core, report, &node, err);
	bool same_process = node && strcmp(text_of(report, "incarnation"), node->incarnation) == 0;
	rc = rc ? rc : take_incarnation(node, report, err);
	rc = rc ? rc : take_record(core, node, report, err);
	if (rc != ERR_OK) {
		return rc;
	}
	node->gone = false;
	if (node->waiting) {
		struct err_ctx older = { 0 };
		rc = err_set(&older, ERR_CONFLICT, "a newer report has come");
		call_answer(node->waiting, rc, &older, NULL);
		node->waiting = NULL;
	}
	take_proxy(node, report);
	take_trouble(core, report);
	tell_fence(core, node, report, same_process);
	json_decref(node->report);
	node->report = json_deep_copy(report);
	node->reported_before_us = node->reported_us;
	node->reported_us = now_us;
	if (is_goodbye(report)) {
		return take_goodbye(core, node, ret, err);
	}
	if (has_news(core, node)) {
		*ret = renewal_json(core, node, now_us);
		return ERR_OK;
	}
	node->waiting = call;
	node->waiting_due_us = now_us + wait_us(core, node);
	node->waiting_beat_us = role_beat_us(core, 0);
	return ERR_AGAIN;
}

uint64_t node_report_turn(struct manager_core *core, uint64_t now_us)
{
	uint64_t next_us = UINT64_MAX;
	uint64_t beat_us = role_beat_us(core, 0);
	LIST_EACH (&core->nodes->list, at) {
		struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (!node->waiting) {
			continue;
		}
		uint64_t due_us = node->waiting_due_us;
		uint64_t tense_us = node->reported_us + wait_us(core, node);
		due_us = tense_us < due_us ? tense_us : due_us;
		if (node->record.removed) {
			struct err_ctx err = { 0 };
			enum err rc = err_set(&err, ERR_PRIVILEGE, "node '%s' was removed",
					      node->record.name);
			call_answer(node->waiting, rc, &err, NULL);
			node->waiting = NULL;
		} else if (now_us >= due_us || beat_us > node->waiting_beat_us ||
			   has_news(core, node)) {
			call_answer(node->waiting, ERR_OK, NULL, renewal_json(core, node, now_us));
			node->waiting = NULL;
		} else {
			next_us = due_us < next_us ? due_us : next_us;
		}
	}
	nodes_forget(core->nodes, core->options.store, core->options.log, now_us);
	return next_us;
}

void node_report_dismiss(struct nodes *nodes)
{
	LIST_EACH (&nodes->list, at) {
		struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (node->waiting) {
			struct err_ctx err = { 0 };
			enum err rc = err_set(&err, ERR_UNREACHABLE, "the manager is stopping");
			call_answer(node->waiting, rc, &err, NULL);
			node->waiting = NULL;
		}
	}
}
