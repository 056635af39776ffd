#include "db/dialect/mysql_stop.h"

#include "base/mem.h"
#include "db/dialect/dialect.h"
#include "db/dialect/status_read.h"

enum {
	ERRNO_STOP_TIMEOUT_APPLIER = 1875,
	ERRNO_STOP_TIMEOUT_RECEIVER = 1876,
	ERRNO_NO_SUCH_THREAD = 1094,
	STOP_TIMEOUT_S = 2, /* the least that the server takes */
	VERSION_NEW_NAME = 80026,
};

/* What hangs, if anything. */
struct applier {
	bool stuck;
	uint64_t coordinator_id; /* in the process list */
	uint64_t timeout_s;	 /* rpl_stop_replica_timeout as it is set */
};

static const char *timeout_name(const struct conn *conn)
{
	return dialect_server_number(conn) >= VERSION_NEW_NAME ? "rpl_stop_replica_timeout"
							       : "rpl_stop_slave_timeout";
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
		ret->stuck = replica.configured && replica.sql_running && replica.io == IO_NO &&
			     ret->coordinator_id != 0 &&
			     rows_get_u64(sets[STATE], "begun", 0) > 0 &&
			     gtid_set_contains(&executed, &received);
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

enum err mysql_stop_replication(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	for (;;) {
		struct applier applier = { .stuck = false };
		bool done = false;
		enum err rc = look(conn, deadline_us, &applier, err);
		if (rc == ERR_OK && applier.stuck) {
			rc = end_coordinator(conn, applier.coordinator_id, deadline_us, err);
		}
		if (rc == ERR_OK) {
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
