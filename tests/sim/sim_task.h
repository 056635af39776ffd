/* Steps: a manager's task on its way to a server, carried out there as manager/peers/step_run.c and db/ do it, phase by
 * phase, and back with the server's status. */
#pragma once

#include "sim_world.h"

/* A task of `manager` for `server`, to be filled in and sent. NULL when there are too many. */
struct sim_task *sim_task_new(struct sim_world *world, uint32_t manager, uint32_t server);
void sim_task_send(struct sim_world *world, struct sim_task *task);

static inline uint16_t sim_task_index(const struct sim_world *world, const struct sim_task *task)
{
	return (uint16_t)(task - world->tasks);
}

/* Whether anything was asked of a server that has not come to an end. */
bool sim_task_under_way(const struct sim_world *world);

/* Events. */
void sim_task_deliver(struct sim_world *world, uint32_t task);
void sim_task_phase(struct sim_world *world, uint32_t task);

/* The server's process of that life ended: its connections are reset. */
void sim_task_server_ended(struct sim_world *world, uint32_t server, uint32_t life);
