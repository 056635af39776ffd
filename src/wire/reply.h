/* OK, EOF and ERR packets, in both framings, and the session state that OK packets carry.
 *
 * Which framing holds is said by the connection's capabilities: with CAP_DEPRECATE_EOF the packet
 * that ends rows is an OK with first byte 0xfe, without it an EOF.
 * Sources: MySQL source documentation, "OK_Packet", "EOF_Packet", "ERR_Packet"; MariaDB knowledge
 * base, "OK_Packet" and "ERR_Packet" (progress reports).
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/str.h"
#include "wire/capability.h"

enum {
	REPLY_BYTE_OK = 0x00,
	REPLY_BYTE_INFILE = 0xfb,
	REPLY_BYTE_EOF = 0xfe,
	REPLY_BYTE_ERR = 0xff,
	REPLY_EOF_BYTES_MAX = 8, /* 0xfe with more is not an EOF */
	REPLY_ERRNO_PROGRESS = 0xffff,
};

struct reply_ok {
	bool ends_rows; /* first byte 0xfe in place of 0x00 */
	uint64_t affected_rows;
	uint64_t insert_id;
	uint16_t status; /* STATUS_* */
	uint16_t warnings;
	struct str info;
	struct str session_state; /* see reply_state_next(); only with CAP_SESSION_TRACK */
};

/* payload starts with 0x00 or 0xfe. Errors: ERR_PROTOCOL. */
MUST_CHECK enum err reply_ok_decode(struct str payload, capabilities caps, struct reply_ok *ret,
				    struct err_ctx *err);
/* Appends the payload. STATUS_SESSION_STATE_CHANGED is set or cleared as session_state is there. */
void reply_ok_encode(struct buf *out, const struct reply_ok *ok, capabilities caps);

/* The end of rows or definitions without CAP_DEPRECATE_EOF. */
struct reply_eof {
	uint16_t warnings;
	uint16_t status;
};
MUST_CHECK enum err reply_eof_decode(struct str payload, struct reply_eof *ret,
				     struct err_ctx *err);
void reply_eof_encode(struct buf *out, const struct reply_eof *eof);

/* Appends what ends rows under `caps`: an EOF, or an OK with 0xfe. */
void reply_end_encode(struct buf *out, uint16_t status, uint16_t warnings, capabilities caps);

struct reply_err {
	uint16_t server_errno;
	char sqlstate[5]; /* not NUL-terminated; "HY000" when the packet has none */
	struct str message;
};

/* Errors: ERR_PROTOCOL; also for progress reports, which are not errors. */
MUST_CHECK enum err reply_err_decode(struct str payload, struct reply_err *ret,
				     struct err_ctx *err);
/* with_state: false before the capabilities are agreed on (in place of a greeting). */
void reply_err_encode(struct buf *out, const struct reply_err *error, bool with_state);

/* The whole of it in one call, e.g. reply_err_add(out, 1040, "08004", STR("Too many connections")). */
void reply_err_add(struct buf *out, uint16_t server_errno, const char *sqlstate,
		   struct str message);

/* MariaDB's progress report: in place of an ERR packet, and the reply still follows. */
struct reply_progress {
	uint8_t stage;
	uint8_t stages;
	uint32_t progress; /* thousandths of a percent */
	struct str text;
};
bool reply_is_progress(struct str payload); /* needs 3 bytes */
MUST_CHECK enum err reply_progress_decode(struct str payload, struct reply_progress *ret,
					  struct err_ctx *err);
void reply_progress_encode(struct buf *out, const struct reply_progress *progress);

enum reply_state_kind {
	REPLY_STATE_VARIABLE = 0,	 /* name, value */
	REPLY_STATE_SCHEMA = 1,		 /* value: the current schema, may be empty */
	REPLY_STATE_CHANGED = 2,	 /* value: "1" */
	REPLY_STATE_GTIDS = 3,		 /* value: a MySQL GTID set */
	REPLY_STATE_CHARACTERISTICS = 4, /* value: SQL that would recreate the transaction */
	REPLY_STATE_TRANSACTION = 5,	 /* value: 8 characters, e.g. "T_______" */
	REPLY_STATE_UNKNOWN,		 /* value: the bytes as they are */
};

struct reply_state {
	enum reply_state_kind kind;
	uint8_t type;	 /* as on the wire */
	struct str name; /* of a variable */
	struct str value;
};

/* Walks reply_ok.session_state. Start with reply_states_of(). */
struct reply_states {
	struct cursor blocks;
	struct cursor pairs; /* of a variables block that holds several */
};
struct reply_states reply_states_of(const struct reply_ok *ok);

/* Errors: ERR_NOT_FOUND at the end, ERR_PROTOCOL. */
MUST_CHECK enum err reply_state_next(struct reply_states *states, struct reply_state *ret,
				     struct err_ctx *err);

/* Appends one entry in the form of reply_ok.session_state. */
void reply_state_add(struct buf *out, const struct reply_state *state);
