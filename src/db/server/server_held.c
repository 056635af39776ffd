/* What a server holds: its oldest history, and how much data. */
#include "db/server/server.h"

#include "base/mem.h"
#include "db/log/binlog_index.h"
#include "db/server/server_internal.h"

enum err server_read_purged(struct conn *conn, uint64_t deadline_us, struct gtid_set *ret,
			    struct err_ctx *err)
{
	struct binlog_index index = { 0 };
	enum err rc = binlog_index_read(conn, deadline_us, &index, err);
	if (rc == ERR_OK && index.count == 0) {
		rc = err_set(err, ERR_NOT_FOUND, "the server has no binary logs");
	}
	rc = rc ? rc : binlog_index_previous(conn, &index.files[0], deadline_us, ret, err);
	binlog_index_fini(&index);
	return rc;
}

enum err server_read_size(struct conn *conn, uint64_t deadline_us, struct server_size *ret,
			  struct err_ctx *err)
{
	enum { BYTES, TABLES };
	const struct dialect *dialect = NULL;
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	rc = rc ? rc : conn_query(conn, str_of(dialect->size_sql), deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the server doesn't say how much it holds");
	}
	ret->bytes = rows_at_u64(rows, BYTES, 0);
	ret->tables = (uint32_t)rows_at_u64(rows, TABLES, 0);
	return ERR_OK;
}
