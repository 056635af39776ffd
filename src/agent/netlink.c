#include "agent/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "agent/netlink_internal.h"
#include "base/mem.h"

enum { LEFTOVERS_MAX = 64, READS_MAX = 64 };

static struct nl_sock *free_socket(struct nl_sock *socket)
{
	if (socket) {
		nl_socket_free(socket);
	}
	return NULL;
}

static enum err open_socket(struct nl_sock **ret, struct err_ctx *err)
{
	struct nl_sock *made = nl_socket_alloc();
	int rc = made ? nl_connect(made, NETLINK_ROUTE) : -NLE_NOMEM;
	if (rc < 0) {
		(void)free_socket(made);
		return netlink_say(err, rc, "cannot talk to the kernel about addresses");
	}
	*ret = made;
	return ERR_OK;
}

enum err netlink_open(struct netlink **ret, struct err_ctx *err)
{
	struct nl_sock *ask = NULL;
	enum err rc = open_socket(&ask, err);
	if (rc) {
		return rc;
	}
	struct netlink *made = mem_need(sizeof(*made));
	made->ask = ask;
	*ret = made;
	return ERR_OK;
}

struct netlink *netlink_close(struct netlink *netlink)
{
	if (netlink) {
		netlink->ask = free_socket(netlink->ask);
		netlink->watch = free_socket(netlink->watch);
		mem_free(netlink);
	}
	return NULL;
}

/* Whether another address of the interface is in the same subnet. */
struct beside {
	const struct address *address;
	int interface_index;
	bool found;
};

static void look_beside(void *ctx, const struct netlink_row *row)
{
	struct beside *beside = ctx;
	const struct address *address = beside->address;
	if (row->interface_index == beside->interface_index && row->address.v6 == address->v6 &&
	    row->address.prefix_bits == address->prefix_bits &&
	    !address_is_same_ip(&row->address, address) &&
	    address_common_bits(address, row->address.bytes) >= address->prefix_bits) {
		beside->found = true;
	}
}

/* Sends a request about one address and waits for the kernel's word; 0 or a negative error of the library. */
static int ask_about(struct netlink *netlink, int type, int flags, const struct ifaddrmsg *head,
		     const struct address *address, const struct ifa_cacheinfo *lifetime,
		     uint32_t address_flags, const char *label)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);
	int bytes = (int)address_bytes(address);
	int rc = message ? nlmsg_append(message, (void *)(uintptr_t)head, sizeof(*head),
					NLMSG_ALIGNTO)
			 : -NLE_NOMEM;
	rc = rc ? rc : nla_put(message, IFA_LOCAL, bytes, address->bytes);
	rc = rc ? rc : nla_put(message, IFA_ADDRESS, bytes, address->bytes);
	if (lifetime) {
		rc = rc ? rc : nla_put(message, IFA_CACHEINFO, sizeof(*lifetime), lifetime);
		rc = rc ? rc : nla_put_u32(message, IFA_FLAGS, address_flags);
		rc = rc ? rc : nla_put_u8(message, IFA_PROTO, NETLINK_PROTOCOL_OURS);
	}
	if (label) {
		rc = rc ? rc : nla_put_string(message, IFA_LABEL, label);
	}
	if (rc == 0) {
		/* Frees the message, and waits for the acknowledgement. */
		return nl_send_sync(netlink->ask, message);
	}
	nlmsg_free(message);
	return rc;
}

enum err netlink_put(struct netlink *netlink, const struct address *address,
		     const struct netlink_interface *interface, uint32_t lifetime_s,
		     struct err_ctx *err)
{
	const struct ifaddrmsg head = { .ifa_family = address->v6 ? AF_INET6 : AF_INET,
					.ifa_prefixlen = address->prefix_bits,
					.ifa_index = (unsigned)interface->index };
	/* IPv6, preferred for 0 s: deprecated, that is, connections of this host itself begin at another
	 * address (RFC 6724, rule 3) and survive its move. IPv4 never prefers a second address. */
	const struct ifa_cacheinfo lifetime = { .ifa_valid = lifetime_s,
						.ifa_prefered = address->v6 ? 0 : lifetime_s };
	char label[ADDRESS_INTERFACE_BYTES_MAX + sizeof(":muster")];
	int label_bytes = snprintf(label, sizeof(label), "%s:muster", interface->name);
	bool with_label = !address->v6 && label_bytes < NETLINK_LABEL_BYTES_MAX;
	uint32_t flags = address->v6 ? IFA_F_NODAD : 0;
	struct beside beside = { .address = address, .interface_index = interface->index };
	enum err rc = ERR_OK;
	if (address->v6) {
		rc = netlink_each_address(netlink, look_beside, &beside, err);
	}
	if (rc) {
		return rc;
	}
	if (beside.found) {
		/* The subnet's route belongs to the other address: it must not get the lifetime of ours. */
		flags |= IFA_F_NOPREFIXROUTE;
	}
	int error = ask_about(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, address,
			      &lifetime, flags, with_label ? label : NULL);
	return error < 0 ? netlink_say(err, error, "cannot add the address") : ERR_OK;
}

struct ours {
	const struct address *address; /* NULL: all of ours */
	struct netlink_row rows[LEFTOVERS_MAX];
	size_t count;
	bool strange; /* it is there, and not ours */
};

static void collect_ours(void *ctx, const struct netlink_row *row)
{
	struct ours *ours = ctx;
	if (ours->address && !address_is_same_ip(&row->address, ours->address)) {
		return;
	}
	if (!row->ours) {
		ours->strange = true;
	} else if (ours->count < LEFTOVERS_MAX) {
		ours->rows[ours->count++] = *row;
	}
}

static enum err remove_rows(struct netlink *netlink, const struct ours *ours, struct err_ctx *err)
{
	for (size_t i = 0; i < ours->count; i++) {
		const struct netlink_row *row = &ours->rows[i];
		const struct ifaddrmsg head = { .ifa_family = row->address.v6 ? AF_INET6 : AF_INET,
						.ifa_prefixlen = row->address.prefix_bits,
						.ifa_index = (unsigned)row->interface_index };
		int rc = ask_about(netlink, RTM_DELADDR, 0, &head, &row->address, NULL, 0, NULL);
		/* Gone meanwhile, or its interface is: what counts is what is read back. */
		if (rc == -NLE_PERM) {
			return netlink_say(err, rc, "cannot remove the address");
		}
	}
	return ERR_OK;
}

enum err netlink_remove(struct netlink *netlink, const struct address *address, struct err_ctx *err)
{
	struct ours ours = { .address = address };
	enum err rc = netlink_each_address(netlink, collect_ours, &ours, err);
	rc = rc ? rc : remove_rows(netlink, &ours, err);
	if (rc) {
		return rc;
	}
	ours = (struct ours){ .address = address };
	rc = netlink_each_address(netlink, collect_ours, &ours, err);
	if (!rc && ours.count) {
		return err_set(err, ERR_IO,
			       "the kernel keeps the address though it was told to "
			       "take it away");
	}
	if (!rc && ours.strange) {
		return err_set(err, ERR_EXISTS,
			       "it is on this host and muster did not put it "
			       "there: take it away by hand ('ip address del')");
	}
	return rc;
}

enum err netlink_remove_ours(struct netlink *netlink,
			     void (*told)(void *ctx, const struct address *address), void *ctx,
			     struct err_ctx *err)
{
	struct ours ours = { 0 };
	enum err rc = netlink_each_address(netlink, collect_ours, &ours, err);
	rc = rc ? rc : remove_rows(netlink, &ours, err);
	for (size_t i = 0; i < ours.count && !rc; i++) {
		told(ctx, &ours.rows[i].address);
	}
	return rc;
}

enum err netlink_watch(struct netlink *netlink, struct err_ctx *err)
{
	struct nl_sock *made = NULL;
	enum err rc = open_socket(&made, err);
	if (rc) {
		return rc;
	}
	nl_socket_disable_seq_check(made);
	int error = nl_socket_add_memberships(made, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
					      RTNLGRP_IPV6_IFADDR, 0);
	error = error ? error : nl_socket_set_nonblocking(made);
	if (error < 0) {
		(void)free_socket(made);
		return netlink_say(err, error, "cannot watch the interfaces");
	}
	netlink->watch = made;
	return ERR_OK;
}

int netlink_watch_fd(const struct netlink *netlink)
{
	return nl_socket_get_fd(netlink->watch);
}

struct telling {
	void (*told)(void *ctx, const struct netlink_event *event);
	void *ctx;
};

static int tell(struct nl_msg *message, void *arg)
{
	const struct telling *telling = arg;
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct netlink_event event = { 0 };
	struct netlink_row row;
	struct netlink_interface interface;
	if (header->nlmsg_type == RTM_DELADDR && netlink_read_address(header, &row)) {
		event.change = NETLINK_ADDRESS_GONE;
		event.interface_index = row.interface_index;
		event.address = row.address;
		telling->told(telling->ctx, &event);
	} else if (header->nlmsg_type == RTM_NEWLINK &&
		   netlink_read_interface(header, &interface)) {
		event.change = NETLINK_LINK;
		event.up = interface.up;
		event.interface_index = interface.index;
		telling->told(telling->ctx, &event);
	}
	return NL_OK;
}

void netlink_watch_read(struct netlink *netlink,
			void (*told)(void *ctx, const struct netlink_event *event), void *ctx)
{
	struct telling telling = { told, ctx };
	(void)nl_socket_modify_cb(netlink->watch, NL_CB_VALID, NL_CB_CUSTOM, tell, &telling);
	for (int i = 0; i < READS_MAX; i++) {
		int rc = nl_recvmsgs_default(netlink->watch);
		if (rc == -NLE_AGAIN || rc == -NLE_INTR) {
			return;
		}
		if (rc < 0) {
			/* The kernel dropped some: ENOBUFS. */
			const struct netlink_event lost = { .change = NETLINK_UNKNOWN };
			told(ctx, &lost);
			return;
		}
	}
}
