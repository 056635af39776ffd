#include "wire/binlog_story.h"

#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "wire/binlog_rows.h"

enum {
	TABLE_MAP = 19,
	ROWS_QUERY = 29,
	ANNOTATE_ROWS = 160,	/* MariaDB */
	QUERY_COMPRESSED = 165, /* MariaDB */
	NAME_BYTES = 2 * 4 * 64 + 2,
	MAPS_MAX = 64, /* table maps in force at a time */
	TEXT_BYTES_MAX = 1024 * 1024,
};

/* What happened to one table. */
struct change {
	char name[NAME_BYTES];
	uint64_t rows[BINLOG_DELETED + 1]; /* by enum binlog_change */
	bool uncounted;
};

/* A table map in force; the body is a copy, the table's views lead into it. */
struct map {
	struct buf body;
	struct binlog_table table;
};

struct binlog_story {
	struct buf head;
	struct buf lines; /* statements, in order */
	struct change *changes;
	size_t change_count;
	bool changes_left_out;
	struct map maps[MAPS_MAX];
	size_t map_count;
};

struct binlog_story *binlog_story_new(void)
{
	struct binlog_story *story = mem_need(sizeof(*story));
	story->changes = mem_need(sizeof(*story->changes) * BINLOG_STORY_TABLES_MAX);
	buf_init(&story->head, TEXT_BYTES_MAX);
	buf_init(&story->lines, TEXT_BYTES_MAX);
	for (size_t i = 0; i < MAPS_MAX; i++) {
		buf_init(&story->maps[i].body, TEXT_BYTES_MAX);
	}
	return story;
}

struct binlog_story *binlog_story_free(struct binlog_story *story)
{
	if (!story) {
		return NULL;
	}
	buf_fini(&story->head);
	buf_fini(&story->lines);
	for (size_t i = 0; i < MAPS_MAX; i++) {
		buf_fini(&story->maps[i].body);
	}
	mem_free(story->changes);
	return mem_free(story);
}

static void add_clean(struct buf *out, struct str text, size_t bytes_max)
{
	struct str shown = str_slice(text, 0, bytes_max);
	for (size_t i = 0; i < shown.len; i++) {
		unsigned char c = (unsigned char)shown.ptr[i];
		bool blank = c == '\n' || c == '\r' || c == '\t';
		buf_add_char(out, blank ? ' ' : c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	if (shown.len < text.len) {
		buf_printf(out, " ... (%zu bytes)", text.len);
	}
}

/* Years begin in March here, so that the day that is added now and then is the last.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days(). */
static void add_time(struct buf *out, uint32_t timestamp)
{
	const uint32_t day_s = 86400;
	const uint32_t era_days = 146097; /* 400 years */
	uint32_t days = timestamp / day_s + 719468;
	uint32_t of_day = timestamp % day_s;
	uint32_t of_era = days % era_days;
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t month = (5 * of_year + 2) / 153; /* 0: March */
	uint32_t day = of_year - (153 * month + 2) / 5 + 1;
	year += days / era_days * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	buf_printf(out, "%04u-%02u-%02u %02u:%02u:%02u UTC", year, month, day, of_day / 3600,
		   of_day / 60 % 60, of_day % 60);
}

void binlog_story_begin(struct binlog_story *story, struct str gtid, uint32_t timestamp)
{
	buf_clear(&story->head);
	buf_clear(&story->lines);
	buf_printf(&story->head, "%.*s  ", STR_ARG(gtid));
	add_time(&story->head, timestamp);
	buf_add_char(&story->head, '\n');
	memset(story->changes, 0, sizeof(*story->changes) * BINLOG_STORY_TABLES_MAX);
	story->change_count = 0;
	story->changes_left_out = false;
	story->map_count = 0;
}

static void add_map(struct binlog_story *story, struct str body)
{
	struct binlog_table table;
	struct map *map = NULL;
	if (binlog_rows_read_table(body, &table, NULL) != ERR_OK) {
		return;
	}
	for (size_t i = 0; i < story->map_count && !map; i++) {
		map = story->maps[i].table.id == table.id ? &story->maps[i] : NULL;
	}
	if (!map) {
		/* With more tables than that in one statement the oldest is told without its rows. */
		map = &story->maps[story->map_count < MAPS_MAX ? story->map_count++ : 0];
	}
	buf_clear(&map->body);
	buf_add_str(&map->body, body);
	if (buf_finish(&map->body) != ERR_OK ||
	    binlog_rows_read_table(buf_str(&map->body), &map->table, NULL) != ERR_OK) {
		memset(&map->table, 0, sizeof(map->table));
	}
}

static const struct binlog_table *find_map(const struct binlog_story *story, uint64_t id)
{
	for (size_t i = 0; i < story->map_count; i++) {
		if (story->maps[i].table.id == id && story->maps[i].table.name.len > 0) {
			return &story->maps[i].table;
		}
	}
	return NULL;
}

/* The change of that table; NULL when there are too many. */
static struct change *change_of(struct binlog_story *story, const struct binlog_table *table)
{
	char name[NAME_BYTES] = "a table that is not named";
	struct buf text;
	if (table) {
		buf_init_fixed(&text, name, sizeof(name));
		add_clean(&text, table->schema, NAME_BYTES / 2 - 1);
		buf_add_char(&text, '.');
		add_clean(&text, table->name, NAME_BYTES / 2 - 1);
		name[text.len < sizeof(name) ? text.len : sizeof(name) - 1] = 0;
	}
	for (size_t i = 0; i < story->change_count; i++) {
		if (strcmp(story->changes[i].name, name) == 0) {
			return &story->changes[i];
		}
	}
	if (story->change_count == BINLOG_STORY_TABLES_MAX) {
		story->changes_left_out = true;
		return NULL;
	}
	struct change *change = &story->changes[story->change_count++];
	memcpy(change->name, name, sizeof(change->name));
	return change;
}

static void add_rows(struct binlog_story *story, const struct binlog_event *event)
{
	uint64_t id;
	uint64_t rows = 0;
	if (binlog_rows_table_id(event->body, &id, NULL) != ERR_OK) {
		return;
	}
	const struct binlog_table *table = find_map(story, id);
	struct change *change = change_of(story, table);
	if (!change) {
		return;
	}
	if (!table || binlog_rows_count(event->type, event->body, table, &rows, NULL) != ERR_OK) {
		change->uncounted = true;
		return;
	}
	change->rows[binlog_rows_change(event->type)] += rows;
}

/* Source: Query_event: thread, seconds, length of the schema, error, length of the variables; variables, schema, NUL,
 * statement. */
static void add_query(struct binlog_story *story, const struct binlog_event *event)
{
	struct cursor cur = cursor_of_str(event->body);
	uint8_t schema_bytes;
	uint16_t variables_bytes;
	struct str schema;
	if (cursor_skip(&cur, 8) != ERR_OK || cursor_u8(&cur, &schema_bytes) != ERR_OK ||
	    cursor_skip(&cur, 2) != ERR_OK || cursor_u16(&cur, &variables_bytes) != ERR_OK ||
	    cursor_skip(&cur, variables_bytes) != ERR_OK ||
	    cursor_bytes(&cur, schema_bytes, &schema) != ERR_OK || cursor_skip(&cur, 1) != ERR_OK) {
		buf_add_text(&story->lines, "  a statement that can't be read\n");
		return;
	}
	struct str statement = cursor_rest(&cur);
	if (event->type == QUERY_COMPRESSED) {
		buf_add_text(&story->lines, "  a compressed statement\n");
		return;
	}
	if (str_equal(statement, STR("BEGIN")) || str_equal(statement, STR("COMMIT"))) {
		return;
	}
	buf_add_text(&story->lines, "  statement");
	if (schema.len > 0) {
		buf_add_text(&story->lines, " in ");
		add_clean(&story->lines, schema, NAME_BYTES);
	}
	buf_add_text(&story->lines, ": ");
	add_clean(&story->lines, statement, BINLOG_STATEMENT_BYTES_MAX);
	buf_add_char(&story->lines, '\n');
}

static void add_original(struct binlog_story *story, struct str statement)
{
	buf_add_text(&story->lines, "  by: ");
	add_clean(&story->lines, statement, BINLOG_STATEMENT_BYTES_MAX);
	buf_add_char(&story->lines, '\n');
}

void binlog_story_add(struct binlog_story *story, const struct binlog_event *event)
{
	switch (event->type) {
	case TABLE_MAP:
		add_map(story, event->body);
		return;
	case BINLOG_QUERY:
	case QUERY_COMPRESSED:
		add_query(story, event);
		return;
	case ROWS_QUERY: /* one byte of a length that isn't kept right */
		add_original(story, str_slice(event->body, 1, event->body.len));
		return;
	case ANNOTATE_ROWS:
		add_original(story, event->body);
		return;
	case BINLOG_TRANSACTION_PAYLOAD:
		buf_printf(&story->lines, "  compressed changes, %zu bytes\n", event->body.len);
		return;
	case BINLOG_XA_PREPARE:
		buf_add_text(&story->lines, "  prepared only (XA)\n");
		return;
	default:
		if (binlog_rows_change(event->type) != BINLOG_NO_CHANGE) {
			add_rows(story, event);
		}
		return;
	}
}

static void add_change(struct buf *out, const struct change *change)
{
	static const char *const verbs[BINLOG_DELETED + 1] = {
		[BINLOG_INSERTED] = "inserted",
		[BINLOG_UPDATED] = "updated",
		[BINLOG_DELETED] = "deleted",
	};
	const char *between = ":";
	buf_printf(out, "  %s", change->name);
	for (enum binlog_change i = BINLOG_INSERTED; i <= BINLOG_DELETED; i++) {
		if (change->rows[i] > 0) {
			buf_printf(out, "%s %llu %s", between, (unsigned long long)change->rows[i],
				   verbs[i]);
			between = ",";
		}
	}
	if (change->uncounted) {
		buf_printf(out, "%s changes whose rows can't be counted", between);
	}
	buf_add_char(out, '\n');
}

void binlog_story_end(struct binlog_story *story, struct buf *out)
{
	buf_add_str(out, buf_str(&story->head));
	for (size_t i = 0; i < story->change_count; i++) {
		add_change(out, &story->changes[i]);
	}
	if (story->changes_left_out) {
		buf_add_text(out, "  and more tables\n");
	}
	buf_add_str(out, buf_str(&story->lines));
	if (buf_finish(&story->lines) != ERR_OK) {
		buf_add_text(out, "  and more statements\n");
	}
}
