#include "wire/result_scan.h"

#include "base/cursor.h"
#include "wire/packet.h"
#include "wire/reply.h"

/* What the next packet can be. */
enum scan_state {
	SCAN_FIRST,	      /* a result: OK, ERR, column count, request for a file */
	SCAN_DEFINITIONS,     /* of a result set, definitions_left of them */
	SCAN_DEFINITIONS_END, /* the EOF behind them */
	SCAN_ROWS,
	SCAN_PREPARED, /* prepare's answer */
	SCAN_PARAMS,   /* definitions of parameters */
	SCAN_PARAMS_END,
	SCAN_COLUMNS, /* definitions of prepare's columns */
	SCAN_COLUMNS_END,
	SCAN_FIELDS, /* COM_FIELD_LIST: definitions without a count */
	SCAN_SINGLE, /* one OK, EOF or ERR */
	SCAN_TEXT,   /* one packet of text, or ERR */
	SCAN_AUTH,
	SCAN_STREAM,
	SCAN_OVER,
};

static enum scan_state first_state(uint8_t command)
{
	switch (command) {
	case COMMAND_QUIT:
	case COMMAND_STMT_CLOSE:
	case COMMAND_STMT_SEND_LONG_DATA:
		return SCAN_OVER;
	case COMMAND_QUERY:
	case COMMAND_STMT_EXECUTE:
	case COMMAND_MARIADB_BULK_EXECUTE:
	case COMMAND_PROCESS_INFO:
		return SCAN_FIRST;
	case COMMAND_STMT_FETCH:
		return SCAN_ROWS;
	case COMMAND_STMT_PREPARE:
		return SCAN_PREPARED;
	case COMMAND_FIELD_LIST:
		return SCAN_FIELDS;
	case COMMAND_STATISTICS:
		return SCAN_TEXT;
	case COMMAND_CHANGE_USER:
		return SCAN_AUTH;
	case COMMAND_BINLOG_DUMP:
	case COMMAND_BINLOG_DUMP_GTID:
	case COMMAND_TABLE_DUMP:
	case COMMAND_CLONE:
		return SCAN_STREAM;
	default: /* also commands that the server doesn't know: it answers with an ERR */
		return SCAN_SINGLE;
	}
}

enum result_next result_scan_start(struct result_scan *scan, uint8_t command, capabilities caps)
{
	*scan = (struct result_scan){ .command = command,
				      .caps = caps,
				      .state = (uint8_t)first_state(command) };
	return scan->state == SCAN_OVER ? RESULT_NEXT_DONE : RESULT_NEXT_PACKET;
}

static bool deprecates_eof(const struct result_scan *scan)
{
	return scan->caps & CAP_DEPRECATE_EOF;
}

/* Does a packet with first byte 0xfe end rows? A row may start so, when its first value is larger than
 * 16 MB. Source: MySQL source documentation, "EOF_Packet" and "OK_Packet". */
static bool is_end(const struct result_scan *scan, uint32_t first_frame_bytes)
{
	return deprecates_eof(scan) ? first_frame_bytes < PACKET_FRAME_BYTES_MAX
				    : first_frame_bytes <= REPLY_EOF_BYTES_MAX;
}

size_t result_scan_need(const struct result_scan *scan, struct str prefix,
			uint32_t first_frame_bytes)
{
	size_t all = first_frame_bytes < RESULT_SCAN_PAYLOAD_BYTES_MAX
			     ? first_frame_bytes
			     : RESULT_SCAN_PAYLOAD_BYTES_MAX;
	uint8_t first = prefix.len ? (uint8_t)prefix.ptr[0] : 0;
	switch ((enum scan_state)scan->state) {
	case SCAN_DEFINITIONS:
	case SCAN_PARAMS:
	case SCAN_COLUMNS:
		return first == REPLY_BYTE_ERR || all == 0 ? all : RESULT_SCAN_NEED_FIRST;
	case SCAN_ROWS:
	case SCAN_FIELDS:
	case SCAN_STREAM:
		if (all == 0 || first == REPLY_BYTE_ERR ||
		    (first == REPLY_BYTE_EOF && is_end(scan, first_frame_bytes))) {
			return all;
		}
		return RESULT_SCAN_NEED_FIRST;
	case SCAN_FIRST:
	case SCAN_DEFINITIONS_END:
	case SCAN_PREPARED:
	case SCAN_PARAMS_END:
	case SCAN_COLUMNS_END:
	case SCAN_SINGLE:
	case SCAN_TEXT:
	case SCAN_AUTH:
	case SCAN_OVER:
		break;
	}
	return all;
}

static enum result_next over(struct result_scan *scan)
{
	scan->state = SCAN_OVER;
	return RESULT_NEXT_DONE;
}

/* A result has ended with scan->status. */
static enum result_next end_result(struct result_scan *scan)
{
	if (scan->status & STATUS_MORE_RESULTS && scan->command != COMMAND_STMT_FETCH) {
		scan->state = SCAN_FIRST;
		return RESULT_NEXT_PACKET;
	}
	return over(scan);
}

/* Only what stands in front: a long OK may be cut. */
static enum err read_ok_status(struct result_scan *scan, struct str prefix, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(prefix);
	uint64_t number;
	uint16_t status;
	uint16_t warnings;
	if (cursor_skip(&cur, 1) != ERR_OK || cursor_lenenc(&cur, &number) != ERR_OK ||
	    cursor_lenenc(&cur, &number) != ERR_OK || cursor_u16(&cur, &status) != ERR_OK ||
	    cursor_u16(&cur, &warnings) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "OK packet is cut short");
	}
	scan->status = status;
	scan->warnings = warnings;
	scan->has_status = true;
	return ERR_OK;
}

static enum err read_eof_status(struct result_scan *scan, struct str prefix, struct err_ctx *err)
{
	struct reply_eof eof;
	enum err rc = reply_eof_decode(prefix, &eof, err);
	if (rc == ERR_OK) {
		scan->status = eof.status;
		scan->warnings = eof.warnings;
		scan->has_status = true;
	}
	return rc;
}

/* 0xfe as an end: an EOF or an OK, by the framing. The few servers and commands that send an EOF
 * although the framing has none are told by its length of 5. */
static enum err read_end(struct result_scan *scan, struct str prefix,
			 enum result_packet *ret_packet, struct err_ctx *err)
{
	enum { EOF_BYTES = 5 };
	if (deprecates_eof(scan) && prefix.len != EOF_BYTES) {
		*ret_packet = RESULT_PACKET_OK;
		return read_ok_status(scan, prefix, err);
	}
	*ret_packet = RESULT_PACKET_EOF;
	return read_eof_status(scan, prefix, err);
}

/* 0xff: the reply is over, or MariaDB reports progress. */
static enum err take_err(struct result_scan *scan, struct str prefix,
			 enum result_packet *ret_packet, enum result_next *ret_next,
			 struct err_ctx *err)
{
	struct reply_err error;
	if (reply_is_progress(prefix)) {
		*ret_packet = RESULT_PACKET_PROGRESS;
		*ret_next = RESULT_NEXT_PACKET;
		return ERR_OK;
	}
	enum err rc = reply_err_decode(prefix, &error, err);
	if (rc == ERR_OK) {
		scan->failed = true;
		scan->server_errno = error.server_errno;
		*ret_packet = RESULT_PACKET_ERR;
		*ret_next = over(scan);
	}
	return rc;
}

/* Definitions have been seen: what follows them. */
static void leave_definitions(struct result_scan *scan)
{
	switch ((enum scan_state)scan->state) {
	case SCAN_DEFINITIONS:
		scan->state = deprecates_eof(scan) ? SCAN_ROWS : SCAN_DEFINITIONS_END;
		return;
	case SCAN_PARAMS:
	case SCAN_PARAMS_END:
		if (scan->state == SCAN_PARAMS && !deprecates_eof(scan)) {
			scan->state = SCAN_PARAMS_END;
			return;
		}
		scan->definitions_left = scan->statement_columns;
		scan->state = scan->statement_columns ? SCAN_COLUMNS : SCAN_OVER;
		return;
	case SCAN_COLUMNS:
		scan->state = deprecates_eof(scan) ? SCAN_OVER : SCAN_COLUMNS_END;
		return;
	case SCAN_COLUMNS_END:
	case SCAN_FIRST:
	case SCAN_DEFINITIONS_END:
	case SCAN_ROWS:
	case SCAN_PREPARED:
	case SCAN_FIELDS:
	case SCAN_SINGLE:
	case SCAN_TEXT:
	case SCAN_AUTH:
	case SCAN_STREAM:
	case SCAN_OVER:
		scan->state = SCAN_OVER;
		return;
	}
}

static enum result_next next_of(const struct result_scan *scan)
{
	return scan->state == SCAN_OVER ? RESULT_NEXT_DONE : RESULT_NEXT_PACKET;
}

/* Column count, and with either server's metadata capability a byte that says whether the definitions
 * follow. Sources: MySQL sql/protocol_classic.cc, start_result_metadata(); MariaDB knowledge base,
 * "Result Set Packets". */
static enum err take_column_count(struct result_scan *scan, struct str prefix, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(prefix);
	uint64_t count;
	uint8_t follows = 1;
	if (cursor_lenenc(&cur, &count) != ERR_OK || count == 0 || count > UINT16_MAX) {
		return err_set(err, ERR_PROTOCOL, "reply with a broken column count");
	}
	if (scan->caps & (CAP_OPTIONAL_METADATA | CAP_MARIADB_CACHE_METADATA) &&
	    cursor_left(&cur) > 0) {
		follows = *cur.at++;
	}
	if (cursor_left(&cur) > 0) {
		return err_set(err, ERR_PROTOCOL, "column count with %zu bytes behind it",
			       cursor_left(&cur));
	}
	scan->result_count++;
	scan->definitions_left = count;
	scan->state = SCAN_DEFINITIONS;
	if (!follows) {
		leave_definitions(scan);
	}
	return ERR_OK;
}

static enum err take_first(struct result_scan *scan, struct str prefix,
			   enum result_packet *ret_packet, enum result_next *ret_next,
			   struct err_ctx *err)
{
	enum err rc;
	switch ((uint8_t)prefix.ptr[0]) {
	case REPLY_BYTE_OK:
		rc = read_ok_status(scan, prefix, err);
		if (rc == ERR_OK) {
			scan->result_count++;
			*ret_packet = RESULT_PACKET_OK;
			*ret_next = end_result(scan);
		}
		return rc;
	case REPLY_BYTE_INFILE:
		*ret_packet = RESULT_PACKET_INFILE;
		*ret_next = RESULT_NEXT_CLIENT;
		return ERR_OK;
	default:
		*ret_packet = RESULT_PACKET_COLUMN_COUNT;
		*ret_next = RESULT_NEXT_PACKET;
		return take_column_count(scan, prefix, err);
	}
}

/* Prepare's OK: 0x00, id, columns, parameters, filler, warnings and, with CAP_OPTIONAL_METADATA,
 * whether definitions follow. Source: MySQL source documentation, "COM_STMT_PREPARE_OK". */
static enum err take_prepared(struct result_scan *scan, struct str prefix,
			      enum result_packet *ret_packet, enum result_next *ret_next,
			      struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(prefix);
	uint8_t first;
	uint32_t id;
	uint16_t columns;
	uint16_t params;
	uint8_t follows = 1;
	if (cursor_u8(&cur, &first) != ERR_OK || first != REPLY_BYTE_OK ||
	    cursor_u32(&cur, &id) != ERR_OK || cursor_u16(&cur, &columns) != ERR_OK ||
	    cursor_u16(&cur, &params) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "broken answer to a prepare");
	}
	if (scan->caps & CAP_OPTIONAL_METADATA && cursor_skip(&cur, 3) == ERR_OK &&
	    cursor_left(&cur) > 0) {
		follows = *cur.at;
	}
	scan->statement_id = id;
	scan->statement_columns = columns;
	scan->statement_params = params;
	if (!follows) {
		scan->state = SCAN_OVER;
	} else if (params > 0) {
		scan->state = SCAN_PARAMS;
		scan->definitions_left = params;
	} else {
		scan->state = columns > 0 ? SCAN_COLUMNS : SCAN_OVER;
		scan->definitions_left = columns;
	}
	*ret_packet = RESULT_PACKET_PREPARED;
	*ret_next = next_of(scan);
	return ERR_OK;
}

/* One packet, or the EOF, behind definitions. */
static enum err take_definitions_end(struct result_scan *scan, struct str prefix,
				     enum result_packet *ret_packet, enum result_next *ret_next,
				     struct err_ctx *err)
{
	enum err rc = read_eof_status(scan, prefix, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret_packet = RESULT_PACKET_EOF;
	if (scan->state != SCAN_DEFINITIONS_END) {
		leave_definitions(scan);
		*ret_next = next_of(scan);
	} else if (scan->status & STATUS_CURSOR_EXISTS) {
		*ret_next = end_result(scan); /* the rows wait for COM_STMT_FETCH */
	} else {
		scan->state = SCAN_ROWS;
		*ret_next = RESULT_NEXT_PACKET;
	}
	return ERR_OK;
}

/* Rows, a list of fields, a stream: any number of packets until an end. */
static enum err take_item(struct result_scan *scan, struct str prefix, uint32_t first_frame_bytes,
			  enum result_packet *ret_packet, enum result_next *ret_next,
			  struct err_ctx *err)
{
	bool rows = scan->state == SCAN_ROWS;
	if ((uint8_t)prefix.ptr[0] == REPLY_BYTE_EOF && is_end(scan, first_frame_bytes)) {
		enum err rc = read_end(scan, prefix, ret_packet, err);
		if (rc == ERR_OK) {
			*ret_next = rows ? end_result(scan) : over(scan);
		}
		return rc;
	}
	if (rows) {
		scan->rows++;
	}
	*ret_packet = rows			   ? RESULT_PACKET_ROW
		      : scan->state == SCAN_FIELDS ? RESULT_PACKET_DEFINITION
						   : RESULT_PACKET_EVENT;
	*ret_next = RESULT_NEXT_PACKET;
	return ERR_OK;
}

static enum err take_single(struct result_scan *scan, struct str prefix,
			    enum result_packet *ret_packet, enum result_next *ret_next,
			    struct err_ctx *err)
{
	enum err rc;
	if ((uint8_t)prefix.ptr[0] == REPLY_BYTE_EOF) {
		rc = read_end(scan, prefix, ret_packet, err);
	} else if ((uint8_t)prefix.ptr[0] == REPLY_BYTE_OK) {
		*ret_packet = RESULT_PACKET_OK;
		rc = read_ok_status(scan, prefix, err);
	} else {
		rc = err_set(err, ERR_PROTOCOL, "reply to command 0x%02x starts with 0x%02x",
			     scan->command, (uint8_t)prefix.ptr[0]);
	}
	if (rc == ERR_OK) {
		scan->result_count++;
		*ret_next = over(scan);
	}
	return rc;
}

/* Inside COM_CHANGE_USER. Plugins send what they like, so all that is not OK (or ERR) is theirs. The
 * one packet that the client doesn't answer is caching_sha2_password's "fast path was right". */
static enum err take_auth(struct result_scan *scan, struct str prefix,
			  enum result_packet *ret_packet, enum result_next *ret_next,
			  struct err_ctx *err)
{
	enum err rc = ERR_OK;
	if ((uint8_t)prefix.ptr[0] == REPLY_BYTE_OK) {
		rc = read_ok_status(scan, prefix, err);
		if (rc == ERR_OK) {
			*ret_packet = RESULT_PACKET_OK;
			*ret_next = over(scan);
		}
		return rc;
	}
	*ret_packet = RESULT_PACKET_AUTH;
	*ret_next = str_equal(prefix, STR("\x01\x03")) ? RESULT_NEXT_PACKET : RESULT_NEXT_CLIENT;
	return rc;
}

enum err result_scan_packet(struct result_scan *scan, struct str prefix, uint32_t first_frame_bytes,
			    enum result_packet *ret_packet, enum result_next *ret_next,
			    struct err_ctx *err)
{
	if (prefix.len == 0) {
		return err_set(err, ERR_PROTOCOL, "empty packet in a reply");
	}
	if ((uint8_t)prefix.ptr[0] == REPLY_BYTE_ERR && scan->state != SCAN_OVER) {
		return take_err(scan, prefix, ret_packet, ret_next, err);
	}
	switch ((enum scan_state)scan->state) {
	case SCAN_FIRST:
		return take_first(scan, prefix, ret_packet, ret_next, err);
	case SCAN_DEFINITIONS:
	case SCAN_PARAMS:
	case SCAN_COLUMNS:
		if (--scan->definitions_left == 0) {
			leave_definitions(scan);
		}
		*ret_packet = RESULT_PACKET_DEFINITION;
		*ret_next = next_of(scan);
		return ERR_OK;
	case SCAN_DEFINITIONS_END:
	case SCAN_PARAMS_END:
	case SCAN_COLUMNS_END:
		return take_definitions_end(scan, prefix, ret_packet, ret_next, err);
	case SCAN_ROWS:
	case SCAN_FIELDS:
	case SCAN_STREAM:
		return take_item(scan, prefix, first_frame_bytes, ret_packet, ret_next, err);
	case SCAN_PREPARED:
		return take_prepared(scan, prefix, ret_packet, ret_next, err);
	case SCAN_SINGLE:
		return take_single(scan, prefix, ret_packet, ret_next, err);
	case SCAN_TEXT:
		*ret_packet = RESULT_PACKET_TEXT;
		*ret_next = over(scan);
		return ERR_OK;
	case SCAN_AUTH:
		return take_auth(scan, prefix, ret_packet, ret_next, err);
	case SCAN_OVER:
		break;
	}
	return err_set(err, ERR_PROTOCOL, "server sends a packet that nobody asked for");
}
