/* A manager's part in the election of the leader: decide/leadership over the simulated store. */
#pragma once

#include "sim_world.h"

/* The process starts: it takes part, or leads at once where it is alone. */
void sim_lead_begin(struct sim_world *world, uint32_t manager);

/* Event: what is to be done now? */
void sim_lead_due(struct sim_world *world, uint32_t manager, uint32_t timer);

/* A request to the store was answered; late: it was not, and may have been carried out. A commit comes here only when
 * it was refused because another manager leads. */
void sim_lead_answered(struct sim_world *world, uint32_t manager, const struct sim_request *request,
		       bool late);
