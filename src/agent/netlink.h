/* Addresses on this host's interfaces, through the kernel's netlink socket (rtnetlink(7)).
 *
 * An address is added with a lifetime, so that the kernel takes it away when nobody renews it: the kernel
 * keeps the lease. It is marked as ours (address protocol 77, and for IPv4 the label "eth0:muster" where
 * that fits), so that a later process recognises what an earlier one left.
 * A struct netlink is one thread's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/address.h"
#include "agent/frame.h"
#include "base/err.h"

struct netlink;

struct netlink_interface {
	int index; /* 0: none */
	char name[ADDRESS_INTERFACE_BYTES_MAX];
	struct mac mac;
	bool speaks; /* Ethernet with ARP: probes and announcements make sense */
	bool up;     /* and has a carrier */
};

/* Where an address was found. */
struct netlink_found {
	int interface_index;
	char interface[ADDRESS_INTERFACE_BYTES_MAX];
	uint8_t prefix_bits;
	bool ours;
};

/* Errors: ERR_IO. Release with netlink_close(), which takes NULL and returns NULL. */
MUST_CHECK enum err netlink_open(struct netlink **ret, struct err_ctx *err);
struct netlink *netlink_close(struct netlink *netlink);

/* The interface that the address names, else the one that has another address in the same subnet (the longest
 * prefix wins). Errors: ERR_NOT_FOUND with what to write, ERR_IO. */
MUST_CHECK enum err netlink_interface(struct netlink *netlink, const struct address *address,
				      struct netlink_interface *ret, struct err_ctx *err);

/* Whether an interface of this host has that MAC: what it sends is no stranger's. */
bool netlink_is_own_mac(struct netlink *netlink, const struct mac *mac);

/* Where the address is; one that isn't ours before one that is. Errors: ERR_NOT_FOUND when it is on no interface
 * of this host (read from the kernel: a proof), ERR_IO. */
MUST_CHECK enum err netlink_find(struct netlink *netlink, const struct address *address,
				 struct netlink_found *ret, struct err_ctx *err);

/* Adds the address, or gives one that is there a new lifetime. The kernel takes it away between
 * lifetime_s and lifetime_s + 1 s from now on. IPv6: without duplicate address detection (the caller's
 * own check came before), and never preferred as the source of connections that this host makes.
 *
 * Errors: ERR_PRIVILEGE, ERR_NOT_FOUND (no such interface), ERR_IO.
 */
MUST_CHECK enum err netlink_put(struct netlink *netlink, const struct address *address,
				const struct netlink_interface *interface, uint32_t lifetime_s,
				struct err_ctx *err);

/* Takes the address from every interface that has it as ours, and reads back that it is gone.
 *
 * Errors: ERR_EXISTS when it is there and isn't ours; ERR_PRIVILEGE; ERR_IO.
 */
MUST_CHECK enum err netlink_remove(struct netlink *netlink, const struct address *address,
				   struct err_ctx *err);

/* Removes every address that is marked as ours; told(ctx, address) for each. Errors: ERR_PRIVILEGE, ERR_IO. */
MUST_CHECK enum err netlink_remove_ours(struct netlink *netlink,
					void (*told)(void *ctx, const struct address *address),
					void *ctx, struct err_ctx *err);

/* ------------------------------------------------------------------------------------------------
 * What changes on its own */

enum netlink_change {
	NETLINK_ADDRESS_GONE, /* `address` was taken from an interface, by whomever */
	NETLINK_LINK,	      /* something about the interface; `up` says how it is */
	NETLINK_UNKNOWN,      /* changes were lost: anything may have happened */
};

struct netlink_event {
	enum netlink_change change;
	int interface_index;
	bool up;
	struct address address; /* without interface */
};

/* Errors: ERR_IO. netlink_watch_fd() is readable when something changed. */
MUST_CHECK enum err netlink_watch(struct netlink *netlink, struct err_ctx *err);
int netlink_watch_fd(const struct netlink *netlink);

/* Reads what has changed; told(ctx, event) for each. Never blocks. */
void netlink_watch_read(struct netlink *netlink,
			void (*told)(void *ctx, const struct netlink_event *event), void *ctx);
