/* Ending sessions, and making a primary unable to answer OK. */
#include "db/server/server.h"

#include "base/mem.h"
#include "db/health/heartbeat.h"
#include "db/server/server_internal.h"

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
	struct str statement;
	/* A write of the manager's own probe is like a client's: it must not go through after the fence. */
	if (rows_get(rows, "Info", &statement) && heartbeat_is_write(statement)) {
		return true;
	}
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

/* What a round found. */
struct round {
	uint32_t killed;  /* sessions ended now */
	uint32_t alive;	  /* client sessions that were not being ended already */
	uint32_t refused; /* that this account may not end */
};

static bool waits_for_ack(const struct rows *rows)
{
	struct str state;
	return rows_get(rows, "State", &state) &&
	       str_starts_with(state, STR("Waiting for semi-sync ACK"));
}

static enum err kill_one(struct conn *conn, uint64_t id, uint64_t deadline_us, struct round *round,
			 struct err_ctx *err)
{
	struct err_ctx why = { .code = ERR_OK };
	enum err rc = conn_exec(conn, deadline_us, &why, "KILL %llu", (unsigned long long)id);
	if (rc == ERR_OK) {
		round->killed++;
		return ERR_OK;
	}
	if (why.server_errno == ERRNO_NO_SUCH_THREAD) {
		return ERR_OK;
	}
	if (why.server_errno == ERRNO_NOT_OWNER || rc == ERR_PRIVILEGE) {
		round->refused++;
		return ERR_OK;
	}
	if (err) {
		*err = why;
	}
	return rc;
}

/* Ends every client session of a process list, those that wait for an acknowledgement last: MariaDB's
 * group commit waits in one session for all of its group, and when that one is ended first, the others
 * of the group answer OK. */
static enum err kill_listed(struct conn *conn, struct rows *rows, const struct spared *spared,
			    uint64_t deadline_us, struct round *ret, struct err_ctx *err)
{
	*ret = (struct round){ .killed = 0 };
	for (int waiting = 0; waiting <= 1; waiting++) {
		rows_rewind(rows);
		while (rows_next(rows)) {
			struct str command;
			if (!is_client(rows, spared) || waits_for_ack(rows) != (waiting == 1)) {
				continue;
			}
			(void)rows_get(rows, "Command", &command);
			if (!str_equal_nocase(command, STR("Killed"))) {
				ret->alive++;
			}
			enum err rc =
				kill_one(conn, rows_get_u64(rows, "Id", 0), deadline_us, ret, err);
			if (rc != ERR_OK) {
				return rc;
			}
		}
	}
	return ERR_OK;
}

static enum err kill_round(struct conn *conn, const struct spared *spared, uint64_t deadline_us,
			   struct round *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, STR("SHOW PROCESSLIST"), deadline_us, &rows, err);
	return rc == ERR_OK ? kill_listed(conn, rows, spared, deadline_us, ret, err) : rc;
}

static enum err fail_refused(const struct round *round, struct err_ctx *err)
{
	return err_set(err, ERR_PRIVILEGE, "%u sessions of administrators may not be ended",
		       round->refused);
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
	struct round round = { .killed = 0 };
	enum err rc = own_user(conn, deadline_us, &rows, &spared.user, err);
	if (rc == ERR_OK) {
		rc = kill_round(conn, &spared, deadline_us, &round, err);
	}
	if (rc == ERR_OK && round.refused > 0) {
		rc = fail_refused(&round, err);
	}
	if (rc == ERR_OK) {
		*ret_count = round.killed;
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

/* Whether the statement of session `id` waits for its lock: from then on no new write begins. */
static bool holds_writes_up(struct rows *rows, uint64_t id)
{
	bool waits = false;
	rows_rewind(rows);
	while (rows_next(rows)) {
		struct str state;
		if (rows_get_u64(rows, "Id", 0) == id && rows_get(rows, "State", &state)) {
			waits = str_starts_with(state, STR("Waiting for"));
		}
	}
	return waits;
}

/* One round against the sessions that hold read_only up. */
static enum err clear_way(struct conn *second, const struct dialect *dialect,
			  const struct spared *spared, uint64_t deadline_us, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct round round;
	enum err rc = conn_query(second, STR("SHOW PROCESSLIST"), deadline_us, &rows, err);
	if (rc != ERR_OK || !holds_writes_up(rows, spared->id_first)) {
		return rc;
	}
	rc = kill_listed(second, rows, spared, deadline_us, &round, err);
	if (rc == ERR_OK && round.refused > 0) {
		return fail_refused(&round, err);
	}
	if (rc == ERR_OK && round.alive == 0 && dialect->killed_waits_on) {
		/* All clients are cut off, and nobody can begin a write: whoever is freed now has
		 * nobody left to answer to. */
		rc = dialect->semisync_source_off(second, deadline_us, err);
	}
	return rc;
}

/* Waits for the answer to read_only, and ends sessions meanwhile: one that waits for an
 * acknowledgement holds that answer up. */
static enum err await_read_only(struct conn *conn, struct conn *second,
				const struct dialect *dialect, const struct spared *spared,
				uint64_t deadline_us, struct err_ctx *err)
{
	for (;;) {
		bool done = false;
		uint64_t until_us = conn_now_us(conn) + KILL_PAUSE_US;
		struct err_ctx why = { .code = ERR_OK };
		enum err rc = conn_wait(conn, until_us < deadline_us ? until_us : deadline_us,
					&done, &why);
		if (rc != ERR_OK || done) {
			return server_lock_wait_error(rc, &why, err);
		}
		if (conn_now_us(conn) >= deadline_us) {
			return err_set(err, ERR_DEADLINE,
				       "not read-only in time: running writes or "
				       "commits hold it up");
		}
		rc = clear_way(second, dialect, spared, deadline_us, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
}

enum err server_fence(struct conn *conn, struct conn *second, uint64_t deadline_us,
		      struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct spared spared = { .id_first = conn_thread_id(conn),
				 .id_second = conn_thread_id(second) };
	struct round round = { .killed = 0 };
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = own_user(second, deadline_us, &rows, &spared.user, err);
	}
	if (rc == ERR_OK) {
		rc = begin_read_only(conn, dialect, deadline_us, err);
	}
	if (rc == ERR_OK) {
		rc = await_read_only(conn, second, dialect, &spared, deadline_us, err);
		/* On failure the answer may be outstanding still. */
		conn_give_up(conn);
	}
	if (rc == ERR_OK) {
		/* Idle ones, so that their clients look for the new primary. */
		rc = kill_round(second, &spared, deadline_us, &round, err);
	}
	if (rc == ERR_OK && round.refused > 0) {
		rc = fail_refused(&round, err);
	}
	return rc == ERR_OK ? dialect->semisync_source_off(second, deadline_us, err) : rc;
}
