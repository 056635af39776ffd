/* service.register, deregister, set, list, show: back ends come into the balance of a service and leave it. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/calls/call_node.h"
#include "manager/services/service_sight.h"

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

static enum err need(const struct manager_core *core, struct err_ctx *err)
{
	if (core->services->leads) {
		return ERR_OK;
	}
	(void)err_set(err, ERR_REFUSED, "this manager doesn't lead yet: try again in a moment");
	return ERR_REFUSED;
}

/* ---------------------------------------------------------------- parameters */

static enum err read_address(const json_t *params, struct service_backend *ret, struct err_ctx *err)
{
	const char *host = text_of(params, "host");
	json_int_t port = json_integer_value(json_object_get(params, "port"));
	if (!host[0] || str_copy(str_of(host), ret->host, sizeof(ret->host)) != ERR_OK ||
	    port < 1 || port > UINT16_MAX) {
		return err_set(
			err, ERR_USAGE,
			"host and port of the back end are needed, the port from 1 to 65535");
	}
	ret->port = (uint16_t)port;
	return ERR_OK;
}

/* Changes what is given. */
static enum err read_settings(const json_t *params, struct service_backend *to, struct err_ctx *err)
{
	const json_t *weight = json_object_get(params, "weight");
	const json_t *check_word = json_object_get(params, "check");
	if (weight && (!json_is_integer(weight) || json_integer_value(weight) < 1 ||
		       json_integer_value(weight) > SERVICE_WEIGHT_MAX)) {
		return err_set(err, ERR_USAGE, "weight: a number from 1 to %d is needed",
			       (int)SERVICE_WEIGHT_MAX);
	}
	if (weight) {
		to->weight = (uint32_t)json_integer_value(weight);
	}
	return check_word
		       ? service_check_parse(str_of(json_string_value(check_word)), &to->check, err)
		       : ERR_OK;
}

static void print_address(const struct service_backend *backend,
			  char ret[SERVICE_ADDRESS_TEXT_BYTES_MAX])
{
	struct buf out;
	buf_init_fixed(&out, ret, SERVICE_ADDRESS_TEXT_BYTES_MAX);
	service_address_print(backend->host, backend->port, &out);
	(void)buf_text(&out);
}

/* A copy of the service's record, to be changed, and the back end in it that is meant. */
static enum err find(struct manager_core *core, const json_t *params, struct service_record *ret,
		     struct service_entry **ret_entry, struct err_ctx *err)
{
	const char *name = text_of(params, "service");
	struct service_backend address = { 0 };
	char text[SERVICE_ADDRESS_TEXT_BYTES_MAX];
	enum err rc = need(core, err);
	rc = rc ? rc : read_address(params, &address, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct managed_service *service = services_find(core->services, name);
	if (!service) {
		(void)err_set(err, ERR_NOT_FOUND, "there is no service '%.64s'", name);
		return ERR_NOT_FOUND;
	}
	*ret = service->record;
	*ret_entry = service_record_find(ret, address.host, address.port);
	if (!*ret_entry) {
		print_address(&address, text);
		(void)err_set(err, ERR_NOT_FOUND, "service '%s' has no back end %s", name, text);
		return ERR_NOT_FOUND;
	}
	return ERR_OK;
}

/* A node speaks for what it has registered, and for nothing else. */
static enum err check_owner(const struct managed_node *asker, const struct service_entry *entry,
			    struct err_ctx *err)
{
	char text[SERVICE_ADDRESS_TEXT_BYTES_MAX];
	if (!asker || strcmp(asker->record.name, entry->node) == 0) {
		return ERR_OK;
	}
	print_address(&entry->backend, text);
	return entry->node[0] ? err_set(err, ERR_PRIVILEGE, "%s is registered by node '%s'", text,
					entry->node)
			      : err_set(err, ERR_PRIVILEGE,
					"%s was registered by hand, on a manager's host", text);
}

/* ---------------------------------------------------------------- changing */

static void tell(struct manager_core *core, const struct service_record *record,
		 const struct service_entry *entry, const char *evt, const char *what)
{
	char text[512];
	service_sight_text(record, entry, what, "", text, sizeof(text));
	const struct event event = { .level = LOG_INFO, .evt = evt, .message = text };
	event_log_add(core->events, &event);
}

static json_t *change_json(const struct service_record *record, const struct service_entry *entry,
			   const char *text)
{
	char address[SERVICE_ADDRESS_TEXT_BYTES_MAX];
	print_address(&entry->backend, address);
	json_t *json = json_pack("{s:s, s:s, s:s}", "service", record->name, "address", address,
				 "text", text);
	check(json);
	return json;
}

/* The record of the service, changed; an empty one when there is none yet. */
static enum err begin_register(struct manager_core *core, const char *name,
			       struct service_record *ret, struct err_ctx *err)
{
	const struct managed_service *service = services_find(core->services, name);
	if (service) {
		*ret = service->record;
		return ERR_OK;
	}
	if (!service_is_name(str_of(name))) {
		return err_set(err, ERR_USAGE,
			       "'%.64s' is no service's name: letters, digits, '-', '_' and '.', "
			       "up to %d",
			       name, (int)SERVICE_NAME_BYTES_MAX - 1);
	}
	if (services_count(core->services) == SERVICES_MAX) {
		return err_set(err, ERR_LIMIT, "there are %d services already", (int)SERVICES_MAX);
	}
	return str_copy(str_of(name), ret->name, sizeof(ret->name));
}

static enum err add_entry(struct service_record *record, const struct service_backend *address,
			  struct service_entry **ret, struct err_ctx *err)
{
	if (record->count == SERVICE_BACKENDS_MAX) {
		(void)err_set(err, ERR_LIMIT, "service '%s' has %d back ends already", record->name,
			      (int)SERVICE_BACKENDS_MAX);
		return ERR_LIMIT;
	}
	struct service_entry *entry = &record->entries[record->count++];
	*entry = (struct service_entry){ .backend = *address, .told = SERVICE_CHECKING };
	entry->backend.weight = SERVICE_WEIGHT_DEFAULT;
	*ret = entry;
	return ERR_OK;
}

enum err call_service_register(struct manager_core *core, struct call *call, json_t **ret,
			       struct err_ctx *err)
{
	struct managed_node *node = NULL;
	struct service_entry *entry = NULL;
	struct service_backend address = { 0 };
	CLEANUP(mem_freep) struct service_record *next = mem_need(sizeof(*next));
	enum err rc = need(core, err);
	rc = rc ? rc : call_node_asker(core, call->params, &node, err);
	rc = rc ? rc : read_address(call->params, &address, err);
	rc = rc ? rc : begin_register(core, text_of(call->params, "service"), next, err);
	if (rc != ERR_OK) {
		return rc;
	}
	entry = service_record_find(next, address.host, address.port);
	bool known = entry != NULL;
	/* Who registered it may have been removed since: then it is anybody's again. */
	bool owned = known && entry->node[0] && core->nodes && nodes_find(core->nodes, entry->node);
	rc = known ? (owned || !entry->node[0] ? check_owner(node, entry, err) : ERR_OK)
		   : add_entry(next, &address, &entry, err);
	rc = rc ? rc : read_settings(call->params, &entry->backend, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!owned) {
		check(str_copy(str_of(node ? node->record.name : ""), entry->node,
			       sizeof(entry->node)) == ERR_OK);
	}
	entry->leaving = false;
	entry->told = SERVICE_CHECKING;
	rc = services_put(core->services, core->options.store, next, err);
	if (rc == ERR_OK) {
		const char *text = entry->draining ? "is registered, but drained: `muster service "
						     "drain --undo` lets it take part"
						   : "is registered, and in the balance while it "
						     "is healthy";
		tell(core, next, entry, "service.registered", text);
		*ret = change_json(next, entry, text);
	}
	return rc;
}

enum err call_service_deregister(struct manager_core *core, struct call *call, json_t **ret,
				 struct err_ctx *err)
{
	struct managed_node *node = NULL;
	struct service_entry *entry = NULL;
	CLEANUP(mem_freep) struct service_record *next = mem_need(sizeof(*next));
	enum err rc = call_node_asker(core, call->params, &node, err);
	rc = rc ? rc : find(core, call->params, next, &entry, err);
	rc = rc ? rc : check_owner(node, entry, err);
	if (rc != ERR_OK) {
		return rc;
	}
	bool before = entry->leaving;
	entry->leaving = true;
	rc = before ? ERR_OK : services_put(core->services, core->options.store, next, err);
	if (rc == ERR_OK) {
		const char *text = "gets no new connections, and leaves when it has none";
		tell(core, next, entry, "service.deregistered", text);
		*ret = change_json(next, entry, text);
	}
	return rc;
}

enum err call_service_set(struct manager_core *core, struct call *call, json_t **ret,
			  struct err_ctx *err)
{
	struct service_entry *entry = NULL;
	const json_t *drain = json_object_get(call->params, "drain");
	CLEANUP(mem_freep) struct service_record *next = mem_need(sizeof(*next));
	enum err rc = find(core, call->params, next, &entry, err);
	rc = rc ? rc : read_settings(call->params, &entry->backend, err);
	if (rc == ERR_OK && drain && !json_is_boolean(drain)) {
		rc = err_set(err, ERR_USAGE, "drain: true or false is needed");
	}
	if (rc != ERR_OK) {
		return rc;
	}
	entry->draining = drain ? json_is_true(drain) : entry->draining;
	rc = services_put(core->services, core->options.store, next, err);
	if (rc == ERR_OK) {
		const char *text = !drain		 ? "is set"
				   : json_is_true(drain) ? "gets no new connections"
							 : "takes part again";
		tell(core, next, entry, "service.set", text);
		*ret = change_json(next, entry, text);
	}
	return rc;
}

/* ---------------------------------------------------------------- looking */

static json_t *entry_json(const struct manager_core *core, const struct service_record *record,
			  const struct service_entry *entry)
{
	char address[SERVICE_ADDRESS_TEXT_BYTES_MAX];
	char check_text[SERVICE_CHECK_TEXT_BYTES_MAX];
	struct buf out;
	struct service_sight sight;
	services_see(core, record, entry, &sight);
	print_address(&entry->backend, address);
	buf_init_fixed(&out, check_text, sizeof(check_text));
	service_check_print(&entry->backend.check, &out);
	json_t *json = json_pack(
		"{s:s, s:s, s:i, s:s, s:I, s:s, s:s, s:s, s:I, s:s, s:o}", "address", address,
		"host", entry->backend.host, "port", (int)entry->backend.port, "node", entry->node,
		"weight", (json_int_t)entry->backend.weight, "check", buf_text(&out), "state",
		service_state_name(sight.state), "why", sight.why, "connections",
		(json_int_t)sight.connections, "unknown", sight.unknown_names, "proxies",
		service_sight_proxies(core, record, entry));
	check(json);
	return json;
}

static json_t *service_json(const struct manager_core *core, const struct service_record *record)
{
	json_t *backends = json_array();
	json_int_t in_balance = 0;
	json_int_t connections = 0;
	for (uint32_t i = 0; i < record->count; i++) {
		json_t *one = entry_json(core, record, &record->entries[i]);
		const char *state = text_of(one, "state");
		in_balance += strcmp(state, "up") == 0 || strcmp(state, "partly") == 0 ? 1 : 0;
		connections += json_integer_value(json_object_get(one, "connections"));
		check(json_array_append_new(backends, one) == 0);
	}
	json_t *json = json_pack("{s:s, s:i, s:I, s:I, s:o}", "service", record->name, "count",
				 (int)record->count, "in_balance", in_balance, "connections",
				 connections, "backends", backends);
	check(json);
	return json;
}

enum err call_service_list(struct manager_core *core, struct call *call, json_t **ret,
			   struct err_ctx *err)
{
	(void)call;
	enum err rc = need(core, err);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *list = json_array();
	LIST_EACH (&core->services->list, at) {
		const struct managed_service *service =
			LIST_ENTRY(at, struct managed_service, list);
		check(json_array_append_new(list, service_json(core, &service->record)) == 0);
	}
	*ret = json_pack("{s:o}", "services", list);
	return ERR_OK;
}

enum err call_service_show(struct manager_core *core, struct call *call, json_t **ret,
			   struct err_ctx *err)
{
	const char *name = text_of(call->params, "service");
	enum err rc = need(core, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct managed_service *service = services_find(core->services, name);
	if (!service) {
		return err_set(err, ERR_NOT_FOUND, "there is no service '%.64s'", name);
	}
	*ret = service_json(core, &service->record);
	return ERR_OK;
}
