/* A packet socket (packet(7)) for the frames that speak of one address on one interface. */
#pragma once

#include <stdbool.h>

#include "agent/frame.h"
#include "agent/netlink.h"

/* Non-blocking; hears ARP, or neighbour solicitations and advertisements, also those that go to the group in which others
 * ask for the address. Close it with close().
 *
 * Errors: ERR_PRIVILEGE, ERR_NOT_FOUND when the interface is gone, ERR_IO.
 */
MUST_CHECK enum err ether_open(const struct netlink_interface *interface,
			       const struct address *address, int *ret_fd, struct err_ctx *err);

/* Errors: ERR_IO (the interface is down, its queue is full). */
MUST_CHECK enum err ether_send(int fd, const struct frame *frame, struct err_ctx *err);

/* The next frame that came; false when there is none, or the socket is broken. */
bool ether_receive(int fd, struct frame *ret);
