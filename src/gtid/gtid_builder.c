#include "gtid/gtid_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { CAP_FIRST = 4 };

static int compare_numbers(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int gtid_builder_compare(const struct gtid_key *a, const struct gtid_key *b)
{
	if (a->flavor != b->flavor) {
		return a->flavor < b->flavor ? -1 : 1;
	}
	/* What the flavor doesn't use is zero in both. */
	if (a->flavor == GTID_MARIADB) {
		return a->domain != b->domain ? compare_numbers(a->domain, b->domain)
					      : compare_numbers(a->server, b->server);
	}
	int order = memcmp(a->uuid, b->uuid, sizeof(a->uuid));
	return order ? order : memcmp(a->tag, b->tag, sizeof(a->tag));
}

/* A block with room for one more row of `row_bytes`; *cap counts rows. */
static void *grown(void *rows, size_t count, size_t *cap, size_t row_bytes)
{
	if (count < *cap) {
		return rows;
	}
	size_t cap_new = *cap ? *cap * 2 : CAP_FIRST;
	void *rows_new = mem_need(cap_new * row_bytes);
	if (count) {
		memcpy(rows_new, rows, count * row_bytes);
	}
	(void)mem_free(rows);
	*cap = cap_new;
	return rows_new;
}

void gtid_builder_item(struct gtid_set *set, const struct gtid_key *key)
{
	set->items = grown(set->items, set->item_count, &set->item_cap, sizeof(*set->items));
	set->items[set->item_count++] =
		(struct gtid_item){ .key = *key, .first = set->interval_count, .count = 0 };
}

static bool overlap_or_touch(struct gtid_interval lower, struct gtid_interval higher)
{
	return higher.from >= lower.from &&
	       (higher.from <= lower.to || higher.from - 1 == lower.to);
}

void gtid_builder_interval(struct gtid_set *set, struct gtid_interval interval)
{
	check(set->item_count > 0);
	check(interval.from >= 1 && interval.from <= interval.to);

	struct gtid_item *item = &set->items[set->item_count - 1];
	if (item->count > 0) {
		struct gtid_interval *last = &set->intervals[set->interval_count - 1];
		if (overlap_or_touch(*last, interval)) {
			last->to = interval.to > last->to ? interval.to : last->to;
			return;
		}
	}
	set->intervals = grown(set->intervals, set->interval_count, &set->interval_cap,
			       sizeof(*set->intervals));
	set->intervals[set->interval_count++] = interval;
	item->count++;
}

void gtid_builder_drop_empty(struct gtid_set *set)
{
	if (set->item_count > 0 && set->items[set->item_count - 1].count == 0) {
		set->item_count--;
	}
}

static int by_key(const void *a, const void *b)
{
	return gtid_builder_compare(&((const struct gtid_item *)a)->key,
				    &((const struct gtid_item *)b)->key);
}

static int by_from(const void *a, const void *b)
{
	uint64_t x = ((const struct gtid_interval *)a)->from;
	uint64_t y = ((const struct gtid_interval *)b)->from;
	return x < y ? -1 : x > y;
}

void gtid_builder_sort(struct gtid_set *set)
{
	if (set->item_count == 0) {
		return;
	}
	struct gtid_set out = { 0 };
	struct gtid_interval *gathered = mem_need(set->interval_count * sizeof(*gathered));

	qsort(set->items, set->item_count, sizeof(*set->items), by_key);
	for (size_t i = 0; i < set->item_count;) {
		const struct gtid_key *key = &set->items[i].key;
		size_t count = 0;
		for (; i < set->item_count && !gtid_builder_compare(key, &set->items[i].key); i++) {
			memcpy(gathered + count, set->intervals + set->items[i].first,
			       set->items[i].count * sizeof(*gathered));
			count += set->items[i].count;
		}
		qsort(gathered, count, sizeof(*gathered), by_from);
		gtid_builder_item(&out, key);
		for (size_t j = 0; j < count; j++) {
			gtid_builder_interval(&out, gathered[j]);
		}
	}
	(void)mem_free(gathered);
	gtid_set_fini(set);
	*set = out;
}
