/* GTID sets of simulated servers, as db/ would read them from real ones. */
#pragma once

#include "gtid/gtid_set.h"
#include "sim_world.h"

/* Adds one transaction. MariaDB says of each origin the last number only: the set is from 1 to it. */
void sim_gtid_add(const struct sim_world *world, struct gtid_set *set, uint32_t origin,
		  uint32_t seq);

/* Whether that transaction is in the set. */
bool sim_gtid_has(const struct gtid_set *set, uint32_t origin, uint32_t seq);

/* The highest number of that origin in the set; 0: none. */
uint32_t sim_gtid_last(const struct gtid_set *set, uint32_t origin);
