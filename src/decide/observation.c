#include "decide/observation.h"

bool observation_answers(const struct observation *seen, uint32_t server)
{
	if (server >= SERVERS_MAX) {
		return false;
	}
	const struct observation_server *one = &seen->servers[server];
	return one->reach == REACH_ANSWERS && one->status_us != 0 &&
	       one->status_us >= seen->started_us;
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
}

void observation_fini(struct observation *seen)
{
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		gtid_set_fini(&seen->servers[i].status.executed);
		gtid_set_fini(&seen->servers[i].status.received);
		gtid_set_fini(&seen->servers[i].older.executed);
	}
}
