/* Reads the bytes of MySQL's binary log files: which events, where, and which transactions.
 *
 * It serves who finds where the un-acknowledged tail of a crashed server's log starts, or saves one, so it
 * knows positions and GTIDs and nothing of what the events change: that is binlog_rows.h. MySQL's GTIDs are
 * in the event; MariaDB's are read by binlog_mariadb_gtid().
 * Sources: MySQL source documentation, "Binary Log Format", libs/mysql/binlog/event/
 * (binlog_event.h, control_events.h: Format_description_event, Gtid_event, Previous_gtids_event).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/str.h"

enum {
	BINLOG_MAGIC_BYTES = 4,
	BINLOG_HEADER_BYTES = 19,
	BINLOG_UUID_BYTES = 16,
	BINLOG_TAG_BYTES_MAX = 32,
	BINLOG_CHECKSUM_BYTES = 4,
};

/* Event types that matter here; all others are just passed over. */
enum {
	BINLOG_QUERY = 2,
	BINLOG_STOP = 3,
	BINLOG_ROTATE = 4,
	BINLOG_FORMAT_DESCRIPTION = 15,
	BINLOG_XID = 16,
	BINLOG_GTID = 33,
	BINLOG_ANONYMOUS_GTID = 34,
	BINLOG_PREVIOUS_GTIDS = 35,
	BINLOG_XA_PREPARE = 38,
	BINLOG_TRANSACTION_PAYLOAD = 40,
	BINLOG_GTID_TAGGED = 42,
	BINLOG_MARIADB_GTID = 162,
};

enum binlog_checksum {
	BINLOG_CHECKSUM_UNKNOWN, /* no format description event yet */
	BINLOG_CHECKSUM_NONE,
	BINLOG_CHECKSUM_CRC32,
};

struct binlog_event {
	uint64_t offset; /* of its header in the file */
	uint32_t bytes;	 /* header, body and checksum */
	uint32_t timestamp;
	uint32_t server_id;
	uint32_t end_position; /* as written in the header; 0 in relay logs' artificial events */
	uint16_t flags;
	uint8_t type;
	struct str body; /* without header and checksum; a view */
	/* BINLOG_GTID and BINLOG_GTID_TAGGED only: */
	bool has_gtid;
	uint8_t uuid[BINLOG_UUID_BYTES];
	uint64_t gno;
	char tag[BINLOG_TAG_BYTES_MAX + 1]; /* NUL-terminated; "" when there is none */
};

/* To begin in the middle of a file, set both: the checksum as the file's first event has it. */
struct binlog_reader {
	enum binlog_checksum checksum;
	uint64_t offset; /* of the next event in the file */
};

/* Begins at the start of a file: checks the magic number. bytes: the file's first bytes.
 * Errors: ERR_AGAIN (fewer than 4 bytes), ERR_PROTOCOL (no binary log; says so when encrypted). */
MUST_CHECK enum err binlog_start(struct binlog_reader *reader, struct str bytes,
				 struct err_ctx *err);

/* The next event. bytes: what is there from reader->offset on; on success reader->offset moves past
 * the event.
 *
 * Errors: ERR_NOT_FOUND when bytes is empty: the file ends between two events. ERR_AGAIN when the
 * event isn't whole: *ret_need_bytes (may be NULL) is how many bytes are needed from reader->offset;
 * where the file has no more, its last event is torn. ERR_PROTOCOL when it can't be an event, or its
 * checksum is wrong.
 */
MUST_CHECK enum err binlog_next(struct binlog_reader *reader, struct str bytes,
				struct binlog_event *ret, size_t *ret_need_bytes,
				struct err_ctx *err);

/* The number and domain of a BINLOG_MARIADB_GTID event; the server is the event's server_id.
 * ERR_PROTOCOL. Source: MariaDB Knowledge Base, "GTID_EVENT". */
struct binlog_mariadb_gtid {
	uint64_t number;
	uint32_t domain;
};
MUST_CHECK enum err binlog_mariadb_gtid(const struct binlog_event *event,
					struct binlog_mariadb_gtid *ret, struct err_ctx *err);

/* Appends the event as it has to stand at `position` of another file: position and checksum are made anew, and a
 * format description says that its file was closed. bytes: the event whole, as binlog_next() took it. */
void binlog_move(const struct binlog_event *event, struct str bytes, enum binlog_checksum checksum,
		 uint64_t position, struct buf *out);

/* One interval of a BINLOG_PREVIOUS_GTIDS event. */
struct binlog_interval {
	uint8_t uuid[BINLOG_UUID_BYTES];
	char tag[BINLOG_TAG_BYTES_MAX + 1];
	uint64_t first; /* inclusive */
	uint64_t last;	/* inclusive */
};

/* Walks the intervals of a BINLOG_PREVIOUS_GTIDS event's body, in the file's order. */
struct binlog_intervals {
	struct cursor cur;
	uint64_t sids_left;
	uint64_t intervals_left;
	bool tagged; /* MySQL 8.3's form of the event */
	struct binlog_interval current;
};
MUST_CHECK enum err binlog_intervals_start(struct binlog_intervals *walk, struct str body,
					   struct err_ctx *err);
/* Errors: ERR_NOT_FOUND at the end, ERR_PROTOCOL. */
MUST_CHECK enum err binlog_intervals_next(struct binlog_intervals *walk,
					  struct binlog_interval *ret, struct err_ctx *err);
