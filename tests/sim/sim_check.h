/* The invariants, looked at wherever something happens that could break them. docs/simulator.md lists them. */
#pragma once

#include "sim_world.h"

/* A transaction was there before the group was formed: it counts as acknowledged. */
void sim_check_given(struct sim_world *world, uint16_t txn);

/* A transaction was written to the log of a server by a client's session. */
void sim_check_written(struct sim_world *world, uint32_t server, uint16_t txn);

/* A client was told that its write is committed. */
void sim_check_acked(struct sim_world *world, uint32_t op);

/* A manager has decided, and not stored it yet. */
void sim_check_decided(struct sim_world *world, uint32_t manager);

/* A record is about to replace the one in the store. */
void sim_check_stored(struct sim_world *world, uint32_t manager, const struct record *next);

/* A manager starts a step; a server has opened for writes; a server's settings have changed. */
void sim_check_step(struct sim_world *world, uint32_t manager, const struct sim_task *task);
void sim_check_opened(struct sim_world *world, const struct sim_task *task);
void sim_check_server(struct sim_world *world, uint32_t server);

/* The calm phase: whether all is well again, and what a person does about servers that are not. */
void sim_check_judge(struct sim_world *world);

/* Everything is at rest: every server has what it should. */
void sim_check_final(struct sim_world *world);
