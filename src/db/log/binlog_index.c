#include "db/log/binlog_index.h"

#include "base/mem.h"
#include "db/conn_text.h"

void binlog_index_fini(struct binlog_index *index)
{
	index->files = mem_free(index->files);
	index->count = 0;
}

enum err binlog_index_read(struct conn *conn, uint64_t deadline_us, struct binlog_index *ret,
			   struct err_ctx *err)
{
	enum { NAME, BYTES };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, STR("SHOW BINARY LOGS"), deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	size_t count = rows_count(rows);
	struct binlog_index_file *files = mem_need(sizeof(*files) * (count ? count : 1));
	for (size_t i = 0; i < count && rows_next(rows); i++) {
		struct str name;
		(void)rows_at(rows, NAME, &name);
		files[i].bytes = rows_at_u64(rows, BYTES, 0);
		if (str_copy(name, files[i].name, sizeof(files[i].name)) != ERR_OK) {
			(void)mem_free(files);
			return err_set(err, ERR_LIMIT, "the name of a binary log is too long");
		}
	}
	ret->files = files;
	ret->count = count;
	return ERR_OK;
}

/* MySQL prints the set as it does everywhere; MariaDB puts it in brackets. */
static enum err read_list(struct str type, struct str info, struct gtid_set *ret,
			  struct err_ctx *err)
{
	if (str_equal(type, STR("Previous_gtids"))) {
		return gtid_set_parse(info, GTID_MYSQL, ret, err);
	}
	if (str_starts_with(info, STR("[")) && str_ends_with(info, STR("]"))) {
		info = str_slice(info, 1, info.len - 1);
	}
	return gtid_set_parse(info, GTID_MARIADB, ret, err);
}

enum err binlog_index_previous(struct conn *conn, const struct binlog_index_file *file,
			       uint64_t deadline_us, struct gtid_set *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "SHOW BINLOG EVENTS IN ");
	conn_text_quote(&sql, str_of(file->name));
	/* The format description, MariaDB's key when it is encrypted, the list. */
	buf_add_text(&sql, " LIMIT 3");
	enum err rc = conn_query(conn, buf_str(&sql), deadline_us, &rows, err);
	buf_fini(&sql);
	while (rc == ERR_OK && rows_next(rows)) {
		struct str type;
		struct str info;
		(void)rows_get(rows, "Event_type", &type);
		(void)rows_get(rows, "Info", &info);
		if (str_equal(type, STR("Previous_gtids")) || str_equal(type, STR("Gtid_list"))) {
			return read_list(type, info, ret, err);
		}
	}
	return rc != ERR_OK ? rc
			    : err_set(err, ERR_PROTOCOL,
				      "binary log '%s' doesn't say what was before it", file->name);
}
