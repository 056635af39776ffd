#include "gtid/gtid_set.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "gtid/gtid_builder.h"

void gtid_set_init(struct gtid_set *set)
{
	memset(set, 0, sizeof(*set));
}

void gtid_set_fini(struct gtid_set *set)
{
	(void)mem_free(set->items);
	(void)mem_free(set->intervals);
	gtid_set_init(set);
}

void gtid_set_clear(struct gtid_set *set)
{
	set->item_count = 0;
	set->interval_count = 0;
}

static void append_item(struct gtid_set *out, const struct gtid_set *from, size_t index)
{
	const struct gtid_item *item = &from->items[index];
	gtid_builder_item(out, &item->key);
	for (size_t i = 0; i < item->count; i++) {
		gtid_builder_interval(out, from->intervals[item->first + i]);
	}
}

/* Replaces what `ret` owned. */
static void replace(struct gtid_set *ret, struct gtid_set *with)
{
	gtid_set_fini(ret);
	*ret = *with;
}

void gtid_set_copy(struct gtid_set *to, const struct gtid_set *from)
{
	if (to == from) {
		return;
	}
	gtid_set_clear(to);
	for (size_t i = 0; i < from->item_count; i++) {
		append_item(to, from, i);
	}
}

/* Which of the two items that are next in line has the lower key; a list at its end comes last. */
static int next_order(const struct gtid_set *a, size_t i, const struct gtid_set *b, size_t j)
{
	if (i == a->item_count) {
		return 1;
	}
	if (j == b->item_count) {
		return -1;
	}
	return gtid_builder_compare(&a->items[i].key, &b->items[j].key);
}

static void unite_items(struct gtid_set *out, const struct gtid_set *a, size_t a_index,
			const struct gtid_set *b, size_t b_index)
{
	const struct gtid_item *a_item = &a->items[a_index];
	const struct gtid_item *b_item = &b->items[b_index];
	const struct gtid_interval *x = a->intervals + a_item->first;
	const struct gtid_interval *y = b->intervals + b_item->first;
	size_t i = 0;
	size_t j = 0;

	gtid_builder_item(out, &a_item->key);
	while (i < a_item->count || j < b_item->count) {
		bool take_x = j == b_item->count || (i < a_item->count && x[i].from <= y[j].from);
		gtid_builder_interval(out, take_x ? x[i++] : y[j++]);
	}
}

void gtid_set_add(struct gtid_set *set, const struct gtid_set *other)
{
	struct gtid_set out = { 0 };
	size_t i = 0;
	size_t j = 0;

	if (gtid_set_contains(set, other)) {
		return;
	}
	while (i < set->item_count || j < other->item_count) {
		int order = next_order(set, i, other, j);
		if (order < 0) {
			append_item(&out, set, i++);
		} else if (order > 0) {
			append_item(&out, other, j++);
		} else {
			unite_items(&out, set, i++, other, j++);
		}
	}
	replace(set, &out);
}

static void subtract_item(struct gtid_set *out, const struct gtid_set *a, size_t a_index,
			  const struct gtid_set *b, size_t b_index)
{
	const struct gtid_item *a_item = &a->items[a_index];
	const struct gtid_item *b_item = &b->items[b_index];
	const struct gtid_interval *y = b->intervals + b_item->first;
	size_t j = 0;

	gtid_builder_item(out, &a_item->key);
	for (size_t i = 0; i < a_item->count; i++) {
		struct gtid_interval left = a->intervals[a_item->first + i];
		bool covered = false;
		while (j < b_item->count && y[j].to < left.from) {
			j++;
		}
		while (!covered && j < b_item->count && y[j].from <= left.to) {
			if (y[j].from > left.from) {
				gtid_builder_interval(
					out, (struct gtid_interval){ left.from, y[j].from - 1 });
			}
			covered = y[j].to >= left.to;
			if (!covered) {
				left.from = y[j++].to + 1;
			}
		}
		if (!covered) {
			gtid_builder_interval(out, left);
		}
	}
	gtid_builder_drop_empty(out);
}

void gtid_set_subtract(const struct gtid_set *a, const struct gtid_set *b, struct gtid_set *ret)
{
	struct gtid_set out = { 0 };
	size_t i = 0;
	size_t j = 0;

	while (i < a->item_count) {
		int order = next_order(a, i, b, j);
		if (order < 0) {
			append_item(&out, a, i++);
		} else if (order > 0) {
			j++;
		} else {
			subtract_item(&out, a, i++, b, j++);
		}
	}
	replace(ret, &out);
}

static bool item_contains(const struct gtid_set *outer, const struct gtid_item *outer_item,
			  const struct gtid_set *inner, const struct gtid_item *inner_item)
{
	const struct gtid_interval *x = outer->intervals + outer_item->first;
	const struct gtid_interval *y = inner->intervals + inner_item->first;
	size_t i = 0;

	for (size_t j = 0; j < inner_item->count; j++) {
		while (i < outer_item->count && x[i].to < y[j].from) {
			i++;
		}
		if (i == outer_item->count || x[i].from > y[j].from || x[i].to < y[j].to) {
			return false;
		}
	}
	return true;
}

bool gtid_set_contains(const struct gtid_set *outer, const struct gtid_set *inner)
{
	size_t i = 0;
	size_t j = 0;

	while (j < inner->item_count) {
		int order = next_order(outer, i, inner, j);
		if (order > 0) {
			return false;
		}
		if (order == 0) {
			if (!item_contains(outer, &outer->items[i], inner, &inner->items[j])) {
				return false;
			}
			j++;
		}
		i++;
	}
	return true;
}

static bool items_intersect(const struct gtid_set *a, const struct gtid_item *a_item,
			    const struct gtid_set *b, const struct gtid_item *b_item)
{
	const struct gtid_interval *x = a->intervals + a_item->first;
	const struct gtid_interval *y = b->intervals + b_item->first;
	size_t i = 0;
	size_t j = 0;

	while (i < a_item->count && j < b_item->count) {
		if (x[i].to < y[j].from) {
			i++;
		} else if (y[j].to < x[i].from) {
			j++;
		} else {
			return true;
		}
	}
	return false;
}

bool gtid_set_intersects(const struct gtid_set *a, const struct gtid_set *b)
{
	size_t i = 0;
	size_t j = 0;

	while (i < a->item_count && j < b->item_count) {
		int order = next_order(a, i, b, j);
		if (order == 0 && items_intersect(a, &a->items[i], b, &b->items[j])) {
			return true;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return false;
}

bool gtid_set_is_empty(const struct gtid_set *set)
{
	return set->item_count == 0;
}

bool gtid_set_equal(const struct gtid_set *a, const struct gtid_set *b)
{
	return gtid_set_compare(a, b) == GTID_EQUAL;
}

enum gtid_order gtid_set_compare(const struct gtid_set *a, const struct gtid_set *b)
{
	bool a_has_all = gtid_set_contains(a, b);
	bool b_has_all = gtid_set_contains(b, a);

	if (a_has_all) {
		return b_has_all ? GTID_EQUAL : GTID_AHEAD;
	}
	return b_has_all ? GTID_BEHIND : GTID_DIVERGED;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t mysql_distance(const struct gtid_set *ahead, const struct gtid_set *behind)
{
	struct gtid_set missing = { 0 };
	uint64_t sum = 0;

	gtid_set_subtract(ahead, behind, &missing);
	for (size_t i = 0; i < missing.item_count; i++) {
		const struct gtid_item *item = &missing.items[i];
		if (item->key.flavor != GTID_MYSQL) {
			continue;
		}
		for (size_t j = 0; j < item->count; j++) {
			struct gtid_interval one = missing.intervals[item->first + j];
			sum = add_saturated(sum, one.to - one.from + 1);
		}
	}
	gtid_set_fini(&missing);
	return sum;
}

/* The domain of the MariaDB item at *index and the highest number in it; moves *index behind the
 * domain. Items before the first of MariaDB are passed over; false at the end. */
static bool next_domain(const struct gtid_set *set, size_t *index, uint32_t *ret_domain,
			uint64_t *ret_top)
{
	size_t i = *index;
	uint64_t top = 0;

	while (i < set->item_count && set->items[i].key.flavor != GTID_MARIADB) {
		i++;
	}
	if (i == set->item_count) {
		*index = i;
		return false;
	}
	uint32_t domain = set->items[i].key.domain;
	for (; i < set->item_count && set->items[i].key.domain == domain; i++) {
		const struct gtid_item *item = &set->items[i];
		uint64_t last = set->intervals[item->first + item->count - 1].to;
		top = last > top ? last : top;
	}
	*index = i;
	*ret_domain = domain;
	*ret_top = top;
	return true;
}

static uint64_t mariadb_distance(const struct gtid_set *ahead, const struct gtid_set *behind)
{
	size_t i = 0;
	size_t j = 0;
	uint32_t domain = 0;
	uint32_t other = 0;
	uint64_t top = 0;
	uint64_t other_top = 0;
	uint64_t sum = 0;
	bool has_other = next_domain(behind, &j, &other, &other_top);

	while (next_domain(ahead, &i, &domain, &top)) {
		while (has_other && other < domain) {
			has_other = next_domain(behind, &j, &other, &other_top);
		}
		uint64_t reached = has_other && other == domain ? other_top : 0;
		sum = add_saturated(sum, top > reached ? top - reached : 0);
	}
	return sum;
}

uint64_t gtid_set_distance(const struct gtid_set *ahead, const struct gtid_set *behind)
{
	return add_saturated(mysql_distance(ahead, behind), mariadb_distance(ahead, behind));
}

const char *gtid_set_order_name(enum gtid_order order)
{
	static const char *const names[] = {
		[GTID_EQUAL] = "equal",
		[GTID_BEHIND] = "behind",
		[GTID_AHEAD] = "ahead",
		[GTID_DIVERGED] = "diverged",
	};
	check((size_t)order < sizeof(names) / sizeof(names[0]));
	return names[order];
}
