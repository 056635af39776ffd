/* Which server of which group sits on a node's host, by the address that the node's configuration names. */
#pragma once

#include "manager/calls/call.h"

/* text: "host:port". ret_server: its name in the group. false: no group has such a server (yet). */
bool beside_find(const struct manager_core *core, const char *text, const struct group **ret_group,
		 const char **ret_server);

/* Whether the node's server is the group's primary, or is being made it. */
bool beside_primary(const struct group *group, const struct node_record *node);
