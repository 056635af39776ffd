/* The group as a person forms it: its servers, which of them stand below others, and where they stand. */
#pragma once

#include "sim_world.h"

/* Writes the record of the new group into the store. */
void sim_group_form(struct sim_world *world);

/* Whether each server replicates from where it is set: the one it stands below, or the primary. */
bool sim_group_in_place(const struct sim_world *world);
