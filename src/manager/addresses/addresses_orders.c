/* What each node is told about addresses, under a tag that its reports say back. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "manager/addresses/addresses_internal.h"

/* Orders of no version were never given. */
static void orders_tag(const struct nodes *nodes, const struct managed_node *node,
		       char ret[NODE_TAG_BYTES_MAX])
{
	ret[0] = 0;
	if (node->orders_version) {
		(void)snprintf(ret, NODE_TAG_BYTES_MAX, "%.*s-%llu", 16,
			       nodes ? nodes->incarnation : "self",
			       (unsigned long long)node->orders_version);
	}
}

bool addresses_has_orders(const struct nodes *nodes, const struct managed_node *node)
{
	char tag[NODE_TAG_BYTES_MAX];
	const char *have = json_string_value(
		json_object_get(json_object_get(node->report, "addresses"), "have"));
	orders_tag(nodes, node, tag);
	return have && strcmp(have, tag) == 0;
}

bool addresses_is_told_to_hold(const struct managed_node *node, const char *text)
{
	size_t i;
	const json_t *order;
	json_array_foreach(node->orders, i, order)
	{
		const char *named = json_string_value(json_object_get(order, "address"));
		if (named && strcmp(named, text) == 0) {
			return json_is_true(json_object_get(order, "hold"));
		}
	}
	return false;
}

static bool concerns(const struct managed_address *address, const struct managed_node *node)
{
	bool placed = address->record.place == ADDRESS_AT_PRIMARY
			      ? strcmp(node->record.server_group, address->group) == 0
			      : strcmp(node->record.group, address->group) == 0;
	return placed || addresses_is_holder(address, node);
}

void addresses_give_orders(struct addresses *addresses, struct managed_node *node)
{
	json_t *orders = json_array();
	LIST_EACH (&addresses->list, at) {
		const struct managed_address *one = LIST_ENTRY(at, struct managed_address, list);
		if (concerns(one, node)) {
			check(json_array_append_new(
				      orders,
				      json_pack("{s:s, s:b}", "address", one->record.text, "hold",
						(int)(one->hold &&
						      addresses_is_holder(one, node)))) == 0);
		}
	}
	/* Who was never told anything has nothing to let go. */
	const char *have = json_string_value(
		json_object_get(json_object_get(node->report, "addresses"), "have"));
	bool first = !node->orders && (json_array_size(orders) || (have && have[0]));
	if (first || (node->orders && !json_equal(node->orders, orders))) {
		json_decref(node->orders);
		node->orders = json_incref(orders);
		node->orders_version++;
	}
	json_decref(orders);
}

bool addresses_is_news(const struct nodes *nodes, const struct managed_node *node)
{
	return node->orders_version && json_object_get(node->report, "addresses") &&
	       !addresses_has_orders(nodes, node);
}

void addresses_add_orders(const struct nodes *nodes, const struct managed_node *node,
			  json_t *answer)
{
	char tag[NODE_TAG_BYTES_MAX];
	if (addresses_is_news(nodes, node)) {
		/* A copy: the answer is written out by another thread. */
		orders_tag(nodes, node, tag);
		check(json_object_set_new(answer, "addresses", json_deep_copy(node->orders)) == 0 &&
		      json_object_set_new(answer, "addresses_tag", json_string(tag)) == 0);
	}
}

bool addresses_is_tense(const struct nodes *nodes, const struct managed_node *node)
{
	size_t i;
	const json_t *order;
	if (!node->orders_version || !addresses_has_orders(nodes, node)) {
		return node->orders_version != 0;
	}
	json_array_foreach(node->orders, i, order)
	{
		const char *text = json_string_value(json_object_get(order, "address"));
		const json_t *one = addresses_report(node, text);
		bool able = json_is_true(json_object_get(one, "able"));
		bool absent = addresses_has_state(node, text, "absent");
		bool hold = json_is_true(json_object_get(order, "hold"));
		bool on_its_way = addresses_has_state(node, text, "probing") ||
				  addresses_has_state(node, text, "releasing") || (hold && absent);
		if (able && on_its_way) {
			return true;
		}
	}
	return false;
}
