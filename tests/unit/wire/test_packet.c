/* Wrong framing would hang or corrupt every client connection, above all at 16 MB payloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/prng.h"
#include "wire/packet.h"

enum { BIG_BYTES_MAX = 3 * PACKET_FRAME_BYTES_MAX + 100 };

static void test_header_round_trip(void **state)
{
	(void)state;
	const uint8_t bytes[] = { 0x01, 0x02, 0x03, 0xfe };
	uint8_t again[PACKET_HEADER_BYTES];
	struct packet_header header = packet_header_read(bytes);
	assert_int_equal(header.payload_bytes, 0x030201);
	assert_int_equal(header.sequence, 0xfe);
	packet_header_write(header, again);
	assert_memory_equal(bytes, again, sizeof(bytes));
}

/* Payload sizes around the limits of a frame, and what they look like on the wire. */
static const struct {
	size_t payload_bytes;
	uint32_t frame_count;
} sizes[] = {
	{ 0, 1 },
	{ 1, 1 },
	{ PACKET_FRAME_BYTES_MAX - 1, 1 },
	{ PACKET_FRAME_BYTES_MAX, 2 },
	{ PACKET_FRAME_BYTES_MAX + 1, 2 },
	{ 2 * PACKET_FRAME_BYTES_MAX, 3 },
	{ 3 * PACKET_FRAME_BYTES_MAX + 7, 4 },
};

static uint8_t *pattern(size_t count)
{
	uint8_t *bytes = mem_need(count + 1);
	for (size_t i = 0; i < count; i++) {
		bytes[i] = (uint8_t)(i * 31 + (i >> 16));
	}
	return bytes;
}

/* append, begin/end, find and join must agree on every size. */
static void test_split_and_join(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i].payload_bytes;
		uint8_t *payload = pattern(bytes);
		struct buf appended;
		struct buf built;
		struct packet packet;
		uint8_t sequence = 254;
		uint8_t sequence_built = 254;
		buf_init(&appended, BIG_BYTES_MAX + 64);
		buf_init(&built, BIG_BYTES_MAX + 64);
		packet_append(&appended, &sequence, (struct str){ (char *)payload, bytes });
		size_t mark = packet_begin(&built);
		buf_add(&built, payload, bytes);
		packet_end(&built, mark, &sequence_built);
		assert_int_equal(buf_finish(&appended), ERR_OK);
		assert_int_equal(sequence, (uint8_t)(254 + sizes[i].frame_count));
		assert_int_equal(sequence_built, sequence);
		assert_true(str_equal(buf_str(&appended), buf_str(&built)));

		assert_int_equal(packet_find(built.ptr, built.len, BIG_BYTES_MAX, &packet, NULL),
				 ERR_OK);
		assert_int_equal(packet.frame_count, sizes[i].frame_count);
		assert_int_equal(packet.payload_bytes, bytes);
		assert_int_equal(packet.wire_bytes, built.len);
		assert_int_equal(packet.sequence, 254);
		assert_int_equal(packet.sequence_next, sequence);
		assert_int_equal(
			packet_find(built.ptr, built.len - 1, BIG_BYTES_MAX, &packet, NULL),
			ERR_AGAIN);
		struct str joined = packet_join(built.ptr, &packet);
		assert_int_equal(joined.len, bytes);
		assert_memory_equal(joined.ptr, payload, bytes);
		buf_fini(&appended);
		buf_fini(&built);
		mem_free(payload);
	}
}

static void test_find_limit(void **state)
{
	(void)state;
	const uint8_t header[] = { 0x00, 0x00, 0x01, 0 };
	struct packet packet;
	struct err_ctx err = { 0 };
	assert_int_equal(packet_find(header, sizeof(header), 0xffff, &packet, &err), ERR_LIMIT);
	assert_int_equal(packet_find(header, sizeof(header), 0x10000, &packet, &err), ERR_AGAIN);
	for (size_t i = 0; i < sizeof(header); i++) {
		assert_int_equal(packet_find(header, i, 0x10000, &packet, &err), ERR_AGAIN);
	}
}

static void test_find_refuses_frames_out_of_turn(void **state)
{
	(void)state;
	struct buf out;
	uint8_t sequence = 0;
	struct packet packet;
	struct err_ctx err = { 0 };
	buf_init(&out, BIG_BYTES_MAX);
	size_t mark = packet_begin(&out);
	buf_add_zeros(&out, PACKET_FRAME_BYTES_MAX + 5);
	packet_end(&out, mark, &sequence);
	out.ptr[PACKET_HEADER_BYTES + PACKET_FRAME_BYTES_MAX + 3] = 7;
	assert_int_equal(packet_find(out.ptr, out.len, BIG_BYTES_MAX, &packet, &err), ERR_PROTOCOL);
	assert_string_equal(err.text, "frame 1 of a packet has sequence 7, not 1");
	buf_fini(&out);
}

static void test_overflow_is_sticky(void **state)
{
	(void)state;
	uint8_t memory[10];
	struct buf out;
	uint8_t sequence = 0;
	buf_init_fixed(&out, memory, sizeof(memory));
	size_t mark = packet_begin(&out);
	buf_add_zeros(&out, 20);
	packet_end(&out, mark, &sequence);
	assert_int_equal(buf_finish(&out), ERR_LIMIT);
}

/* Feeds a stream to the scan in random pieces; the payloads it reports must be those that went in. */
static void scan_in_pieces(struct buf *stream, uint64_t seed, const size_t *payloads, size_t count)
{
	struct packet_scan scan;
	struct prng prng = { seed };
	size_t at = 0;
	size_t packets = 0;
	uint64_t seen = 0;
	packet_scan_init(&scan);
	while (at < stream->len) {
		size_t part = (size_t)prng_below(&prng, seed % 2 ? 9 : 70000) + 1;
		if (part > stream->len - at) {
			part = stream->len - at;
		}
		struct cursor in = cursor_of(stream->ptr + at, part);
		struct packet_piece piece;
		while (packet_scan_next(&scan, &in, &piece)) {
			assert_int_equal(piece.offset, seen);
			assert_true(!piece.starts_packet || seen == 0);
			for (size_t i = 0; i < piece.payload.len; i++) {
				assert_int_equal((uint8_t)piece.payload.ptr[i],
						 (uint8_t)(seen + i));
			}
			seen += piece.payload.len;
			if (piece.ends_packet) {
				assert_true(piece.ends_frame);
				assert_true(packets < count);
				assert_int_equal(seen, payloads[packets]);
				packets++;
				seen = 0;
			}
		}
		assert_int_equal(cursor_left(&in), 0);
		at += part;
	}
	assert_int_equal(packets, count);
	assert_true(packet_scan_is_idle(&scan));
}

static void add_counting(struct buf *stream, size_t bytes, uint8_t *sequence)
{
	size_t mark = packet_begin(stream);
	uint8_t *to = buf_reserve(stream, bytes);
	for (size_t i = 0; i < bytes; i++) {
		to[i] = (uint8_t)i;
	}
	buf_commit(stream, bytes);
	packet_end(stream, mark, sequence);
}

static void test_scan(void **state)
{
	(void)state;
	const size_t small[] = { 0, 1, 5, 300, 0, 0, 70000, 2 };
	const size_t big[] = { 3, PACKET_FRAME_BYTES_MAX, 1, PACKET_FRAME_BYTES_MAX + 9, 0 };
	struct buf stream;
	uint8_t sequence = 250;
	buf_init(&stream, BIG_BYTES_MAX);
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		add_counting(&stream, small[i], &sequence);
	}
	for (uint64_t seed = 1; seed <= 20; seed++) {
		scan_in_pieces(&stream, seed, small, sizeof(small) / sizeof(small[0]));
	}
	buf_clear(&stream);
	for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++) {
		add_counting(&stream, big[i], &sequence);
	}
	scan_in_pieces(&stream, 2, big, sizeof(big) / sizeof(big[0]));
	buf_fini(&stream);
}

/* The length of a frame is known with its header: a relay needs no byte of the payload for it. */
static void test_scan_tells_length_early(void **state)
{
	(void)state;
	const uint8_t header[] = { 0x10, 0x27, 0x00, 5 };
	struct packet_scan scan;
	struct packet_piece piece;
	packet_scan_init(&scan);
	struct cursor in = cursor_of(header, 2);
	assert_false(packet_scan_next(&scan, &in, &piece));
	assert_false(packet_scan_is_idle(&scan));
	in = cursor_of(header + 2, 2);
	assert_true(packet_scan_next(&scan, &in, &piece));
	assert_true(piece.starts_packet && !piece.ends_frame);
	assert_int_equal(piece.frame_bytes, 10000);
	assert_int_equal(piece.sequence, 5);
	assert_int_equal(piece.payload.len, 0);
	assert_false(packet_scan_next(&scan, &in, &piece));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_round_trip),
		cmocka_unit_test(test_split_and_join),
		cmocka_unit_test(test_find_limit),
		cmocka_unit_test(test_find_refuses_frames_out_of_turn),
		cmocka_unit_test(test_overflow_is_sticky),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_tells_length_early),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
