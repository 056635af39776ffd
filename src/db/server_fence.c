/* Ending sessions, and making a primary unable to answer OK. */
#include "db/server.h"

#include "base/mem.h"
#include "db/server_internal.h"

enum {
	KILL_PAUSE_US = 2000, /* between two rounds of ending sessions */
	ERRNO_NO_SUCH_THREAD = 1094,
	ERRNO_NOT_OWNER = 1095,
};

/* Whose sessions are left alone. */
struct spared {
	struct str user; /* the account of our own connections */
	uint64_t id_first;
	uint64_t id_second;
};

static bool is_client(const struct rows *rows, const struct spared *spared)
{
	static const char *const system_users[] = { "system user", "event_scheduler" };
	static const char *const commands[] = { "Binlog Dump", "Binlog Dump GTID", "Daemon",
						"Slave_IO",    "Slave_SQL",	   "Slave_worker" };
	uint64_t id = rows_get_u64(rows, "Id", 0);
	struct str user;
	struct str command;
	(void)rows_get(rows, "User", &user);
	(void)rows_get(rows, "Command", &command);
	if (id == spared->id_first || id == spared->id_second || str_equal(user, spared->user)) {
		return false;
	}
	for (size_t i = 0; i < sizeof(system_users) / sizeof(system_users[0]); i++) {
		if (str_equal(user, str_of(system_users[i]))) {
			return false;
		}
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (str_equal_nocase(command, str_of(commands[i]))) {
			return false;
		}
	}
	return true;
}

/* Ends every client session there is now. *ret_count: how many were ended; *ret_left: how many may
 * not be ended by this account. */
static enum err kill_round(struct conn *conn, const struct spared *spared, uint64_t deadline_us,
			   uint32_t *ret_count, uint32_t *ret_left, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, STR("SHOW PROCESSLIST"), deadline_us, &rows, err);
	uint32_t count = 0;
	uint32_t left = 0;
	while (rc == ERR_OK && rows_next(rows)) {
		if (!is_client(rows, spared)) {
			continue;
		}
		struct err_ctx why = { .code = ERR_OK };
		rc = conn_exec(conn, deadline_us, &why, "KILL %llu",
			       (unsigned long long)rows_get_u64(rows, "Id", 0));
		if (rc == ERR_OK) {
			count++;
		} else if (why.server_errno == ERRNO_NO_SUCH_THREAD) {
			rc = ERR_OK;
		} else if (why.server_errno == ERRNO_NOT_OWNER || rc == ERR_PRIVILEGE) {
			left++;
			rc = ERR_OK;
		} else if (err) {
			*err = why;
		}
	}
	if (rc == ERR_OK) {
		*ret_count = count;
		*ret_left = left;
	}
	return rc;
}

/* The account's name of a connection, in *ret (a view into *ret_rows). */
static enum err own_user(struct conn *conn, uint64_t deadline_us, struct rows **ret_rows,
			 struct str *ret, struct err_ctx *err)
{
	enum err rc = conn_query(conn, STR("SELECT SUBSTRING_INDEX(USER(), '@', 1)"), deadline_us,
				 ret_rows, err);
	if (rc == ERR_OK && rows_next(*ret_rows)) {
		(void)rows_at(*ret_rows, 0, ret);
	}
	return rc;
}

enum err server_kill_sessions(struct conn *conn, uint64_t deadline_us, uint32_t *ret_count,
			      struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct spared spared = { .id_first = conn_thread_id(conn),
				 .id_second = conn_thread_id(conn) };
	uint32_t left = 0;
	enum err rc = own_user(conn, deadline_us, &rows, &spared.user, err);
	if (rc == ERR_OK) {
		rc = kill_round(conn, &spared, deadline_us, ret_count, &left, err);
	}
	if (rc == ERR_OK && left > 0) {
		rc = err_set(err, ERR_PRIVILEGE, "%u sessions of administrators may not be ended",
			     left);
	}
	return rc;
}

static enum err begin_read_only(struct conn *conn, const struct dialect *dialect,
				uint64_t deadline_us, struct err_ctx *err)
{
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	server_limit_lock_wait(conn, deadline_us, &sql);
	enum err rc = conn_query(conn, buf_str(&sql), deadline_us, NULL, err);
	buf_fini(&sql);
	return rc == ERR_OK ? conn_begin(conn, str_of(dialect->read_only_sql), err) : rc;
}

/* Ends sessions in rounds until the answer to read_only is there. A session that waits for an
 * acknowledgement holds that answer up; ended, its client sees a lost connection. */
static enum err kill_until_read_only(struct conn *conn, struct conn *second,
				     const struct spared *spared, uint64_t deadline_us,
				     struct err_ctx *err)
{
	bool done = false;
	uint32_t left = 0;
	while (!done) {
		uint32_t count = 0;
		enum err rc = kill_round(second, spared, deadline_us, &count, &left, err);
		if (rc != ERR_OK) {
			return rc;
		}
		uint64_t until_us = conn_now_us(conn) + KILL_PAUSE_US;
		rc = conn_wait(conn, until_us < deadline_us ? until_us : deadline_us, &done, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (!done && conn_now_us(conn) >= deadline_us) {
			return err_set(
				err, ERR_DEADLINE,
				"not read-only in time: running writes or commits hold it up");
		}
	}
	if (left > 0) {
		return err_set(err, ERR_PRIVILEGE, "%u sessions of administrators may not be ended",
			       left);
	}
	return ERR_OK;
}

enum err server_fence(struct conn *conn, struct conn *second, uint64_t deadline_us,
		      struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct spared spared = { .id_first = conn_thread_id(conn),
				 .id_second = conn_thread_id(second) };
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = own_user(second, deadline_us, &rows, &spared.user, err);
	}
	if (rc == ERR_OK) {
		rc = begin_read_only(conn, dialect, deadline_us, err);
	}
	if (rc == ERR_OK) {
		rc = kill_until_read_only(conn, second, &spared, deadline_us, err);
	}
	uint32_t count = 0;
	uint32_t left = 0;
	if (rc == ERR_OK) {
		/* Who logged in meanwhile with a privilege that passes read_only. */
		rc = kill_round(second, &spared, deadline_us, &count, &left, err);
	}
	return rc == ERR_OK ? dialect->semisync_source_off(conn, deadline_us, err) : rc;
}
