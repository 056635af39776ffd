#include "db/dialect/mysql_stop.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "db/dialect/dialect.h"
#include "db/dialect/status_read.h"

enum {
	ERRNO_STOP_TIMEOUT_APPLIER = 1875,
	ERRNO_STOP_TIMEOUT_RECEIVER = 1876,
	ERRNO_NO_SUCH_THREAD = 1094,
	STOP_TIMEOUT_S = 2, /* the least that the server takes */
	VERSION_NEW_NAME = 80026,
	LOOK_MS = 5,
	UNDECIDED_MS = 1000, /* after which an applier is told to stop where it is */
};

enum applier_state {
	APPLIER_STOPS,	   /* when it is told to */
	APPLIER_RECEIVES,  /* or will: what it will be in the middle of isn't known */
	APPLIER_UNDECIDED, /* has not read all that was received, or is still applying it */
	APPLIER_STUCK,	   /* in the middle of a transaction whose rest doesn't come */
};

struct applier {
	enum applier_state state;
	uint64_t coordinator_id; /* in the process list */
	uint64_t timeout_s;	 /* rpl_stop_replica_timeout as it is set */
};

static const char *timeout_name(const struct conn *conn)
{
	return dialect_server_number(conn) >= VERSION_NEW_NAME ? "rpl_stop_replica_timeout"
							       : "rpl_stop_slave_timeout";
}

/* Source: sql/mysqld.cc of 8.0 and later, stage_replica_has_read_all_relay_log. */
static bool has_read_all(const struct rows *replica)
{
	struct str text = { NULL, 0 };
	return rows_get(replica, "Replica_SQL_Running_State", &text) &&
	       str_contains(text, STR("has read all relay log"));
}

static enum applier_state state_of(const struct replica_status *replica, bool read_all, bool begun,
				   bool applied)
{
	if (!replica->configured || !replica->sql_running) {
		return APPLIER_STOPS;
	}
	if (replica->io != IO_NO) {
		return APPLIER_RECEIVES;
	}
	if (!read_all || (begun && !applied)) {
		return APPLIER_UNDECIDED;
	}
	return begun ? APPLIER_STUCK : APPLIER_STOPS;
}

static enum err look(struct conn *conn, uint64_t deadline_us, struct applier *ret,
		     struct err_ctx *err)
{
	enum { STATE, REPLICA, SETS };
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_printf(&sql,
		   "SELECT @@global.gtid_executed AS executed, @@global.%s AS timeout_s,"
		   " (SELECT COUNT(*) FROM performance_schema.replication_applier_status_by_worker"
		   "  WHERE CHANNEL_NAME='' AND SERVICE_STATE='ON' AND APPLYING_TRANSACTION<>'') +"
		   " (SELECT COUNT(*) FROM"
		   "  performance_schema.replication_applier_status_by_coordinator"
		   "  WHERE CHANNEL_NAME='' AND SERVICE_STATE='ON' AND PROCESSING_TRANSACTION<>'')"
		   " AS begun,"
		   " (SELECT MAX(t.PROCESSLIST_ID) FROM performance_schema.threads t JOIN"
		   "  (SELECT THREAD_ID FROM"
		   "   performance_schema.replication_applier_status_by_coordinator"
		   "   WHERE CHANNEL_NAME='' UNION ALL SELECT THREAD_ID FROM"
		   "   performance_schema.replication_applier_status_by_worker"
		   "   WHERE CHANNEL_NAME='' AND NOT EXISTS (SELECT 1 FROM"
		   "    performance_schema.replication_applier_status_by_coordinator"
		   "    WHERE CHANNEL_NAME='')) a USING (THREAD_ID)) AS coordinator;"
		   "SHOW REPLICA STATUS FOR CHANNEL ''",
		   timeout_name(conn));
	struct rows *sets[SETS] = { NULL };
	struct gtid_set executed;
	struct gtid_set received;
	gtid_set_init(&executed);
	gtid_set_init(&received);
	struct replica_status replica = { .configured = false };
	enum err rc = conn_query_sets(conn, buf_str(&sql), deadline_us, sets, SETS, err);
	if (rc == ERR_OK && rows_next(sets[STATE])) {
		rc = status_read_gtids(sets[STATE], 0, GTID_MYSQL, &executed, err);
	}
	if (rc == ERR_OK) {
		rc = status_read_replica(sets[REPLICA], &dialect_mysql, &replica, &received, err);
	}
	if (rc == ERR_OK) {
		ret->timeout_s = rows_get_u64(sets[STATE], "timeout_s", STOP_TIMEOUT_S);
		ret->coordinator_id = rows_get_u64(sets[STATE], "coordinator", 0);
		ret->state = ret->coordinator_id == 0
				     ? APPLIER_STOPS
				     : state_of(&replica, has_read_all(sets[REPLICA]),
						rows_get_u64(sets[STATE], "begun", 0) > 0,
						gtid_set_contains(&executed, &received));
	}
	gtid_set_fini(&executed);
	gtid_set_fini(&received);
	sets[STATE] = rows_free(sets[STATE]);
	sets[REPLICA] = rows_free(sets[REPLICA]);
	buf_fini(&sql);
	return rc;
}

static enum err end_coordinator(struct conn *conn, uint64_t id, uint64_t deadline_us,
				struct err_ctx *err)
{
	struct err_ctx why = { .code = ERR_OK };
	enum err rc = conn_exec(conn, deadline_us, &why, "KILL %llu", (unsigned long long)id);
	if (rc == ERR_SERVER && why.server_errno == ERRNO_NO_SUCH_THREAD) {
		return ERR_OK;
	}
	if (rc != ERR_OK && err) {
		*err = why;
	}
	return rc;
}

/* One STOP REPLICA that comes back after STOP_TIMEOUT_S, done or not. */
static enum err stop_bounded(struct conn *conn, uint64_t old_timeout_s, uint64_t deadline_us,
			     bool *ret_done, struct err_ctx *err)
{
	struct err_ctx why = { .code = ERR_OK };
	enum err rc =
		conn_exec(conn, deadline_us, &why, "SET GLOBAL %s=%d;STOP REPLICA FOR CHANNEL ''",
			  timeout_name(conn), STOP_TIMEOUT_S);
	*ret_done = rc == ERR_OK;
	bool late = rc == ERR_SERVER && (why.server_errno == ERRNO_STOP_TIMEOUT_RECEIVER ||
					 why.server_errno == ERRNO_STOP_TIMEOUT_APPLIER);
	if (rc != ERR_OK && !late && err) {
		*err = why;
	}
	if (conn_is_usable(conn)) {
		struct err_ctx restore = { .code = ERR_OK };
		enum err again = conn_exec(conn, deadline_us, &restore, "SET GLOBAL %s=%llu",
					   timeout_name(conn), (unsigned long long)old_timeout_s);
		if ((rc == ERR_OK || late) && again != ERR_OK) {
			if (err) {
				*err = restore;
			}
			return again;
		}
	}
	return late ? ERR_OK : rc;
}

static void pause_a_moment(void)
{
	struct timespec ts = { .tv_sec = 0, .tv_nsec = LOOK_MS * 1000000L };
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR) {
	}
}

/* STOP REPLICA comes last. Once it has been said, the applier waits up to 60 s for the rest of a transaction, and to
 * end it by force has no effect any more.
 * Source: sql/rpl_replica.cc, sql_slave_killed(). */
enum err mysql_stop_replication(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const uint64_t undecided_until_us = conn_now_us(conn) + (uint64_t)UNDECIDED_MS * US_PER_MS;
	bool killed = false;
	for (;;) {
		struct applier applier = { .state = APPLIER_STOPS };
		bool done = false;
		enum err rc = look(conn, deadline_us, &applier, err);
		if (rc == ERR_OK && applier.state == APPLIER_RECEIVES) {
			rc = conn_exec(conn, deadline_us, err, "%s",
				       dialect_mysql.stop_receiver_sql);
		} else if (rc == ERR_OK && applier.state == APPLIER_STUCK) {
			rc = killed ? ERR_OK
				    : end_coordinator(conn, applier.coordinator_id, deadline_us,
						      err);
			killed = true;
			pause_a_moment();
		} else if (rc == ERR_OK && applier.state == APPLIER_UNDECIDED &&
			   conn_now_us(conn) < undecided_until_us) {
			pause_a_moment();
		} else if (rc == ERR_OK) {
			rc = stop_bounded(conn, applier.timeout_s, deadline_us, &done, err);
		}
		if (rc != ERR_OK || done) {
			return rc;
		}
		if (conn_now_us(conn) >= deadline_us) {
			return err_set(err, ERR_DEADLINE,
				       "replication does not stop: the applier is "
				       "in the middle of a transaction");
		}
	}
}
