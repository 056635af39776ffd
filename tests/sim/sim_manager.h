/* A manager's turns, as manager/turn.c takes them: decide until nothing moves, store, and only then act and publish. */
#pragma once

#include "sim_world.h"

/* The process starts: it knows nothing but what the store has. */
void sim_manager_start(struct sim_world *world, uint32_t manager);
void sim_manager_fini(struct sim_manager *manager);

/* It leads, and `record` is what the store has: the group is looked at anew. */
void sim_manager_take_group(struct sim_world *world, uint32_t manager, const struct record *record);

/* It leads no more: it decides and acts no more. */
void sim_manager_leave_group(struct sim_world *world, uint32_t manager);

/* Something new was seen of a server. */
void sim_manager_saw(struct sim_world *world, uint32_t manager, uint32_t server);

/* One turn, if it may lead now. */
void sim_manager_turn(struct sim_world *world, uint32_t manager);
void sim_manager_turn_due(struct sim_world *world, uint32_t manager, uint32_t timer);

/* A commit was answered, or wasn't in time. */
void sim_manager_stored(struct sim_world *world, uint32_t manager, uint32_t request, bool done);

/* A step was answered, or wasn't in time. */
void sim_manager_step_ended(struct sim_world *world, uint32_t manager, uint32_t task, bool late);

/* What a person asks for; false when it is refused. */
bool sim_manager_order(struct sim_world *world, uint32_t manager, enum ask ask, uint32_t server);
bool sim_manager_pause(struct sim_world *world, uint32_t manager, bool paused);

/* Whether it may act as the leader now. */
bool sim_manager_leads(const struct sim_world *world, uint32_t manager);

/* The manager that leads; SIM_MANAGERS_MAX when there is none. */
uint32_t sim_manager_leader(const struct sim_world *world);

/* Somebody works on a server for so long; false: nobody can take the order now. */
bool sim_manager_downtime(struct sim_world *world, uint32_t manager, uint32_t server,
			  uint64_t for_us);
