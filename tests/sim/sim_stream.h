/* Replication streams: dialling, sending, receiving, acknowledging, applying. */
#pragma once

#include "sim_world.h"

/* Events. */
void sim_stream_dial(struct sim_world *world, uint32_t replica, uint32_t number);
void sim_stream_data(struct sim_world *world, uint32_t replica, uint32_t number, uint32_t packed);
void sim_stream_ack(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number,
		    uint32_t position);
void sim_stream_closed(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number);
void sim_stream_broken(struct sim_world *world, uint32_t replica, uint32_t number);
void sim_stream_beat(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number);
void sim_stream_patience(struct sim_world *world, uint32_t replica, uint32_t number);
void sim_stream_pump(struct sim_world *world, uint32_t source, uint32_t replica, uint32_t number);
void sim_stream_apply(struct sim_world *world, uint32_t replica, uint32_t number);

/* Sends what is new in the log of `source` to all that are connected. */
void sim_stream_pump_all(struct sim_world *world, uint32_t source);

/* Lets the applier take the next transaction, if it isn't at one. */
void sim_stream_apply_soon(struct sim_world *world, uint32_t replica);

/* START and STOP of the threads. MariaDB drops its relay logs when both were stopped. */
void sim_stream_start(struct sim_world *world, uint32_t replica, bool io, bool sql);
void sim_stream_stop(struct sim_world *world, uint32_t replica, bool io, bool sql);

/* Its process ended: both its own stream and those from it break. */
void sim_stream_server_ended(struct sim_world *world, uint32_t server);

/* Its process started: where it is set up so, replication starts with it. */
void sim_stream_server_started(struct sim_world *world, uint32_t server);
