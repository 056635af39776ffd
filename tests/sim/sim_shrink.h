/* A failing run with as few faults as will do. */
#pragma once

#include "sim_world.h"

/* Bits of the faults of `seed` that can be left out while some invariant is still broken. The run with all faults must
 * fail. Leaves `world` in any state. */
uint32_t sim_shrink_faults(struct sim_world *world, uint64_t seed);
