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
