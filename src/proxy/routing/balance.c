#include "proxy/routing/balance.h"

/* Whether `a` has fewer connections for its weight than `b`. */
static bool is_less_loaded(const struct balance_row *a, const struct balance_row *b)
{
	return (uint64_t)a->connections * b->weight < (uint64_t)b->connections * a->weight;
}

uint32_t balance_choose(struct balance_row *rows, uint32_t count)
{
	uint32_t least = BALANCE_NONE;
	uint32_t best = BALANCE_NONE;
	int64_t total = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].usable &&
		    (least == BALANCE_NONE || is_less_loaded(&rows[i], &rows[least]))) {
			least = i;
		}
	}
	for (uint32_t i = 0; least != BALANCE_NONE && i < count; i++) {
		if (!rows[i].usable || is_less_loaded(&rows[least], &rows[i])) {
			continue;
		}
		rows[i].credit += rows[i].weight;
		total += rows[i].weight;
		if (best == BALANCE_NONE || rows[i].credit > rows[best].credit) {
			best = i;
		}
	}
	if (best != BALANCE_NONE) {
		rows[best].credit -= total;
	}
	return best;
}

bool balance_take(struct balance_health *health, bool good, uint32_t rise, uint32_t fall)
{
	enum balance_state wanted = good ? BALANCE_UP : BALANCE_DOWN;
	if (health->state == wanted) {
		health->streak = 0;
		return false;
	}
	health->streak++;
	if (health->state != BALANCE_UNKNOWN && health->streak < (good ? rise : fall)) {
		return false;
	}
	*health = (struct balance_health){ .state = wanted };
	return true;
}
