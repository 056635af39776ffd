#include "wire/packet.h"

#include <string.h>

struct packet_header packet_header_read(const uint8_t bytes[PACKET_HEADER_BYTES])
{
	return (struct packet_header){
		.payload_bytes =
			(uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16,
		.sequence = bytes[3],
	};
}

void packet_header_write(struct packet_header header, uint8_t ret[PACKET_HEADER_BYTES])
{
	ret[0] = (uint8_t)header.payload_bytes;
	ret[1] = (uint8_t)(header.payload_bytes >> 8);
	ret[2] = (uint8_t)(header.payload_bytes >> 16);
	ret[3] = header.sequence;
}

static void add_header(struct buf *out, size_t payload_bytes, uint8_t *sequence)
{
	uint8_t bytes[PACKET_HEADER_BYTES];
	packet_header_write((struct packet_header){ (uint32_t)payload_bytes, (*sequence)++ },
			    bytes);
	buf_add(out, bytes, sizeof(bytes));
}

void packet_append(struct buf *out, uint8_t *sequence, struct str payload)
{
	size_t sent = 0;
	size_t part;
	do {
		part = payload.len - sent;
		if (part > PACKET_FRAME_BYTES_MAX) {
			part = PACKET_FRAME_BYTES_MAX;
		}
		add_header(out, part, sequence);
		buf_add(out, part ? payload.ptr + sent : NULL, part);
		sent += part;
	} while (part == PACKET_FRAME_BYTES_MAX);
}

size_t packet_begin(struct buf *out)
{
	size_t mark = out->len;
	buf_add_zeros(out, PACKET_HEADER_BYTES);
	return mark;
}

/* Opens gaps for the headers of all frames but the first, from the last one down, so that each
 * payload byte moves once. */
static void split_in_place(struct buf *out, size_t mark, size_t payload_bytes, uint8_t *sequence)
{
	size_t more_frames = payload_bytes / PACKET_FRAME_BYTES_MAX;
	buf_add_zeros(out, more_frames * PACKET_HEADER_BYTES);
	if (out->overflow) {
		return;
	}
	uint8_t *first = out->ptr + mark + PACKET_HEADER_BYTES;
	for (size_t i = more_frames; i > 0; i--) {
		size_t from = i * PACKET_FRAME_BYTES_MAX;
		size_t part = payload_bytes - from;
		if (part > PACKET_FRAME_BYTES_MAX) {
			part = PACKET_FRAME_BYTES_MAX;
		}
		uint8_t *to = first + from + i * PACKET_HEADER_BYTES;
		memmove(to, first + from, part);
		packet_header_write(
			(struct packet_header){ (uint32_t)part, (uint8_t)(*sequence + i) },
			to - PACKET_HEADER_BYTES);
	}
	packet_header_write((struct packet_header){ PACKET_FRAME_BYTES_MAX, *sequence },
			    out->ptr + mark);
	*sequence = (uint8_t)(*sequence + more_frames + 1);
}

void packet_end(struct buf *out, size_t mark, uint8_t *sequence)
{
	if (out->overflow) {
		return;
	}
	size_t payload_bytes = out->len - mark - PACKET_HEADER_BYTES;
	if (payload_bytes >= PACKET_FRAME_BYTES_MAX) {
		split_in_place(out, mark, payload_bytes, sequence);
		return;
	}
	packet_header_write((struct packet_header){ (uint32_t)payload_bytes, (*sequence)++ },
			    out->ptr + mark);
}

enum err packet_find(const void *bytes, size_t count, size_t payload_max, struct packet *ret,
		     struct err_ctx *err)
{
	const uint8_t *at = bytes;
	struct packet packet = { 0 };
	struct packet_header header;
	do {
		if (count - packet.wire_bytes < PACKET_HEADER_BYTES) {
			return ERR_AGAIN; /* the common case: no words are made */
		}
		header = packet_header_read(at + packet.wire_bytes);
		if (packet.frame_count == 0) {
			packet.sequence = header.sequence;
		} else if (header.sequence != packet.sequence_next) {
			return err_set(err, ERR_PROTOCOL,
				       "frame %u of a packet has sequence %u, not %u",
				       packet.frame_count, header.sequence, packet.sequence_next);
		}
		if (payload_max - packet.payload_bytes < header.payload_bytes) {
			return err_set(err, ERR_LIMIT, "packet over %zu bytes", payload_max);
		}
		packet.sequence_next = (uint8_t)(header.sequence + 1);
		packet.frame_count++;
		packet.payload_bytes += header.payload_bytes;
		packet.wire_bytes += PACKET_HEADER_BYTES;
		if (count - packet.wire_bytes < header.payload_bytes) {
			return ERR_AGAIN; /* the common case: no words are made */
		}
		packet.wire_bytes += header.payload_bytes;
	} while (header.payload_bytes == PACKET_FRAME_BYTES_MAX);
	*ret = packet;
	return ERR_OK;
}

struct str packet_join(void *bytes, const struct packet *packet)
{
	uint8_t *first = (uint8_t *)bytes + PACKET_HEADER_BYTES;
	for (size_t i = 1; i < packet->frame_count; i++) {
		size_t at = i * PACKET_FRAME_BYTES_MAX;
		size_t part = packet->payload_bytes - at;
		if (part > PACKET_FRAME_BYTES_MAX) {
			part = PACKET_FRAME_BYTES_MAX;
		}
		memmove(first + at, first + at + i * PACKET_HEADER_BYTES, part);
	}
	return (struct str){ (const char *)first, packet->payload_bytes };
}

void packet_scan_init(struct packet_scan *scan)
{
	*scan = (struct packet_scan){ 0 };
}

static bool take_header(struct packet_scan *scan, struct cursor *in)
{
	while (scan->header_bytes < PACKET_HEADER_BYTES) {
		if (in->at == in->end) {
			return false;
		}
		scan->header[scan->header_bytes++] = *in->at++;
	}
	return true;
}

bool packet_scan_next(struct packet_scan *scan, struct cursor *in, struct packet_piece *ret)
{
	bool starts_frame = scan->header_bytes < PACKET_HEADER_BYTES;
	if (!take_header(scan, in) || (!starts_frame && in->at == in->end)) {
		return false;
	}
	struct packet_header header = packet_header_read(scan->header);
	bool starts_packet = starts_frame && !scan->continues;
	if (starts_packet) {
		scan->packet_bytes = 0;
	}
	if (starts_frame) {
		scan->frame_left = header.payload_bytes;
	}
	size_t part = cursor_left(in) < scan->frame_left ? cursor_left(in) : scan->frame_left;
	scan->frame_left -= (uint32_t)part;
	bool ends_frame = scan->frame_left == 0;
	bool full = header.payload_bytes == PACKET_FRAME_BYTES_MAX;
	*ret = (struct packet_piece){
		.payload = { (const char *)in->at, part },
		.offset = scan->packet_bytes,
		.frame_bytes = header.payload_bytes,
		.sequence = header.sequence,
		.starts_frame = starts_frame,
		.starts_packet = starts_packet,
		.ends_frame = ends_frame,
		.ends_packet = ends_frame && !full,
	};
	in->at += part;
	scan->packet_bytes += part;
	if (ends_frame) {
		scan->header_bytes = 0;
		scan->continues = full;
	}
	return true;
}

bool packet_scan_is_idle(const struct packet_scan *scan)
{
	return scan->header_bytes == 0 && !scan->continues;
}
