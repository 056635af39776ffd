/* Nodes: they carry the writes of their clients to the primary that their route names, as long as their lease holds. */
#pragma once

#include "sim_world.h"

/* The process starts: without a route and without a lease. */
void sim_node_start(struct sim_world *world, uint32_t node);

/* The process ends, and with it the connections of its clients. */
void sim_node_kill(struct sim_world *world, uint32_t node);

/* A manager that leads takes the node's lease for over, now: it has to be. */
void sim_node_check_closed(struct sim_world *world, uint32_t node, uint32_t manager);

/* Events. */
void sim_node_client(struct sim_world *world, uint32_t node);
void sim_node_op_answer(struct sim_world *world, uint32_t op, enum sim_op_state state);
void sim_node_op_patience(struct sim_world *world, uint32_t op);
void sim_node_report_due(struct sim_world *world, uint32_t node, uint32_t timer);
void sim_node_report_arrive(struct sim_world *world, uint32_t manager, uint32_t node,
			    uint32_t number);
void sim_node_report_answer(struct sim_world *world, uint32_t node, uint32_t manager,
			    uint32_t number, uint64_t good_us);
void sim_node_report_late(struct sim_world *world, uint32_t node, uint32_t number);
void sim_node_route(struct sim_world *world, uint32_t node, uint32_t manager);
void sim_node_ask(struct sim_world *world, uint32_t host, uint32_t node, uint32_t round);
void sim_node_consent(struct sim_world *world, uint32_t node, uint32_t round, uint32_t who,
		      enum lease_answer answer);
void sim_node_round_late(struct sim_world *world, uint32_t node, uint32_t round);
void sim_node_lease_end(struct sim_world *world, uint32_t node, uint32_t timer);

/* A manager makes the route of its record known, if it is a new one. */
void sim_node_publish(struct sim_world *world, uint32_t manager);
