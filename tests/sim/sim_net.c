#include "sim_net.h"

enum {
	DELAY_MIN_US = 100,
	DELAY_MAX_US = 800,
	SLOW_MIN_US = 20 * 1000,
	SLOW_MAX_US = 250 * 1000,
	RESEND_US = 200 * 1000, /* TCP's first wait before it sends again */
};

uint64_t sim_net_delay(struct sim_world *world, uint32_t from, uint32_t to)
{
	uint64_t delay_us = sim_random_between(&world->random, DELAY_MIN_US, DELAY_MAX_US);
	if (world->delays[from] || world->delays[to]) {
		delay_us += sim_random_between(&world->random, SLOW_MIN_US, SLOW_MAX_US);
	}
	if (world->losses[from]) {
		for (uint64_t wait_us = RESEND_US;
		     wait_us <= RESEND_US * 8u && sim_random_chance(&world->random, 300);
		     wait_us *= 2) {
			delay_us += wait_us;
		}
	}
	return delay_us;
}

bool sim_net_send(struct sim_world *world, uint32_t from, uint32_t to, enum sim_event_kind kind,
		  uint32_t a, uint32_t b, uint32_t c)
{
	if (!sim_net_open(world, from, to)) {
		return false;
	}
	sim_world_later(world, sim_net_delay(world, from, to), to, kind, a, b, c);
	return true;
}
