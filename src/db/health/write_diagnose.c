#include "db/health/write_diagnose.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "db/server/server_internal.h"

/* How the states begin. */
static const struct state_row {
	const char *beginning;
	enum write_trouble trouble;
} states[] = {
	{ "Waiting for semi-sync ACK", WRITE_UNACKNOWLEDGED },
	{ "Waiting for someone to free space", WRITE_DISK_FULL }, /* MariaDB */
	{ "Waiting for backup lock", WRITE_LOCKED },		  /* MariaDB: all global ones */
	{ "Waiting for global read lock", WRITE_LOCKED },	  /* MySQL */
	{ "Waiting for commit lock", WRITE_LOCKED },		  /* MySQL */
	{ "Waiting for table flush", WRITE_LOCKED },
	{ "Waiting for table metadata lock", WRITE_QUEUED },
	{ "Waiting for table level lock", WRITE_QUEUED },
	{ "Waiting for schema metadata lock", WRITE_QUEUED },
	{ "Commit", WRITE_DISK_STALLED },
	{ "Waiting for prior transaction to commit", WRITE_DISK_STALLED }, /* MariaDB */
	{ "waiting for handler commit", WRITE_DISK_STALLED },		   /* MySQL */
};

enum write_trouble write_diagnose_state(struct str state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (str_starts_with(state, str_of(states[i].beginning))) {
			return states[i].trouble;
		}
	}
	return WRITE_THROUGH;
}

/* Numbers of errors with which a write ends. */
static const struct error_row {
	unsigned number;
	enum write_trouble trouble;
} errors[] = {
	{ 1021, WRITE_DISK_FULL }, /* ER_DISK_FULL */
	{ 1114, WRITE_DISK_FULL }, /* ER_RECORD_FILE_FULL: InnoDB says so of a full disk, too */
	{ 1205, WRITE_QUEUED },	   /* ER_LOCK_WAIT_TIMEOUT */
	{ 1213, WRITE_QUEUED },	   /* ER_LOCK_DEADLOCK */
	{ 1290, WRITE_READ_ONLY }, { 1792, WRITE_READ_ONLY }, { 1836, WRITE_READ_ONLY },
};

enum write_trouble write_diagnose_error(unsigned server_errno, struct str text)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].number == server_errno) {
			return errors[i].trouble;
		}
	}
	/* Whatever the statement's own number: "(errno: 28 "No space left on device")". */
	return str_contains(text, STR("No space left on device")) ? WRITE_DISK_FULL : WRITE_REFUSED;
}

/* What the process list says: of the session itself, and of those that may be in front of it in the queue. */
struct queue {
	bool found;
	char state[64]; /* of the session itself */
	enum write_trouble own;
	bool others[WRITE_TROUBLE_COUNT_];
};

static enum err read_queue(struct conn *conn, uint64_t thread_id, uint64_t deadline_us,
			   struct queue *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	*ret = (struct queue){ .found = false };
	enum err rc = conn_query(conn, STR("SHOW PROCESSLIST"), deadline_us, &rows, err);
	while (rc == ERR_OK && rows_next(rows)) {
		struct str state;
		(void)rows_get(rows, "State", &state);
		enum write_trouble trouble = write_diagnose_state(state);
		if (rows_get_u64(rows, "Id", 0) == thread_id) {
			ret->found = true;
			ret->own = trouble;
			state = str_slice(state, 0, sizeof(ret->state) - 1);
			check(str_copy(state, ret->state, sizeof(ret->state)) == ERR_OK);
		} else {
			ret->others[trouble] = true;
		}
	}
	return rc;
}

/* A commit waits behind the one that leads its group, and a row behind the session that holds it: what holds those
 * up holds this one up. */
static enum write_trouble judge(const struct queue *queue)
{
	static const enum write_trouble leaders[] = { WRITE_DISK_FULL, WRITE_UNACKNOWLEDGED,
						      WRITE_DISK_STALLED };
	if (!queue->found) {
		return WRITE_UNEXPLAINED;
	}
	if (queue->own != WRITE_DISK_STALLED && queue->own != WRITE_THROUGH) {
		return queue->own;
	}
	for (size_t i = 0; i < sizeof(leaders) / sizeof(leaders[0]); i++) {
		if (queue->others[leaders[i]]) {
			return leaders[i];
		}
	}
	return queue->own == WRITE_THROUGH ? WRITE_UNEXPLAINED : queue->own;
}

/* Extra knowledge: servers without the table or plugin it is in refuse to tell, and that is all right. */
static struct rows *ask(struct conn *conn, const char *sql, uint64_t deadline_us)
{
	struct rows *rows = NULL;
	if (sql && conn_is_usable(conn) &&
	    conn_query(conn, str_of(sql), deadline_us, &rows, NULL) == ERR_OK && rows_next(rows)) {
		return rows;
	}
	return rows_free(rows);
}

static void name_holder(struct conn *conn, const struct dialect *dialect, uint64_t deadline_us,
			struct write_diagnosis *ret)
{
	for (size_t i = 0; i < sizeof(dialect->holder_sql) / sizeof(dialect->holder_sql[0]); i++) {
		CLEANUP(rows_freep)
		struct rows *rows = ask(conn, dialect->holder_sql[i], deadline_us);
		if (rows) {
			struct str user;
			struct str host;
			(void)rows_get(rows, "user", &user);
			(void)rows_get(rows, "host", &host);
			(void)snprintf(ret->words, sizeof(ret->words),
				       "held by session %llu of %.*s@%.*s, idle or busy for %llu s",
				       (unsigned long long)rows_get_u64(rows, "id", 0),
				       STR_ARG(user), STR_ARG(host),
				       (unsigned long long)rows_get_u64(rows, "time", 0));
			return;
		}
	}
	(void)snprintf(ret->words, sizeof(ret->words), "%s", dialect->holder_unknown);
}

/* A statement that is in the middle of changing the row, which no lock holds up and behind which nobody commits, waits
 * for the engine's own log. */
static void explain_row(struct conn *conn, uint64_t thread_id, const struct queue *queue,
			uint64_t deadline_us, struct write_diagnosis *ret)
{
	char sql[160];
	(void)snprintf(sql, sizeof(sql),
		       "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE"
		       " trx_state='LOCK WAIT' AND trx_mysql_thread_id=%llu",
		       (unsigned long long)thread_id);
	CLEANUP(rows_freep) struct rows *rows = ask(conn, sql, deadline_us);
	bool changes_row = str_starts_with(str_of(queue->state), STR("Updating")) ||
			   str_starts_with(str_of(queue->state), STR("updating"));
	if (rows && rows_at_u64(rows, 0, 0) > 0) {
		ret->trouble = WRITE_QUEUED;
	} else if (rows && changes_row) {
		ret->trouble = WRITE_DISK_STALLED;
	} else {
		(void)snprintf(ret->words, sizeof(ret->words), "state: %s", queue->state);
	}
}

enum err write_diagnose(struct conn *conn, uint64_t thread_id, uint64_t deadline_us,
			struct write_diagnosis *ret, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	struct queue queue;
	enum err rc = server_dialect(conn, &dialect, err);
	rc = rc ? rc : read_queue(conn, thread_id, deadline_us, &queue, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = (struct write_diagnosis){ .trouble = judge(&queue) };
	if (ret->trouble == WRITE_LOCKED) {
		name_holder(conn, dialect, deadline_us, ret);
	}
	if (ret->trouble == WRITE_DISK_STALLED || ret->trouble == WRITE_UNEXPLAINED) {
		CLEANUP(rows_freep)
		struct rows *rows = ask(conn, dialect->disk_full_sql, deadline_us);
		ret->trouble = rows ? WRITE_DISK_FULL : ret->trouble;
	}
	if (ret->trouble == WRITE_UNEXPLAINED) {
		explain_row(conn, thread_id, &queue, deadline_us, ret);
	}
	return ERR_OK;
}
