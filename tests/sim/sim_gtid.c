#include "sim_gtid.h"

/* One key per origin: MariaDB's server_id, or a UUID that consists of the number. */
static uint32_t origin_of(const struct gtid_key *key)
{
	return key->flavor == GTID_MARIADB ? key->server
					   : (uint32_t)(key->uuid[0] << 8 | key->uuid[1]);
}

static const struct gtid_item *find(const struct gtid_set *set, uint32_t origin)
{
	for (size_t i = 0; i < set->item_count; i++) {
		if (origin_of(&set->items[i].key) == origin) {
			return &set->items[i];
		}
	}
	return NULL;
}

uint32_t sim_gtid_last(const struct gtid_set *set, uint32_t origin)
{
	const struct gtid_item *item = find(set, origin);
	return item ? (uint32_t)set->intervals[item->first + item->count - 1].to : 0;
}

bool sim_gtid_has(const struct gtid_set *set, uint32_t origin, uint32_t seq)
{
	const struct gtid_item *item = find(set, origin);
	for (size_t i = 0; item && i < item->count; i++) {
		const struct gtid_interval *interval = &set->intervals[item->first + i];
		if (interval->from <= seq && seq <= interval->to) {
			return true;
		}
	}
	return false;
}

void sim_gtid_add(const struct sim_world *world, struct gtid_set *set, uint32_t origin,
		  uint32_t seq)
{
	bool mariadb = world->setup.flavor == GTID_MARIADB;
	const struct gtid_item *item = find(set, origin);
	if (item) {
		struct gtid_interval *last = &set->intervals[item->first + item->count - 1];
		if (mariadb || last->to + 1 == seq) {
			last->to = last->to > seq ? last->to : seq;
			return;
		}
	}
	struct gtid_item one_item = { .first = 0, .count = 1 };
	one_item.key.flavor = world->setup.flavor;
	if (mariadb) {
		one_item.key.server = origin;
	} else {
		one_item.key.uuid[0] = (uint8_t)(origin >> 8);
		one_item.key.uuid[1] = (uint8_t)origin;
	}
	struct gtid_interval interval = { .from = mariadb ? 1 : seq, .to = seq };
	const struct gtid_set one = { .items = &one_item,
				      .item_count = 1,
				      .item_cap = 1,
				      .intervals = &interval,
				      .interval_count = 1,
				      .interval_cap = 1 };
	gtid_set_add(set, &one);
}
