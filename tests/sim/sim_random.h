/* The only source of chance in a run: splitmix64. One seed, one run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
	uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
	random->state += 0x9e3779b97f4a7c15u;
	uint64_t z = random->state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0 .. count - 1; 0 when count is 0. */
static inline uint32_t sim_random_below(struct sim_random *random, uint32_t count)
{
	return (uint32_t)((sim_random_next(random) >> 32) * count >> 32);
}

/* from .. to, both included. */
static inline uint64_t sim_random_between(struct sim_random *random, uint64_t from, uint64_t to)
{
	return from + sim_random_next(random) % (to - from + 1);
}

static inline bool sim_random_chance(struct sim_random *random, uint32_t per_mille)
{
	return sim_random_below(random, 1000) < per_mille;
}
