/* The tables are of one structure within a series; their rows say more than SHOW GRANTS: roles, limits, plug-ins. */
#include "db/copy/mariadb_copy_accounts.h"

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/copy/mariadb_copy_objects.h"

static const struct {
	const char *table;
	const char *keys[6]; /* by which a row is known; ends with NULL */
} tables[COPY_GRANT_TABLES] = {
	{ "global_priv", { "Host", "User" } },
	{ "db", { "Host", "User", "Db" } },
	{ "tables_priv", { "Host", "User", "Db", "Table_name" } },
	{ "columns_priv", { "Host", "User", "Db", "Table_name", "Column_name" } },
	{ "procs_priv", { "Host", "User", "Db", "Routine_name", "Routine_type" } },
	{ "proxies_priv", { "Host", "User", "Proxied_host", "Proxied_user" } },
	{ "roles_mapping", { "Host", "User", "Role" } },
	{ "servers", { "Server_name" } },
};

void copy_accounts_fini(struct copy_accounts *accounts)
{
	for (size_t i = 0; i < COPY_GRANT_TABLES; i++) {
		accounts->put[i] = mem_free(accounts->put[i]);
		accounts->drop[i] = mem_free(accounts->drop[i]);
	}
}

static void add_values(struct buf *sql, const struct rows *rows, size_t columns)
{
	buf_add_char(sql, '(');
	for (size_t i = 0; i < columns; i++) {
		struct str value;
		buf_add_text(sql, i ? "," : "");
		if (rows_at(rows, (int)i, &value)) {
			conn_text_quote(sql, value);
		} else {
			buf_add_text(sql, "NULL");
		}
	}
	buf_add_char(sql, ')');
}

static void add_keys(struct buf *sql, const struct rows *rows, const char *const *keys)
{
	buf_add_char(sql, '(');
	for (size_t i = 0; keys[i]; i++) {
		struct str value = { NULL, 0 };
		buf_add_text(sql, i ? "," : "");
		if (rows) {
			(void)rows_get(rows, keys[i], &value);
			conn_text_quote(sql, value);
		} else {
			buf_add_text(sql, keys[i]);
		}
	}
	buf_add_char(sql, ')');
}

static enum err read_table(const struct reclone_options *options, struct conn *donor, size_t index,
			   struct copy_accounts *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct buf put;
	struct buf drop;
	buf_init(&put, CONN_SQL_BYTES_MAX);
	buf_init(&drop, CONN_SQL_BYTES_MAX);
	buf_printf(&put, "SELECT * FROM mysql.%s", tables[index].table);
	enum err rc = conn_query(donor, buf_str(&put), reclone_deadline_us(options), &rows, err);
	buf_clear(&put);
	buf_printf(&put, "REPLACE INTO mysql.%s VALUES ", tables[index].table);
	buf_printf(&drop, "DELETE FROM mysql.%s", tables[index].table);
	bool any = false;
	while (rc == ERR_OK && rows_next(rows)) {
		buf_add_text(&put, any ? "," : "");
		add_values(&put, rows, rows_columns(rows));
		if (!any) {
			buf_add_text(&drop, " WHERE ");
			add_keys(&drop, NULL, tables[index].keys);
			buf_add_text(&drop, " NOT IN (");
		}
		buf_add_text(&drop, any ? "," : "");
		add_keys(&drop, rows, tables[index].keys);
		any = true;
	}
	buf_add_text(&drop, any ? ")" : "");
	if (rc == ERR_OK && (buf_finish(&put) != ERR_OK || buf_finish(&drop) != ERR_OK)) {
		rc = err_set(err, ERR_LIMIT, "there are too many rows in mysql.%s",
			     tables[index].table);
	}
	if (rc == ERR_OK) {
		ret->put[index] = any ? mem_dup_text((const char *)put.ptr, put.len) : NULL;
		ret->drop[index] = mem_dup_text((const char *)drop.ptr, drop.len);
	}
	buf_fini(&put);
	buf_fini(&drop);
	return rc;
}

enum err copy_accounts_read(const struct reclone_options *options, struct conn *donor,
			    struct copy_accounts *ret, struct err_ctx *err)
{
	enum err rc = ERR_OK;
	for (size_t i = 0; i < COPY_GRANT_TABLES && rc == ERR_OK; i++) {
		rc = read_table(options, donor, i, ret, err);
	}
	return rc;
}

enum err copy_accounts_make(const struct reclone_options *options, struct conn *server,
			    const struct copy_accounts *accounts, struct err_ctx *err)
{
	enum err rc = ERR_OK;
	for (size_t i = 0; i < COPY_GRANT_TABLES && rc == ERR_OK; i++) {
		if (accounts->put[i]) {
			rc = conn_query(server, str_of(accounts->put[i]),
					reclone_deadline_us(options), NULL, err);
		}
	}
	for (size_t i = 0; i < COPY_GRANT_TABLES && rc == ERR_OK; i++) {
		rc = conn_query(server, str_of(accounts->drop[i]), reclone_deadline_us(options),
				NULL, err);
	}
	rc = rc ? rc
		: conn_query(server, STR("FLUSH LOCAL PRIVILEGES"), reclone_deadline_us(options),
			     NULL, err);
	return rc ? err_wrap(err, rc, "accounts") : rc;
}
