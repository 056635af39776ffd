#include "manager/services/services.h"

#include <stdio.h>
#include <string.h>

#include "agent/service_json.h"
#include "base/check.h"
#include "base/mem.h"
#include "manager/calls/call.h"
#include "manager/services/service_sight.h"
#include "proxy/proxy.h"
#include "store/store.h"

#define SERVICES_PREFIX "service/"

enum { KEY_BYTES_MAX = sizeof(SERVICES_PREFIX) + SERVICE_NAME_BYTES_MAX, TURN_MS = 50 };

struct services *services_new(void)
{
	struct services *services = mem_need(sizeof(*services));
	services->table = mem_need(sizeof(*services->table));
	services->json = service_json_write(services->table);
	list_init(&services->list);
	return services;
}

static void service_free(struct managed_service *service)
{
	list_remove(&service->list);
	mem_free(service);
}

void services_follow(struct services *services)
{
	services->leads = false;
	LIST_EACH (&services->list, at) {
		service_free(LIST_ENTRY(at, struct managed_service, list));
	}
}

struct services *services_free(struct services *services)
{
	if (!services) {
		return NULL;
	}
	services_follow(services);
	json_decref(services->json);
	(void)mem_free(services->table);
	return mem_free(services);
}

struct managed_service *services_find(const struct services *services, const char *name)
{
	LIST_EACH (&services->list, at) {
		struct managed_service *service = LIST_ENTRY(at, struct managed_service, list);
		if (strcmp(service->record.name, name) == 0) {
			return service;
		}
	}
	return NULL;
}

uint32_t services_count(const struct services *services)
{
	uint32_t found = 0;
	LIST_EACH (&services->list, at) {
		found++;
	}
	return found;
}

/* ---------------------------------------------------------------- the store */

struct loading {
	struct services *services;
	enum err rc;
	struct err_ctx *err;
};

static void add(struct services *services, const struct service_record *record)
{
	struct managed_service *service = mem_need(sizeof(*service));
	service->record = *record;
	list_add_tail(&services->list, &service->list);
}

static bool load_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	(void)version;
	struct loading *loading = ctx;
	CLEANUP(mem_freep) struct service_record *record = mem_need(sizeof(*record));
	json_t *json = json_loadb(value.ptr, value.len, 0, NULL);
	loading->rc = service_record_read(json, record, loading->err);
	json_decref(json);
	if (loading->rc == ERR_OK && services_count(loading->services) == SERVICES_MAX) {
		loading->rc = err_set(loading->err, ERR_LIMIT, "more than %d", (int)SERVICES_MAX);
	}
	if (loading->rc != ERR_OK) {
		loading->rc = err_wrap(loading->err, loading->rc,
				       "the store's '%.*s' can't be read", STR_ARG(key));
		return false;
	}
	add(loading->services, record);
	return true;
}

enum err services_lead(struct services *services, struct store *store, struct err_ctx *err)
{
	struct loading loading = { .services = services, .rc = ERR_OK, .err = err };
	if (services->leads) {
		return ERR_OK;
	}
	services_follow(services);
	enum err rc = store_list(store, STR(SERVICES_PREFIX), load_row, &loading, err);
	rc = rc ? rc : loading.rc;
	services->leads = rc == ERR_OK;
	services->due_us = 0;
	return rc;
}

enum err services_put(struct services *services, struct store *store,
		      const struct service_record *record, struct err_ctx *err)
{
	char key[KEY_BYTES_MAX];
	struct managed_service *service = services_find(services, record->name);
	(void)snprintf(key, sizeof(key), SERVICES_PREFIX "%s", record->name);
	json_t *json = service_record_write(record);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	check(text);
	const struct store_change change = { .key = str_of(key),
					     .value = str_of(text),
					     .remove = record->count == 0 };
	enum err rc = store_commit(store, &change, 1, err);
	mem_free(text);
	if (rc != ERR_OK) {
		return rc;
	}
	services->due_us = 0;
	if (!service && record->count > 0) {
		add(services, record);
	} else if (service && record->count == 0) {
		service_free(service);
	} else if (service) {
		service->record = *record;
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- to the proxies */

void services_tag(const struct manager_core *core, char ret[NODE_TAG_BYTES_MAX])
{
	(void)snprintf(ret, NODE_TAG_BYTES_MAX, "%.*s-%llu", 16,
		       core->nodes ? core->nodes->incarnation : "",
		       (unsigned long long)core->services->version);
}

bool services_are_news(const struct manager_core *core, const struct managed_node *node)
{
	char tag[NODE_TAG_BYTES_MAX];
	const char *have = json_string_value(
		json_object_get(json_object_get(node->report, "services"), "tag"));
	services_tag(core, tag);
	return core->services->leads && core->services->version > 0 &&
	       node->record.service_count > 0 && strcmp(tag, have ? have : "") != 0;
}

void services_add(const struct manager_core *core, const struct managed_node *node, json_t *answer)
{
	char tag[NODE_TAG_BYTES_MAX];
	if (!services_are_news(core, node)) {
		return;
	}
	services_tag(core, tag);
	/* A copy: the answer is written out by another thread. */
	check(json_object_set_new(answer, "services", json_deep_copy(core->services->json)) == 0);
	check(json_object_set_new(answer, "services_tag", json_string(tag)) == 0);
}

enum err services_take_names(const json_t *report, struct node_record *ret, struct err_ctx *err)
{
	const json_t *names = json_object_get(json_object_get(report, "services"), "names");
	size_t count = json_array_size(names);
	if (count > SERVICES_MAX) {
		return err_set(err, ERR_USAGE, "the report names more than %d services",
			       (int)SERVICES_MAX);
	}
	memset(ret->services, 0, sizeof(ret->services));
	ret->service_count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		struct str name = str_of(json_string_value(json_array_get(names, i)));
		if (!service_is_name(name) ||
		    str_copy(name, ret->services[i], sizeof(ret->services[i])) != ERR_OK) {
			return err_set(err, ERR_USAGE, "the report's service %u has no name", i);
		}
	}
	return ERR_OK;
}

static void publish(struct manager_core *core)
{
	struct services *services = core->services;
	const struct manager_options *options = &core->options;
	struct service_table *table = services->table;
	memset(table, 0, sizeof(*table));
	LIST_EACH (&services->list, at) {
		const struct service_record *record =
			&LIST_ENTRY(at, struct managed_service, list)->record;
		struct service *to = &table->services[table->service_count++];
		memcpy(to->name, record->name, sizeof(to->name));
		to->backend_count = record->count;
		for (uint32_t i = 0; i < record->count; i++) {
			to->backends[i] = record->entries[i].backend;
		}
	}
	json_t *json = service_json_write(table);
	if (services->version > 0 && json_equal(json, services->json)) {
		json_decref(json);
		return;
	}
	json_decref(services->json);
	services->json = json;
	services->version++;
	if (options->proxy && !options->nodes.linked) {
		proxy_publish_services(options->proxy, table);
	}
}

/* ---------------------------------------------------------------- the turn */

static const struct {
	const char *name;
	const char *evt; /* NULL: no event */
	enum log_level level;
	const char *text;
	bool open; /* takes new connections, as far as the manager is concerned */
} states[] = {
	[SERVICE_UNTOLD] = { "checking", NULL, LOG_INFO, "", true },
	[SERVICE_CHECKING] = { "checking", NULL, LOG_INFO, "", true },
	[SERVICE_UP] = { "up", "service.up", LOG_INFO, "is in the balance", true },
	[SERVICE_PARTLY] = { "partly", "service.partly", LOG_WARN, "is not reached by every proxy",
			     true },
	[SERVICE_DOWN] = { "down", "service.down", LOG_WARN, "is out of the balance", true },
	[SERVICE_SILENT] = { "silent", "service.down", LOG_WARN, "is out of the balance", false },
	[SERVICE_DRAINING] = { "draining", "service.draining", LOG_INFO, "gets no new connections",
			       false },
	[SERVICE_LEAVING] = { "leaving", NULL, LOG_INFO, "", false },
};
_Static_assert(sizeof(states) / sizeof(states[0]) == SERVICE_STATE_COUNT_, "a row for each state");

const char *service_state_name(enum service_state state)
{
	return states[state].name;
}

/* A new leader finds most of them up: that is no news. */
static void tell(struct manager_core *core, const struct service_record *record,
		 struct service_entry *entry, const struct service_sight *sight)
{
	enum service_state before = entry->told;
	char text[512];
	bool quiet = before == SERVICE_UNTOLD && sight->state == SERVICE_UP;
	if (sight->state == before ||
	    (before == SERVICE_UNTOLD && sight->state == SERVICE_CHECKING)) {
		return;
	}
	entry->told = sight->state;
	if (!states[sight->state].evt || quiet) {
		return;
	}
	service_sight_text(record, entry, states[sight->state].text, sight->why, text,
			   sizeof(text));
	const struct event event = { .level = states[sight->state].level,
				     .evt = states[sight->state].evt,
				     .message = text };
	event_log_add(core->events, &event);
}

/* What was deregistered goes from the record when no connection can run there any more. */
static void drop_left(struct manager_core *core, struct managed_service *service)
{
	CLEANUP(mem_freep) struct service_record *next = mem_need(sizeof(*next));
	struct err_ctx err = { 0 };
	memcpy(next->name, service->record.name, sizeof(next->name));
	for (uint32_t i = 0; i < service->record.count; i++) {
		const struct service_entry *entry = &service->record.entries[i];
		struct service_sight sight;
		services_see(core, &service->record, entry, &sight);
		if (sight.state != SERVICE_LEAVING || sight.connections || sight.unknown) {
			next->entries[next->count++] = *entry;
			continue;
		}
		char text[512];
		service_sight_text(&service->record, entry, "has left", "", text, sizeof(text));
		const struct event event = { .level = LOG_INFO,
					     .evt = "service.left",
					     .message = text };
		event_log_add(core->events, &event);
	}
	if (next->count == service->record.count) {
		return;
	}
	enum err rc = services_put(core->services, core->options.store, next, &err);
	if (rc != ERR_OK) {
		log_event(core->options.log, LOG_WARN, "store.failed",
			  "a back end that has left stays on the record until it can be written",
			  LOG_TEXT("error", err_text(rc, &err)));
	}
}

static void see_all(struct manager_core *core, struct managed_service *service)
{
	for (uint32_t i = 0; i < service->record.count; i++) {
		struct service_entry *entry = &service->record.entries[i];
		struct service_sight sight;
		services_see(core, &service->record, entry, &sight);
		tell(core, &service->record, entry, &sight);
		entry->backend.open = states[sight.state].open;
	}
}

uint64_t services_turn(struct manager_core *core, uint64_t now_us)
{
	struct services *services = core->services;
	if (!services->leads || (list_is_empty(&services->list) && services->version == 0)) {
		return UINT64_MAX;
	}
	if (now_us < services->due_us) {
		return services->due_us;
	}
	services->due_us = now_us + (uint64_t)TURN_MS * US_PER_MS;
	LIST_EACH (&services->list, at) {
		see_all(core, LIST_ENTRY(at, struct managed_service, list));
	}
	publish(core);
	/* Only then: what leaves has to be closed in the very table that the proxies have in force. */
	LIST_EACH (&services->list, at) {
		drop_left(core, LIST_ENTRY(at, struct managed_service, list));
	}
	return services->due_us;
}
