/* MySQL, 8.0.23 and later; tried with 9.7. */
#include "db/dialect/dialect.h"

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/copy/mysql_clone.h"
#include "db/dialect/mysql_semisync.h"
#include "db/dialect/mysql_stop.h"
#include "db/dialect/status_read.h"
#include "db/health/findings.h"

enum {
	VERSION_REPLICA_VARIABLES =
		80026, /* replica_net_timeout and log_replica_updates begin here */
};

static const struct dialect_columns columns = {
	.source_host = "Source_Host",
	.source_port = "Source_Port",
	.source_user = "Source_User",
	.io_running = "Replica_IO_Running",
	.sql_running = "Replica_SQL_Running",
	.lag = "Seconds_Behind_Source",
	.io_errno = "Last_IO_Errno",
	.io_error = "Last_IO_Error",
	.sql_errno = "Last_SQL_Errno",
	.sql_error = "Last_SQL_Error",
	.connect_retry = "Connect_Retry",
	.source_file = "Source_Log_File",
	.source_position = "Read_Source_Log_Pos",
	.received = "Retrieved_Gtid_Set",
};

static const struct dialect_privilege privileges[] = {
	{ "REPLICATION_SLAVE_ADMIN", "start, stop and repoint replication" },
	{ "SYSTEM_VARIABLES_ADMIN", "switch read_only and semi-sync" },
	{ "CONNECTION_ADMIN", "end sessions when fencing, log in when connections are used up" },
	{ "SYSTEM_USER", "end sessions of administrators when fencing" },
	{ "REPLICATION CLIENT", "read the replication status" },
	{ "REPLICATION SLAVE", "list the replicas" },
	{ "SERVICE_CONNECTION_ADMIN", "log in at admin_port when connections are used up" },
	{ "BINLOG_ADMIN", "purge binary logs" },
	{ "BACKUP_ADMIN", "be the donor of a clone" },
	{ "CLONE_ADMIN", "receive a clone" },
	{ "PROCESS", "see all sessions" },
	{ "RELOAD", "reset replication, flush" },
	{ NULL, NULL },
};

static const char *const more_grants[] = {
	"INSERT ON mysql.plugin", /* loads the semi-sync plugins */
	"SELECT ON performance_schema.*",
	"SELECT, INSERT, UPDATE, CREATE ON muster.*", /* the heartbeat */
	NULL,
};

/* super_read_only stops everybody. */
static const char heartbeat_table_sql[] =
	"CREATE DATABASE IF NOT EXISTS muster;"
	"CREATE TABLE IF NOT EXISTS muster.heartbeat ("
	"group_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,"
	" epoch BIGINT UNSIGNED NOT NULL, server_id INT UNSIGNED NOT NULL,"
	" beat BIGINT UNSIGNED NOT NULL, written DATETIME(6) NOT NULL) ENGINE=InnoDB";

static const char holder_sql[] =
	"SELECT t.PROCESSLIST_ID AS id, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host,"
	" t.PROCESSLIST_TIME AS time FROM performance_schema.metadata_locks AS l"
	" JOIN performance_schema.threads AS t ON t.THREAD_ID=l.OWNER_THREAD_ID"
	" WHERE l.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND l.LOCK_TYPE='SHARED'"
	" AND l.LOCK_DURATION='EXPLICIT' AND l.LOCK_STATUS='GRANTED'"
	" ORDER BY t.PROCESSLIST_TIME DESC LIMIT 1";

/* The process list has no word for it. The message comes again after ten minutes of waiting. */
static const char disk_full_sql[] =
	"SELECT 1 FROM performance_schema.error_log WHERE LOGGED>NOW(6) - INTERVAL 11 MINUTE"
	" AND DATA LIKE '%isk is full writing%' LIMIT 1";

enum { SET_VARIABLES, SET_REPLICA, SET_COUNTERS, SET_STREAM, SET_COUNT_ };

static bool has_replica_variables(const struct conn *conn)
{
	return dialect_server_number(conn) >= VERSION_REPLICA_VARIABLES;
}

static void status_sql(struct conn *conn, struct buf *sql)
{
	buf_add_text(sql, "SELECT @@version, @@server_id, @@max_connections, @@server_uuid,"
			  " @@global.read_only OR @@global.super_read_only AS read_only_any,"
			  " @@global.auto_increment_increment AS step,"
			  " @@global.auto_increment_offset AS step_from,"
			  " @@global.read_only AND NOT @@global.super_read_only AS admins_write,"
			  " @@log_bin, @@global.gtid_mode AS gtid_mode,"
			  " @@global.enforce_gtid_consistency AS gtid_strict,"
			  " @@global.gtid_executed AS executed,");
	buf_printf(sql, " @@global.%s AS log_updates",
		   has_replica_variables(conn) ? "log_replica_updates" : "log_slave_updates");
	mysql_semisync_columns(conn, sql);
	buf_add_text(sql, ";SHOW REPLICA STATUS FOR CHANNEL '';"
			  "SELECT VARIABLE_NAME, VARIABLE_VALUE, UNIX_TIMESTAMP() FROM"
			  " performance_schema.global_status WHERE VARIABLE_NAME IN"
			  " ('Uptime', 'Threads_connected'");
	mysql_semisync_counters(conn, sql);
	buf_add_text(sql, ");SELECT COUNT_RECEIVED_HEARTBEATS FROM"
			  " performance_schema.replication_connection_status"
			  " WHERE CHANNEL_NAME=''");
}

static enum err read_variables(struct rows *rows, struct server_status *ret, struct err_ctx *err)
{
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the server's variables are missing");
	}
	status_read_version(rows, ret);
	status_read_text(rows, "@@server_uuid", ret->server_uuid, sizeof(ret->server_uuid));
	ret->server_id = (uint32_t)rows_get_u64(rows, "@@server_id", 0);
	ret->sessions_max = (uint32_t)rows_get_u64(rows, "@@max_connections", 0);
	ret->read_only = rows_get_bool(rows, "read_only_any");
	ret->auto_increment = (uint32_t)rows_get_u64(rows, "step", 0);
	ret->auto_increment_offset = (uint32_t)rows_get_u64(rows, "step_from", 0);
	ret->admins_write = rows_get_bool(rows, "admins_write");
	ret->log_bin = rows_get_bool(rows, "@@log_bin");
	ret->log_replica_updates = rows_get_bool(rows, "log_updates");
	ret->gtid_on = rows_get_bool(rows, "gtid_mode");
	ret->gtid_strict = rows_get_bool(rows, "gtid_strict");
	mysql_semisync_read(rows, &ret->semisync);
	return status_read_gtids(rows, rows_column(rows, "executed"), GTID_MYSQL, &ret->executed,
				 err);
}

static void read_counters(struct rows *rows, struct server_status *ret)
{
	enum { UPTIME, THREADS };
	struct status_value values[2 + MYSQL_SEMISYNC_COUNTERS] = {
		[UPTIME] = { .name = "Uptime" },
		[THREADS] = { .name = "Threads_connected" },
	};
	size_t count = 2 + mysql_semisync_values(values + 2);
	status_read_values(rows, values, count);
	ret->uptime_s = values[UPTIME].number;
	ret->started_s = values[UPTIME].asked_s - values[UPTIME].number;
	ret->sessions = (uint32_t)values[THREADS].number;
	mysql_semisync_take(values + 2, &ret->semisync);
}

static enum err read_sets(struct conn *conn, uint64_t deadline_us, struct rows **sets,
			  struct err_ctx *err)
{
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	status_sql(conn, &sql);
	enum err rc = conn_query_sets(conn, buf_str(&sql), deadline_us, sets, SET_COUNT_, err);
	buf_fini(&sql);
	return rc;
}

static enum err read_status(struct conn *conn, uint64_t deadline_us, struct server_status *ret,
			    struct err_ctx *err)
{
	struct rows *sets[SET_COUNT_] = { NULL };
	struct err_ctx first = { .code = ERR_OK };
	enum err rc = mysql_semisync_learn(conn, false, deadline_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = read_sets(conn, deadline_us, sets, &first);
	if (rc == ERR_SERVER && first.server_errno == MYSQL_ERRNO_UNKNOWN_VARIABLE) {
		/* A plugin went away since this connection looked. */
		rc = mysql_semisync_learn(conn, true, deadline_us, err);
		if (rc == ERR_OK) {
			rc = read_sets(conn, deadline_us, sets, err);
		}
	} else if (rc != ERR_OK && err) {
		*err = first;
	}
	if (rc != ERR_OK) {
		return rc;
	}
	ret->flavor = GTID_MYSQL;
	ret->semisync.available = mysql_semisync_is_complete(conn);
	rc = read_variables(sets[SET_VARIABLES], ret, err);
	if (rc == ERR_OK) {
		gtid_set_copy(&ret->received, &ret->executed);
		rc = status_read_replica(sets[SET_REPLICA], &dialect_mysql, &ret->replica,
					 &ret->received, err);
	}
	if (rc == ERR_OK) {
		read_counters(sets[SET_COUNTERS], ret);
		if (ret->replica.configured && rows_next(sets[SET_STREAM])) {
			ret->replica.received_ticks += rows_at_u64(sets[SET_STREAM], 0, 0);
		}
	}
	for (size_t i = 0; i < SET_COUNT_; i++) {
		sets[i] = rows_free(sets[i]);
	}
	return rc;
}

static void repoint_sql(struct conn *conn, const struct repoint_options *options,
			const struct repoint_from *from, struct buf *sql)
{
	if (options->net_timeout_s) {
		buf_printf(sql, "SET GLOBAL %s=%u;",
			   has_replica_variables(conn) ? "replica_net_timeout"
						       : "slave_net_timeout",
			   options->net_timeout_s);
	}
	mysql_semisync_replica_flag(conn, options->semisync, sql);
	uint32_t heartbeat_ms = options->heartbeat_ms ? options->heartbeat_ms : SERVER_HEARTBEAT_MS;
	buf_add_text(sql, "CHANGE REPLICATION SOURCE TO SOURCE_HOST=");
	conn_text_quote(sql, str_of(options->host));
	buf_printf(sql, ", SOURCE_PORT=%u, SOURCE_USER=", (unsigned)options->port);
	conn_text_quote(sql, str_of(options->user));
	buf_add_text(sql, ", SOURCE_PASSWORD=");
	conn_text_quote(sql, str_of(options->password ? options->password->text : ""));
	buf_printf(sql,
		   ", SOURCE_CONNECT_RETRY=%u, SOURCE_RETRY_COUNT=1000000,"
		   " SOURCE_HEARTBEAT_PERIOD=%u.%03u,",
		   options->connect_retry_s ? options->connect_retry_s : 1, heartbeat_ms / 1000,
		   heartbeat_ms % 1000);
	/* A stream that is encrypted already stays so; a new one is not. */
	if (!from->configured) {
		buf_add_text(sql, " SOURCE_SSL=0,");
	}
	/* Auto position can only be set while the applier is stopped; a live one has it. */
	buf_printf(sql, "%s GET_SOURCE_PUBLIC_KEY=1 FOR CHANNEL '';",
		   from->live ? "" : " SOURCE_AUTO_POSITION=1,");
}

/* So that a restart does not come up writable. What refuses it here (persisted variables are off)
 * leaves the option file to do it. */
static enum err keep_read_only(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn,
				 STR("SELECT COUNT(*) FROM performance_schema.persisted_variables"
				     " WHERE VARIABLE_NAME='super_read_only'"
				     " AND VARIABLE_VALUE IN ('1', 'ON')"),
				 deadline_us, &rows, err);
	if (rc != ERR_OK || (rows_next(rows) && rows_at_u64(rows, 0, 0) > 0)) {
		return rc;
	}
	return conn_query(conn, STR("SET PERSIST super_read_only=1"), deadline_us, NULL, err);
}

enum { APPLIERS_LEAST = 16 };

static enum err audit(struct conn *conn, uint64_t deadline_us, struct server_findings *ret,
		      struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn,
				 STR("SELECT @@global.enforce_gtid_consistency,"
				     " @@global.innodb_flush_log_at_trx_commit,"
				     " @@global.sync_binlog, @@global.binlog_format,"
				     " @@global.replica_parallel_workers"),
				 deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the server's variables are missing");
	}
	if (!rows_at_bool(rows, 0)) {
		findings_add(ret, "gtid-consistency-off", FINDING_WARNING,
			     "in the option file: enforce_gtid_consistency=ON",
			     "enforce_gtid_consistency is not ON: statements may be written that "
			     "GTIDs can't replicate");
	}
	findings_add_durability(ret, rows_at_u64(rows, 1, 1), rows_at_u64(rows, 2, 1));
	struct str format;
	if (rows_at(rows, 3, &format) && !str_equal_nocase(format, STR("ROW"))) {
		findings_add(ret, "binlog-format-not-row", FINDING_WARNING,
			     "in the option file: binlog_format=ROW",
			     "binlog_format is %.*s: replicas may compute other results",
			     STR_ARG(format));
	}
	/* With the default of 4 a replica fell 0.8 s behind 8 clients here, with 16 hardly at all: the thread that hands
	 * out transactions spins while all workers are busy. */
	uint64_t workers = rows_at_u64(rows, 4, APPLIERS_LEAST);
	if (workers < APPLIERS_LEAST) {
		findings_add_appliers(ret, workers,
				      "SET GLOBAL replica_parallel_workers=64, in force when "
				      "replication is started again; and in the option file");
	}
	return ERR_OK;
}

/* Who may write on a read-only server numbers by its own server_uuid. A restart brings super_read_only back. */
static enum err admit_change(struct conn *conn, uint32_t domain, uint64_t deadline_us,
			     struct err_ctx *err)
{
	(void)domain;
	return conn_query(conn, STR("SET GLOBAL super_read_only=0"), deadline_us, NULL, err);
}

/* Waits for what is being written. Nothing is closed that isn't read-only: a primary may be asked too. */
static enum err end_change(struct conn *conn, uint32_t domain, uint64_t deadline_us,
			   struct err_ctx *err)
{
	(void)domain;
	return conn_query(conn, STR("SET GLOBAL super_read_only=@@global.read_only"), deadline_us,
			  NULL, err);
}

const struct dialect dialect_mysql = {
	.flavor = GTID_MYSQL,
	.repoints_live = true,
	.stops_slowly = true,
	.probe_sql = "SELECT @@global.read_only OR @@global.super_read_only",
	.read_only_sql = "SET GLOBAL super_read_only=1",
	.open_sql = "SET GLOBAL read_only=0", /* clears super_read_only too */
	.position_sql = "SELECT @@global.gtid_executed, @@server_id",
	.stop_sql = "STOP REPLICA FOR CHANNEL ''",
	.start_sql = "START REPLICA FOR CHANNEL ''",
	.stop_receiver_sql = "STOP REPLICA IO_THREAD FOR CHANNEL ''",
	.start_receiver_sql = "START REPLICA IO_THREAD FOR CHANNEL ''",
	.reset_sql = "RESET REPLICA ALL FOR CHANNEL ''",
	.size_sql = "SELECT COALESCE(SUM(FILE_SIZE), 0), COUNT(*) FROM"
		    " information_schema.INNODB_TABLESPACES WHERE SPACE_TYPE='Single'"
		    " AND NAME LIKE '%/%' AND NAME NOT LIKE 'mysql/%' AND NAME NOT LIKE 'sys/%'",
	.replica_status_sql = "SHOW REPLICA STATUS FOR CHANNEL ''",
	.replicas_sql = "SHOW REPLICAS",
	.accounts_sql = "SELECT User, Host, plugin, authentication_string, account_locked"
			" FROM mysql.user",
	.heartbeat_table_sql = heartbeat_table_sql,
	.holder_sql = { holder_sql, NULL },
	.holder_unknown = "who holds it is not known: performance_schema does not tell",
	.disk_full_sql = disk_full_sql,
	/* The port has a value even where nobody listens: it is the address that switches it on. */
	.side_door_sql = "SELECT COALESCE(@@admin_address, '') AS host,"
			 " IF(COALESCE(@@admin_address, '')='', 0, @@admin_port) AS port",
	.identified_by = "IDENTIFIED WITH caching_sha2_password BY",
	.replication_privileges = "REPLICATION SLAVE",
	.tables_privilege = "SELECT ON mysql.*",
	.more_grants = more_grants,
	.privileges = privileges,
	.columns = &columns,
	.killed_waits_on = true,
	.default_plugin = "caching_sha2_password",
	.read_status = read_status,
	.set_semisync = mysql_semisync_set,
	.semisync_source_off = mysql_semisync_source_off,
	.stop_replication = mysql_stop_replication,
	.repoint_sql = repoint_sql,
	.keep_read_only = keep_read_only,
	.admit_change = admit_change,
	.end_change = end_change,
	.reclone = mysql_clone_run,
	.audit = audit,
};
