#include "manager/nodes/nodes.h"

#include <stdio.h>
#include <string.h>

#include "agent/route_json.h"
#include "base/check.h"
#include "base/mem.h"
#include "manager/group.h"
#include "manager/nodes/consent.h"
#include "os/random.h"
#include "store/store.h"

#define NODES_PREFIX "node/"

enum {
	KEY_BYTES_MAX = sizeof(NODES_PREFIX) + NODE_NAME_BYTES_MAX,
	MARGIN_SHARE = 10,
	GUARD_MS = 1000
};

/* The accounts of one group, as JSON that is made once. */
struct node_accounts {
	struct list list;
	char group[NAME_BYTES_MAX];
	json_t *json;
	uint64_t count; /* how often they have changed */
};

struct nodes *nodes_new(const struct node_options *options)
{
	struct nodes *nodes = mem_need(sizeof(*nodes));
	nodes->options = *options;
	nodes->terms = (struct lease_terms){
		.duration_us = (uint64_t)options->lease_ms * US_PER_MS,
		.renew_us = (uint64_t)options->renew_ms * US_PER_MS,
		.margin_us = (uint64_t)options->lease_ms * US_PER_MS / MARGIN_SHARE,
	};
	nodes->consent = consent_new(&nodes->terms);
	list_init(&nodes->list);
	list_init(&nodes->accounts);
	return nodes;
}

static void node_free(struct managed_node *node)
{
	check(!node->waiting);
	list_remove(&node->list);
	json_decref(node->report);
	json_decref(node->orders);
	mem_free(node);
}

static void forget_all(struct nodes *nodes)
{
	LIST_EACH (&nodes->list, at) {
		node_free(LIST_ENTRY(at, struct managed_node, list));
	}
	LIST_EACH (&nodes->accounts, at) {
		struct node_accounts *accounts = LIST_ENTRY(at, struct node_accounts, list);
		list_remove(&accounts->list);
		json_decref(accounts->json);
		mem_free(accounts);
	}
}

void nodes_follow(struct nodes *nodes)
{
	nodes->leads = false;
	forget_all(nodes);
}

struct nodes *nodes_free(struct nodes *nodes)
{
	if (nodes) {
		forget_all(nodes);
		nodes->consent = consent_free(nodes->consent);
	}
	return mem_free(nodes);
}

struct managed_node *nodes_find(const struct nodes *nodes, const char *name)
{
	LIST_EACH (&nodes->list, at) {
		struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (strcmp(node->record.name, name) == 0) {
			return node;
		}
	}
	return NULL;
}

const struct managed_node *nodes_find_owner(const struct nodes *nodes, const char *group,
					    const char *server, const struct managed_node *but)
{
	LIST_EACH (&nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (node != but && strcmp(node->record.server, server) == 0 &&
		    strcmp(node->record.server_group, group) == 0) {
			return node;
		}
	}
	return NULL;
}

static struct managed_node *add(struct nodes *nodes, const struct node_record *record)
{
	struct managed_node *node = mem_need(sizeof(*node));
	node->record = *record;
	list_add_tail(&nodes->list, &node->list);
	nodes->circle_version++;
	return node;
}

static uint32_t count(const struct nodes *nodes)
{
	uint32_t found = 0;
	LIST_EACH (&nodes->list, at) {
		found++;
	}
	return found;
}

/* ---------------------------------------------------------------- the store */

struct loading {
	struct nodes *nodes;
	enum err rc;
	struct err_ctx *err;
};

static bool load_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	(void)version;
	struct loading *loading = ctx;
	struct node_record record;
	json_t *json = json_loadb(value.ptr, value.len, 0, NULL);
	loading->rc = node_record_read(json, &record, loading->err);
	json_decref(json);
	if (loading->rc != ERR_OK) {
		loading->rc = err_wrap(loading->err, loading->rc,
				       "the store's '%.*s' can't be read", STR_ARG(key));
		return false;
	}
	(void)add(loading->nodes, &record);
	return true;
}

/* Whether others have to know of it. */
static bool circle_differs(const struct node_record *a, const struct node_record *b)
{
	return strcmp(a->host, b->host) != 0 || a->port != b->port || strcmp(a->id, b->id) != 0 ||
	       a->removed != b->removed || ((a->roles ^ b->roles) & NODE_MANAGER);
}

enum err nodes_lead(struct nodes *nodes, struct store *store, uint64_t former_us,
		    struct err_ctx *err)
{
	struct loading loading = { .nodes = nodes, .rc = ERR_OK, .err = err };
	uint64_t mark = 0;
	if (nodes->leads) {
		return ERR_OK;
	}
	forget_all(nodes);
	random_bytes(&mark, sizeof(mark));
	(void)snprintf(nodes->incarnation, sizeof(nodes->incarnation), "%016llx",
		       (unsigned long long)mark);
	enum err rc = store_list(store, STR(NODES_PREFIX), load_row, &loading, err);
	rc = rc ? rc : loading.rc;
	if (rc == ERR_OK) {
		nodes->former_us = former_us;
		nodes->leads = true;
	}
	return rc;
}

static enum err read_record(struct store *store, const char *name, struct node_record *ret,
			    struct err_ctx *err)
{
	char key[KEY_BYTES_MAX];
	struct buf text;
	uint64_t version = 0;
	enum err rc = identity_check_name(str_of(name), err);
	if (rc != ERR_OK) {
		return rc;
	}
	(void)snprintf(key, sizeof(key), NODES_PREFIX "%s", name);
	buf_init(&text, STORE_VALUE_BYTES_MAX);
	rc = store_get(store, str_of(key), &text, &version, err);
	json_t *json = rc == ERR_OK ? json_loadb((const char *)text.ptr, text.len, 0, NULL) : NULL;
	rc = rc ? rc : node_record_read(json, ret, err);
	json_decref(json);
	buf_fini(&text);
	return rc;
}

static enum err write_record(struct store *store, const struct node_record *record,
			     const char *remove_key, struct err_ctx *err)
{
	char key[KEY_BYTES_MAX];
	(void)snprintf(key, sizeof(key), NODES_PREFIX "%s", record->name);
	json_t *json = node_record_write(record);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	check(text);
	const struct store_change changes[] = {
		{ .key = str_of(key), .value = str_of(text) },
		{ .key = str_of(remove_key), .remove = true },
	};
	enum err rc = store_commit(store, changes, remove_key ? 2 : 1, err);
	mem_free(text);
	return rc;
}

enum err nodes_store_own(struct store *store, const struct node_record *record, struct err_ctx *err)
{
	struct node_record old;
	struct node_record next = *record;
	enum err rc = read_record(store, record->name, &old, err);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND) {
		return rc;
	}
	if (rc == ERR_OK) {
		next.draining = old.draining;
		next.joined_us = old.joined_us;
		memcpy(next.server_group, old.server_group, sizeof(next.server_group));
		memcpy(next.server, old.server, sizeof(next.server));
		memcpy(next.services, old.services, sizeof(next.services));
		next.service_count = old.service_count;
	}
	return write_record(store, &next, NULL, err);
}

enum err nodes_read(struct nodes *nodes, struct store *store, const char *name, struct err_ctx *err)
{
	struct node_record record;
	enum err rc = read_record(store, name, &record, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct managed_node *node = nodes_find(nodes, name);
	if (!node && count(nodes) >= LEASE_NODES_MAX) {
		return err_set(err, ERR_LIMIT, "there are %d nodes already", (int)LEASE_NODES_MAX);
	}
	if (!node) {
		(void)add(nodes, &record);
		return ERR_OK;
	}
	nodes->circle_version += circle_differs(&node->record, &record) ? 1 : 0;
	node->record = record;
	return ERR_OK;
}

enum err nodes_put(struct nodes *nodes, struct store *store, const struct node_record *record,
		   const char *remove_key, struct err_ctx *err)
{
	struct managed_node *node = nodes_find(nodes, record->name);
	if (!node && count(nodes) >= LEASE_NODES_MAX) {
		return err_set(err, ERR_LIMIT, "there are %d nodes already", (int)LEASE_NODES_MAX);
	}
	enum err rc = write_record(store, record, remove_key, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!node) {
		(void)add(nodes, record);
		return ERR_OK;
	}
	nodes->circle_version += circle_differs(&node->record, record) ? 1 : 0;
	node->record = *record;
	return ERR_OK;
}

void nodes_forget(struct nodes *nodes, struct store *store, const struct log *log, uint64_t now_us)
{
	LIST_EACH (&nodes->list, at) {
		struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (!node->record.removed || node->waiting ||
		    nodes_may_hold_address(nodes, node, now_us)) {
			continue;
		}
		char key[KEY_BYTES_MAX];
		struct err_ctx err = { 0 };
		(void)snprintf(key, sizeof(key), NODES_PREFIX "%s", node->record.name);
		const struct store_change change = { .key = str_of(key), .remove = true };
		enum err rc = store_commit(store, &change, 1, &err);
		if (rc != ERR_OK) {
			log_event(log, LOG_WARN, "store.failed",
				  "a removed node is kept until the store can be written",
				  LOG_TEXT("error", err_text(rc, &err)));
			return;
		}
		node_free(node);
		nodes->circle_version++;
	}
}

/* ---------------------------------------------------------------- leases and routes */

static uint64_t unknown_until_us(const struct nodes *nodes)
{
	return lease_unknown_until(&nodes->terms, nodes->former_us,
				   consent_answering_us(nodes->consent));
}

/* Granted by this manager since it leads, or agreed to at any time. */
static uint64_t known_until_us(const struct nodes *nodes, const struct managed_node *node)
{
	uint64_t agreed_us = consent_until_us(nodes->consent, str_of(node->record.name));
	return node->until_us > agreed_us ? node->until_us : agreed_us;
}

bool nodes_may_hold(const struct nodes *nodes, const struct managed_node *node, uint64_t now_us)
{
	const struct lease_node lease = { .until_us = known_until_us(nodes, node) };
	return lease_may_hold(&lease, &nodes->terms, unknown_until_us(nodes), now_us);
}

uint32_t nodes_grant_ms(struct nodes *nodes, struct managed_node *node, uint64_t beat_us,
			uint64_t now_us)
{
	uint64_t good_us = lease_grant(&nodes->terms, node->reported_us, beat_us);
	uint32_t good_ms = (uint32_t)(good_us / US_PER_MS);
	uint64_t until_us = node->reported_us + (uint64_t)good_ms * US_PER_MS;
	node->until_us = until_us > node->until_us ? until_us : node->until_us;
	node->answered_us = now_us;
	return good_ms;
}

/* Whether everybody who could take the address asks before he does. */
static bool all_ask_first(const struct nodes *nodes)
{
	bool heard = false;
	LIST_EACH (&nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		const json_t *addresses = json_object_get(node->report, "addresses");
		if (addresses && !json_is_false(json_object_get(addresses, "slack"))) {
			return false;
		}
		heard = heard || addresses;
	}
	return heard;
}

bool nodes_may_hold_address(const struct nodes *nodes, const struct managed_node *node,
			    uint64_t now_us)
{
	uint64_t later_us = all_ask_first(nodes) ? 0 : US_PER_S;
	return nodes_may_hold(nodes, node, now_us - later_us);
}

static bool carries(const struct managed_node *node, const char *group)
{
	return node->record.group[0] && strcmp(node->record.group, group) == 0;
}

bool nodes_carry(const struct nodes *nodes, const char *group, uint64_t now_us)
{
	LIST_EACH (&nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (carries(node, group) && nodes_may_hold(nodes, node, now_us)) {
			return true;
		}
	}
	return false;
}

/* What is written past all proxies. Where no acknowledgement is waited for, the host of the old primary may take writes
 * until it fences its server, at the end of its lease: while it is silent it is waited for. One that has reported
 * twice since the primary was given up is not cut off: its server is fenced by the manager, or dead. */
static bool waits_for_guard(const struct nodes *nodes, const struct group *group, uint64_t now_us)
{
	const struct record *record = &group->record;
	bool revoking = record->state == GROUP_REVOKING || record->state == GROUP_REFUSED;
	bool acknowledged = record->policy == POLICY_LOSSLESS && record->acks > 0;
	if (!revoking || acknowledged || record->previous == SERVER_NONE) {
		return false;
	}
	const struct managed_node *node = nodes_find_owner(
		nodes, record->group, record->servers[record->previous].name, NULL);
	if (!node || node->reported_before_us > record->state_since_us) {
		return false;
	}
	/* Of one that was never heard of it isn't known whether it fences. */
	const json_t *guard = json_object_get(node->report, "guard");
	json_int_t ms = json_integer_value(json_object_get(guard, "ms"));
	ms = node->report ? ms : GUARD_MS;
	return ms > 0 && nodes_may_hold(nodes, node, now_us - (uint64_t)ms * US_PER_MS);
}

void nodes_see_routes(const struct nodes *nodes, const struct group *group,
		      const struct lease_node *local, uint64_t now_us,
		      struct observation_routes *ret)
{
	struct lease_node leases[LEASE_NODES_MAX + 1];
	uint32_t found = 0;
	const char *name = group->record.group;
	if (local) {
		leases[found++] = *local;
	}
	LIST_EACH (&nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (!carries(node, name) || found > LEASE_NODES_MAX) {
			continue;
		}
		/* What an earlier manager handed out is another route, whatever its number. */
		bool ours = strcmp(node->route_from, nodes->incarnation) == 0;
		bool newest = ours && node->proxy.epoch == group->route.epoch &&
			      node->proxy.revision >= group->route.revision;
		leases[found++] = (struct lease_node){
			.carries = true,
			.until_us = known_until_us(nodes, node),
			.epoch = node->proxy.epoch,
			.revision = newest ? group->route_version : 0,
			.held = node->proxy.held,
			.transactions_open = node->proxy.transactions_open,
		};
	}
	if (found <= LEASE_NODES_MAX && waits_for_guard(nodes, group, now_us)) {
		/* As one that still has the old route. */
		leases[found++] =
			(struct lease_node){ .carries = true, .until_us = UINT64_MAX / 2 };
	}
	lease_routes(leases, found, &nodes->terms, unknown_until_us(nodes), group->record.epoch,
		     now_us, ret);
}

uint64_t nodes_revision_floor(const struct nodes *nodes, const struct group *group)
{
	uint64_t floor = 0;
	LIST_EACH (&nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		if (carries(node, group->record.group) &&
		    strcmp(node->route_from, nodes->incarnation) != 0 &&
		    node->proxy.have_epoch == group->record.epoch &&
		    node->proxy.have_revision > floor) {
			floor = node->proxy.have_revision;
		}
	}
	return floor;
}

uint32_t nodes_count_reads(const struct nodes *nodes, const struct group *group, uint32_t server,
			   uint64_t now_us)
{
	uint32_t reads = 0;
	LIST_EACH (&nodes->list, at) {
		const struct managed_node *node = LIST_ENTRY(at, struct managed_node, list);
		const json_t *list = json_object_get(node->report, "reads");
		if (!carries(node, group->record.group) || !nodes_may_hold(nodes, node, now_us)) {
			continue;
		}
		reads += (uint32_t)json_integer_value(
			json_object_get(list, group->record.servers[server].name));
		reads += node->proxy.revision < group->route.revision ? 1 : 0;
	}
	return reads;
}

bool nodes_drain_server(const struct nodes *nodes, const char *group, const char *server)
{
	LIST_EACH (&nodes->list, at) {
		const struct node_record *record =
			&LIST_ENTRY(at, struct managed_node, list)->record;
		if (record->draining && strcmp(record->server_group, group) == 0 &&
		    strcmp(record->server, server) == 0) {
			return true;
		}
	}
	return false;
}

/* ---------------------------------------------------------------- accounts */

static struct node_accounts *find_accounts(const struct nodes *nodes, const char *group)
{
	LIST_EACH (&nodes->accounts, at) {
		struct node_accounts *accounts = LIST_ENTRY(at, struct node_accounts, list);
		if (strcmp(accounts->group, group) == 0) {
			return accounts;
		}
	}
	return NULL;
}

void nodes_set_accounts(struct nodes *nodes, const char *group, const struct accounts *accounts)
{
	json_t *json = route_json_write_accounts(accounts);
	struct node_accounts *mine = find_accounts(nodes, group);
	if (!mine) {
		mine = mem_need(sizeof(*mine));
		check(str_copy(str_of(group), mine->group, sizeof(mine->group)) == ERR_OK);
		list_add_tail(&nodes->accounts, &mine->list);
	}
	if (json_equal(mine->json, json)) {
		json_decref(json);
		return;
	}
	json_decref(mine->json);
	mine->json = json;
	mine->count++;
}

void nodes_get_accounts(const struct nodes *nodes, const char *group,
			char ret_tag[NODE_TAG_BYTES_MAX], json_t **ret)
{
	const struct node_accounts *mine = find_accounts(nodes, group);
	ret_tag[0] = 0;
	*ret = NULL;
	if (mine) {
		(void)snprintf(ret_tag, NODE_TAG_BYTES_MAX, "%.*s-%llu", 16, nodes->incarnation,
			       (unsigned long long)mine->count);
		*ret = json_incref(mine->json);
	}
}

/* ---------------------------------------------------------------- the circle */

static json_t *member_json(const char *name, const char *id, const char *host, uint16_t port,
			   bool manager)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:i, s:b}", "name", name, "id", id, "host", host,
				 "port", (int)port, "manager", (int)manager);
	check(json);
	return json;
}

json_t *nodes_circle_json(const struct nodes *nodes)
{
	json_t *list = json_array();
	const struct node_options *own = &nodes->options;
	check(json_array_append_new(
		      list, member_json(own->name, own->id, own->host, own->port, true)) == 0);
	LIST_EACH (&nodes->list, at) {
		const struct node_record *record =
			&LIST_ENTRY(at, struct managed_node, list)->record;
		if (!record->removed && record->port && strcmp(record->name, own->name) != 0) {
			check(json_array_append_new(
				      list, member_json(record->name, record->id, record->host,
							record->port,
							(record->roles & NODE_MANAGER) != 0)) == 0);
		}
	}
	return list;
}

void nodes_circle_tag(const struct nodes *nodes, char ret[NODE_TAG_BYTES_MAX])
{
	(void)snprintf(ret, NODE_TAG_BYTES_MAX, "%.*s-%llu", 16, nodes->incarnation,
		       (unsigned long long)nodes->circle_version);
}
