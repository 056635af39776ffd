/* A frame with one wrong byte is not heard, and one that is misread gives an address away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/frame.h"

static const struct mac ours = { { 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b } };
static const struct mac other = { { 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0c } };

static struct address v4(void)
{
	struct address address;
	assert_int_equal(address_parse(STR("192.0.2.10/24"), &address, NULL), ERR_OK);
	return address;
}

static struct address v6(void)
{
	struct address address;
	assert_int_equal(address_parse(STR("2001:db8::12:3456/64"), &address, NULL), ERR_OK);
	return address;
}

/* clang-format off */
static const uint8_t arp_announcement[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 0x08, 0x06,
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,
	0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 192, 0, 2, 10,
	0, 0, 0, 0, 0, 0, 192, 0, 2, 10,
};
static const uint8_t arp_reply[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 0x08, 0x06,
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02,
	0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 192, 0, 2, 10,
	0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 192, 0, 2, 10,
};
static const uint8_t arp_probe[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 0x08, 0x06,
	0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,
	0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 192, 0, 2, 10,
};
static const uint8_t advertisement[] = {
	0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 32, 58, 255,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56,
	0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
	136, 0, 0x86, 0x05, 0x20, 0, 0, 0,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56,
	2, 1, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b,
};
static const uint8_t solicitation[] = {
	0x33, 0x33, 0xff, 0x12, 0x34, 0x56, 0x02, 0x00, 0x0a, 0x4d, 0x00, 0x0b, 0x86, 0xdd,
	0x60, 0, 0, 0, 0, 24, 58, 255,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x12, 0x34, 0x56,
	135, 0, 0xe4, 0x1e, 0, 0, 0, 0,
	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56,
};
/* clang-format on */

static void assert_frame(const struct frame *frame, const uint8_t *bytes, size_t count)
{
	assert_int_equal(frame->count, count);
	assert_memory_equal(frame->bytes, bytes, count);
}

static void test_arp_bytes(void **state)
{
	struct address address = v4();
	struct frame frame;
	(void)state;
	frame_announce(&address, &ours, &frame);
	assert_frame(&frame, arp_announcement, sizeof(arp_announcement));
	frame_announce_reply(&address, &ours, &frame);
	assert_frame(&frame, arp_reply, sizeof(arp_reply));
	frame_probe(&address, &ours, &frame);
	assert_frame(&frame, arp_probe, sizeof(arp_probe));
}

/* RFC 4443, 2.3: the one's complement sum over pseudo header and message, checksum included, is 0xffff. */
static uint32_t sum_of(const struct frame *frame)
{
	enum { ADDRESSES_AT = 22, MESSAGE_AT = 54, ICMP6 = 58 };
	uint32_t sum = ICMP6 + (uint32_t)(frame->count - MESSAGE_AT);
	for (size_t i = ADDRESSES_AT; i < frame->count; i += 2) {
		sum += (uint32_t)frame->bytes[i] << 8 | frame->bytes[i + 1];
	}
	while (sum >> 16) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void test_discovery_bytes(void **state)
{
	struct address address = v6();
	struct frame frame;
	struct mac group;
	(void)state;
	frame_announce(&address, &ours, &frame);
	assert_int_equal(sum_of(&frame), 0xffff);
	assert_frame(&frame, advertisement, sizeof(advertisement));
	frame_probe(&address, &ours, &frame);
	assert_int_equal(sum_of(&frame), 0xffff);
	assert_frame(&frame, solicitation, sizeof(solicitation));
	frame_probe_group(&address, &group);
	assert_memory_equal(group.bytes, solicitation, sizeof(group.bytes));
}

static enum frame_word read_changed(const uint8_t *bytes, size_t count, size_t at, uint8_t value,
				    const struct address *address, struct mac *ret)
{
	uint8_t copy[FRAME_BYTES_MAX];
	memcpy(copy, bytes, count);
	copy[at] = value;
	return frame_read(copy, count, address, ret);
}

static void test_read_arp(void **state)
{
	struct address address = v4();
	struct address not_it = v6();
	struct mac from;
	static const struct {
		size_t at; /* one byte of the announcement is another */
		uint8_t value;
		enum frame_word word;
	} rows[] = {
		{ 13, 0x00, FRAME_NOTHING }, /* type of the frame */
		{ 15, 6, FRAME_NOTHING },    /* hardware */
		{ 17, 1, FRAME_NOTHING },    /* protocol */
		{ 18, 8, FRAME_NOTHING },    /* length of a MAC */
		{ 19, 6, FRAME_NOTHING },    /* length of an address */
		{ 21, 2, FRAME_CLAIM },	     /* reply */
		{ 21, 3, FRAME_NOTHING },    /* reverse request */
		{ 31, 11, FRAME_NOTHING },   /* somebody else's address, asking for ours */
		{ 41, 11, FRAME_CLAIM },     /* our address, asking for somebody else's */
	};
	(void)state;
	assert_int_equal(frame_read(arp_announcement, sizeof(arp_announcement), &address, &from),
			 FRAME_CLAIM);
	assert_memory_equal(&from, &ours, sizeof(ours));
	assert_int_equal(frame_read(arp_announcement, sizeof(arp_announcement), &not_it, &from),
			 FRAME_NOTHING);
	assert_int_equal(frame_read(arp_reply, sizeof(arp_reply), &address, &from), FRAME_CLAIM);
	assert_int_equal(frame_read(arp_probe, sizeof(arp_probe), &address, &from), FRAME_PROBE);
	assert_int_equal(read_changed(arp_probe, sizeof(arp_probe), 41, 11, &address, &from),
			 FRAME_NOTHING);
	assert_int_equal(read_changed(arp_probe, sizeof(arp_probe), 21, 2, &address, &from),
			 FRAME_NOTHING);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_changed(arp_announcement, sizeof(arp_announcement),
					      rows[i].at, rows[i].value, &address, &from),
				 rows[i].word);
	}
	for (size_t count = 0; count < sizeof(arp_announcement); count++) {
		assert_int_equal(frame_read(arp_announcement, count, &address, &from),
				 FRAME_NOTHING);
	}
}

static void test_read_discovery(void **state)
{
	struct address address = v6();
	struct mac from;
	uint8_t copy[FRAME_BYTES_MAX];
	static const struct {
		size_t at; /* one byte of the advertisement is another */
		uint8_t value;
		enum frame_word word;
	} rows[] = {
		{ 14, 0x40, FRAME_NOTHING }, /* version */
		{ 20, 17, FRAME_NOTHING },   /* next header */
		{ 21, 64, FRAME_NOTHING },   /* hop limit: it came from behind a router */
		{ 54, 134, FRAME_NOTHING },  /* a router's */
		{ 54, 135, FRAME_CLAIM },    /* our address asks, for itself */
		{ 77, 0x57, FRAME_NOTHING }, /* another target */
		{ 78, 1, FRAME_CLAIM },	     /* another option */
		{ 79, 0, FRAME_CLAIM },	     /* an option without length */
		{ 79, 9, FRAME_CLAIM },	     /* longer than the frame */
	};
	(void)state;
	assert_int_equal(frame_read(advertisement, sizeof(advertisement), &address, &from),
			 FRAME_CLAIM);
	assert_memory_equal(&from, &ours, sizeof(ours));
	assert_int_equal(frame_read(solicitation, sizeof(solicitation), &address, &from),
			 FRAME_PROBE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_changed(advertisement, sizeof(advertisement), rows[i].at,
					      rows[i].value, &address, &from),
				 rows[i].word);
	}
	/* The option says whose it is, not who sent it. */
	memcpy(copy, advertisement, sizeof(advertisement));
	memcpy(copy + 80, other.bytes, sizeof(other.bytes));
	assert_int_equal(frame_read(copy, sizeof(advertisement), &address, &from), FRAME_CLAIM);
	assert_memory_equal(&from, &other, sizeof(other));
	/* Without it, who sent it. */
	memcpy(copy + 6, other.bytes, sizeof(other.bytes));
	assert_int_equal(frame_read(copy, sizeof(advertisement) - 8, &address, &from), FRAME_CLAIM);
	assert_memory_equal(&from, &other, sizeof(other));
	for (size_t count = 0; count < sizeof(advertisement) - 8; count++) {
		assert_int_equal(frame_read(advertisement, count, &address, &from), FRAME_NOTHING);
	}
}

static void test_print_mac(void **state)
{
	char text[MAC_TEXT_BYTES_MAX];
	(void)state;
	frame_print_mac(&ours, text);
	assert_string_equal(text, "02:00:0a:4d:00:0b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arp_bytes), cmocka_unit_test(test_discovery_bytes),
		cmocka_unit_test(test_read_arp),  cmocka_unit_test(test_read_discovery),
		cmocka_unit_test(test_print_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
