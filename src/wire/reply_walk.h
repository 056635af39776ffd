/* Relays a reply without holding it: runs result_scan over the bytes of a server as they arrive.
 *
 * The caller owns the bytes. It shows what it has, forwards `used_bytes` of it, and shows the rest
 * again with more behind it. Only the packets that decide something have to be whole in its memory
 * (at most REPLY_WALK_HELD_BYTES_MAX); rows pass in pieces of any size.
 *
 *   reply_walk_start(&walk, command, caps);
 *   do {
 *           rc = reply_walk_bytes(&walk, in.ptr, in.len, &step, &err);
 *           forward the first step.used_bytes of in;
 *           if (step.has_packet) look at step.packet and step.payload;
 *   } while (rc == ERR_OK && step.next == REPLY_WALK_AGAIN);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/packet.h"
#include "wire/result_scan.h"

enum { REPLY_WALK_HELD_BYTES_MAX = PACKET_HEADER_BYTES + RESULT_SCAN_PAYLOAD_BYTES_MAX };

enum reply_walk_next {
	REPLY_WALK_AGAIN, /* call again with the bytes behind used_bytes */
	REPLY_WALK_READ,  /* read from the server: at least need_bytes behind used_bytes in all */
	REPLY_WALK_CLIENT, /* the client speaks next (file, auth); then go on with the server's bytes */
	REPLY_WALK_DONE, /* the reply ends at used_bytes */
};

struct reply_walk_step {
	enum reply_walk_next next;
	size_t used_bytes; /* of the bytes shown: belong to the reply, may be forwarded */
	size_t need_bytes; /* READ: at least so many must stand behind used_bytes for the next step */
	bool has_packet;   /* a packet other than row and definition ends at used_bytes, or (longer
			    * than REPLY_WALK_HELD_BYTES_MAX) goes on behind it */
	enum result_packet packet;
	struct str payload; /* of that packet; a view into the bytes shown; cut when payload_cut */
	bool payload_cut;
	uint8_t sequence; /* of that packet's first frame */
};

struct reply_walk {
	struct result_scan scan;  /* status, statement id and so on are here */
	uint32_t frame_left;	  /* bytes of the frame under way that have yet to pass */
	bool continues;		  /* the next frame belongs to a packet already judged */
	enum result_next pending; /* what comes when the packet under way has passed */
	uint8_t sequence_next;	  /* the id that the server's next frame carries */
	bool started;		  /* any byte of the reply has passed */
};

/* As result_scan_start(). The first frame of the reply is taken to have sequence 1. */
enum result_next reply_walk_start(struct reply_walk *walk, uint8_t command, capabilities caps);

/* One step over bytes[0..count). Errors: ERR_PROTOCOL (also: frames out of order). */
MUST_CHECK enum err reply_walk_bytes(struct reply_walk *walk, const void *bytes, size_t count,
				     struct reply_walk_step *ret, struct err_ctx *err);

/* After REPLY_WALK_CLIENT: the client's last frame carried `sequence`. */
void reply_walk_client_spoke(struct reply_walk *walk, uint8_t sequence);
