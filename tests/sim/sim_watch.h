/* A manager's watchers: contacts with the servers, as manager/peers/peer.c makes them, and what becomes of a sighting, as
 * manager/group.c takes it. */
#pragma once

#include "sim_world.h"

/* Looks at every server from now on. */
void sim_watch_begin(struct sim_world *world, uint32_t manager);

/* Events. */
void sim_watch_contact_due(struct sim_world *world, uint32_t manager, uint32_t server,
			   uint32_t contact);
void sim_watch_arrive(struct sim_world *world, uint32_t server, uint32_t manager, uint32_t contact);
void sim_watch_sighting(struct sim_world *world, uint32_t manager, uint32_t server,
			uint32_t contact, enum reach reach);
void sim_watch_late(struct sim_world *world, uint32_t manager, uint32_t server, uint32_t contact);

/* The server's process ended: its connections are reset where the network lets it. */
void sim_watch_server_ended(struct sim_world *world, uint32_t server);

/* Looks at one server now. */
void sim_watch_poke(struct sim_world *world, uint32_t manager, uint32_t server);

/* Takes a status over unless a newer one is there; what was there becomes the older one. */
void sim_watch_take_status(struct observation_server *seen, struct server_status *status,
			   uint64_t begun_us, uint64_t ended_us);
