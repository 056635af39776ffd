#include "decide/observation.h"

#include <string.h>

bool observation_answers(const struct observation *seen, uint32_t server)
{
	if (server >= SERVERS_MAX) {
		return false;
	}
	const struct observation_server *one = &seen->servers[server];
	return one->reach == REACH_ANSWERS && one->status_us != 0 &&
	       one->status_us >= seen->started_us;
}

void observation_mark(struct observation *seen, uint32_t server, uint64_t apart_us)
{
	const struct observation_server *one = &seen->servers[server];
	if (seen->marks_of != server) {
		seen->mark_count = 0;
		seen->marks_of = server;
	}
	if (seen->mark_count > 0 && one->status_us < seen->marks[0].begun_us + apart_us) {
		return;
	}
	/* The oldest one's memory becomes that of the newest. */
	struct observation_mark newest = seen->marks[OBSERVATION_MARKS_MAX - 1];
	memmove(&seen->marks[1], &seen->marks[0], sizeof(seen->marks) - sizeof(seen->marks[0]));
	newest.begun_us = one->status_us;
	gtid_set_copy(&newest.executed, &one->status.executed);
	seen->marks[0] = newest;
	seen->mark_count += seen->mark_count < OBSERVATION_MARKS_MAX ? 1 : 0;
}

static void own_set(struct gtid_set *set)
{
	struct gtid_set borrowed = *set;
	gtid_set_init(set);
	gtid_set_copy(set, &borrowed);
}

void observation_copy(struct observation *to, const struct observation *from)
{
	*to = *from;
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		own_set(&to->servers[i].status.executed);
		own_set(&to->servers[i].status.received);
		own_set(&to->servers[i].older.executed);
	}
	for (uint32_t i = 0; i < OBSERVATION_MARKS_MAX; i++) {
		own_set(&to->marks[i].executed);
	}
}

void observation_fini(struct observation *seen)
{
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		gtid_set_fini(&seen->servers[i].status.executed);
		gtid_set_fini(&seen->servers[i].status.received);
		gtid_set_fini(&seen->servers[i].older.executed);
	}
	for (uint32_t i = 0; i < OBSERVATION_MARKS_MAX; i++) {
		gtid_set_fini(&seen->marks[i].executed);
	}
}
