/* Framing: a payload travels as one or more frames, each a 3-byte length, a sequence id and bytes.
 *
 * "Packet" means the whole payload; "frame" one header with what follows it. A frame of exactly
 * PACKET_FRAME_BYTES_MAX payload bytes is continued by the next one, so that a payload of a multiple
 * of that ends with an empty frame. Sequence ids count frames and wrap at 256.
 * Source: MySQL source documentation, "MySQL Packets".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/str.h"

enum { PACKET_HEADER_BYTES = 4, PACKET_FRAME_BYTES_MAX = 0xffffff };

struct packet_header {
	uint32_t payload_bytes; /* of this frame, at most PACKET_FRAME_BYTES_MAX */
	uint8_t sequence;
};

/* The four bytes in front of a frame, both ways. */
struct packet_header packet_header_read(const uint8_t bytes[PACKET_HEADER_BYTES]);

/* The opposite; header.payload_bytes above PACKET_FRAME_BYTES_MAX are cut. */
void packet_header_write(struct packet_header header, uint8_t ret[PACKET_HEADER_BYTES]);

/* Appends `payload` to `out` as one or more frames. *sequence is the id of the first frame and
 * becomes the id that follows the last one. What doesn't fit sets out->overflow. */
void packet_append(struct buf *out, uint8_t *sequence, struct str payload);

/* The same for a payload that is built in place: packet_begin() leaves room for a header and returns
 * a mark; append the payload to `out`; packet_end() fills the header in and splits when needed.
 *
 *   size_t mark = packet_begin(out);
 *   reply_ok_encode(out, &ok, caps);
 *   packet_end(out, mark, &sequence);
 */
size_t packet_begin(struct buf *out);
void packet_end(struct buf *out, size_t mark, uint8_t *sequence);

/* One whole packet at the start of contiguous bytes. */
struct packet {
	size_t wire_bytes;     /* with all headers */
	size_t payload_bytes;  /* without any */
	uint32_t frame_count;  /* 1 unless it is split */
	uint8_t sequence;      /* of the first frame */
	uint8_t sequence_next; /* what follows the last frame */
};

/* Finds where the packet at bytes[0] ends.
 *
 * payload_max: larger packets are ERR_LIMIT as soon as their headers show it.
 * Errors: ERR_AGAIN when bytes are missing, ERR_LIMIT, ERR_PROTOCOL when the frames of one packet
 * are not numbered in turn.
 */
MUST_CHECK enum err packet_find(const void *bytes, size_t count, size_t payload_max,
				struct packet *ret, struct err_ctx *err);

/* The payload of a packet that packet_find() found at `bytes`, contiguous. A split packet's inner
 * headers are squeezed out in place: its bytes are no longer a packet afterwards. */
struct str packet_join(void *bytes, const struct packet *packet);

/* An incremental walk over the frames of a stream that arrives in pieces of any size. It stores no
 * payload: it counts. */
struct packet_scan {
	uint8_t header[PACKET_HEADER_BYTES]; /* what has come of the next header */
	uint8_t header_bytes;		     /* 0..3: inside a header; 4: inside a frame */
	bool continues;	       /* the frame to come belongs to the packet already begun */
	uint32_t frame_left;   /* payload bytes of this frame still to come */
	uint64_t packet_bytes; /* payload bytes of this packet seen so far */
};

/* One step of the walk. */
struct packet_piece {
	struct str payload; /* payload bytes of one frame as far as they have come; may be empty */
	uint64_t offset;    /* of payload[0] in the packet */
	uint32_t frame_bytes; /* payload bytes of the whole frame */
	uint8_t sequence;     /* of the frame */
	bool starts_frame;    /* first piece of a frame */
	bool starts_packet;   /* first piece of a packet */
	bool ends_frame;
	bool ends_packet;
};

/* Begins between two packets. */
void packet_scan_init(struct packet_scan *scan);

/* Takes the next piece off `in`: the rest of a header and the payload bytes behind it. false when
 * `in` is used up (a part of a header is kept in the scan). A frame whose header has come but none
 * of its payload yields a piece with an empty payload, so that its length is known at once. */
bool packet_scan_next(struct packet_scan *scan, struct cursor *in, struct packet_piece *ret);

/* True between packets: nothing begun, not even a header. */
bool packet_scan_is_idle(const struct packet_scan *scan);
