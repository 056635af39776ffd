/* Reading: what the kernel's messages say, and the questions that change nothing. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "agent/netlink_internal.h"
#include "agent/privilege.h"

enum { DUMP_TRIES = 5 };

static const struct str label_end = { ":muster", sizeof(":muster") - 1 };

enum err netlink_say(struct err_ctx *err, int nl_error, const char *what)
{
	if (nl_error == -NLE_PERM) {
		return privilege_missing(err, what);
	}
	return err_set(err, nl_error == -NLE_NODEV ? ERR_NOT_FOUND : ERR_IO, "%s: %s", what,
		       nl_geterror(nl_error));
}

bool netlink_read_address(struct nlmsghdr *header, struct netlink_row *ret)
{
	struct nlattr *parts[IFA_MAX + 1];
	if (nlmsg_parse(header, sizeof(struct ifaddrmsg), parts, IFA_MAX, NULL) < 0) {
		return false;
	}
	const struct ifaddrmsg *head = nlmsg_data(header);
	struct netlink_row row = { .interface_index = (int)head->ifa_index };
	row.address.v6 = head->ifa_family == AF_INET6;
	row.address.prefix_bits = head->ifa_prefixlen;
	/* Of a point-to-point link IFA_ADDRESS is the other end. */
	const struct nlattr *ip = parts[IFA_LOCAL] ? parts[IFA_LOCAL] : parts[IFA_ADDRESS];
	if ((head->ifa_family != AF_INET && head->ifa_family != AF_INET6) || !ip ||
	    (size_t)nla_len(ip) != address_bytes(&row.address)) {
		return false;
	}
	memcpy(row.address.bytes, nla_data(ip), address_bytes(&row.address));
	const struct nlattr *label = parts[IFA_LABEL];
	if (parts[IFA_PROTO] && nla_len(parts[IFA_PROTO]) == 1) {
		row.ours = nla_get_u8(parts[IFA_PROTO]) == NETLINK_PROTOCOL_OURS;
	} else if (label && nla_len(label) > 0) {
		const char *text = nla_data(label);
		struct str name = { text, strnlen(text, (size_t)nla_len(label)) };
		row.ours = str_ends_with(name, label_end);
	}
	*ret = row;
	return true;
}

bool netlink_read_interface(struct nlmsghdr *header, struct netlink_interface *ret)
{
	struct nlattr *parts[IFLA_MAX + 1];
	if (nlmsg_parse(header, sizeof(struct ifinfomsg), parts, IFLA_MAX, NULL) < 0 ||
	    !parts[IFLA_IFNAME]) {
		return false;
	}
	const struct ifinfomsg *head = nlmsg_data(header);
	struct netlink_interface made = { .index = head->ifi_index };
	(void)nla_strlcpy(made.name, parts[IFLA_IFNAME], sizeof(made.name));
	made.up = (head->ifi_flags & IFF_UP) && (head->ifi_flags & IFF_RUNNING);
	if (parts[IFLA_ADDRESS] && nla_len(parts[IFLA_ADDRESS]) == MAC_BYTES) {
		memcpy(made.mac.bytes, nla_data(parts[IFLA_ADDRESS]), MAC_BYTES);
		made.speaks = head->ifi_type == ARPHRD_ETHER && !(head->ifi_flags & IFF_NOARP);
	}
	*ret = made;
	return true;
}

struct walk {
	void (*address)(void *ctx, const struct netlink_row *row);
	void (*interface)(void *ctx, const struct netlink_interface *interface);
	void *ctx;
};

static int walk_message(struct nl_msg *message, void *arg)
{
	const struct walk *walk = arg;
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct netlink_row row;
	struct netlink_interface interface;
	if (header->nlmsg_type == RTM_NEWADDR && walk->address &&
	    netlink_read_address(header, &row)) {
		walk->address(walk->ctx, &row);
	} else if (header->nlmsg_type == RTM_NEWLINK && walk->interface &&
		   netlink_read_interface(header, &interface)) {
		walk->interface(walk->ctx, &interface);
	}
	return NL_OK;
}

static enum err dump(struct netlink *netlink, int type, struct walk *walk, struct err_ctx *err)
{
	int rc = -NLE_DUMP_INTR;
	struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	if (!callbacks) {
		return err_set(err, ERR_NOMEM, "no memory for a netlink request");
	}
	(void)nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, walk_message, walk);
	for (int i = 0; i < DUMP_TRIES && rc == -NLE_DUMP_INTR; i++) {
		struct rtgenmsg any = { .rtgen_family = AF_UNSPEC };
		rc = nl_send_simple(netlink->ask, type, NLM_F_DUMP, &any, sizeof(any));
		rc = rc < 0 ? rc : nl_recvmsgs(netlink->ask, callbacks);
	}
	nl_cb_put(callbacks);
	if (rc < 0) {
		return netlink_say(err, rc, "cannot read the interfaces");
	}
	return ERR_OK;
}

enum err netlink_each_address(struct netlink *netlink,
			      void (*visit)(void *ctx, const struct netlink_row *row), void *ctx,
			      struct err_ctx *err)
{
	struct walk walk = { .address = visit, .ctx = ctx };
	return dump(netlink, RTM_GETADDR, &walk, err);
}

enum err netlink_each_interface(struct netlink *netlink,
				void (*visit)(void *ctx, const struct netlink_interface *interface),
				void *ctx, struct err_ctx *err)
{
	struct walk walk = { .interface = visit, .ctx = ctx };
	return dump(netlink, RTM_GETLINK, &walk, err);
}

/* The interface of an address: by name, or by index once the subnet said which. */
struct search {
	const struct address *address;
	int index;	  /* of the best so far; 0: none */
	unsigned bits;	  /* of its prefix */
	const char *name; /* NULL: by index */
	struct netlink_interface found;
};

static void search_subnet(void *ctx, const struct netlink_row *row)
{
	struct search *search = ctx;
	unsigned bits = row->address.prefix_bits;
	if (row->address.v6 == search->address->v6 && !row->ours && bits > search->bits &&
	    !address_is_same_ip(&row->address, search->address) &&
	    address_common_bits(search->address, row->address.bytes) >= bits) {
		search->index = row->interface_index;
		search->bits = bits;
	}
}

static void search_interface(void *ctx, const struct netlink_interface *interface)
{
	struct search *search = ctx;
	if (search->name ? strcmp(search->name, interface->name) == 0
			 : search->index == interface->index) {
		search->found = *interface;
	}
}

enum err netlink_interface(struct netlink *netlink, const struct address *address,
			   struct netlink_interface *ret, struct err_ctx *err)
{
	struct search search = { .address = address };
	enum err rc = ERR_OK;
	if (address->interface[0]) {
		search.name = address->interface;
	} else {
		rc = netlink_each_address(netlink, search_subnet, &search, err);
		if (!rc && !search.index) {
			char text[ADDRESS_BYTES_MAX];
			address_print(address, text);
			return err_set(err, ERR_NOT_FOUND,
				       "no interface has an address in the subnet of %s: "
				       "write which one, '%s%%eth0'",
				       text, text);
		}
	}
	rc = rc ? rc : netlink_each_interface(netlink, search_interface, &search, err);
	if (!rc && !search.found.index) {
		return err_set(err, ERR_NOT_FOUND, "there is no interface '%s'",
			       search.name ? search.name : "?");
	}
	if (!rc) {
		*ret = search.found;
	}
	return rc;
}

struct mac_search {
	const struct mac *mac;
	bool found;
};

static void search_mac(void *ctx, const struct netlink_interface *interface)
{
	struct mac_search *search = ctx;
	search->found =
		search->found || memcmp(search->mac, &interface->mac, sizeof(interface->mac)) == 0;
}

bool netlink_is_own_mac(struct netlink *netlink, const struct mac *mac)
{
	struct mac_search search = { .mac = mac };
	return netlink_each_interface(netlink, search_mac, &search, NULL) == ERR_OK && search.found;
}

struct find {
	const struct address *address;
	bool found;
	struct netlink_row row;
};

static void find_address(void *ctx, const struct netlink_row *row)
{
	struct find *find = ctx;
	if (address_is_same_ip(&row->address, find->address) && (!find->found || !row->ours)) {
		find->found = true;
		find->row = *row;
	}
}

enum err netlink_find(struct netlink *netlink, const struct address *address,
		      struct netlink_found *ret, struct err_ctx *err)
{
	struct find find = { .address = address };
	enum err rc = netlink_each_address(netlink, find_address, &find, err);
	if (rc) {
		return rc;
	}
	if (!find.found) {
		return err_set(err, ERR_NOT_FOUND, "not on this host");
	}
	struct search search = { .index = find.row.interface_index };
	rc = netlink_each_interface(netlink, search_interface, &search, err);
	if (!rc) {
		*ret = (struct netlink_found){ .interface_index = find.row.interface_index,
					       .prefix_bits = find.row.address.prefix_bits,
					       .ours = find.row.ours };
		memcpy(ret->interface, search.found.name, sizeof(ret->interface));
	}
	return rc;
}
