#include "manager/addresses/addresses.h"

#include <stdio.h>
#include <string.h>

#include "agent/address.h"
#include "agent/duty.h"
#include "base/check.h"
#include "base/mem.h"
#include "manager/addresses/address_record.h"
#include "manager/addresses/addresses_internal.h"
#include "manager/beside.h"
#include "manager/leader.h"
#include "store/store.h"

#define ADDRESSES_PREFIX "address/"

enum {
	KEY_BYTES_MAX = sizeof(ADDRESSES_PREFIX) + ADDRESS_IP_BYTES_MAX,
	TRY_AGAIN_S = 30,   /* others are asked first for so long after a conflict */
	TURN_MS = 200,	    /* at rest; a lease of this host is renewed */
	TENSE_WAIT_MS = 20, /* while somebody is to let go */
	NO_DUTY_LEASE_MS = 2000,
};

struct addresses *addresses_new(const struct manager_core *core)
{
	struct addresses *addresses = mem_need(sizeof(*addresses));
	list_init(&addresses->list);
	if (core->options.duty && !core->options.nodes.linked) {
		struct managed_node *self = mem_need(sizeof(*self));
		list_init(&self->list);
		self->record.roles = NODE_PROXY | NODE_AGENT | NODE_MANAGER;
		(void)snprintf(self->record.name, sizeof(self->record.name), "%.*s",
			       (int)sizeof(self->record.name) - 1, core->options.node);
		if (core->options.proxy) {
			(void)snprintf(self->record.group, sizeof(self->record.group), "%s",
				       core->options.proxy_group);
		}
		addresses->self = self;
	}
	return addresses;
}

static void forget_all(struct list *list)
{
	LIST_EACH (list, at) {
		list_remove(at);
		mem_free(LIST_ENTRY(at, struct managed_address, list));
	}
}

struct addresses *addresses_free(struct addresses *addresses)
{
	if (addresses) {
		forget_all(&addresses->list);
		if (addresses->self) {
			json_decref(addresses->self->report);
			json_decref(addresses->self->orders);
		}
		mem_free(addresses->self);
	}
	return mem_free(addresses);
}

struct managed_address *addresses_find(const struct addresses *addresses, const char *text)
{
	struct address wanted;
	if (address_record_parse(str_of(text), &wanted, NULL) != ERR_OK) {
		return NULL;
	}
	LIST_EACH (&addresses->list, at) {
		struct managed_address *one = LIST_ENTRY(at, struct managed_address, list);
		struct address have;
		if (address_parse(str_of(one->record.text), &have, NULL) == ERR_OK &&
		    address_is_same_ip(&have, &wanted)) {
			return one;
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------- the store */

struct loading {
	struct list list;
	enum err rc;
	struct err_ctx *err;
};

static bool load_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	(void)version;
	struct loading *loading = ctx;
	struct managed_address *one = mem_need(sizeof(*one));
	json_t *json = json_loadb(value.ptr, value.len, 0, NULL);
	one->why = "";
	list_init(&one->list);
	loading->rc = address_record_read(json, one->group, &one->record, loading->err);
	json_decref(json);
	if (loading->rc != ERR_OK) {
		loading->rc = err_wrap(loading->err, loading->rc,
				       "the store's '%.*s' can't be read", STR_ARG(key));
		mem_free(one);
		return false;
	}
	list_add_tail(&loading->list, &one->list);
	return true;
}

enum err addresses_load(struct manager_core *core, struct err_ctx *err)
{
	struct loading loading = { .rc = ERR_OK, .err = err };
	list_init(&loading.list);
	enum err rc =
		store_list(core->options.store, STR(ADDRESSES_PREFIX), load_row, &loading, err);
	rc = rc ? rc : loading.rc;
	if (rc == ERR_OK) {
		forget_all(&core->addresses->list);
		LIST_EACH (&loading.list, at) {
			list_remove(at);
			list_add_tail(&core->addresses->list, at);
		}
	}
	forget_all(&loading.list);
	return rc;
}

static enum err commit(struct manager_core *core, const char *group,
		       const struct address_record *record, bool remove, struct err_ctx *err)
{
	struct address address;
	char ip[ADDRESS_IP_BYTES_MAX];
	char key[KEY_BYTES_MAX];
	enum err rc = address_parse(str_of(record->text), &address, err);
	if (rc != ERR_OK) {
		return rc;
	}
	address_print_ip(&address, ip);
	(void)snprintf(key, sizeof(key), ADDRESSES_PREFIX "%s", ip);
	json_t *json = address_record_write(record, group);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	check(text);
	const struct store_change change = { .key = str_of(key),
					     .value = str_of(text),
					     .remove = remove };
	rc = store_commit(core->options.store, &change, 1, err);
	mem_free(text);
	if (rc == ERR_CONFLICT && core->role.leader) {
		leader_doubt(core->role.leader);
	}
	return rc;
}

enum err addresses_put(struct manager_core *core, const char *group,
		       const struct address_record *record, struct err_ctx *err)
{
	struct managed_address *one = addresses_find(core->addresses, record->text);
	enum err rc = commit(core, group, record, false, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!one) {
		one = mem_need(sizeof(*one));
		one->why = "";
		list_add_tail(&core->addresses->list, &one->list);
	}
	one->record = *record;
	check(str_copy(str_of(group), one->group, sizeof(one->group)) == ERR_OK);
	return ERR_OK;
}

/* ---------------------------------------------------------------- deciding */

static void note_try(struct managed_address *address, const char *node, uint64_t now_us)
{
	struct address_try *oldest = &address->tries[0];
	for (unsigned i = 0; i < ADDRESS_TRIES_MAX; i++) {
		struct address_try *one = &address->tries[i];
		if (strcmp(one->node, node) == 0) {
			oldest = one;
			break;
		}
		oldest = one->until_us < oldest->until_us ? one : oldest;
	}
	(void)snprintf(oldest->node, sizeof(oldest->node), "%s", node);
	oldest->until_us = now_us + (uint64_t)TRY_AGAIN_S * US_PER_S;
}

static void note_tries(struct managed_address *address, const struct managed_node *const *nodes,
		       uint32_t count, uint64_t now_us)
{
	const char *text = address->record.text;
	for (uint32_t i = 0; i < count; i++) {
		if (addresses_is_holder(address, nodes[i]) &&
		    (addresses_has_state(nodes[i], text, "conflict") ||
		     addresses_has_state(nodes[i], text, "failed"))) {
			note_try(address, nodes[i]->record.name, now_us);
		}
	}
}

static void forget(struct manager_core *core, struct managed_address *address)
{
	enum err rc = commit(core, address->group, &address->record, true, NULL);
	if (rc == ERR_OK) {
		addresses_tell(core, address, LOG_INFO, "address.removed", "is removed");
		list_remove(&address->list);
		mem_free(address);
	}
}

static void decide_one(struct manager_core *core, struct managed_address *address, uint64_t now_us)
{
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	struct address_node seen[LEASE_NODES_MAX + 1];
	struct address_decision decision;
	struct address_record next = address->record;
	uint32_t count = addresses_nodes(core, nodes);
	count = count < LEASE_NODES_MAX ? count : LEASE_NODES_MAX;
	note_tries(address, nodes, count, now_us);
	for (uint32_t i = 0; i < count; i++) {
		addresses_see(core, address, nodes[i], now_us, &seen[i]);
	}
	address_decide(&next, seen, count, &decision);
	struct err_ctx err = { 0 };
	enum err rc = decision.changed ? commit(core, address->group, &next, false, &err) : ERR_OK;
	if (rc != ERR_OK) {
		/* Nobody is told what is not on the record; the next turn tries again. */
		log_event(core->options.log, LOG_WARN, "store.failed",
			  "an address stays where it is until the store can be written",
			  LOG_TEXT("address", next.text), LOG_TEXT("error", err_text(rc, &err)));
		return;
	}
	bool moved = strcmp(next.holder, address->record.holder) != 0 && next.holder[0];
	address->record = next;
	address->hold = decision.hold != NODE_NONE;
	address->waits = decision.release != NODE_NONE;
	address->why = decision.why;
	if (moved) {
		addresses_tell_move(core, address);
	}
}

/* ---------------------------------------------------------------- this host without a link */

static void see_self(struct manager_core *core, uint64_t now_us)
{
	struct managed_node *self = core->addresses->self;
	const struct group *group = NULL;
	const char *server = "";
	struct node_record *record = &self->record;
	bool found = beside_find(core, core->options.server, &group, &server);
	(void)snprintf(record->server_group, sizeof(record->server_group), "%s",
		       found ? group->record.group : "");
	(void)snprintf(record->server, sizeof(record->server), "%s", found ? server : "");
	if (core->options.proxy) {
		struct proxy_status status;
		proxy_get_status(core->options.proxy, &status);
		self->proxy.epoch = status.epoch;
	}
	self->reported_us = now_us;
	self->answered_us = now_us;
	json_decref(self->report);
	self->report = json_pack("{s:o}", "addresses", duty_to_json(core->options.duty));
	check(self->report);
}

static void order_self(struct manager_core *core, uint64_t now_us)
{
	struct managed_node *self = core->addresses->self;
	struct err_ctx err = { 0 };
	uint64_t lease_ms = core->options.duty_lease_ms;
	json_t *answer = json_object();
	addresses_add_orders(core->nodes, self, answer);
	enum err rc = duty_take(core->options.duty, answer, &err);
	json_decref(answer);
	if (rc != ERR_OK) {
		log_event(core->options.log, LOG_ERROR, "address.failed", err_text(rc, &err));
		return;
	}
	lease_ms = lease_ms ? lease_ms : NO_DUTY_LEASE_MS;
	duty_renew(core->options.duty, now_us + lease_ms * US_PER_MS);
}

/* ---------------------------------------------------------------- the turn */

uint64_t addresses_turn(struct manager_core *core, uint64_t now_us)
{
	struct addresses *addresses = core->addresses;
	struct managed_node *self = addresses->self;
	bool idle = list_is_empty(&addresses->list);
	uint64_t wait_ms = TURN_MS;
	if (self && (!idle || self->orders_version)) {
		see_self(core, now_us);
	}
	LIST_EACH (&addresses->list, at) {
		struct managed_address *one = LIST_ENTRY(at, struct managed_address, list);
		addresses_tell_state(core, one, now_us);
		decide_one(core, one, now_us);
		wait_ms = one->waits ? TENSE_WAIT_MS : wait_ms;
		if (one->record.removing && !one->record.holder[0]) {
			forget(core, one);
		}
	}
	if (core->nodes) {
		LIST_EACH (&core->nodes->list, at) {
			addresses_give_orders(addresses, LIST_ENTRY(at, struct managed_node, list));
		}
	}
	if (self && (!idle || self->orders_version)) {
		addresses_give_orders(addresses, self);
		order_self(core, now_us);
		wait_ms = addresses_is_tense(core->nodes, self) ? TENSE_WAIT_MS : wait_ms;
	}
	return idle ? UINT64_MAX : now_us + wait_ms * US_PER_MS;
}
