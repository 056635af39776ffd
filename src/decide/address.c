#include "decide/address.h"

#include <string.h>

enum rank_base { RANK_CONFLICT = 1, RANK_FIT = 2 };
#define RANK_PREFERRED (UINT64_C(1) << 32)

const char *address_place_name(enum address_place place)
{
	static const char *const names[ADDRESS_PLACE_COUNT_] = { "primary", "proxy" };
	return place < ADDRESS_PLACE_COUNT_ ? names[place] : "?";
}

static uint32_t find_holder(const struct address_record *record, const struct address_node *nodes,
			    uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (record->holder[0] && strcmp(record->holder, nodes[i].name) == 0) {
			return i;
		}
	}
	return NODE_NONE;
}

bool address_is_fit(const struct address_record *record, const struct address_node *node,
		    const char **ret_why)
{
	bool at_primary = record->place == ADDRESS_AT_PRIMARY;
	const char *why = "";
	if (!node->alive) {
		why = "it does not answer";
	} else if (!node->able) {
		why = "it can't hold the address";
	} else if (at_primary && !node->beside_primary) {
		why = "the primary is not registered there";
	} else if (!at_primary && !node->carries) {
		why = "it carries no clients to the group";
	} else if (!at_primary && node->draining) {
		why = "it is draining";
	}
	*ret_why = why;
	return !why[0];
}

/* 0: it can't be there. One that has just failed to take it comes last, and waits there when nobody else can. */
static uint64_t rank(const struct address_record *record, const struct address_node *node)
{
	const char *why;
	if (record->removing || !address_is_fit(record, node, &why)) {
		return 0;
	}
	if (node->conflict) {
		return RANK_CONFLICT;
	}
	bool preferred = record->prefer[0] && strcmp(record->prefer, node->name) == 0;
	return RANK_FIT + (preferred ? RANK_PREFERRED : node->weight);
}

/* The node where the address should be; the present holder as long as it is fit, unless a better one takes it back. */
static uint32_t find_place(const struct address_record *record, const struct address_node *nodes,
			   uint32_t count, uint32_t holder)
{
	uint32_t best = NODE_NONE;
	uint64_t best_rank = holder == NODE_NONE ? 0 : rank(record, &nodes[holder]);
	if (best_rank > 0) {
		best = holder;
	}
	if (best_rank >= RANK_FIT && !record->fail_back && !record->moving) {
		return best;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t other = rank(record, &nodes[i]);
		if (other > best_rank) {
			best = i;
			best_rank = other;
		}
	}
	return best;
}

/* An ordered move is over when the address is with the node that it prefers. Whether that ends it. */
static bool arrive(struct address_record *record, const struct address_node *node)
{
	bool there = !record->prefer[0] || strcmp(record->prefer, node->name) == 0;
	bool ended = record->moving && there;
	record->moving = record->moving && !there;
	return ended;
}

void address_decide(struct address_record *record, const struct address_node *nodes, uint32_t count,
		    struct address_decision *ret)
{
	*ret = (struct address_decision){ .hold = NODE_NONE, .release = NODE_NONE };
	uint32_t holder = find_holder(record, nodes, count);
	uint32_t place = find_place(record, nodes, count, holder);
	if (place == NODE_NONE && record->place == ADDRESS_AT_PROXY && !record->removing) {
		/* Nobody is fit: whoever has it keeps it, so that what still works goes on. */
		ret->hold = holder;
		ret->why = "no node is fit to hold it";
		return;
	}
	if (place == holder) {
		ret->hold = holder;
		ret->changed = place != NODE_NONE && arrive(record, &nodes[place]);
		ret->why =
			holder == NODE_NONE ? "no node is fit to hold it" : "held where it belongs";
		return;
	}
	if (holder != NODE_NONE && nodes[holder].may_hold && !nodes[holder].absent) {
		ret->release = holder;
		ret->why = "the former holder has to let go first";
		return;
	}
	if (record->removing) {
		ret->changed = record->holder[0] != 0;
		record->holder[0] = 0;
		ret->why = "it is removed";
		return;
	}
	if (place == NODE_NONE) {
		/* Between two primaries the address leads nowhere, rather than to the old one. */
		ret->why = "there is no primary to lead to";
		return;
	}
	memcpy(record->holder, nodes[place].name, sizeof(record->holder));
	(void)arrive(record, &nodes[place]);
	ret->hold = place;
	ret->changed = true;
	ret->why = holder == NODE_NONE ? "nobody held it"
				       : "the former holder let go, or its lease is over";
}
