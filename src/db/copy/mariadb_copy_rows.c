#include "db/copy/mariadb_copy_rows.h"

#include "base/mem.h"
#include "db/conn_text.h"

enum { TELL_EVERY_MS = 250 };

struct copying {
	const struct reclone_options *options;
	struct conn *server;
	const struct copy_object *table;
	struct reclone_progress *progress;
	struct buf sql; /* the INSERT that is being filled */
	size_t head_bytes;
	uint64_t told_us;
};

static enum err flush(struct copying *copying, struct err_ctx *err)
{
	if (copying->sql.len == copying->head_bytes) {
		return ERR_OK;
	}
	enum err rc = buf_finish(&copying->sql);
	if (rc != ERR_OK) {
		return err_set(err, rc, "table '%s.%s': a row is too long", copying->table->schema,
			       copying->table->name);
	}
	rc = conn_query(copying->server, buf_str(&copying->sql),
			reclone_deadline_us(copying->options), NULL, err);
	copying->sql.len = copying->head_bytes;
	uint64_t now_us = conn_now_us(copying->server);
	if (now_us - copying->told_us >= (uint64_t)TELL_EVERY_MS * US_PER_MS) {
		copying->told_us = now_us;
		copying->options->on_progress(copying->options->ctx, copying->progress);
	}
	return rc ? rc : reclone_check_cancelled(copying->options, err);
}

static enum err take_row(void *ctx, const struct str *values, size_t count, struct err_ctx *err)
{
	struct copying *copying = ctx;
	struct buf *sql = &copying->sql;
	buf_add_text(sql, sql->len == copying->head_bytes ? "(" : ",(");
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			buf_add_char(sql, ',');
		}
		if (values[i].ptr) {
			conn_text_quote(sql, values[i]);
		} else {
			buf_add_text(sql, "NULL");
		}
		copying->progress->bytes += values[i].len;
	}
	buf_add_char(sql, ')');
	copying->progress->rows++;
	return sql->len >= COPY_INSERT_BYTES ? flush(copying, err) : ERR_OK;
}

enum err copy_rows(const struct reclone_options *options, struct conn *donor, struct conn *server,
		   const struct copy_object *table, struct reclone_progress *progress,
		   struct err_ctx *err)
{
	struct copying copying = { .options = options,
				   .server = server,
				   .table = table,
				   .progress = progress,
				   .told_us = conn_now_us(server) };
	if (!table->select) {
		return ERR_OK;
	}
	buf_init(&copying.sql, (size_t)1024 * 1024 * 1024);
	buf_add_text(&copying.sql, "INSERT INTO ");
	copy_quote_name(&copying.sql, str_of(table->schema));
	buf_add_char(&copying.sql, '.');
	copy_quote_name(&copying.sql, str_of(table->name));
	buf_printf(&copying.sql, " (%s) VALUES ", table->columns);
	copying.head_bytes = copying.sql.len;
	enum err rc = conn_stream(donor, str_of(table->select), options->wait_us, take_row,
				  &copying, err);
	rc = rc ? rc : flush(&copying, err);
	buf_fini(&copying.sql);
	return rc ? err_wrap(err, rc, "table '%s.%s'", table->schema, table->name) : rc;
}
