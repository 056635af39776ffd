/* A floating address as people write it: "192.0.2.10/24", "2001:db8::10/64%eth0", "192.0.2.10/24 dev eth0".
 *
 * Pure: which interface it belongs to when none is written is asked of the kernel elsewhere (netlink.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
	ADDRESS_V4_BYTES = 4,
	ADDRESS_V6_BYTES = 16,
	ADDRESS_INTERFACE_BYTES_MAX = 16, /* the kernel's limit, with the NUL */
	ADDRESS_IP_BYTES_MAX = 48,	  /* "2001:db8::10" and NUL */
	ADDRESS_BYTES_MAX = 80,		  /* all of it, with the NUL */
};

struct address {
	bool v6;
	uint8_t bytes
		[ADDRESS_V6_BYTES]; /* in network order; the first 4 of an IPv4 address, the rest 0 */
	uint8_t prefix_bits;
	char interface[ADDRESS_INTERFACE_BYTES_MAX]; /* "": the one whose subnet holds it */
};

/* Reads one address. Errors: ERR_PARSE with what is wrong and how it is written. */
MUST_CHECK enum err address_parse(struct str text, struct address *ret, struct err_ctx *err);

/* As address_parse() reads it, in one form only: lower case, "%" before the interface. */
void address_print(const struct address *address, char ret_text[ADDRESS_BYTES_MAX]);

/* The address alone: "192.0.2.10". */
void address_print_ip(const struct address *address, char ret_text[ADDRESS_IP_BYTES_MAX]);

/* The same IP address, whatever prefix and interface are written. */
bool address_is_same_ip(const struct address *a, const struct address *b);

/* How many of the first bits of `bytes` (4 or 16, as of `address`) are those of the address. */
unsigned address_common_bits(const struct address *address, const uint8_t *bytes);

size_t address_bytes(const struct address *address); /* 4 or 16 */
