/* Where a reply ends: a state machine over the packets that a server sends in answer to a command.
 *
 * It is fed the start of each packet and says what the packet is and whether the reply is over. For
 * rows and definitions the first byte and the length are enough; for the few packets that decide
 * something (OK, EOF, ERR, column count, prepare's answer) it asks for the payload, up to
 * RESULT_SCAN_PAYLOAD_BYTES_MAX. It keeps no bytes. reply_walk.h runs it over a stream.
 * Source: MySQL source documentation, "Command Phase"; MariaDB knowledge base, "Result Set Packets".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/capability.h"

enum {
	RESULT_SCAN_PAYLOAD_BYTES_MAX =
		16384,		    /* of a longer OK packet only this much is looked at */
	RESULT_SCAN_NEED_FIRST = 1, /* always needed, unless the packet is empty */
};

/* What a packet of a reply is. */
enum result_packet {
	RESULT_PACKET_OK,	    /* also the one with 0xfe that ends rows */
	RESULT_PACKET_EOF,	    /* ends definitions or rows */
	RESULT_PACKET_ERR,	    /* the reply is over */
	RESULT_PACKET_COLUMN_COUNT, /* a result set starts */
	RESULT_PACKET_PREPARED,	    /* prepare's OK; statement_id is set */
	RESULT_PACKET_DEFINITION,
	RESULT_PACKET_ROW,
	RESULT_PACKET_INFILE,	/* the server asks for a file: payload is 0xfb and its name */
	RESULT_PACKET_PROGRESS, /* MariaDB */
	RESULT_PACKET_AUTH,	/* inside COM_CHANGE_USER: switch or more data */
	RESULT_PACKET_TEXT,	/* COM_STATISTICS */
	RESULT_PACKET_EVENT,	/* of a replication stream, which has no end */
};

/* What comes next. */
enum result_next {
	RESULT_NEXT_PACKET, /* more of the reply */
	RESULT_NEXT_CLIENT, /* the client speaks: file content, or an answer to an AUTH packet */
	RESULT_NEXT_DONE,   /* the reply is over */
};

struct result_scan {
	/* What is known of the reply so far; for the caller to read. */
	bool has_status;       /* an OK or EOF has come */
	bool failed;	       /* ended by an ERR */
	uint16_t status;       /* of the last OK or EOF; an ERR carries none and leaves it */
	uint16_t warnings;     /* of the same; they can be asked for until the next statement */
	uint16_t server_errno; /* of the ERR */
	uint32_t statement_id; /* of RESULT_PACKET_PREPARED */
	uint16_t statement_params;
	uint16_t statement_columns;
	uint64_t rows;	       /* of all result sets */
	uint32_t result_count; /* OKs and result sets begun */
	/* The machine's own. */
	capabilities caps;
	uint8_t command;
	uint8_t state;
	uint64_t definitions_left;
};

/* Begins with a command's first byte, under the capabilities of the connection to the server.
 * RESULT_NEXT_DONE at once for commands without a reply (COM_QUIT, COM_STMT_CLOSE,
 * COM_STMT_SEND_LONG_DATA). */
enum result_next result_scan_start(struct result_scan *scan, uint8_t command, capabilities caps);

/* How many of the payload's first bytes result_scan_packet() must be shown.
 *
 * prefix: what is there of them, at least RESULT_SCAN_NEED_FIRST unless the packet is empty.
 * first_frame_bytes: payload length in the packet's (first) header.
 */
size_t result_scan_need(const struct result_scan *scan, struct str prefix,
			uint32_t first_frame_bytes);

/* One packet. prefix has at least result_scan_need() bytes.
 * Errors: ERR_PROTOCOL; the connection is of no use afterwards. */
MUST_CHECK enum err result_scan_packet(struct result_scan *scan, struct str prefix,
				       uint32_t first_frame_bytes, enum result_packet *ret_packet,
				       enum result_next *ret_next, struct err_ctx *err);
