/* What is defined on a MariaDB server, as statements that define it on another one. */
#pragma once

#include <stddef.h>

#include "db/copy/reclone_internal.h"

/* In the order in which they are made; rows are copied behind the tables. */
enum copy_kind {
	COPY_SCHEMA,
	COPY_SEQUENCE,
	COPY_TABLE,
	COPY_ROUTINE,
	COPY_VIEW,
	COPY_TRIGGER,
	COPY_EVENT,
	COPY_KIND_COUNT_
};

struct copy_object {
	enum copy_kind kind;
	char *schema;
	char *name;
	char *prepare; /* sets what the definition depends on: sql_mode, time zone; may be NULL */
	char *create;
	char *after;   /* to be run behind it: a sequence's value, an event's state; may be NULL */
	char *columns; /* COPY_TABLE: names to insert into, quoted */
	char *select;  /* COPY_TABLE: what to read, in their order */
	bool done;
};

struct copy_objects {
	struct copy_object *list;
	size_t count;
	size_t cap;
};

/* Releases all, leaves a valid empty list. */
void copy_objects_fini(struct copy_objects *objects);

/* Reads all definitions that users made. ret: zeroed. ERR_REFUSED names tables that can't be copied. */
MUST_CHECK enum err copy_objects_read(const struct reclone_options *options, struct conn *donor,
				      struct copy_objects *ret, struct err_ctx *err);

/* Makes all of a kind, in order; views are tried again while others help them. Statements go to `server`, which keeps
 * them out of its binary log. */
MUST_CHECK enum err copy_objects_make(const struct reclone_options *options, struct conn *server,
				      struct copy_objects *objects, enum copy_kind kind,
				      struct err_ctx *err);

/* Appends `name`, with backquotes around it. */
void copy_quote_name(struct buf *sql, struct str name);
