#include "db/health/heartbeat.h"

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/server/server_internal.h"

/* As text, since versions differ in whether it is a number or a word. */
#define IS_WRITABLE "CONCAT(@@global.read_only) IN ('0','OFF')"
#define WRITTEN_US "TIMESTAMPDIFF(MICROSECOND, '2000-01-01', written)"

enum {
	SQL_BYTES = 2048,
	ERRNO_NO_SCHEMA = 1049,
	ERRNO_NO_TABLE = 1146,
};

bool heartbeat_is_missing(unsigned server_errno)
{
	return server_errno == ERRNO_NO_SCHEMA || server_errno == ERRNO_NO_TABLE;
}

bool heartbeat_is_write(struct str statement)
{
	static const char *const beginnings[] = { "UPDATE muster.heartbeat",
						  "INSERT IGNORE INTO muster.heartbeat",
						  "CREATE TABLE IF NOT EXISTS muster.heartbeat",
						  "CREATE DATABASE IF NOT EXISTS muster" };
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		if (str_starts_with(statement, str_of(beginnings[i]))) {
			return true;
		}
	}
	return false;
}

static void take_row(struct rows *rows, struct heartbeat *ret)
{
	struct str text;
	*ret = (struct heartbeat){ .found = rows_get(rows, "epoch", &text) };
	if (ret->found) {
		ret->epoch = rows_get_u64(rows, "epoch", 0);
		ret->written_us = rows_get_u64(rows, "written_us", 0);
	}
}

enum err heartbeat_read(struct conn *conn, const char *group, uint64_t deadline_us,
			struct heartbeat *ret, struct err_ctx *err)
{
	char space[SQL_BYTES];
	struct buf sql;
	buf_init_fixed(&sql, space, sizeof(space));
	buf_add_text(&sql, "SELECT epoch, " WRITTEN_US " AS written_us FROM muster.heartbeat"
			   " WHERE group_name=");
	conn_text_quote(&sql, str_of(group));
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct err_ctx why = { .code = ERR_OK };
	enum err rc = conn_query(conn, buf_str(&sql), deadline_us, &rows, &why);
	if (rc == ERR_SERVER && heartbeat_is_missing(why.server_errno)) {
		*ret = (struct heartbeat){ .found = false };
		return ERR_OK;
	}
	if (rc != ERR_OK) {
		if (err) {
			*err = why;
		}
		return rc;
	}
	*ret = (struct heartbeat){ .found = false };
	if (rows_next(rows)) {
		take_row(rows, ret);
	}
	return ERR_OK;
}

/* Rows in the binary log: a statement that changes nothing leaves nothing there, whatever the server's format. */
enum err heartbeat_prepare(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, STR("SELECT @@session.binlog_format='ROW'"), deadline_us,
				 &rows, err);
	if (rc != ERR_OK || (rows_next(rows) && rows_at_bool(rows, 0))) {
		return rc;
	}
	return conn_query(conn, STR("SET SESSION binlog_format='ROW'"), deadline_us, NULL, err);
}

enum err heartbeat_begin(struct conn *conn, const char *group, uint64_t epoch, struct err_ctx *err)
{
	char space[SQL_BYTES];
	struct buf sql;
	buf_init_fixed(&sql, space, sizeof(space));
	buf_printf(&sql,
		   "UPDATE muster.heartbeat SET epoch=%llu, server_id=@@server_id, beat=beat+1,"
		   " written=UTC_TIMESTAMP(6) WHERE epoch<=%llu AND " IS_WRITABLE
		   " AND group_name=",
		   (unsigned long long)epoch, (unsigned long long)epoch);
	conn_text_quote(&sql, str_of(group));
	return conn_begin(conn, buf_str(&sql), err);
}

enum err heartbeat_finish(struct conn *conn, const char *group, uint64_t epoch,
			  uint64_t deadline_us, enum heartbeat_end *ret_end, struct heartbeat *ret,
			  struct err_ctx *err)
{
	char space[SQL_BYTES];
	struct buf sql;
	buf_init_fixed(&sql, space, sizeof(space));
	buf_add_text(&sql,
		     "SELECT one.changed, one.writable, h.epoch, " WRITTEN_US " AS written_us"
		     " FROM (SELECT ROW_COUNT() AS changed, " IS_WRITABLE " AS writable) AS one"
		     " LEFT JOIN muster.heartbeat AS h ON h.group_name=");
	conn_text_quote(&sql, str_of(group));
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, buf_str(&sql), deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the count of changed rows is missing");
	}
	take_row(rows, ret);
	if (rows_get_u64(rows, "changed", 0) == 1) {
		*ret_end = HEARTBEAT_WRITTEN;
	} else if (!rows_get_bool(rows, "writable")) {
		*ret_end = HEARTBEAT_READ_ONLY;
	} else {
		*ret_end =
			ret->found && ret->epoch > epoch ? HEARTBEAT_OUTDATED : HEARTBEAT_MISSING;
	}
	return ERR_OK;
}

enum err heartbeat_create(struct conn *conn, const char *group, uint64_t epoch,
			  uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = conn_query(conn, str_of(dialect->heartbeat_table_sql), deadline_us, NULL, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	char space[SQL_BYTES];
	struct buf sql;
	buf_init_fixed(&sql, space, sizeof(space));
	buf_add_text(&sql, "INSERT IGNORE INTO muster.heartbeat"
			   " (group_name, epoch, server_id, beat, written) SELECT ");
	conn_text_quote(&sql, str_of(group));
	buf_printf(&sql, ", %llu, @@server_id, 0, UTC_TIMESTAMP(6) FROM DUAL WHERE " IS_WRITABLE,
		   (unsigned long long)epoch);
	return conn_query(conn, buf_str(&sql), deadline_us, NULL, err);
}
