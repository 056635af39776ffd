/* A route with its servers' addresses: the snapshot that workers hold. Immutable, counted. */
#pragma once

#include <stdbool.h>

#include "os/net.h"
#include "proxy/routing/route.h"

struct target {
	struct route route;
	struct net_address addresses[ROUTE_SERVERS_MAX];
	bool resolved[ROUTE_SERVERS_MAX];
};

struct target *
target_new(const struct route *route);		    /* copies; addresses are empty; one reference */
struct target *target_ref(struct target *target);   /* returns its argument; takes NULL */
struct target *target_unref(struct target *target); /* takes NULL, returns NULL */
