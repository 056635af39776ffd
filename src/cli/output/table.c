#include "cli/output/table.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"

enum { GAP = 2, CELL_BYTES_MAX = 64 * 1024 };

/* One table on its way to the output. */
struct layout {
	const struct table_style *style;
	const struct table_column *columns;
	size_t column_count;
	size_t row_count;
	char **cells; /* [row_count * column_count], owned */
	uint32_t widths[TABLE_COLUMNS_MAX];
	bool shown[TABLE_COLUMNS_MAX];
};

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static uint32_t text_width(const char *text)
{
	uint32_t width = 0;
	for (const char *c = text; *c; c++) {
		width += ((unsigned char)*c & 0xc0) != 0x80;
	}
	return width;
}

/* Where the character number `count` begins. */
static size_t text_offset(const char *text, uint32_t count)
{
	size_t at = 0;
	while (text[at]) {
		if (((unsigned char)text[at] & 0xc0) != 0x80 && count-- == 0) {
			break;
		}
		at++;
	}
	return at;
}

static void add_value(struct buf *out, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		for (const char *c = json_string_value(value); *c; c++) {
			buf_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
		}
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		buf_printf(out, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		buf_add_text(out, "yes");
		break;
	case JSON_FALSE:
		buf_add_text(out, "no");
		break;
	case JSON_NULL:
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
}

static char *cell_text(const json_t *row, const char *field)
{
	struct buf text;
	buf_init(&text, CELL_BYTES_MAX);
	const json_t *value = json_object_get(row, field);
	if (value) {
		add_value(&text, value);
	}
	if (text.len == 0) {
		buf_add_char(&text, '-');
	}
	char *copy = mem_dup_text((const char *)text.ptr, text.len);
	buf_fini(&text);
	return copy;
}

static void layout_fill(struct layout *layout, const json_t *rows)
{
	layout->cells = mem_need((layout->row_count * layout->column_count + 1) * sizeof(char *));
	for (size_t c = 0; c < layout->column_count; c++) {
		const struct table_column *column = &layout->columns[c];
		uint32_t width = layout->style->no_header ? 0 : text_width(column->title);
		for (size_t r = 0; r < layout->row_count; r++) {
			char *text = cell_text(json_array_get(rows, r), column->field);
			layout->cells[r * layout->column_count + c] = text;
			width = text_width(text) > width ? text_width(text) : width;
		}
		layout->widths[c] = width;
		layout->shown[c] = true;
	}
}

static uint32_t total_width(const struct layout *layout)
{
	uint32_t total = 0;
	for (size_t c = 0; c < layout->column_count; c++) {
		if (layout->shown[c]) {
			total += layout->widths[c] + (total ? GAP : 0);
		}
	}
	return total;
}

/* Sets the width of long columns to at most `width_max`. */
static void shrink_long(struct layout *layout, uint32_t width_max)
{
	for (size_t c = 0; c < layout->column_count; c++) {
		if (layout->columns[c].kind == TABLE_LONG && layout->widths[c] > width_max) {
			layout->widths[c] = width_max;
		}
	}
}

/* Leaves the least important column out; false when only those with priority 0 are left. */
static bool drop_one(struct layout *layout)
{
	size_t least = 0;
	uint32_t priority = 0;
	for (size_t c = 0; c < layout->column_count; c++) {
		if (layout->shown[c] && layout->columns[c].priority > priority) {
			priority = layout->columns[c].priority;
			least = c;
		}
	}
	if (priority == 0) {
		return false;
	}
	layout->shown[least] = false;
	return true;
}

static void layout_fit(struct layout *layout)
{
	uint32_t width = layout->style->term.width;
	if (layout->style->wide) {
		return;
	}
	shrink_long(layout, TABLE_LONG_WIDTH);
	if (width == TERM_WIDTH_UNLIMITED || total_width(layout) <= width) {
		return;
	}
	shrink_long(layout, TABLE_LONG_WIDTH_MIN);
	while (total_width(layout) > width && drop_one(layout)) {
	}
}

static void add_blanks(struct buf *out, uint32_t count)
{
	buf_printf(out, "%*s", (int)count, "");
}

void table_add_health(const struct term *term, const char *health, const char *text,
		      struct buf *out)
{
	static const struct {
		const char *health;
		const char *code;
	} colors[] = { { "ok", "\033[32m" }, { "warn", "\033[33m" }, { "bad", "\033[31m" } };
	for (size_t i = 0; term->color && i < 3; i++) {
		if (strcmp(colors[i].health, health) == 0) {
			buf_printf(out, "%s%s\033[0m", colors[i].code, text);
			return;
		}
	}
	buf_add_text(out, text);
}

/* The middle of a text that is too long is what people miss least: names begin, numbers end. */
static void add_cut(struct buf *out, const char *text, uint32_t width)
{
	uint32_t whole = text_width(text);
	if (whole <= width) {
		buf_add_text(out, text);
		return;
	}
	uint32_t head = (width - 2) / 2;
	uint32_t tail = width - 2 - head;
	buf_add(out, text, text_offset(text, head));
	buf_add_text(out, "..");
	buf_add_text(out, text + text_offset(text, whole - tail));
}

static void add_cell(const struct layout *layout, size_t c, const char *text, bool last,
		     struct buf *out)
{
	const struct table_column *column = &layout->columns[c];
	uint32_t used = text_width(text) < layout->widths[c] ? text_width(text) : layout->widths[c];
	uint32_t blanks = layout->widths[c] - used;
	if (column->kind == TABLE_NUMBER) {
		add_blanks(out, blanks);
		blanks = 0;
	}
	if (column->kind == TABLE_HEALTH) {
		table_add_health(&layout->style->term, text, text, out);
	} else {
		add_cut(out, text, layout->widths[c]);
	}
	if (!last) {
		add_blanks(out, blanks + GAP);
	}
}

/* row: the titles when it is NULL. */
static void add_line(const struct layout *layout, char *const *row, struct buf *out)
{
	size_t last = 0;
	for (size_t c = 0; c < layout->column_count; c++) {
		last = layout->shown[c] ? c : last;
	}
	for (size_t c = 0; c <= last; c++) {
		if (layout->shown[c]) {
			add_cell(layout, c, row ? row[c] : layout->columns[c].title, c == last,
				 out);
		}
	}
	buf_add_char(out, '\n');
}

void table_print(const struct table_style *style, const struct table_column *columns, size_t count,
		 const json_t *rows, struct buf *out)
{
	check(count <= TABLE_COLUMNS_MAX);
	struct layout layout = { .style = style,
				 .columns = columns,
				 .column_count = count,
				 .row_count = json_array_size(rows) };
	layout_fill(&layout, rows);
	layout_fit(&layout);
	if (!style->no_header) {
		add_line(&layout, NULL, out);
	}
	for (size_t r = 0; r < layout.row_count; r++) {
		add_line(&layout, &layout.cells[r * count], out);
	}
	for (size_t i = 0; i < layout.row_count * count; i++) {
		mem_free(layout.cells[i]);
	}
	mem_free(layout.cells);
}
