#include "agent/frame.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cursor.h"

enum {
	ETHER_ARP = 0x0806,
	ETHER_IPV6 = 0x86dd,
	ARP_ETHERNET = 1,
	ARP_IPV4 = 0x0800,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	IPV6_VERSION = 6,
	IPV6_HEADER_BYTES = 40,
	ICMP6 = 58,
	HOP_LIMIT = 255, /* RFC 4861, 7.1: a router can't have passed it on */
	SOLICITATION = 135,
	ADVERTISEMENT = 136,
	FLAG_OVERRIDE = 0x20,
	OPTION_TARGET_MAC = 2,
	OPTION_UNIT_BYTES = 8,
	OPTIONS_MAX = 32,
	MESSAGE_BYTES = 24, /* ICMPv6 header, flags and target */
};

static const struct mac everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct mac nobody;
/* ff02::1, and RFC 2464, 7: the group that it is on Ethernet */
static const struct mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };
static const uint8_t all_nodes[ADDRESS_V6_BYTES] = { 0xff, 2, [15] = 1 };
static const uint8_t unspecified[ADDRESS_V6_BYTES];

static void add_u16(struct buf *buf, unsigned value)
{
	buf_add_u8(buf, (uint8_t)(value >> 8));
	buf_add_u8(buf, (uint8_t)value);
}

static void add_mac(struct buf *buf, const struct mac *mac)
{
	buf_add(buf, mac->bytes, sizeof(mac->bytes));
}

static void add_ether(struct buf *buf, const struct mac *to, const struct mac *from, unsigned type)
{
	add_mac(buf, to);
	add_mac(buf, from);
	add_u16(buf, type);
}

static void make_arp(unsigned operation, const struct mac *mac, const uint8_t *sender_ip,
		     const struct mac *target_mac, const uint8_t *target_ip, struct frame *ret)
{
	struct buf buf;
	buf_init_fixed(&buf, ret->bytes, sizeof(ret->bytes));
	add_ether(&buf, &everybody, mac, ETHER_ARP);
	add_u16(&buf, ARP_ETHERNET);
	add_u16(&buf, ARP_IPV4);
	buf_add_u8(&buf, MAC_BYTES);
	buf_add_u8(&buf, ADDRESS_V4_BYTES);
	add_u16(&buf, operation);
	add_mac(&buf, mac);
	buf_add(&buf, sender_ip, ADDRESS_V4_BYTES);
	add_mac(&buf, target_mac);
	buf_add(&buf, target_ip, ADDRESS_V4_BYTES);
	ret->count = buf.len;
}

/* RFC 1071, over the pseudo header of RFC 8200, 8.1 and the message. */
static uint16_t icmp6_checksum(const uint8_t *from, const uint8_t *to, const uint8_t *message,
			       size_t count)
{
	uint32_t sum = (uint32_t)count + ICMP6;
	for (size_t i = 0; i < ADDRESS_V6_BYTES; i += 2) {
		sum += (uint32_t)from[i] << 8 | from[i + 1];
		sum += (uint32_t)to[i] << 8 | to[i + 1];
	}
	for (size_t i = 0; i < count; i += 2) {
		sum += (uint32_t)message[i] << 8 | message[i + 1];
	}
	while (sum >> 16) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

struct discovery {
	const struct mac *from_mac;
	const struct mac *to_mac;
	const uint8_t *from;
	const uint8_t *to;
	uint8_t type;
	uint8_t flags;
	const struct mac *target_mac; /* NULL: no such option */
};

static void make_discovery(const struct discovery *what, const struct address *address,
			   struct frame *ret)
{
	struct buf buf;
	unsigned message_bytes = MESSAGE_BYTES + (what->target_mac ? OPTION_UNIT_BYTES : 0);
	buf_init_fixed(&buf, ret->bytes, sizeof(ret->bytes));
	add_ether(&buf, what->to_mac, what->from_mac, ETHER_IPV6);
	buf_add_u8(&buf, IPV6_VERSION << 4);
	buf_add_zeros(&buf, 3);
	add_u16(&buf, message_bytes);
	buf_add_u8(&buf, ICMP6);
	buf_add_u8(&buf, HOP_LIMIT);
	buf_add(&buf, what->from, ADDRESS_V6_BYTES);
	buf_add(&buf, what->to, ADDRESS_V6_BYTES);
	size_t message_at = buf.len;
	buf_add_u8(&buf, what->type);
	buf_add_u8(&buf, 0);
	add_u16(&buf, 0);
	buf_add_u8(&buf, what->flags);
	buf_add_zeros(&buf, 3);
	buf_add(&buf, address->bytes, ADDRESS_V6_BYTES);
	if (what->target_mac) {
		buf_add_u8(&buf, OPTION_TARGET_MAC);
		buf_add_u8(&buf, 1);
		add_mac(&buf, what->target_mac);
	}
	ret->count = buf.len;
	uint8_t *message = ret->bytes + message_at;
	uint16_t sum = icmp6_checksum(what->from, what->to, message, message_bytes);
	message[2] = (uint8_t)(sum >> 8);
	message[3] = (uint8_t)sum;
}

void frame_announce(const struct address *address, const struct mac *mac, struct frame *ret)
{
	if (!address->v6) {
		make_arp(ARP_REQUEST, mac, address->bytes, &nobody, address->bytes, ret);
		return;
	}
	const struct discovery what = {
		.from_mac = mac,
		.to_mac = &all_nodes_mac,
		.from = address->bytes,
		.to = all_nodes,
		.type = ADVERTISEMENT,
		.flags = FLAG_OVERRIDE,
		.target_mac = mac,
	};
	make_discovery(&what, address, ret);
}

void frame_announce_reply(const struct address *address, const struct mac *mac, struct frame *ret)
{
	make_arp(ARP_REPLY, mac, address->bytes, mac, address->bytes, ret);
}

void frame_probe_group(const struct address *address, struct mac *ret)
{
	const uint8_t *tail = address->bytes + ADDRESS_V6_BYTES - 3;
	*ret = (struct mac){ { 0x33, 0x33, 0xff, tail[0], tail[1], tail[2] } };
}

void frame_probe(const struct address *address, const struct mac *mac, struct frame *ret)
{
	if (!address->v6) {
		make_arp(ARP_REQUEST, mac, unspecified, &nobody, address->bytes, ret);
		return;
	}
	struct mac group_mac;
	uint8_t group[ADDRESS_V6_BYTES] = { 0xff, 2, [11] = 1, [12] = 0xff };
	frame_probe_group(address, &group_mac);
	memcpy(group + ADDRESS_V6_BYTES - 3, address->bytes + ADDRESS_V6_BYTES - 3, 3);
	const struct discovery what = {
		.from_mac = mac,
		.to_mac = &group_mac,
		.from = unspecified,
		.to = group,
		.type = SOLICITATION,
	};
	make_discovery(&what, address, ret);
}

static enum err read_u16(struct cursor *cur, unsigned *ret)
{
	uint8_t high = 0;
	uint8_t low = 0;
	enum err rc = cursor_u8(cur, &high);
	rc = rc ? rc : cursor_u8(cur, &low);
	*ret = (unsigned)high << 8 | low;
	return rc;
}

static bool is_ip(const struct address *address, struct str bytes)
{
	return bytes.len == address_bytes(address) &&
	       memcmp(bytes.ptr, address->bytes, bytes.len) == 0;
}

static bool is_unspecified(struct str bytes)
{
	return memcmp(bytes.ptr, unspecified, bytes.len) == 0;
}

static void take_mac(struct str bytes, struct mac *ret)
{
	memcpy(ret->bytes, bytes.ptr, sizeof(ret->bytes));
}

static enum frame_word read_arp(struct cursor *cur, const struct address *address, struct mac *ret)
{
	unsigned hardware = 0;
	unsigned protocol = 0;
	unsigned lengths = 0;
	unsigned operation = 0;
	struct str sender_mac = { 0 };
	struct str sender = { 0 };
	struct str target = { 0 };
	if (read_u16(cur, &hardware) || read_u16(cur, &protocol) || read_u16(cur, &lengths) ||
	    read_u16(cur, &operation) || hardware != ARP_ETHERNET || protocol != ARP_IPV4 ||
	    lengths != (MAC_BYTES << 8 | ADDRESS_V4_BYTES) ||
	    (operation != ARP_REQUEST && operation != ARP_REPLY) ||
	    cursor_bytes(cur, MAC_BYTES, &sender_mac) ||
	    cursor_bytes(cur, ADDRESS_V4_BYTES, &sender) || cursor_skip(cur, MAC_BYTES) ||
	    cursor_bytes(cur, ADDRESS_V4_BYTES, &target)) {
		return FRAME_NOTHING;
	}
	enum frame_word word = FRAME_NOTHING;
	if (is_ip(address, sender)) {
		word = FRAME_CLAIM;
	} else if (operation == ARP_REQUEST && is_unspecified(sender) && is_ip(address, target)) {
		word = FRAME_PROBE;
	}
	if (word != FRAME_NOTHING) {
		take_mac(sender_mac, ret);
	}
	return word;
}

/* The MAC that an advertisement names; without the option it stays the sender's. */
static void read_target_mac(struct cursor *cur, struct mac *ret)
{
	for (unsigned i = 0; i < OPTIONS_MAX; i++) {
		uint8_t type = 0;
		uint8_t units = 0;
		struct str body = { 0 };
		if (cursor_u8(cur, &type) || cursor_u8(cur, &units) || units == 0 ||
		    cursor_bytes(cur, (size_t)units * OPTION_UNIT_BYTES - 2, &body)) {
			return;
		}
		if (type == OPTION_TARGET_MAC) {
			take_mac(body, ret);
			return;
		}
	}
}

static enum frame_word read_discovery(struct cursor *cur, struct str sender_mac,
				      const struct address *address, struct mac *ret)
{
	uint8_t version = 0;
	uint8_t next = 0;
	uint8_t hops = 0;
	uint8_t type = 0;
	struct str from = { 0 };
	struct str target = { 0 };
	/* Fixed IPv6 header; behind extension headers nobody sends neighbour discovery (RFC 6980). */
	if (cursor_u8(cur, &version) || version >> 4 != IPV6_VERSION || cursor_skip(cur, 5) ||
	    cursor_u8(cur, &next) || next != ICMP6 || cursor_u8(cur, &hops) || hops != HOP_LIMIT ||
	    cursor_bytes(cur, ADDRESS_V6_BYTES, &from) || cursor_skip(cur, ADDRESS_V6_BYTES) ||
	    cursor_u8(cur, &type) || cursor_skip(cur, 7) ||
	    cursor_bytes(cur, ADDRESS_V6_BYTES, &target)) {
		return FRAME_NOTHING;
	}
	enum frame_word word = FRAME_NOTHING;
	if (is_ip(address, type == ADVERTISEMENT ? target : from) &&
	    (type == ADVERTISEMENT || type == SOLICITATION)) {
		word = FRAME_CLAIM;
	} else if (type == SOLICITATION && is_unspecified(from) && is_ip(address, target)) {
		word = FRAME_PROBE;
	}
	if (word != FRAME_NOTHING) {
		take_mac(sender_mac, ret);
		if (type == ADVERTISEMENT) {
			read_target_mac(cur, ret);
		}
	}
	return word;
}

enum frame_word frame_read(const uint8_t *bytes, size_t count, const struct address *address,
			   struct mac *ret_mac)
{
	struct cursor cur = cursor_of(bytes, count);
	struct str sender_mac = { 0 };
	unsigned type = 0;
	if (cursor_skip(&cur, MAC_BYTES) || cursor_bytes(&cur, MAC_BYTES, &sender_mac) ||
	    read_u16(&cur, &type)) {
		return FRAME_NOTHING;
	}
	if (type == ETHER_ARP && !address->v6) {
		return read_arp(&cur, address, ret_mac);
	}
	if (type == ETHER_IPV6 && address->v6) {
		return read_discovery(&cur, sender_mac, address, ret_mac);
	}
	return FRAME_NOTHING;
}

void frame_print_mac(const struct mac *mac, char ret_text[MAC_TEXT_BYTES_MAX])
{
	const uint8_t *b = mac->bytes;
	(void)snprintf(ret_text, MAC_TEXT_BYTES_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1],
		       b[2], b[3], b[4], b[5]);
}
