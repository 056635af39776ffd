/* A simulated server: its process, its log, commits and what they wait for. Semantics as observed on real ones
 * (docs/rejoin-facts.md): wait point AFTER_SYNC without a time-out; what is in the log is committed by crash recovery
 * unless it is taken back. */
#pragma once

#include "sim_world.h"

/* A fresh server: empty, read-only, up. */
void sim_server_begin(struct sim_world *world, uint32_t server);

/* A group that exists already: one server has written `count` transactions, the others have got some of the first. */
void sim_server_give_past(struct sim_world *world, uint32_t count);

/* Releases its GTID sets. */
void sim_server_fini(struct sim_server *server);

/* The process ends at once; whoever is connected notices where the network lets it. */
void sim_server_kill(struct sim_world *world, uint32_t server);

/* A start: read-only, nothing acknowledged, relay logs gone. wait_until_us: for a word about the log's tail. */
void sim_server_restart(struct sim_world *world, uint32_t server, uint64_t wait_until_us);

/* Events of the clients' writes. */
void sim_server_op_arrive(struct sim_world *world, uint32_t op);
void sim_server_op_commit(struct sim_world *world, uint32_t op);

/* Writes a transaction that was received; false when it can't be (MariaDB: out of order). */
bool sim_server_apply(struct sim_world *world, uint32_t server, uint16_t txn);

/* Commits and answers what no longer waits; after a change of the acknowledgements or of waits_for_acks. */
void sim_server_release(struct sim_world *world, uint32_t server);

/* Ends the sessions of all clients. waiting: those too whose commit waits for an acknowledgement, which are committed
 * in the engine by that. */
void sim_server_end_sessions(struct sim_world *world, uint32_t server, bool waiting);

/* Whether a commit waits for an acknowledgement. */
bool sim_server_has_waiting(const struct sim_server *server);

/* What was received and not applied is gone. */
void sim_server_drop_relay(struct sim_world *world, uint32_t server);

/* When its process began, as the server says: to the second. */
uint64_t sim_server_started_s(const struct sim_server *server);

/* What the server says of itself now. */
void sim_server_status(const struct sim_world *world, uint32_t server, struct server_status *ret);

/* A person rebuilds it as a copy of `from`. */
void sim_server_rebuild(struct sim_world *world, uint32_t server, uint32_t from);

static inline bool sim_server_has(const struct sim_server *server, uint32_t txn)
{
	return (server->has[txn / 64] >> (txn % 64) & 1) != 0;
}
