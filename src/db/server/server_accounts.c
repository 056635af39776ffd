/* Accounts: making our own, reading everybody's. */
#include "db/server/server.h"

#include <string.h>

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/server/server_internal.h"

/* Appends 'user'@'host'. */
static void add_account(struct buf *sql, const char *user, const char *host)
{
	conn_text_quote(sql, str_of(user));
	buf_add_char(sql, '@');
	conn_text_quote(sql, str_of(host ? host : "%"));
}

/* Appends statements after which the account exists with that password. */
static void add_user(struct buf *sql, const struct dialect *dialect, const char *user,
		     const char *host, const struct secret *password)
{
	static const char *const verbs[] = { "CREATE USER IF NOT EXISTS ", "ALTER USER " };
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		buf_add_text(sql, verbs[i]);
		add_account(sql, user, host);
		buf_printf(sql, " %s ", dialect->identified_by);
		conn_text_quote(sql, str_of(password ? password->text : ""));
		buf_add_char(sql, ';');
	}
}

static void add_manager(struct buf *sql, const struct dialect *dialect,
			const struct setup_accounts *accounts)
{
	add_user(sql, dialect, accounts->manager_user, accounts->manager_host,
		 accounts->manager_password);
	buf_add_text(sql, "GRANT ");
	for (const struct dialect_privilege *p = dialect->privileges; p->name; p++) {
		buf_printf(sql, "%s%s", p == dialect->privileges ? "" : ", ", p->name);
	}
	buf_add_text(sql, " ON *.* TO ");
	add_account(sql, accounts->manager_user, accounts->manager_host);
	buf_printf(sql, ";GRANT %s TO ", dialect->tables_privilege);
	add_account(sql, accounts->manager_user, accounts->manager_host);
	buf_add_char(sql, ';');
	for (size_t i = 0; dialect->more_grants[i]; i++) {
		buf_printf(sql, "GRANT %s TO ", dialect->more_grants[i]);
		add_account(sql, accounts->manager_user, accounts->manager_host);
		buf_add_char(sql, ';');
	}
}

enum err server_setup_accounts(struct conn *conn, const struct setup_accounts *accounts,
			       uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_printf(&sql, "SET SESSION sql_log_bin=%d;", accounts->binlog);
	if (accounts->manager_user) {
		add_manager(&sql, dialect, accounts);
	}
	if (accounts->replication_user) {
		add_user(&sql, dialect, accounts->replication_user, accounts->replication_host,
			 accounts->replication_password);
		buf_printf(&sql, "GRANT %s ON *.* TO ", dialect->replication_privileges);
		add_account(&sql, accounts->replication_user, accounts->replication_host);
		buf_add_char(&sql, ';');
	}
	rc = buf_finish(&sql) == ERR_OK
		     ? conn_query(conn, buf_str(&sql), deadline_us, NULL, err)
		     : err_set(err, ERR_LIMIT, "the accounts' names are too long");
	explicit_bzero(sql.ptr, sql.len); /* it holds passwords */
	buf_fini(&sql);
	if (conn_is_usable(conn) && !accounts->binlog) {
		/* The session's own wish is over even when a statement failed. */
		enum err again =
			conn_query(conn, STR("SET SESSION sql_log_bin=1"), deadline_us, NULL, NULL);
		rc = rc == ERR_OK ? again : rc;
	}
	return rc;
}

enum err server_read_accounts(struct conn *conn, uint64_t deadline_us, server_account_fn *each,
			      void *ctx, struct err_ctx *err)
{
	enum { USER, HOST, PLUGIN, AUTH, LOCKED };
	const struct dialect *dialect = NULL;
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = conn_query(conn, str_of(dialect->accounts_sql), deadline_us, &rows, err);
	}
	while (rc == ERR_OK && rows_next(rows)) {
		struct server_account account;
		struct str locked;
		(void)rows_at(rows, USER, &account.user);
		(void)rows_at(rows, HOST, &account.host);
		(void)rows_at(rows, PLUGIN, &account.plugin);
		(void)rows_at(rows, AUTH, &account.auth);
		account.locked = rows_at_bool(rows, LOCKED) ||
				 (rows_at(rows, LOCKED, &locked) && str_equal(locked, STR("Y")));
		rc = each(ctx, &account, err);
	}
	return rc;
}
