/* The route table: what a proxy needs to know of one group. An immutable snapshot, swapped by pointer.
 *
 * Made by the manager, carried to every node, put in force by every worker of a proxy.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"

enum { ROUTE_SERVERS_MAX = 16, ROUTE_HOST_BYTES_MAX = 256, ROUTE_NAME_BYTES_MAX = 64 };

enum route_writes {
	ROUTE_OPEN,  /* writes go to the primary */
	ROUTE_DRAIN, /* open transactions go on; new ones and statements outside one are held */
	ROUTE_HOLD,  /* everything is held; connections to servers[old primary] are dropped */
};

struct route_server {
	char name[ROUTE_NAME_BYTES_MAX];
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
	uint32_t weight; /* share of readers; 0: none */
	bool serves_reads; /* healthy, replicates from the primary of this epoch within the lag limit */
};

struct route {
	char group[ROUTE_NAME_BYTES_MAX];
	uint64_t epoch;	   /* of the primary below */
	uint64_t revision; /* grows with every change; (epoch, revision) orders snapshots */
	enum route_writes writes;
	uint32_t primary; /* index into servers; ROUTE_SERVERS_MAX: none */
	uint32_t server_count;
	struct route_server servers[ROUTE_SERVERS_MAX];
};
