#include "manager/services/service_sight.h"

#include <stdio.h>
#include <string.h>

#include "agent/link.h"
#include "base/check.h"
#include "base/clock.h"
#include "manager/calls/call.h"
#include "proxy/proxy.h"

/* One proxy that carries the service. */
struct view {
	const char *name;
	bool current; /* reports, and has the newest table in force */
	bool alive;   /* reports */
	bool seen;    /* knows the back end */
	const char *state;
	const char *why;
	uint32_t connections;
};

typedef void (*view_fn)(void *ctx, const struct view *view);

struct question {
	const struct manager_core *core;
	const char *service;
	const struct service_backend *backend;
	view_fn take;
	void *ctx;
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

static void fill(struct view *view, const struct question *question, const json_t *row)
{
	if (strcmp(text_of(row, "service"), question->service) != 0 ||
	    strcmp(text_of(row, "host"), question->backend->host) != 0 ||
	    json_integer_value(json_object_get(row, "port")) != question->backend->port) {
		return;
	}
	json_int_t connections = json_integer_value(json_object_get(row, "connections"));
	view->seen = true;
	view->state = text_of(row, "state");
	view->why = text_of(row, "why");
	view->connections = connections > 0 ? (uint32_t)connections : 0;
}

static bool carries(const struct node_record *record, const char *service)
{
	for (uint32_t i = 0; i < record->service_count; i++) {
		if (strcmp(record->services[i], service) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_alive(const struct manager_core *core, const struct managed_node *node)
{
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	return !node->gone && nodes_may_hold(core->nodes, node, now_us);
}

static void ask_node(const struct question *question, const struct managed_node *node)
{
	const json_t *report = json_object_get(node->report, "services");
	struct view view = { .name = node->record.name, .state = "", .why = "" };
	char tag[NODE_TAG_BYTES_MAX];
	size_t i;
	const json_t *row;
	services_tag(question->core, tag);
	view.alive = node->report && is_alive(question->core, node);
	view.current = view.alive && strcmp(text_of(report, "tag"), tag) == 0 &&
		       json_is_true(json_object_get(report, "in_force"));
	json_array_foreach(json_object_get(report, "backends"), i, row)
	{
		fill(&view, question, row);
	}
	question->take(question->ctx, &view);
}

struct local {
	const struct question *question;
	struct view *view;
	json_t *row; /* the texts of the view point into it */
};

static void take_local(void *ctx, const struct proxy_backend *backend)
{
	struct local *local = ctx;
	if (local->row) {
		return;
	}
	json_t *row = link_service_row(backend);
	fill(local->view, local->question, row);
	if (local->view->seen) {
		local->row = row;
	} else {
		json_decref(row);
	}
}

/* The proxy of this very process, unless its link reports as any other's. */
static void ask_local(const struct question *question)
{
	const struct manager_options *options = &question->core->options;
	struct view view = { .name = options->node, .alive = true, .state = "", .why = "" };
	struct local local = { .question = question, .view = &view };
	bool listens = false;
	const char *name = NULL;
	if (!options->proxy || options->nodes.linked) {
		return;
	}
	for (size_t i = 0; (name = proxy_service(options->proxy, i)); i++) {
		listens = listens || strcmp(name, question->service) == 0;
	}
	if (listens) {
		view.current = proxy_services_in_force(options->proxy);
		proxy_each_backend(options->proxy, take_local, &local);
		question->take(question->ctx, &view);
		json_decref(local.row);
	}
}

static void ask_all(const struct question *question)
{
	ask_local(question);
	if (!question->core->nodes) {
		return;
	}
	LIST_EACH (&question->core->nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (!node->record.removed && carries(&node->record, question->service)) {
			ask_node(question, node);
		}
	}
}

/* ---------------------------------------------------------------- as one */

struct tally {
	struct service_sight *sight;
	uint32_t up;
	uint32_t down;
	uint32_t proxies;
	char why[160]; /* the first that doesn't reach it */
};

static void take_view(void *ctx, const struct view *view)
{
	struct tally *tally = ctx;
	struct service_sight *sight = tally->sight;
	if (!view->current) {
		size_t used = strlen(sight->unknown_names);
		(void)snprintf(sight->unknown_names + used, sizeof(sight->unknown_names) - used,
			       "%s%s", used ? ", " : "", view->name);
		sight->unknown++;
	}
	sight->connections += view->alive ? view->connections : 0;
	if (!view->alive || !view->seen) {
		return;
	}
	tally->proxies++;
	tally->up += strcmp(view->state, "up") == 0 ? 1 : 0;
	if (strcmp(view->state, "down") == 0) {
		if (tally->down == 0) {
			(void)snprintf(tally->why, sizeof(tally->why), "%.100s says: %.50s",
				       view->name, view->why);
		}
		tally->down++;
	}
}

/* What the node that registered it stands in the way with; UNTOLD: nothing. */
static enum service_state state_by_node(const struct manager_core *core,
					const struct service_entry *entry,
					struct service_sight *ret)
{
	const char *words = NULL;
	enum service_state state = SERVICE_UNTOLD;
	const struct managed_node *node =
		core->nodes && entry->node[0] ? nodes_find(core->nodes, entry->node) : NULL;
	if (!entry->node[0]) {
		return SERVICE_UNTOLD;
	}
	if (!core->nodes) {
		/* Nothing is known of it: that is no reason to forget what it has registered. */
		state = SERVICE_SILENT;
		words = "is not known: this manager takes no nodes";
	} else if (!node || node->record.removed) {
		state = SERVICE_LEAVING;
		words = "was removed";
	} else if (!is_alive(core, node)) {
		state = SERVICE_SILENT;
		words = node->gone ? "has stopped" : "is silent";
	} else if (node->record.draining) {
		state = SERVICE_DRAINING;
		words = "is draining";
	}
	if (words) {
		(void)snprintf(ret->why, sizeof(ret->why), "node %s %s", entry->node, words);
	}
	return state;
}

static enum service_state state_by_health(const struct tally *tally, struct service_sight *ret)
{
	const char *words = tally->why;
	enum service_state state = SERVICE_CHECKING;
	if (tally->proxies == 0) {
		words = "no proxy that carries this service has told of it yet";
	} else if (tally->up && tally->down) {
		state = SERVICE_PARTLY;
	} else if (tally->up) {
		state = SERVICE_UP;
		words = "";
	} else if (tally->down) {
		state = SERVICE_DOWN;
	} else {
		words = "the first check is under way";
	}
	(void)snprintf(ret->why, sizeof(ret->why), "%s", words);
	return state;
}

void services_see(const struct manager_core *core, const struct service_record *record,
		  const struct service_entry *entry, struct service_sight *ret)
{
	struct tally tally = { .sight = ret };
	const struct question question = { .core = core,
					   .service = record->name,
					   .backend = &entry->backend,
					   .take = take_view,
					   .ctx = &tally };
	*ret = (struct service_sight){ .state = SERVICE_UNTOLD };
	ask_all(&question);
	if (entry->leaving) {
		ret->state = SERVICE_LEAVING;
		(void)snprintf(ret->why, sizeof(ret->why), "deregistered");
		return;
	}
	if (entry->draining) {
		ret->state = SERVICE_DRAINING;
		(void)snprintf(ret->why, sizeof(ret->why), "drained");
		return;
	}
	ret->state = state_by_node(core, entry, ret);
	if (ret->state == SERVICE_UNTOLD) {
		ret->state = state_by_health(&tally, ret);
	}
}

void service_sight_text(const struct service_record *record, const struct service_entry *entry,
			const char *what, const char *why, char *ret, size_t bytes)
{
	struct buf out;
	buf_init_fixed(&out, ret, bytes);
	buf_printf(&out, "%s ", record->name);
	service_address_print(entry->backend.host, entry->backend.port, &out);
	buf_printf(&out, " %s%s%s", what, why[0] ? ": " : "", why);
	(void)buf_text(&out);
}

static void add_proxy(void *ctx, const struct view *view)
{
	json_t *list = ctx;
	json_t *one = json_pack("{s:s, s:s, s:I, s:s}", "proxy", view->name, "state",
				!view->alive ? "silent"
				: view->seen ? view->state
					     : "untold",
				"connections", (json_int_t)view->connections, "why", view->why);
	check(one && json_array_append_new(list, one) == 0);
}

json_t *service_sight_proxies(const struct manager_core *core, const struct service_record *record,
			      const struct service_entry *entry)
{
	json_t *list = json_array();
	const struct question question = { .core = core,
					   .service = record->name,
					   .backend = &entry->backend,
					   .take = add_proxy,
					   .ctx = list };
	ask_all(&question);
	return list;
}
