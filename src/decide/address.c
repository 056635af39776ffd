#include "decide/address.h"

#include <string.h>

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

static bool is_fit(const struct address_record *record, const struct address_node *node)
{
	bool placed = record->place == ADDRESS_AT_PRIMARY ? node->beside_primary : node->carries;
	return node->alive && node->able && !node->conflict && placed;
}

/* The node where the address should be; the present holder as long as it is fit, unless a better one takes it back. */
static uint32_t find_place(const struct address_record *record, const struct address_node *nodes,
			   uint32_t count, uint32_t holder)
{
	uint32_t best = NODE_NONE;
	if (holder != NODE_NONE && is_fit(record, &nodes[holder])) {
		best = holder;
	}
	if (best != NODE_NONE && !record->fail_back) {
		return best;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (is_fit(record, &nodes[i]) &&
		    (best == NODE_NONE || nodes[i].weight > nodes[best].weight)) {
			best = i;
		}
	}
	return best;
}

void address_decide(struct address_record *record, const struct address_node *nodes, uint32_t count,
		    struct address_decision *ret)
{
	*ret = (struct address_decision){ .hold = NODE_NONE, .release = NODE_NONE };
	uint32_t holder = find_holder(record, nodes, count);
	uint32_t place = find_place(record, nodes, count, holder);
	if (place == NODE_NONE && record->place == ADDRESS_AT_PROXY) {
		/* Nobody is fit: whoever has it keeps it, so that what still works goes on. */
		ret->hold = holder;
		ret->why = "no node is fit to hold it";
		return;
	}
	if (place == holder) {
		ret->hold = holder;
		ret->why =
			holder == NODE_NONE ? "no node is fit to hold it" : "held where it belongs";
		return;
	}
	if (holder != NODE_NONE && nodes[holder].may_hold && !nodes[holder].absent) {
		ret->release = holder;
		ret->why = "the former holder has to let go first";
		return;
	}
	if (place == NODE_NONE) {
		/* Between two primaries the address leads nowhere, rather than to the old one. */
		ret->why = "there is no primary to lead to";
		return;
	}
	memcpy(record->holder, nodes[place].name, sizeof(record->holder));
	ret->hold = place;
	ret->changed = true;
	ret->why = holder == NODE_NONE ? "nobody held it"
				       : "the former holder let go, or its lease is over";
}
