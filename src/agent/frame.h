/* The Ethernet frames that speak of one address: announcements, probes, and what others say. Pure.
 *
 * Sources: ARP RFC 826, address conflict detection RFC 5227, neighbour discovery RFC 4861, duplicate
 * address detection RFC 4862, IPv6 over Ethernet RFC 2464.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/address.h"

enum { FRAME_BYTES_MAX = 96, MAC_BYTES = 6, MAC_TEXT_BYTES_MAX = 18 };

struct mac {
	uint8_t bytes[MAC_BYTES];
};

struct frame {
	uint8_t bytes[FRAME_BYTES_MAX];
	size_t count;
};

/* What a frame says of an address. */
enum frame_word {
	FRAME_NOTHING, /* not about it, or not a frame at all */
	FRAME_CLAIM,   /* its sender has the address */
	FRAME_PROBE,   /* its sender asks whether anybody has it, before it takes it */
};

/* "I have it": a gratuitous ARP request, or an unsolicited neighbour advertisement with the override flag. */
void frame_announce(const struct address *address, const struct mac *mac, struct frame *ret);

/* The other form of a gratuitous ARP, the reply, for peers that only heed that one. IPv4 only. */
void frame_announce_reply(const struct address *address, const struct mac *mac, struct frame *ret);

/* "Has anybody got it?": an ARP request from 0.0.0.0, or a neighbour solicitation from "::". */
void frame_probe(const struct address *address, const struct mac *mac, struct frame *ret);

/* What the bytes, as they came from the network, say of `address`. ret_mac: who says so; written unless FRAME_NOTHING. The
 * checksum is not looked at: believing a damaged frame makes us careful, nothing else. */
enum frame_word frame_read(const uint8_t *bytes, size_t count, const struct address *address,
			   struct mac *ret_mac);

/* The group that an IPv6 probe for the address is sent to: 33:33:ff:.. */
void frame_probe_group(const struct address *address, struct mac *ret);

/* "02:00:0a:4d:00:0b" */
void frame_print_mac(const struct mac *mac, char ret_text[MAC_TEXT_BYTES_MAX]);
