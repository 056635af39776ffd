/* What netlink.c and netlink_read.c share. */
#pragma once

#include <linux/if_addr.h>
#include <netlink/netlink.h>

#include "agent/netlink.h"

enum {
	NETLINK_PROTOCOL_OURS =
		77, /* IFA_PROTO: the kernel keeps it for us, Linux 5.18 and later */
	NETLINK_LABEL_BYTES_MAX = 16,
};

struct netlink {
	struct nl_sock *ask;
	struct nl_sock *watch; /* NULL: not watching */
};

/* An address as the kernel tells it. */
struct netlink_row {
	struct address address; /* with prefix, without interface */
	int interface_index;
	bool ours;
};

/* ERR_IO or ERR_PRIVILEGE with the kernel's reason; nl_error as the library returns it (negative). */
enum err netlink_say(struct err_ctx *err, int nl_error, const char *what);

/* One RTM_NEWADDR or RTM_DELADDR message. false: it is about no IP address. */
bool netlink_read_address(struct nlmsghdr *header, struct netlink_row *ret);
/* One RTM_NEWLINK message. false when it is malformed. */
bool netlink_read_interface(struct nlmsghdr *header, struct netlink_interface *ret);

/* Calls visit(ctx, row) for each address, or interface, of this host. Errors: ERR_IO. */
MUST_CHECK enum err netlink_each_address(struct netlink *netlink,
					 void (*visit)(void *ctx, const struct netlink_row *row),
					 void *ctx, struct err_ctx *err);
MUST_CHECK enum err netlink_each_interface(struct netlink *netlink,
					   void (*visit)(void *ctx,
							 const struct netlink_interface *interface),
					   void *ctx, struct err_ctx *err);
