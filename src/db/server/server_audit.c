/* What is wrong with a server's configuration, and which privileges are missing. */
#include "db/server/server.h"

#include <stdio.h>

#include "base/mem.h"
#include "db/health/findings.h"
#include "db/server/server_internal.h"

enum err server_audit(struct conn *conn, uint64_t deadline_us, struct server_findings *ret,
		      struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	struct server_status status;
	server_status_init(&status);
	struct server_findings findings = { .count = 0 };
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = server_read_status(conn, deadline_us, &status, err);
	}
	if (rc == ERR_OK) {
		findings_add_status(&findings, &status);
		rc = dialect->audit(conn, deadline_us, &findings, err);
	}
	server_status_fini(&status);
	if (rc == ERR_OK) {
		*ret = findings;
	}
	return rc;
}

/* "GRANT a, b ON *.* TO ...": whether the list before " ON " holds the name. */
static bool grant_names(struct str line, struct str name)
{
	struct str list = str_slice(line, STR("GRANT ").len, line.len);
	struct str item;
	while (str_next(&list, ',', &item)) {
		item = str_trim(item);
		if (str_equal_nocase(item, name)) {
			return true;
		}
		/* The last one stands before " ON ". */
		if (item.len > name.len && str_equal_nocase(str_slice(item, 0, name.len), name) &&
		    str_starts_with(str_slice(item, name.len, item.len), STR(" ON "))) {
			return true;
		}
		if (str_contains(item, STR(" ON "))) {
			return false;
		}
	}
	return false;
}

/* Dynamic privileges of MySQL are not in ALL PRIVILEGES as one names it, but SHOW GRANTS lists them
 * one by one; MariaDB's ALL PRIVILEGES are all. */
static bool line_gives(struct str line, struct str name, bool on_mysql_tables)
{
	if (!str_starts_with(line, STR("GRANT "))) {
		return false;
	}
	bool global = str_contains(line, STR(" ON *.* TO "));
	bool tables = on_mysql_tables && (str_contains(line, STR(" ON `mysql`.* TO ")) ||
					  str_contains(line, STR(" ON mysql.* TO ")));
	if (!global && !tables) {
		return false;
	}
	return str_starts_with(line, STR("GRANT ALL PRIVILEGES ")) || grant_names(line, name);
}

static bool is_granted(struct conn *conn, const char *name, bool on_mysql_tables,
		       uint64_t deadline_us, enum err *rc, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	*rc = conn_query(conn, STR("SHOW GRANTS FOR CURRENT_USER()"), deadline_us, &rows, err);
	while (*rc == ERR_OK && rows_next(rows)) {
		struct str line;
		if (rows_at(rows, 0, &line) && line_gives(line, str_of(name), on_mysql_tables)) {
			return true;
		}
	}
	return false;
}

/* The account as a GRANT names it, quoted. */
static enum err own_account(struct conn *conn, uint64_t deadline_us, char *to, size_t to_bytes,
			    struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(
		conn, STR("SELECT CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')"),
		deadline_us, &rows, err);
	struct str text = { NULL, 0 };
	if (rc == ERR_OK && rows_next(rows)) {
		(void)rows_at(rows, 0, &text);
	}
	if (rc == ERR_OK) {
		(void)snprintf(to, to_bytes, "%.*s", STR_ARG(text));
	}
	return rc;
}

enum err server_check_privileges(struct conn *conn, uint64_t deadline_us,
				 struct server_findings *ret, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	char account[SERVER_FINDING_BYTES_MAX / 2];
	char remedy[SERVER_FINDING_BYTES_MAX];
	struct server_findings findings = { .count = 0 };
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = own_account(conn, deadline_us, account, sizeof(account), err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	for (const struct dialect_privilege *p = dialect->privileges; p->name; p++) {
		if (!is_granted(conn, p->name, false, deadline_us, &rc, err) && rc == ERR_OK) {
			(void)snprintf(remedy, sizeof(remedy), "GRANT %s ON *.* TO %s;", p->name,
				       account);
			findings_add(&findings, "privilege-missing", FINDING_BLOCKING, remedy,
				     "account %s lacks %s, needed to %s", account, p->name,
				     p->purpose);
		}
		if (rc != ERR_OK) {
			return rc;
		}
	}
	if (!is_granted(conn, "SELECT", true, deadline_us, &rc, err) && rc == ERR_OK) {
		(void)snprintf(remedy, sizeof(remedy), "GRANT %s TO %s;", dialect->tables_privilege,
			       account);
		findings_add(&findings, "privilege-missing", FINDING_BLOCKING, remedy,
			     "account %s lacks %s, needed to let the proxy log clients in", account,
			     dialect->tables_privilege);
	}
	if (rc == ERR_OK) {
		*ret = findings;
	}
	return rc;
}

enum err server_need_privileges(struct conn *conn, const char *const *names, const char *purpose,
				uint64_t deadline_us, struct err_ctx *err)
{
	char account[SERVER_FINDING_BYTES_MAX / 2];
	char list[SERVER_FINDING_BYTES_MAX];
	struct buf missing;
	buf_init_fixed(&missing, list, sizeof(list) - 1);
	enum err rc = own_account(conn, deadline_us, account, sizeof(account), err);
	for (size_t i = 0; names[i] && rc == ERR_OK; i++) {
		if (!is_granted(conn, names[i], false, deadline_us, &rc, err) && rc == ERR_OK) {
			buf_printf(&missing, "%s%s", missing.len ? ", " : "", names[i]);
		}
	}
	if (rc == ERR_OK && missing.len > 0) {
		list[missing.len] = 0;
		rc = err_set(err, ERR_PRIVILEGE,
			     "'%s': account %s lacks what is needed to %s; remedy: GRANT %s ON *.* "
			     "TO %s;",
			     conn_target(conn), account, purpose, list, account);
	}
	return rc;
}
