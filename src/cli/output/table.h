/* Tables for people from the same rows that --json prints.
 *
 * A row is a JSON object; a column names the field that it shows. Where the terminal is too narrow,
 * columns that shrink get narrower, then the least important ones are left out.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/output/term.h"

enum { TABLE_COLUMNS_MAX = 32 };

enum table_kind {
	TABLE_TEXT,
	TABLE_NUMBER, /* right-aligned */
	TABLE_HEALTH, /* "ok", "warn", "bad": coloured */
	TABLE_LONG,   /* text that may be cut in the middle, down to TABLE_LONG_WIDTH_MIN */
};

enum { TABLE_LONG_WIDTH_MIN = 16, TABLE_LONG_WIDTH = 36 };

struct table_column {
	const char *field;
	const char *title;
	enum table_kind kind;
	uint32_t priority; /* 0: always shown; the highest is left out first */
};

struct table_style {
	struct term term;
	bool no_header;
	bool wide; /* everything in full, whatever the terminal */
};

/* rows: a JSON array of objects, or NULL. Null or missing fields are shown as "-". Control characters
 * in values (they come from servers) are shown as '?'. */
void table_print(const struct table_style *style, const struct table_column *columns, size_t count,
		 const json_t *rows, struct buf *out);

/* `text` with colour by health ("ok", "warn", "bad"), or as it is without colours. */
void table_add_health(const struct term *term, const char *health, const char *text,
		      struct buf *out);
