/* The schedule of faults: made from the seed before a run, carried out in it, over when the calm phase begins. */
#pragma once

#include "sim_world.h"

/* Fills world->faults (the same seed and setup give the same list) and puts them into the queue, but for those whose bit
 * in left_out is set. */
void sim_fault_plan(struct sim_world *world, uint32_t left_out);

/* Events. */
void sim_fault_start(struct sim_world *world, uint32_t fault);
void sim_fault_end(struct sim_world *world, uint32_t fault);

/* Whether something has been wrong with the server, or between it and others, in the last `within_us`. */
bool sim_fault_troubled(const struct sim_world *world, uint32_t server, uint64_t within_us);

/* One line about it, for the story and the report. */
void sim_fault_print(const struct sim_fault *fault, FILE *out);

/* A step has ended on its server: one of the faults may have waited for it. */
void sim_fault_step_ended(struct sim_world *world, const struct sim_task *task);

/* Ends the process of a server or manager. */
void sim_fault_kill(struct sim_world *world, uint32_t host);
