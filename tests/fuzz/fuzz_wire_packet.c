/* Frames from either side: packet_find(), packet_join() and packet_scan must agree on them.
 * Byte 0: size of the pieces for the scan. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/packet.h"

enum { PAYLOAD_MAX = 1 << 26 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the scan says of the stream: whole packets and the payload bytes in them. */
struct tally {
	size_t packets;
	size_t payload_bytes;
};

static struct tally scan_all(const uint8_t *data, size_t size, size_t piece_bytes)
{
	struct packet_scan scan;
	struct tally tally = { 0, 0 };
	size_t payload_bytes = 0;
	packet_scan_init(&scan);
	for (size_t at = 0; at < size; at += piece_bytes) {
		size_t part = size - at < piece_bytes ? size - at : piece_bytes;
		struct cursor in = cursor_of(data + at, part);
		struct packet_piece piece;
		while (packet_scan_next(&scan, &in, &piece)) {
			check(piece.offset == (piece.starts_packet ? 0 : payload_bytes));
			check(!piece.ends_packet || piece.ends_frame);
			payload_bytes = piece.starts_packet ? 0 : payload_bytes;
			payload_bytes += piece.payload.len;
			if (piece.ends_packet) {
				tally.packets++;
				tally.payload_bytes += payload_bytes;
			}
		}
		check(cursor_left(&in) == 0);
	}
	return tally;
}

static struct tally find_all(uint8_t *data, size_t size)
{
	struct tally tally = { 0, 0 };
	struct packet packet;
	size_t at = 0;
	while (packet_find(data + at, size - at, PAYLOAD_MAX, &packet, NULL) == ERR_OK) {
		check(packet.wire_bytes <= size - at);
		check(packet.wire_bytes ==
		      packet.payload_bytes + (size_t)packet.frame_count * PACKET_HEADER_BYTES);
		check(packet_join(data + at, &packet).len == packet.payload_bytes);
		tally.packets++;
		tally.payload_bytes += packet.payload_bytes;
		at += packet.wire_bytes;
	}
	return tally;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	size_t piece_bytes = (size_t)data[0] + 1;
	uint8_t *copy = mem_need(size);
	memcpy(copy, data + 1, size - 1);
	struct tally in_pieces = scan_all(copy, size - 1, piece_bytes);
	struct tally at_once = scan_all(copy, size - 1, size);
	struct tally found = find_all(copy, size - 1);
	check(in_pieces.packets == at_once.packets);
	check(in_pieces.payload_bytes == at_once.payload_bytes);
	check(found.packets == at_once.packets && found.payload_bytes == at_once.payload_bytes);
	mem_free(copy);
	return 0;
}
