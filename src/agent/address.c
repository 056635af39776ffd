#include "agent/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { BITS_PER_BYTE = 8, V4_BITS = 32, V6_BITS = 128, V4_POINT_TO_POINT_BITS = 31 };

size_t address_bytes(const struct address *address)
{
	return address->v6 ? ADDRESS_V6_BYTES : ADDRESS_V4_BYTES;
}

/* Cuts "%eth0" or " dev eth0" off the end of *text. */
static enum err parse_interface(struct str *text, struct address *ret, struct err_ctx *err)
{
	struct str rest = *text;
	struct str head = { 0 };
	struct str name = { 0 };
	if (memchr(rest.ptr, '%', rest.len)) {
		(void)str_next(&rest, '%', &head);
		name = rest;
	} else if (memchr(rest.ptr, ' ', rest.len)) {
		(void)str_next(&rest, ' ', &head);
		rest = str_trim(rest);
		if (!str_starts_with(rest, STR("dev "))) {
			return err_set(err, ERR_PARSE,
				       "'%.*s' after the address: an interface is written '%%eth0'",
				       STR_ARG(rest));
		}
		name = str_trim(str_slice(rest, STR("dev ").len, rest.len));
	} else {
		return ERR_OK;
	}
	bool is_fine = name.len > 0 && !str_equal(name, STR(".")) && !str_equal(name, STR(".."));
	for (size_t i = 0; i < name.len; i++) {
		is_fine = is_fine && name.ptr[i] > ' ' && name.ptr[i] <= '~' &&
			  name.ptr[i] != '/' && name.ptr[i] != ':' && name.ptr[i] != '%';
	}
	if (!is_fine || str_copy(name, ret->interface, sizeof(ret->interface)) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'%.*s' is no name of an interface", STR_ARG(name));
	}
	*text = head;
	return ERR_OK;
}

static bool is_all(const uint8_t *bytes, size_t count, uint8_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != value) {
			return false;
		}
	}
	return true;
}

/* Whether all bits behind the prefix are `ones` (or zero). */
static bool host_part_is(const struct address *address, bool ones)
{
	for (unsigned bit = address->prefix_bits; bit < V4_BITS; bit++) {
		uint8_t byte = address->bytes[bit / BITS_PER_BYTE];
		bool is_set = byte & (0x80U >> bit % BITS_PER_BYTE);
		if (is_set != ones) {
			return false;
		}
	}
	return true;
}

/* What no host can have: NULL, or what it is. Source: RFC 6890, RFC 1122 3.2.1.3, RFC 4291. */
static const char *unfit_v4(const struct address *address)
{
	const uint8_t *b = address->bytes;
	enum { LOOPBACK = 127, MULTICAST = 224 };
	if (b[0] == 0 || b[0] == LOOPBACK || b[0] >= MULTICAST) {
		return b[0] == LOOPBACK ? "an address of this host alone"
		       : b[0] == 0	? "no address of a host"
					: "a multicast or reserved address";
	}
	if (address->prefix_bits < V4_POINT_TO_POINT_BITS) {
		if (host_part_is(address, false)) {
			return "the address of the subnet itself";
		}
		if (host_part_is(address, true)) {
			return "the broadcast address of its subnet";
		}
	}
	return NULL;
}

static const char *unfit_v6(const struct address *address)
{
	enum { LAST = ADDRESS_V6_BYTES - 1, V4_PART = 10, MULTICAST = 0xff };
	const uint8_t *b = address->bytes;
	if (b[0] == MULTICAST) {
		return "a multicast address";
	}
	if (is_all(b, LAST, 0) && b[LAST] <= 1) {
		return b[LAST] ? "an address of this host alone" : "no address of a host";
	}
	if (is_all(b, V4_PART, 0) && b[V4_PART] == 0xff && b[V4_PART + 1] == 0xff) {
		return "an IPv4 address in disguise: write it as one";
	}
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80 && address->interface[0] == 0) {
		return "a link-local address: write its interface too ('%eth0')";
	}
	return NULL;
}

enum err address_parse(struct str text, struct address *ret, struct err_ctx *err)
{
	struct address made = { 0 };
	struct str rest = str_trim(text);
	struct str ip = { 0 };
	char ip_text[ADDRESS_IP_BYTES_MAX];
	if (rest.len == 0) {
		return err_set(err, ERR_PARSE, "no address: write for example '192.0.2.10/24'");
	}
	enum err rc = parse_interface(&rest, &made, err);
	if (rc != ERR_OK) {
		return rc;
	}
	bool has_prefix = memchr(rest.ptr ? rest.ptr : "", '/', rest.len) != NULL;
	(void)str_next(&rest, '/', &ip);
	made.v6 = memchr(ip.ptr ? ip.ptr : "", ':', ip.len) != NULL;
	if (str_copy(ip, ip_text, sizeof(ip_text)) != ERR_OK ||
	    inet_pton(made.v6 ? AF_INET6 : AF_INET, ip_text, made.bytes) != 1) {
		return err_set(err, ERR_PARSE, "'%.*s' is no IP address", STR_ARG(ip));
	}
	uint32_t bits = 0;
	uint32_t bits_max = made.v6 ? V6_BITS : V4_BITS;
	if (!has_prefix) {
		return err_set(err, ERR_PARSE, "'%s' lacks the length of its subnet: '%s/%u'",
			       ip_text, ip_text, made.v6 ? 64U : 24U);
	}
	if (str_parse_u32(rest, 1, bits_max, &bits) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'/%.*s' is no length of a subnet: 1 to %u",
			       STR_ARG(rest), bits_max);
	}
	made.prefix_bits = (uint8_t)bits;
	const char *unfit = made.v6 ? unfit_v6(&made) : unfit_v4(&made);
	if (unfit) {
		return err_set(err, ERR_PARSE, "'%s' can't float: it is %s", ip_text, unfit);
	}
	*ret = made;
	return ERR_OK;
}

void address_print_ip(const struct address *address, char ret_text[ADDRESS_IP_BYTES_MAX])
{
	if (!inet_ntop(address->v6 ? AF_INET6 : AF_INET, address->bytes, ret_text,
		       ADDRESS_IP_BYTES_MAX)) {
		ret_text[0] = 0;
	}
}

void address_print(const struct address *address, char ret_text[ADDRESS_BYTES_MAX])
{
	char ip[ADDRESS_IP_BYTES_MAX];
	address_print_ip(address, ip);
	(void)snprintf(ret_text, ADDRESS_BYTES_MAX, "%s/%u%s%s", ip, address->prefix_bits,
		       address->interface[0] ? "%" : "", address->interface);
}

bool address_is_same_ip(const struct address *a, const struct address *b)
{
	return a->v6 == b->v6 && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

unsigned address_common_bits(const struct address *address, const uint8_t *bytes)
{
	unsigned count = 0;
	unsigned bits = (unsigned)address_bytes(address) * BITS_PER_BYTE;
	while (count < bits) {
		unsigned differ =
			address->bytes[count / BITS_PER_BYTE] ^ bytes[count / BITS_PER_BYTE];
		if (differ & (0x80U >> count % BITS_PER_BYTE)) {
			break;
		}
		count++;
	}
	return count;
}
