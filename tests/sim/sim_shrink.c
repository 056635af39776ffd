#include "sim_shrink.h"

static bool fails(struct sim_world *world, uint64_t seed, uint32_t left_out)
{
	sim_world_begin(world, seed, left_out);
	sim_world_run(world);
	return world->failed;
}

/* Halves first, then quarters, down to single ones, until nothing more can go. */
uint32_t sim_shrink_faults(struct sim_world *world, uint64_t seed)
{
	uint32_t left_out = 0;
	sim_world_begin(world, seed, 0);
	uint32_t count = world->fault_count;
	for (uint32_t size = (count + 1) / 2; size > 0; size = size > 1 ? (size + 1) / 2 : 0) {
		for (uint32_t from = 0; from < count; from += size) {
			uint32_t bits = (((uint32_t)1 << size) - 1) << from;
			bits &= ((uint32_t)1 << count) - 1;
			if ((bits & ~left_out) && fails(world, seed, left_out | bits)) {
				left_out |= bits;
			}
		}
	}
	return left_out;
}
