/* What the row events of a binary log change: which table, how many rows.
 *
 * For both dialects. Row images are measured by the types in the table map, their values are not read. What can't be
 * measured (compressed events, partial JSON updates, types that are not known) is said to be unknown, never guessed.
 * Sources: MySQL source documentation, libs/mysql/binlog/event/rows_event.h (Table_map_event, Rows_event);
 * MariaDB, sql/log_event.cc (Table_map_log_event, Rows_log_event), sql/field.cc (calc_pack_length_from_metadata).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { BINLOG_COLUMNS_MAX = 4096 };

enum binlog_change {
	BINLOG_NO_CHANGE, /* no row event */
	BINLOG_INSERTED,
	BINLOG_UPDATED,
	BINLOG_DELETED,
};

/* A table map event. Views into its body. */
struct binlog_table {
	uint64_t id;
	struct str schema;
	struct str name;
	uint32_t columns;
	struct str types;    /* one byte a column */
	struct str metadata; /* of each column 0, 1 or 2 bytes */
};

/* What a row event does, by its type. */
enum binlog_change binlog_rows_change(uint8_t type);

/* Reads the body of a table map event (type 19). ERR_PROTOCOL, ERR_LIMIT. */
MUST_CHECK enum err binlog_rows_read_table(struct str body, struct binlog_table *ret,
					   struct err_ctx *err);

/* The table that a row event is about. ERR_PROTOCOL. */
MUST_CHECK enum err binlog_rows_table_id(struct str body, uint64_t *ret, struct err_ctx *err);

/* Counts the rows of a row event; an update is one row. table: of the same id.
 * Errors: ERR_NOT_FOUND when they can't be counted (see above), ERR_PROTOCOL when the event is broken. */
MUST_CHECK enum err binlog_rows_count(uint8_t type, struct str body,
				      const struct binlog_table *table, uint64_t *ret,
				      struct err_ctx *err);
