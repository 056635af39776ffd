/* A back end that is thought well of without reason gets clients; one that is let go too early loses those it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "manager/calls/call.h"
#include "manager/nodes/consent.h"
#include "manager/services/service_sight.h"

enum { NOW_S = 1000, TEXT_BYTES = 512 };

static uint64_t at_now(void *ctx)
{
	(void)ctx;
	return (uint64_t)NOW_S * US_PER_S;
}

static const struct clock still = { .monotonic_us = at_now, .wall_us = at_now };

/* A node that carries `web`; what it reports of 10.0.0.5:80. */
struct proxy_row {
	const char *state; /* NULL: it doesn't know of it */
	int connections;
	bool silent;  /* without a lease */
	bool removed; /* from the circle */
	bool late;    /* has an older table, or not in force everywhere */
};

enum owner {
	BY_HAND,
	OWNER_UP,
	OWNER_SILENT,
	OWNER_GONE,
	OWNER_DRAINING,
	OWNER_REMOVED,
	OWNER_LOST
};

struct sight_row {
	const char *what;
	enum owner owner;
	bool draining;
	bool leaving;
	struct proxy_row proxies[2];
	uint32_t proxy_count;
	enum service_state state;
	const char *why; /* a part of it */
	uint32_t connections;
	uint32_t unknown;
};

#define UP(n) \
	{ \
		.state = "up", .connections = (n) \
	}
#define DOWN \
	{ \
		.state = "down" \
	}

static const struct sight_row table[] = {
	{ "nobody carries it",
	  BY_HAND,
	  false,
	  false,
	  { { 0 } },
	  0,
	  SERVICE_CHECKING,
	  "no proxy",
	  0,
	  0 },
	{ "all reach it", OWNER_UP, false, false, { UP(2), UP(3) }, 2, SERVICE_UP, "", 5, 0 },
	{ "one does",
	  OWNER_UP,
	  false,
	  false,
	  { UP(2), DOWN },
	  2,
	  SERVICE_PARTLY,
	  "lb1 says: w",
	  2,
	  0 },
	{ "none does",
	  BY_HAND,
	  false,
	  false,
	  { DOWN, DOWN },
	  2,
	  SERVICE_DOWN,
	  "lb0 says: w",
	  0,
	  0 },
	{ "first check",
	  BY_HAND,
	  false,
	  false,
	  { { .state = "checking" } },
	  1,
	  SERVICE_CHECKING,
	  "first check",
	  0,
	  0 },
	{ "a proxy that hasn't heard of it yet",
	  BY_HAND,
	  false,
	  false,
	  { { .late = true }, UP(1) },
	  2,
	  SERVICE_UP,
	  "",
	  1,
	  1 },
	{ "a silent proxy's last word counts for nothing, but it may carry some",
	  BY_HAND,
	  false,
	  false,
	  { { .state = "up", .connections = 9, .silent = true }, DOWN },
	  2,
	  SERVICE_DOWN,
	  "lb1 says",
	  0,
	  1 },
	{ "a removed proxy is a person's word",
	  BY_HAND,
	  false,
	  true,
	  { { .state = "up", .connections = 9, .silent = true, .removed = true } },
	  1,
	  SERVICE_LEAVING,
	  "deregistered",
	  0,
	  0 },
	{ "its node is silent",
	  OWNER_SILENT,
	  false,
	  false,
	  { UP(4) },
	  1,
	  SERVICE_SILENT,
	  "silent",
	  4,
	  0 },
	{ "its node said goodbye",
	  OWNER_GONE,
	  false,
	  false,
	  { UP(4) },
	  1,
	  SERVICE_SILENT,
	  "stopped",
	  4,
	  0 },
	{ "its node drains",
	  OWNER_DRAINING,
	  false,
	  false,
	  { UP(1) },
	  1,
	  SERVICE_DRAINING,
	  "is draining",
	  1,
	  0 },
	{ "its node was removed",
	  OWNER_REMOVED,
	  false,
	  false,
	  { UP(1) },
	  1,
	  SERVICE_LEAVING,
	  "removed",
	  1,
	  0 },
	{ "its node was forgotten",
	  OWNER_LOST,
	  false,
	  false,
	  { UP(1) },
	  1,
	  SERVICE_LEAVING,
	  "removed",
	  1,
	  0 },
	{ "drained by hand",
	  OWNER_UP,
	  true,
	  false,
	  { UP(1) },
	  1,
	  SERVICE_DRAINING,
	  "drained",
	  1,
	  0 },
	{ "deregistered, the old table in force somewhere",
	  OWNER_UP,
	  false,
	  true,
	  { { .state = "up", .late = true } },
	  1,
	  SERVICE_LEAVING,
	  "deregistered",
	  0,
	  1 },
	{ "deregistered beats drained",
	  OWNER_DRAINING,
	  true,
	  true,
	  { UP(2) },
	  1,
	  SERVICE_LEAVING,
	  "",
	  2,
	  0 },
};

static struct managed_node *add_node(struct nodes *nodes, const char *name, bool silent)
{
	struct managed_node *node = mem_need(sizeof(*node));
	assert_int_equal(str_copy(str_of(name), node->record.name, sizeof(node->record.name)),
			 ERR_OK);
	node->answered_us = 1;
	node->until_us = silent ? 1 : ((uint64_t)NOW_S + 10) * US_PER_S;
	list_add_tail(&nodes->list, &node->list);
	return node;
}

static void add_proxy(struct manager_core *core, const char *name, const struct proxy_row *row)
{
	struct managed_node *node = add_node(core->nodes, name, row->silent);
	char tag[NODE_TAG_BYTES_MAX];
	services_tag(core, tag);
	node->record.service_count = 1;
	memcpy(node->record.services[0], "web", sizeof("web"));
	node->record.removed = row->removed;
	json_t *backends = json_array();
	if (row->state) {
		(void)json_array_append_new(
			backends, json_pack("{s:s, s:s, s:i, s:s, s:i, s:s}", "service", "web",
					    "host", "10.0.0.5", "port", 80, "state", row->state,
					    "connections", row->connections, "why", "w"));
	}
	node->report = json_pack("{s:{s:s, s:b, s:o}}", "services", "tag",
				 row->late ? "older" : tag, "in_force", 1, "backends", backends);
	assert_non_null(node->report);
}

static void add_owner(struct nodes *nodes, enum owner owner)
{
	if (owner == BY_HAND || owner == OWNER_LOST) {
		return;
	}
	struct managed_node *node = add_node(nodes, "web1", owner == OWNER_SILENT);
	node->gone = owner == OWNER_GONE;
	node->record.draining = owner == OWNER_DRAINING;
	node->record.removed = owner == OWNER_REMOVED;
}

static void sights(void **state)
{
	static const struct node_options options = { .lease_ms = 2000, .renew_ms = 400 };
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct sight_row *row = &table[i];
		CLEANUP(mem_freep) struct manager_core *core = mem_need(sizeof(*core));
		struct service_record record = { .name = "web", .count = 1 };
		struct service_entry *entry = &record.entries[0];
		struct service_sight sight;
		char name[] = "lb0";
		core->options.clock = &still;
		core->nodes = nodes_new(&options);
		consent_open(core->nodes->consent, 1); /* long ago */
		core->services = services_new();
		*entry = (struct service_entry){
			.backend = { .host = "10.0.0.5", .port = 80, .weight = 1 },
			.draining = row->draining,
			.leaving = row->leaving,
		};
		if (row->owner != BY_HAND) {
			memcpy(entry->node, "web1", sizeof("web1"));
		}
		add_owner(core->nodes, row->owner);
		for (uint32_t k = 0; k < row->proxy_count; k++) {
			name[2] = (char)('0' + k);
			add_proxy(core, name, &row->proxies[k]);
		}
		services_see(core, &record, entry, &sight);
		if (sight.state != row->state || !strstr(sight.why, row->why) ||
		    sight.connections != row->connections || sight.unknown != row->unknown) {
			fail_msg("%s: %s '%s' %u %u", row->what, service_state_name(sight.state),
				 sight.why, sight.connections, sight.unknown);
		}
		core->services = services_free(core->services);
		core->nodes = nodes_free(core->nodes);
	}
}

/* A manager that takes no nodes any more knows nothing of them: that is no reason to throw anything out. */
static void no_nodes_no_verdict(void **state)
{
	struct manager_core core = { .options = { .clock = &still }, .services = services_new() };
	struct service_record record = { .name = "web", .count = 1 };
	struct service_sight sight;
	(void)state;
	memcpy(record.entries[0].node, "web1", sizeof("web1"));
	services_see(&core, &record, &record.entries[0], &sight);
	assert_int_equal(sight.state, SERVICE_SILENT);
	core.services = services_free(core.services);
}

static void words(void **state)
{
	struct service_record record = { .name = "web", .count = 1 };
	char text[TEXT_BYTES];
	(void)state;
	record.entries[0].backend = (struct service_backend){ .host = "::1", .port = 80 };
	service_sight_text(&record, &record.entries[0], "is down", "refused", text, sizeof(text));
	assert_string_equal(text, "web [::1]:80 is down: refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sights),
		cmocka_unit_test(no_nodes_no_verdict),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
