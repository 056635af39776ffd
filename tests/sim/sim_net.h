/* The network between the hosts. */
#pragma once

#include "sim_world.h"

/* Whether what `from` sends now gets to `to`. */
static inline bool sim_net_open(const struct sim_world *world, uint32_t from, uint32_t to)
{
	return world->cuts[from][to] == 0;
}

/* How long a message takes. */
uint64_t sim_net_delay(struct sim_world *world, uint32_t from, uint32_t to);

/* Sends an event to the process of `to`; false when the way is cut: it is lost. */
bool sim_net_send(struct sim_world *world, uint32_t from, uint32_t to, enum sim_event_kind kind,
		  uint32_t a, uint32_t b, uint32_t c);
