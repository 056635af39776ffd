/* The store, and the managers' requests to it. One manager: SQLite, at once or not at all. Several: a service that
 * compares and writes in one transaction, whose answers may be late or lost. */
#pragma once

#include "sim_world.h"

/* An empty store, and no request under way. */
void sim_store_begin(struct sim_world *world);

/* Releases the records. */
void sim_store_fini(struct sim_world *world);

/* Stores the manager's record and journal; sim_manager_stored() tells what became of it. */
void sim_store_commit(struct sim_world *world, uint32_t manager);

/* A read, claim, renewal or load; sim_lead_answered() tells. */
void sim_store_ask(struct sim_world *world, uint32_t manager, enum sim_request_kind kind);

/* The record as that manager reads it. ret: initialised. */
void sim_store_read(const struct sim_world *world, uint32_t manager, struct record *ret);

/* Events. */
void sim_store_arrive(struct sim_world *world, uint32_t request, uint32_t serial);
void sim_store_answer(struct sim_world *world, uint32_t request, uint32_t serial);
void sim_store_late(struct sim_world *world, uint32_t request, uint32_t serial);
