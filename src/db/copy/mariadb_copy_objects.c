#include "db/copy/mariadb_copy_objects.h"

#include <string.h>

#include "base/mem.h"
#include "db/conn_text.h"

#define USERS_SCHEMAS "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"

void copy_quote_name(struct buf *sql, struct str name)
{
	buf_add_char(sql, '`');
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '`') {
			buf_add_char(sql, '`');
		}
		buf_add_char(sql, name.ptr[i]);
	}
	buf_add_char(sql, '`');
}

static char *dup_str(struct str text)
{
	return mem_dup_text(text.len ? text.ptr : "", text.len);
}

static char *take_text(struct buf *buf)
{
	char *text = dup_str(buf_str(buf));
	buf_clear(buf);
	return text;
}

void copy_objects_fini(struct copy_objects *objects)
{
	for (size_t i = 0; i < objects->count; i++) {
		struct copy_object *one = &objects->list[i];
		char *texts[] = { one->schema, one->name,    one->prepare, one->create,
				  one->after,  one->columns, one->select };
		for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
			mem_free(texts[j]);
		}
	}
	objects->list = mem_free(objects->list);
	objects->count = 0;
	objects->cap = 0;
}

static struct copy_object *add(struct copy_objects *objects, enum copy_kind kind, struct str schema,
			       struct str name)
{
	if (objects->count == objects->cap) {
		size_t cap = objects->cap ? objects->cap * 2 : 64;
		struct copy_object *list = mem_need(sizeof(*list) * cap);
		if (objects->count) {
			memcpy(list, objects->list, sizeof(*list) * objects->count);
		}
		mem_free(objects->list);
		objects->list = list;
		objects->cap = cap;
	}
	struct copy_object *one = &objects->list[objects->count++];
	*one = (struct copy_object){ .kind = kind,
				     .schema = dup_str(schema),
				     .name = dup_str(name) };
	return one;
}

static enum err ask(const struct reclone_options *options, struct conn *conn, struct buf *sql,
		    struct rows **ret, struct err_ctx *err)
{
	enum err rc = conn_query(conn, buf_str(sql), reclone_deadline_us(options), ret, err);
	buf_clear(sql);
	return rc;
}

/* SHOW CREATE `verb` of the object; the column whose title is or begins with `title`. */
static enum err show_create(const struct reclone_options *options, struct conn *donor,
			    const struct copy_object *one, const char *verb, struct rows **ret,
			    struct err_ctx *err)
{
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_printf(&sql, "SHOW CREATE %s ", verb);
	if (one->kind != COPY_SCHEMA) {
		copy_quote_name(&sql, str_of(one->schema));
		buf_add_char(&sql, '.');
	}
	copy_quote_name(&sql, str_of(one->name));
	enum err rc = ask(options, donor, &sql, ret, err);
	buf_fini(&sql);
	if (rc == ERR_OK && !rows_next(*ret)) {
		rc = err_set(err, ERR_PROTOCOL, "%s '%s.%s' has no definition", verb, one->schema,
			     one->name);
	}
	return rc;
}

static enum err take_create(const struct rows *rows, const char *title, struct copy_object *one,
			    struct err_ctx *err)
{
	struct str text;
	if (!rows_get(rows, title, &text)) {
		return err_set(err, ERR_PRIVILEGE,
			       "the definition of '%s.%s' can't be read: its account lacks a "
			       "privilege",
			       one->schema, one->name);
	}
	one->create = dup_str(text);
	return ERR_OK;
}

/* sql_mode and the collation that literals get; both are kept with the object. */
static void take_session(const struct rows *rows, struct copy_object *one, const char *time_zone)
{
	struct buf sql;
	struct str text;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "SET SESSION sql_mode=");
	(void)rows_get(rows, "sql_mode", &text);
	conn_text_quote(&sql, text);
	if (time_zone) {
		buf_add_text(&sql, ", time_zone=");
		(void)rows_get(rows, time_zone, &text);
		conn_text_quote(&sql, text);
	}
	one->prepare = take_text(&sql);
	buf_fini(&sql);
}

/* ---------------------------------------------------------------- tables */

static bool is_float(struct str type)
{
	return str_equal_nocase(type, STR("float"));
}

static void add_full_name(struct buf *sql, const struct copy_object *one)
{
	copy_quote_name(sql, str_of(one->schema));
	buf_add_char(sql, '.');
	copy_quote_name(sql, str_of(one->name));
}

/* Appends ORDER BY with the columns of the primary key, if there is one. */
static enum err add_key(const struct reclone_options *options, struct conn *donor,
			const struct copy_object *one, struct buf *sql, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct buf question;
	buf_init(&question, CONN_SQL_BYTES_MAX);
	buf_add_text(&question, "SHOW INDEX FROM ");
	add_full_name(&question, one);
	buf_add_text(&question, " WHERE Key_name='PRIMARY'");
	enum err rc = ask(options, donor, &question, &rows, err);
	bool first = true;
	while (rc == ERR_OK && rows_next(rows)) {
		struct str name;
		(void)rows_get(rows, "Column_name", &name);
		buf_add_text(sql, first ? " ORDER BY " : ", ");
		copy_quote_name(sql, name);
		first = false;
	}
	buf_fini(&question);
	return rc;
}

/* The columns that hold something, and how they are read: FLOAT as text has too few digits, as DOUBLE it has all. */
static enum err read_columns(const struct reclone_options *options, struct conn *donor,
			     struct copy_object *one, struct err_ctx *err)
{
	enum { NAME, TYPE };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct buf sql;
	struct buf names;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_init(&names, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS"
			   " WHERE IS_GENERATED='NEVER' AND TABLE_SCHEMA=");
	conn_text_quote(&sql, str_of(one->schema));
	buf_add_text(&sql, " AND TABLE_NAME=");
	conn_text_quote(&sql, str_of(one->name));
	buf_add_text(&sql, " ORDER BY ORDINAL_POSITION");
	enum err rc = ask(options, donor, &sql, &rows, err);
	buf_add_text(&sql, "SELECT ");
	while (rc == ERR_OK && rows_next(rows)) {
		struct str name;
		struct str type;
		(void)rows_at(rows, NAME, &name);
		(void)rows_at(rows, TYPE, &type);
		const char *between = names.len ? ", " : "";
		buf_printf(&sql, "%s%s", between, is_float(type) ? "CAST(" : "");
		copy_quote_name(&sql, name);
		buf_add_text(&sql, is_float(type) ? " AS DOUBLE)" : "");
		buf_add_text(&names, between);
		copy_quote_name(&names, name);
	}
	buf_add_text(&sql, " FROM ");
	add_full_name(&sql, one);
	rc = rc ? rc : add_key(options, donor, one, &sql, err);
	if (rc == ERR_OK && names.len > 0) {
		one->columns = take_text(&names);
		one->select = take_text(&sql);
	}
	buf_fini(&sql);
	buf_fini(&names);
	return rc;
}

static enum err read_table(const struct reclone_options *options, struct conn *donor,
			   struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = show_create(options, donor, one, "TABLE", &rows, err);
	rc = rc ? rc : take_create(rows, "Create Table", one, err);
	return rc ? rc : read_columns(options, donor, one, err);
}

/* Its next value is not in its definition. */
static enum err read_sequence(const struct reclone_options *options, struct conn *donor,
			      struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	CLEANUP(rows_freep) struct rows *value = NULL;
	struct buf sql;
	struct str next = { NULL, 0 };
	struct str cycles = { NULL, 0 };
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	enum err rc = show_create(options, donor, one, "SEQUENCE", &rows, err);
	rc = rc ? rc : take_create(rows, "Create Table", one, err);
	buf_add_text(&sql, "SELECT next_not_cached_value, cycle_count FROM ");
	add_full_name(&sql, one);
	rc = rc ? rc : ask(options, donor, &sql, &value, err);
	if (rc == ERR_OK && rows_next(value) && rows_at(value, 0, &next) &&
	    rows_at(value, 1, &cycles)) {
		buf_clear(&sql);
		buf_add_text(&sql, "SELECT SETVAL(");
		add_full_name(&sql, one);
		buf_printf(&sql, ", %.*s, 0, %.*s)", STR_ARG(next), STR_ARG(cycles));
		one->after = take_text(&sql);
	}
	buf_fini(&sql);
	return rc;
}

static enum err refuse_table(struct str schema, struct str name, struct str engine,
			     struct err_ctx *err)
{
	return err_set(
		err, ERR_REFUSED,
		"table '%.*s.%.*s' (%.*s) has no snapshot that could be copied: convert it to "
		"InnoDB, or make the server anew from a backup",
		STR_ARG(schema), STR_ARG(name), STR_ARG(engine));
}

/* Tables, sequences and views, without their definitions yet. */
static enum err list_tables(const struct reclone_options *options, struct conn *donor,
			    struct copy_objects *objects, struct err_ctx *err)
{
	enum { SCHEMA, NAME, TYPE, ENGINE };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(donor,
				 STR("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM"
				     " information_schema.TABLES WHERE TABLE_SCHEMA " USERS_SCHEMAS
				     " ORDER BY TABLE_SCHEMA, TABLE_NAME"),
				 reclone_deadline_us(options), &rows, err);
	while (rc == ERR_OK && rows_next(rows)) {
		struct str schema;
		struct str name;
		struct str type;
		struct str engine;
		(void)rows_at(rows, SCHEMA, &schema);
		(void)rows_at(rows, NAME, &name);
		(void)rows_at(rows, TYPE, &type);
		(void)rows_at(rows, ENGINE, &engine);
		if (str_equal(type, STR("VIEW"))) {
			(void)add(objects, COPY_VIEW, schema, name);
		} else if (!str_equal_nocase(engine, STR("InnoDB"))) {
			rc = refuse_table(schema, name, engine, err);
		} else if (str_equal(type, STR("SEQUENCE"))) {
			(void)add(objects, COPY_SEQUENCE, schema, name);
		} else if (str_equal(type, STR("BASE TABLE"))) {
			(void)add(objects, COPY_TABLE, schema, name);
		} else {
			rc = err_set(err, ERR_REFUSED,
				     "table '%.*s.%.*s' is %.*s, whose history is not copied: make "
				     "the server anew from a backup",
				     STR_ARG(schema), STR_ARG(name), STR_ARG(type));
		}
	}
	return rc;
}

/* ---------------------------------------------------------------- the others */

/* A kind that is listed by one SELECT of schema and name; `verb` when all have the same, else the third column. */
static enum err list_kind(const struct reclone_options *options, struct conn *donor,
			  enum copy_kind kind, const char *sql, struct copy_objects *objects,
			  struct err_ctx *err)
{
	enum { SCHEMA, NAME, VERB };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(donor, str_of(sql), reclone_deadline_us(options), &rows, err);
	while (rc == ERR_OK && rows_next(rows)) {
		struct str schema;
		struct str name;
		struct str verb;
		(void)rows_at(rows, SCHEMA, &schema);
		(void)rows_at(rows, NAME, &name);
		struct copy_object *one = add(objects, kind, schema, name);
		if (rows_at(rows, VERB, &verb)) {
			/* Until its definition is read. */
			one->after = dup_str(verb);
		}
	}
	return rc;
}

static enum err list_all(const struct reclone_options *options, struct conn *donor,
			 struct copy_objects *ret, struct err_ctx *err)
{
	static const struct {
		enum copy_kind kind;
		const char *sql;
	} lists[] = {
		{ COPY_SCHEMA, "SELECT SCHEMA_NAME, SCHEMA_NAME FROM information_schema.SCHEMATA"
			       " WHERE SCHEMA_NAME " USERS_SCHEMAS },
		{ COPY_ROUTINE, "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE FROM"
				" information_schema.ROUTINES WHERE ROUTINE_SCHEMA " USERS_SCHEMAS
				" ORDER BY ROUTINE_TYPE='PACKAGE BODY'" },
		{ COPY_TRIGGER, "SELECT TRIGGER_SCHEMA, TRIGGER_NAME FROM"
				" information_schema.TRIGGERS WHERE TRIGGER_SCHEMA " USERS_SCHEMAS
				" ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION,"
				" ACTION_ORDER" },
		{ COPY_EVENT, "SELECT EVENT_SCHEMA, EVENT_NAME FROM"
			      " information_schema.EVENTS WHERE EVENT_SCHEMA " USERS_SCHEMAS },
	};
	enum err rc = list_tables(options, donor, ret, err);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && rc == ERR_OK; i++) {
		rc = list_kind(options, donor, lists[i].kind, lists[i].sql, ret, err);
	}
	return rc;
}

static enum err read_schema(const struct reclone_options *options, struct conn *donor,
			    struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = show_create(options, donor, one, "DATABASE", &rows, err);
	return rc ? rc : take_create(rows, "Create Database", one, err);
}

static enum err read_view(const struct reclone_options *options, struct conn *donor,
			  struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = show_create(options, donor, one, "VIEW", &rows, err);
	return rc ? rc : take_create(rows, "Create View", one, err);
}

/* "Create Function", "Create Package Body": titles are compared without case. */
static enum err read_routine(const struct reclone_options *options, struct conn *donor,
			     struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct buf title;
	buf_init(&title, 64);
	buf_printf(&title, "Create %s", one->after);
	enum err rc = show_create(options, donor, one, one->after, &rows, err);
	rc = rc ? rc : take_create(rows, buf_text(&title), one, err);
	if (rc == ERR_OK) {
		take_session(rows, one, NULL);
	}
	one->after = mem_free(one->after);
	buf_fini(&title);
	return rc;
}

static enum err read_trigger(const struct reclone_options *options, struct conn *donor,
			     struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = show_create(options, donor, one, "TRIGGER", &rows, err);
	rc = rc ? rc : take_create(rows, "SQL Original Statement", one, err);
	if (rc == ERR_OK) {
		take_session(rows, one, NULL);
	}
	return rc;
}

/* On a replica an event must not run, as when it comes by replication. ALTER EVENT would change its definer. */
static void disable_event(struct copy_object *one)
{
	static const char enabled[] = " PRESERVE ENABLE";
	const char *at = strstr(one->create, enabled);
	if (!at) {
		return;
	}
	struct buf text;
	buf_init(&text, CONN_SQL_BYTES_MAX);
	buf_add(&text, one->create, (size_t)(at - one->create));
	buf_add_text(&text, " PRESERVE DISABLE ON SLAVE");
	buf_add_text(&text, at + sizeof(enabled) - 1);
	mem_free(one->create);
	one->create = take_text(&text);
	buf_fini(&text);
}

static enum err read_event(const struct reclone_options *options, struct conn *donor,
			   struct copy_object *one, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = show_create(options, donor, one, "EVENT", &rows, err);
	rc = rc ? rc : take_create(rows, "Create Event", one, err);
	if (rc == ERR_OK) {
		take_session(rows, one, "time_zone");
		disable_event(one);
	}
	return rc;
}

enum err copy_objects_read(const struct reclone_options *options, struct conn *donor,
			   struct copy_objects *ret, struct err_ctx *err)
{
	static enum err (*const reads[COPY_KIND_COUNT_])(const struct reclone_options *,
							 struct conn *, struct copy_object *,
							 struct err_ctx *) = {
		[COPY_SCHEMA] = read_schema, [COPY_SEQUENCE] = read_sequence,
		[COPY_TABLE] = read_table,   [COPY_ROUTINE] = read_routine,
		[COPY_VIEW] = read_view,     [COPY_TRIGGER] = read_trigger,
		[COPY_EVENT] = read_event,
	};
	enum err rc = list_all(options, donor, ret, err);
	for (size_t i = 0; i < ret->count && rc == ERR_OK; i++) {
		rc = reads[ret->list[i].kind](options, donor, &ret->list[i], err);
		rc = rc ? rc : reclone_check_cancelled(options, err);
	}
	return rc;
}

/* ---------------------------------------------------------------- making */

static enum err make_one(const struct reclone_options *options, struct conn *server,
			 const struct copy_object *one, struct err_ctx *err)
{
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	enum err rc = ERR_OK;
	if (one->kind != COPY_SCHEMA) {
		buf_add_text(&sql, "USE ");
		copy_quote_name(&sql, str_of(one->schema));
		rc = ask(options, server, &sql, NULL, err);
	}
	if (rc == ERR_OK && one->prepare) {
		rc = conn_query(server, str_of(one->prepare), reclone_deadline_us(options), NULL,
				err);
	}
	rc = rc ? rc
		: conn_query(server, str_of(one->create), reclone_deadline_us(options), NULL, err);
	if (one->prepare && conn_is_usable(server)) {
		enum err again = conn_query(
			server,
			STR("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00'"),
			reclone_deadline_us(options), NULL, rc == ERR_OK ? err : NULL);
		rc = rc ? rc : again;
	}
	if (rc == ERR_OK && one->after) {
		rc = conn_query(server, str_of(one->after), reclone_deadline_us(options), NULL,
				err);
	}
	buf_fini(&sql);
	return rc == ERR_OK ? rc : err_wrap(err, rc, "'%s.%s'", one->schema, one->name);
}

enum err copy_objects_make(const struct reclone_options *options, struct conn *server,
			   struct copy_objects *objects, enum copy_kind kind, struct err_ctx *err)
{
	for (;;) {
		enum err first = ERR_OK;
		bool made = false;
		for (size_t i = 0; i < objects->count; i++) {
			struct copy_object *one = &objects->list[i];
			if (one->kind != kind || one->done) {
				continue;
			}
			enum err rc = make_one(options, server, one, first == ERR_OK ? err : NULL);
			one->done = rc == ERR_OK;
			made = made || one->done;
			first = first ? first : rc;
			if (rc != ERR_OK && (kind != COPY_VIEW || !conn_is_usable(server))) {
				return rc;
			}
		}
		/* A view may stand on one that is made later. */
		if (first == ERR_OK || !made) {
			return first;
		}
	}
}
