/* What the nodes say of the addresses, as the facts that are decided by. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "manager/addresses/addresses_internal.h"
#include "manager/beside.h"

enum { WEIGHT = 100 };

uint32_t addresses_nodes(const struct manager_core *core,
			 const struct managed_node *ret[LEASE_NODES_MAX + 1])
{
	uint32_t count = 0;
	if (core->addresses->self) {
		ret[count++] = core->addresses->self;
	}
	if (core->nodes) {
		LIST_EACH (&core->nodes->list, at) {
			if (count <= LEASE_NODES_MAX) {
				ret[count++] = LIST_ENTRY(at, struct managed_node, list);
			}
		}
	}
	return count;
}

const json_t *addresses_report(const struct managed_node *node, const char *text)
{
	const json_t *all = json_object_get(node->report, "addresses");
	size_t i;
	const json_t *one;
	json_array_foreach(json_object_get(all, "list"), i, one)
	{
		const char *named = json_string_value(json_object_get(one, "address"));
		if (named && strcmp(named, text) == 0) {
			return one;
		}
	}
	return NULL;
}

const char *addresses_state(const struct managed_node *node, const char *text)
{
	const char *state =
		json_string_value(json_object_get(addresses_report(node, text), "state"));
	return state ? state : "unknown";
}

static bool is_leaving(const struct managed_node *node)
{
	return json_is_true(json_object_get(json_object_get(node->report, "addresses"), "leaving"));
}

bool addresses_has_state(const struct managed_node *node, const char *text, const char *state)
{
	return strcmp(addresses_state(node, text), state) == 0;
}

bool addresses_is_holder(const struct managed_address *address, const struct managed_node *node)
{
	return strcmp(address->record.holder, node->record.name) == 0;
}

/* The word "absent" counts only of a node that has taken the order to let go in, or that takes no orders any more. */
static bool is_absent(const struct nodes *nodes, const struct managed_address *address,
		      const struct managed_node *node)
{
	const char *text = address->record.text;
	bool told = node->orders_version && addresses_has_orders(nodes, node) &&
		    !addresses_is_told_to_hold(node, text);
	return (told || is_leaving(node)) && addresses_has_state(node, text, "absent");
}

/* A node that was not heard of since this manager leads may be as well as before, until its lease is over. */
static bool is_alive(const struct manager_core *core, const struct managed_address *address,
		     const struct managed_node *node, uint64_t now_us)
{
	if (node == core->addresses->self) {
		return true;
	}
	uint64_t patience_us = core->nodes->terms.duration_us;
	bool silent = node->reported_us ? now_us >= node->reported_us + patience_us
					: !addresses_is_holder(address, node) ||
						  !nodes_may_hold(core->nodes, node, now_us);
	return !silent && !node->record.removed && !is_leaving(node);
}

static bool has_failed(const struct managed_address *address, const char *node, uint64_t now_us)
{
	for (unsigned i = 0; i < ADDRESS_TRIES_MAX; i++) {
		if (strcmp(address->tries[i].node, node) == 0 &&
		    now_us < address->tries[i].until_us) {
			return true;
		}
	}
	return false;
}

/* Several addresses at proxies spread over them. */
static uint32_t count_others(const struct addresses *addresses,
			     const struct managed_address *address, const struct managed_node *node)
{
	uint32_t count = 0;
	LIST_EACH (&addresses->list, at) {
		const struct managed_address *one = LIST_ENTRY(at, struct managed_address, list);
		count += one != address && addresses_is_holder(one, node) ? 1 : 0;
	}
	return count;
}

const struct group *addresses_group(const struct manager_core *core, const char *name)
{
	LIST_EACH (&core->groups, at) {
		const struct group *group = LIST_ENTRY(at, struct group, list);
		if (strcmp(group->record.group, name) == 0) {
			return group;
		}
	}
	return NULL;
}

void addresses_see(struct manager_core *core, const struct managed_address *address,
		   const struct managed_node *node, uint64_t now_us, struct address_node *ret)
{
	const struct nodes *nodes = core->nodes;
	const struct group *group = addresses_group(core, address->group);
	const json_t *one = addresses_report(node, address->record.text);
	bool holder = addresses_is_holder(address, node);
	bool self = node == core->addresses->self;
	bool has_route = node->proxy.epoch != 0 || (holder && !node->reported_us);
	*ret = (struct address_node){
		.may_hold = self || nodes_may_hold_address(nodes, node, now_us),
		.alive = is_alive(core, address, node, now_us),
		.draining = node->record.draining,
		/* What the holder has not said yet is no reason to take it away. */
		.able = one ? json_is_true(json_object_get(one, "able")) : holder,
		.beside_primary = group && beside_primary(group, &node->record),
		.carries = strcmp(node->record.group, address->group) == 0 && has_route,
		.absent = is_absent(nodes, address, node),
		.conflict = has_failed(address, node->record.name, now_us),
		.weight = WEIGHT - count_others(core->addresses, address, node),
	};
	check(str_copy(str_of(node->record.name), ret->name, sizeof(ret->name)) == ERR_OK);
}

bool addresses_have_moved(const struct manager_core *core, const char *group)
{
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	uint32_t count = addresses_nodes(core, nodes);
	const struct group *of = addresses_group(core, group);
	LIST_EACH (&core->addresses->list, at) {
		const struct managed_address *one = LIST_ENTRY(at, struct managed_address, list);
		if (one->record.place != ADDRESS_AT_PRIMARY || strcmp(one->group, group) != 0 ||
		    one->record.removing) {
			continue;
		}
		for (uint32_t i = 0; i < count; i++) {
			const json_t *said = addresses_report(nodes[i], one->record.text);
			bool could = of && beside_primary(of, &nodes[i]->record) &&
				     json_is_true(json_object_get(said, "able")) &&
				     !addresses_has_state(nodes[i], one->record.text, "conflict") &&
				     !addresses_has_state(nodes[i], one->record.text, "failed");
			if (could && !addresses_has_state(nodes[i], one->record.text, "held")) {
				return false;
			}
		}
	}
	return true;
}
