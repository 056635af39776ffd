#include "agent/ether.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/privilege.h"

enum { NEXT_HEADER_AT = 20, TYPE_AT = 54, ICMP6 = 58, SOLICITATION = 135, ADVERTISEMENT = 136 };

/* Of all IPv6 traffic only what frame_read() understands: the rest must not wake us. */
static struct sock_filter discovery_only[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NEXT_HEADER_AT),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TYPE_AT),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOLICITATION, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ADVERTISEMENT, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, FRAME_BYTES_MAX),
};

static const struct sock_fprog discovery_filter = {
	.len = sizeof(discovery_only) / sizeof(discovery_only[0]),
	.filter = discovery_only,
};

static int listen_for(int fd, const struct netlink_interface *interface,
		      const struct address *address)
{
	struct packet_mreq group = { .mr_ifindex = interface->index,
				     .mr_type = PACKET_MR_MULTICAST,
				     .mr_alen = MAC_BYTES };
	struct mac mac;
	if (!address->v6) {
		return 0;
	}
	frame_probe_group(address, &mac);
	memcpy(group.mr_address, mac.bytes, sizeof(mac.bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &discovery_filter,
		       sizeof(discovery_filter)) != 0) {
		return -1;
	}
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group));
}

enum err ether_open(const struct netlink_interface *interface, const struct address *address,
		    int *ret_fd, struct err_ctx *err)
{
	/* Protocol 0 hears nothing: not before the filter is there and it is bound to its interface. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EPERM) {
		return privilege_missing(err, "cannot open a packet socket");
	}
	const struct sockaddr_ll here = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(address->v6 ? ETH_P_IPV6 : ETH_P_ARP),
		.sll_ifindex = interface->index,
	};
	if (fd < 0 || listen_for(fd, interface, address) != 0 ||
	    bind(fd, (const struct sockaddr *)&here, sizeof(here)) != 0) {
		int error = errno;
		if (fd >= 0) {
			(void)close(fd);
		}
		return err_set(err, error == ENODEV ? ERR_NOT_FOUND : ERR_IO,
			       "a packet socket on '%s': %s", interface->name,
			       strerrordesc_np(error));
	}
	*ret_fd = fd;
	return ERR_OK;
}

enum err ether_send(int fd, const struct frame *frame, struct err_ctx *err)
{
	if (send(fd, frame->bytes, frame->count, 0) != (ssize_t)frame->count) {
		return err_set(err, ERR_IO, "cannot send: %s", strerrordesc_np(errno));
	}
	return ERR_OK;
}

bool ether_receive(int fd, struct frame *ret)
{
	ssize_t got;
	do {
		got = recv(fd, ret->bytes, sizeof(ret->bytes), 0);
	} while (got < 0 && (errno == EINTR || errno == ENETDOWN));
	ret->count = got > 0 ? (size_t)got : 0;
	return got > 0;
}
