/* Free TCP ports on 127.0.0.1 for servers that are about to be started. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { NET_PORTS_MAX = 32 };

/* Ports that are held by a bound socket each, so that nobody else gets them meanwhile. */
struct net_port_set {
	uint16_t ports[NET_PORTS_MAX];
	int fds[NET_PORTS_MAX]; /* -1: let go */
	size_t count;
};

/* Finds and holds `count` (1..NET_PORTS_MAX) ports below the range from which the kernel takes the local
 * ports of outgoing connections: a server that is down for a while finds its port free again.
 *
 * avoid:  ports that belong to servers that may be down just now. [avoid_count]
 * Errors: ERR_LIMIT when there are not so many free ones.
 */
MUST_CHECK enum err net_port_hold(size_t count, const uint16_t *avoid, size_t avoid_count,
				  struct net_port_set *ret, struct err_ctx *err);

/* Lets the port number `index` go: to be called right before its server is started. */
void net_port_let_go(struct net_port_set *set, size_t index);

/* Lets all go. Takes {0}. */
void net_port_let_go_all(struct net_port_set *set);

/* ERR_EXISTS when something listens on 127.0.0.1:port, or the port can't be bound for another reason. */
MUST_CHECK enum err net_port_check_free(uint16_t port, struct err_ctx *err);
