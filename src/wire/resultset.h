/* Text result sets: writing one in answer to a simple query, and reading one.
 *
 * Sources: MySQL source documentation, "Text Resultset", "Column Definition 4.1"; MariaDB knowledge
 * base, "Result Set Packets" (extended metadata).
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/str.h"
#include "wire/capability.h"

struct resultset_column {
	struct str catalog; /* "def" */
	struct str schema;
	struct str table;
	struct str table_origin;
	struct str name;
	struct str name_origin;
	struct str extended; /* MariaDB's type name and format; empty without the capability */
	uint16_t collation;
	uint32_t length_max;
	uint8_t type; /* FIELD_* */
	uint16_t flags;
	uint8_t decimals;
};

/* A column of text named `name`, the rest empty. */
struct resultset_column resultset_text_column(struct str name);

/* Payloads, without header. */
void resultset_column_encode(struct buf *out, const struct resultset_column *column,
			     capabilities caps);
MUST_CHECK enum err resultset_column_decode(struct str payload, capabilities caps,
					    struct resultset_column *ret, struct err_ctx *err);

/* Values: a str with ptr NULL is SQL's NULL; an empty text is STR(""). */
void resultset_row_encode(struct buf *out, const struct str *values, size_t count);

/* Walks the values of a row's payload: start with cursor_of_str(payload). ret->ptr is NULL for
 * SQL's NULL. Errors: ERR_NOT_FOUND at the end, ERR_PROTOCOL. */
MUST_CHECK enum err resultset_value_next(struct cursor *row, struct str *ret);

/* A whole result set as framed packets. *sequence as in packet_append().
 *   start, then one add_row per row, then end. */
void resultset_start(struct buf *out, uint8_t *sequence, const struct resultset_column *columns,
		     size_t count, capabilities caps, uint16_t status);
void resultset_add_row(struct buf *out, uint8_t *sequence, const struct str *values, size_t count);
void resultset_end(struct buf *out, uint8_t *sequence, capabilities caps, uint16_t status,
		   uint16_t warnings);
