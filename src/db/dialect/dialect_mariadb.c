/* MariaDB, 10.6 and later; tried with 10.11 and 11.8. */
#include "db/dialect/dialect.h"

#include <stdio.h>

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/copy/mariadb_copy.h"
#include "db/dialect/status_read.h"
#include "db/health/findings.h"

/* As good as no time-out: 30 years. The server adds it to the time of day, so not the maximum. */
#define SEMISYNC_TIMEOUT_MS "946080000000"

static const struct dialect_columns columns = {
	.source_host = "Master_Host",
	.source_port = "Master_Port",
	.source_user = "Master_User",
	.io_running = "Slave_IO_Running",
	.sql_running = "Slave_SQL_Running",
	.lag = "Seconds_Behind_Master",
	.io_errno = "Last_IO_Errno",
	.io_error = "Last_IO_Error",
	.sql_errno = "Last_SQL_Errno",
	.sql_error = "Last_SQL_Error",
	.connect_retry = "Connect_Retry",
	.source_file = "Master_Log_File",
	.source_position = "Read_Master_Log_Pos",
	.received = "Gtid_IO_Pos",
};

static const struct dialect_privilege privileges[] = {
	{ "REPLICATION SLAVE ADMIN", "start, stop and repoint replication" },
	{ "REPLICATION MASTER ADMIN", "semi-sync of a primary, list of replicas" },
	{ "SLAVE MONITOR", "read the replication status" },
	{ "BINLOG MONITOR", "read positions" },
	{ "BINLOG ADMIN", "purge binary logs, keep statements out of them" },
	{ "READ_ONLY ADMIN", "switch read_only" },
	{ "CONNECTION ADMIN", "end sessions when fencing, log in when connections are used up" },
	{ "RELOAD", "flush" },
	{ "PROCESS", "see all sessions" },
	{ NULL, NULL },
};

static const char *const more_grants[] = {
	"SELECT, INSERT, UPDATE, CREATE ON muster.*", /* the heartbeat */
	NULL,
};

/* Whoever has READ_ONLY ADMIN may create on a read-only server, so the statement looks by itself. */
static const char heartbeat_table_sql[] =
	"BEGIN NOT ATOMIC IF CONCAT(@@global.read_only) IN ('0','OFF') THEN"
	" CREATE DATABASE IF NOT EXISTS muster;"
	" CREATE TABLE IF NOT EXISTS muster.heartbeat ("
	"group_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,"
	" epoch BIGINT UNSIGNED NOT NULL, server_id INT UNSIGNED NOT NULL,"
	" beat BIGINT UNSIGNED NOT NULL, written DATETIME(6) NOT NULL) ENGINE=InnoDB; END IF; END";

/* The lock's owner is in a plugin that is seldom loaded, and in a schema that is off by default. */
#define HOLDER_SQL \
	"SELECT p.ID AS id, p.USER AS user, SUBSTRING_INDEX(p.HOST, ':', 1) AS host, p.TIME AS " \
	"time" \
	" FROM information_schema.PROCESSLIST AS p"
static const char holder_plugin_sql[] =
	HOLDER_SQL " JOIN information_schema.METADATA_LOCK_INFO AS l ON l.THREAD_ID=p.ID"
		   " WHERE l.LOCK_TYPE='Backup lock' AND l.LOCK_MODE NOT IN"
		   " ('MDL_BACKUP_DML', 'MDL_BACKUP_TRANS_DML', 'MDL_BACKUP_SYS_DML',"
		   " 'MDL_BACKUP_COMMIT', 'MDL_BACKUP_DDL', 'MDL_BACKUP_ALTER_COPY')"
		   " AND p.STATE NOT LIKE 'Waiting for backup lock%' ORDER BY p.TIME DESC LIMIT 1";
static const char holder_schema_sql[] = HOLDER_SQL
	" JOIN performance_schema.threads AS t ON t.PROCESSLIST_ID=p.ID"
	" JOIN performance_schema.metadata_locks AS l ON l.OWNER_THREAD_ID=t.THREAD_ID"
	" WHERE l.OBJECT_TYPE='BACKUP' AND l.LOCK_STATUS='GRANTED' AND l.LOCK_DURATION='EXPLICIT'"
	" ORDER BY p.TIME DESC LIMIT 1";

enum { SET_VARIABLES, SET_REPLICA, SET_COUNTERS, SET_COUNT_ };

static const char status_sql[] =
	"SELECT @@version, @@server_id, @@max_connections, @@global.read_only, @@log_bin, "
	"@@log_slave_updates,"
	" @@global.auto_increment_increment AS step, @@global.auto_increment_offset AS step_from,"
	" @@global.gtid_domain_id AS gtid_domain, @@global.slave_parallel_threads AS threads,"
	" @@global.slave_parallel_mode AS parallel_mode,"
	" @@global.gtid_strict_mode AS gtid_strict, @@gtid_binlog_state, @@gtid_slave_pos,"
	" @@rpl_semi_sync_master_enabled AS source_enabled,"
	" @@rpl_semi_sync_master_timeout AS source_timeout,"
	" @@rpl_semi_sync_master_wait_point AS wait_point,"
	" @@rpl_semi_sync_slave_enabled AS replica_enabled;"
	"SHOW SLAVE STATUS;"
	"SELECT VARIABLE_NAME, VARIABLE_VALUE, UNIX_TIMESTAMP() FROM"
	" information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('Uptime', 'Threads_connected',"
	" 'Slave_received_heartbeats', 'Rpl_semi_sync_master_status',"
	" 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_wait_sessions',"
	" 'Rpl_semi_sync_slave_status')";

static enum err read_variables(struct rows *rows, struct server_status *ret, struct err_ctx *err)
{
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the server's variables are missing");
	}
	status_read_version(rows, ret);
	ret->server_id = (uint32_t)rows_get_u64(rows, "@@server_id", 0);
	ret->sessions_max = (uint32_t)rows_get_u64(rows, "@@max_connections", 0);
	struct str text;
	(void)rows_get(rows, "@@global.read_only", &text);
	/* 12.0 has more words for on than one. */
	ret->read_only = !(str_equal(text, STR("0")) || str_equal_nocase(text, STR("OFF")));
	ret->log_bin = rows_get_bool(rows, "@@log_bin");
	ret->log_replica_updates = rows_get_bool(rows, "@@log_slave_updates");
	ret->gtid_on = true;
	ret->auto_increment = (uint32_t)rows_get_u64(rows, "step", 0);
	ret->auto_increment_offset = (uint32_t)rows_get_u64(rows, "step_from", 0);
	ret->gtid_domain = (uint32_t)rows_get_u64(rows, "gtid_domain", 0);
	status_read_text(rows, "parallel_mode", ret->parallel_mode, sizeof(ret->parallel_mode));
	if (rows_get_u64(rows, "threads", 0) == 0 ||
	    str_equal_nocase(str_of(ret->parallel_mode), STR("none"))) {
		ret->parallel_mode[0] = 0;
	}
	ret->gtid_strict = rows_get_bool(rows, "gtid_strict");
	ret->semisync.available = true;
	ret->semisync.source_enabled = rows_get_bool(rows, "source_enabled");
	ret->semisync.source_timeout_ms = rows_get_u64(rows, "source_timeout", 0);
	ret->semisync.source_wait_count = 1;
	(void)rows_get(rows, "wait_point", &text);
	ret->semisync.source_after_sync = str_equal_nocase(text, STR("AFTER_SYNC"));
	ret->semisync.replica_enabled = rows_get_bool(rows, "replica_enabled");
	enum err rc = status_read_gtids(rows, rows_column(rows, "@@gtid_binlog_state"),
					GTID_MARIADB, &ret->executed, err);
	if (rc == ERR_OK) {
		rc = status_read_gtids(rows, rows_column(rows, "@@gtid_slave_pos"), GTID_MARIADB,
				       &ret->executed, err);
	}
	return rc;
}

static void read_counters(struct rows *rows, struct server_status *ret)
{
	enum { UPTIME, THREADS, HEARTBEATS, ACTIVE, CLIENTS, WAITING, REPLICA };
	struct status_value values[] = {
		[UPTIME] = { .name = "Uptime" },
		[THREADS] = { .name = "Threads_connected" },
		[HEARTBEATS] = { .name = "Slave_received_heartbeats" },
		[ACTIVE] = { .name = "Rpl_semi_sync_master_status" },
		[CLIENTS] = { .name = "Rpl_semi_sync_master_clients" },
		[WAITING] = { .name = "Rpl_semi_sync_master_wait_sessions" },
		[REPLICA] = { .name = "Rpl_semi_sync_slave_status" },
	};
	status_read_values(rows, values, sizeof(values) / sizeof(values[0]));
	ret->uptime_s = values[UPTIME].number;
	ret->started_s = values[UPTIME].asked_s - values[UPTIME].number;
	ret->sessions = (uint32_t)values[THREADS].number;
	ret->semisync.source_active = values[ACTIVE].number != 0;
	ret->semisync.source_clients = (uint32_t)values[CLIENTS].number;
	ret->semisync.source_wait_sessions = (uint32_t)values[WAITING].number;
	ret->semisync.replica_active = values[REPLICA].number != 0;
	if (ret->replica.configured) {
		ret->replica.received_ticks += values[HEARTBEATS].number;
	}
}

static enum err read_status(struct conn *conn, uint64_t deadline_us, struct server_status *ret,
			    struct err_ctx *err)
{
	struct rows *sets[SET_COUNT_] = { NULL };
	enum err rc = conn_query_sets(conn, str_of(status_sql), deadline_us, sets, SET_COUNT_, err);
	if (rc != ERR_OK) {
		return rc;
	}
	ret->flavor = GTID_MARIADB;
	rc = read_variables(sets[SET_VARIABLES], ret, err);
	if (rc == ERR_OK) {
		gtid_set_copy(&ret->received, &ret->executed);
		rc = status_read_replica(sets[SET_REPLICA], &dialect_mariadb, &ret->replica,
					 &ret->received, err);
	}
	if (rc == ERR_OK) {
		read_counters(sets[SET_COUNTERS], ret);
	}
	for (size_t i = 0; i < SET_COUNT_; i++) {
		sets[i] = rows_free(sets[i]);
	}
	return rc;
}

/* What set_semisync() finds before it changes anything. */
struct semisync_now {
	bool source;
	bool source_as_wanted; /* wait point, time-out, no fallback */
	bool replica;
	bool io_running;
	bool io_connected;
	bool sql_running;
	bool stream_acks;
};

static enum err read_semisync(struct conn *conn, uint64_t deadline_us, struct semisync_now *ret,
			      struct err_ctx *err)
{
	struct rows *sets[3] = { NULL };
	enum err rc =
		conn_query_sets(conn,
				STR("SELECT @@rpl_semi_sync_master_enabled,"
				    " @@rpl_semi_sync_master_wait_point='AFTER_SYNC'"
				    " AND @@rpl_semi_sync_master_timeout>=" SEMISYNC_TIMEOUT_MS
				    " AND @@rpl_semi_sync_master_wait_no_slave"
				    " AND @@rpl_semi_sync_slave_kill_conn_timeout=1,"
				    " @@rpl_semi_sync_slave_enabled;"
				    "SHOW SLAVE STATUS;"
				    "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_slave_status'"),
				deadline_us, sets, 3, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = (struct semisync_now){ .source = false };
	if (rows_next(sets[0])) {
		ret->source = rows_at_bool(sets[0], 0);
		ret->source_as_wanted = rows_at_bool(sets[0], 1);
		ret->replica = rows_at_bool(sets[0], 2);
	}
	if (rows_next(sets[1])) {
		struct str io;
		ret->io_running = rows_get(sets[1], columns.io_running, &io) &&
				  !str_equal_nocase(io, STR("No"));
		ret->io_connected = ret->io_running && str_equal_nocase(io, STR("Yes"));
		ret->sql_running = rows_get_bool(sets[1], columns.sql_running);
	}
	if (rows_next(sets[2])) {
		ret->stream_acks = rows_at_bool(sets[2], 1);
	}
	for (size_t i = 0; i < 3; i++) {
		sets[i] = rows_free(sets[i]);
	}
	return ERR_OK;
}

static enum err set_semisync(struct conn *conn, const struct semisync_wanted *wanted,
			     uint64_t deadline_us, struct err_ctx *err)
{
	if (wanted->source && wanted->wait_count > 1) {
		return err_set(err, ERR_USAGE, "MariaDB waits for one acknowledgement, not for %u",
			       wanted->wait_count);
	}
	struct semisync_now now;
	enum err rc = read_semisync(conn, deadline_us, &now, err);
	if (rc != ERR_OK) {
		return rc;
	}
	bool flag_changes = now.replica != wanted->replica;
	bool stream_differs = now.io_connected && now.stream_acks != wanted->replica;
	bool restart = now.io_running && (flag_changes || stream_differs);
	if (restart && !now.sql_running) {
		return err_set(
			err, ERR_REFUSED,
			"semi-sync cannot be switched while the receiver runs and the applier "
			"does not: starting it again would drop what waits in the relay log");
	}
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	if (wanted->source && !now.source_as_wanted) {
		buf_add_text(&sql, "SET GLOBAL rpl_semi_sync_master_wait_point='AFTER_SYNC',"
				   " GLOBAL rpl_semi_sync_master_timeout=" SEMISYNC_TIMEOUT_MS ","
				   " GLOBAL rpl_semi_sync_master_wait_no_slave=1,"
				   " GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1;");
	}
	if (now.source != wanted->source) {
		buf_printf(&sql, "SET GLOBAL rpl_semi_sync_master_enabled=%d;", wanted->source);
	}
	if (wanted->replica && !now.replica) {
		buf_add_text(&sql, "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1;");
	}
	/* The receiver that ends with the flag still on dials its source to end the old stream there;
	 * with it off it does not, and an old stream may go on counting as one that acknowledges. */
	if (restart) {
		buf_add_text(&sql, "STOP SLAVE IO_THREAD;");
	}
	if (flag_changes) {
		buf_printf(&sql, "SET GLOBAL rpl_semi_sync_slave_enabled=%d;", wanted->replica);
	}
	if (restart) {
		buf_add_text(&sql, "START SLAVE IO_THREAD;");
	}
	if (sql.len > 0) {
		rc = conn_query(conn, buf_str(&sql), deadline_us, NULL, err);
	}
	buf_fini(&sql);
	return rc;
}

static void repoint_sql(struct conn *conn, const struct repoint_options *options,
			const struct repoint_from *from, struct buf *sql)
{
	(void)conn;
	if (options->net_timeout_s) {
		buf_printf(sql, "SET GLOBAL slave_net_timeout=%u;", options->net_timeout_s);
	}
	buf_printf(sql,
		   "SET GLOBAL rpl_semi_sync_slave_enabled=%d,"
		   " GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1;",
		   options->semisync);
	/* Both threads are stopped here, as it has to be for this. */
	if (options->in_order) {
		buf_add_text(sql, "SET GLOBAL slave_parallel_mode='none';");
	}
	uint32_t heartbeat_ms = options->heartbeat_ms ? options->heartbeat_ms : SERVER_HEARTBEAT_MS;
	buf_add_text(sql, "CHANGE MASTER TO MASTER_HOST=");
	conn_text_quote(sql, str_of(options->host));
	buf_printf(sql, ", MASTER_PORT=%u, MASTER_USER=", (unsigned)options->port);
	conn_text_quote(sql, str_of(options->user));
	buf_add_text(sql, ", MASTER_PASSWORD=");
	conn_text_quote(sql, str_of(options->password ? options->password->text : ""));
	buf_printf(sql, ", MASTER_CONNECT_RETRY=%u, MASTER_HEARTBEAT_PERIOD=%u.%03u,",
		   options->connect_retry_s ? options->connect_retry_s : 1, heartbeat_ms / 1000,
		   heartbeat_ms % 1000);
	/* A stream that is encrypted already stays so; a new one is not. */
	if (!from->configured) {
		buf_add_text(sql, " MASTER_SSL=0, MASTER_SSL_VERIFY_SERVER_CERT=0,");
	}
	buf_add_text(sql, " MASTER_USE_GTID=slave_pos");
	if (options->was_primary) {
		buf_add_text(sql, ", MASTER_DEMOTE_TO_SLAVE=1");
	}
	buf_add_text(sql, ";");
}

static enum err audit(struct conn *conn, uint64_t deadline_us, struct server_findings *ret,
		      struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(
		conn,
		STR("SELECT @@global.gtid_strict_mode, @@global.innodb_flush_log_at_trx_commit,"
		    " @@global.sync_binlog, @@global.binlog_format,"
		    " @@global.slave_parallel_threads"),
		deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the server's variables are missing");
	}
	if (!rows_at_bool(rows, 0)) {
		findings_add(
			ret, "gtid-strict-mode-off", FINDING_WARNING,
			"SET GLOBAL gtid_strict_mode=1; and in the option file: gtid_strict_mode=1",
			"gtid_strict_mode is off: a stray write diverges without an error");
	}
	findings_add_durability(ret, rows_at_u64(rows, 1, 1), rows_at_u64(rows, 2, 1));
	struct str format;
	if (rows_at(rows, 3, &format) && str_equal_nocase(format, STR("STATEMENT"))) {
		findings_add(ret, "binlog-format-statement", FINDING_WARNING,
			     "SET GLOBAL binlog_format='MIXED'; and in the option file: "
			     "binlog_format=MIXED",
			     "binlog_format is STATEMENT: replicas may compute other results");
	}
	uint64_t threads = rows_at_u64(rows, 4, 1);
	if (threads == 0) {
		findings_add_appliers(ret, threads,
				      "SET GLOBAL slave_parallel_threads=16 while replication is "
				      "stopped; and in the option file");
	}
	return ERR_OK;
}

static enum err semisync_source_off(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	return conn_query(conn, STR("SET GLOBAL rpl_semi_sync_master_enabled=0"), deadline_us, NULL,
			  err);
}

/* Who may write on a read-only server anyway does so in a domain of its own: in that of the primary's transactions the
 * numbers would collide. A session keeps the domain that it began with, so the old ones are ended. */
static enum err set_domain(struct conn *conn, uint32_t domain, uint64_t deadline_us,
			   struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	char sql[64];
	uint32_t killed = 0;
	(void)snprintf(sql, sizeof(sql), "SET GLOBAL gtid_domain_id=%u", domain);
	enum err rc = conn_query(conn, str_of(sql), deadline_us, NULL, err);
	rc = rc ? rc
		: conn_query(conn, STR("SELECT @@global.read_only NOT IN ('0', 'OFF')"),
			     deadline_us, &rows, err);
	if (rc == ERR_OK && rows_next(rows) && rows_at_bool(rows, 0)) {
		rc = server_kill_sessions(conn, deadline_us, &killed, err);
	}
	return rc;
}

/* An applier that is started again while the receiver runs begins too early in the relay log, and only the parallel one
 * passes over what it has applied already. So all that was received is applied first, and both threads begin anew.
 * Source: MariaDB 10.11, tried: 1950 with GTIDs of long before. */
static enum err set_parallel_mode(struct conn *conn, const char *mode, uint64_t deadline_us,
				  struct err_ctx *err)
{
	struct err_ctx ignored = { 0 };
	enum err rc = server_stop_receiver(conn, deadline_us, err);
	rc = rc ? rc : server_wait_drained(conn, deadline_us, err);
	if (rc != ERR_OK) {
		(void)!server_start_receiver(conn, deadline_us, &ignored);
		return rc;
	}
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "STOP SLAVE; SET GLOBAL slave_parallel_mode=");
	conn_text_quote(&sql, str_of(mode[0] ? mode : "none"));
	buf_add_text(&sql, "; START SLAVE");
	rc = conn_query(conn, buf_str(&sql), deadline_us, NULL, err);
	buf_fini(&sql);
	return rc;
}

const struct dialect dialect_mariadb = {
	.flavor = GTID_MARIADB,
	.probe_sql = "SELECT @@global.read_only NOT IN ('0', 'OFF')",
	.read_only_sql = "SET GLOBAL read_only=1",
	.open_sql = "SET GLOBAL read_only=0",
	.position_sql = "SELECT @@gtid_binlog_state, @@server_id, @@gtid_slave_pos",
	.stop_sql = "STOP SLAVE",
	.start_sql = "START SLAVE",
	.stop_receiver_sql = "STOP SLAVE IO_THREAD",
	.start_receiver_sql = "START SLAVE IO_THREAD",
	.reset_sql = "RESET SLAVE ALL",
	.size_sql = "SELECT COALESCE(SUM(FILE_SIZE), 0), COUNT(*) FROM"
		    " information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE '%/%'"
		    " AND NAME NOT LIKE 'mysql/%' AND NAME NOT LIKE 'sys/%'",
	.replica_status_sql = "SHOW SLAVE STATUS",
	.replicas_sql = "SHOW SLAVE HOSTS",
	.accounts_sql =
		"SELECT User, Host, COALESCE(JSON_VALUE(Priv, '$.plugin'), "
		"'mysql_native_password'),"
		" JSON_VALUE(Priv, '$.authentication_string'),"
		" JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv"
		" WHERE JSON_VALUE(Priv, '$.is_role') IS NULL OR NOT JSON_VALUE(Priv, '$.is_role')",
	.heartbeat_table_sql = heartbeat_table_sql,
	.holder_sql = { holder_plugin_sql, holder_schema_sql },
	.holder_unknown = "who holds it is not known: INSTALL SONAME 'metadata_lock_info' tells",
	.disk_full_sql = NULL, /* the process list says so */
	.side_door_sql = "SELECT '' AS host, @@extra_port AS port",
	.identified_by = "IDENTIFIED BY",
	.replication_privileges = "REPLICATION SLAVE",
	.tables_privilege = "SELECT ON mysql.*",
	.more_grants = more_grants,
	.privileges = privileges,
	.columns = &columns,
	.default_plugin = "mysql_native_password",
	.read_status = read_status,
	.set_semisync = set_semisync,
	.semisync_source_off = semisync_source_off,
	.repoint_sql = repoint_sql,
	.keep_read_only = NULL,
	.admit_change = set_domain,
	.end_change = set_domain,
	.set_parallel_mode = set_parallel_mode,
	.reclone = mariadb_copy_run,
	.audit = audit,
};
