/* The story of a run, for people: one line per thing that happened. */
#pragma once

#include "sim_world.h"

/* One line; nothing when no story is asked for. who: a host's number. */
__attribute__((format(printf, 3, 4))) void sim_story_tell(struct sim_world *world, uint32_t who,
							  const char *format, ...);

/* The first invariant that is broken ends the run. */
__attribute__((format(printf, 2, 3))) void sim_story_fail(struct sim_world *world,
							  const char *format, ...);

/* "s0", "manager1", "node0", "store"; static text. */
const char *sim_story_host(uint32_t host);
