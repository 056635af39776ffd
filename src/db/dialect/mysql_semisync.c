#include "db/dialect/mysql_semisync.h"

#include "base/mem.h"
#include "db/dialect/dialect.h"

/* As good as no time-out: 30 years. The server adds it to the time of day, so not the maximum. */
static const uint64_t TIMEOUT_MS = UINT64_C(946080000000);

enum {
	NOTE_LEARNT = 1u << 0,
	NOTE_SOURCE = 1u << 1, /* rpl_semi_sync_source */
	NOTE_MASTER = 1u << 2,
	NOTE_REPLICA = 1u << 3,
	NOTE_SLAVE = 1u << 4,
	VERSION_NEW_NAMES = 80026,
	ERRNO_READ_ONLY = 1290,
	ERRNO_PLUGIN_EXISTS = 1125,
};

/* The loaded source plugin's variables begin with this, NULL when there is none. */
static const char *source_prefix(struct conn *conn)
{
	uint32_t notes = *conn_notes(conn);
	if (notes & NOTE_SOURCE) {
		return "rpl_semi_sync_source";
	}
	return (notes & NOTE_MASTER) ? "rpl_semi_sync_master" : NULL;
}

static const char *replica_prefix(struct conn *conn)
{
	uint32_t notes = *conn_notes(conn);
	if (notes & NOTE_REPLICA) {
		return "rpl_semi_sync_replica";
	}
	return (notes & NOTE_SLAVE) ? "rpl_semi_sync_slave" : NULL;
}

/* "replica" or "slave", as the loaded source plugin names what it waits for. */
static const char *awaited(struct conn *conn)
{
	return (*conn_notes(conn) & NOTE_SOURCE) ? "replica" : "slave";
}

enum err mysql_semisync_learn(struct conn *conn, bool again, uint64_t deadline_us,
			      struct err_ctx *err)
{
	static const struct {
		const char *plugin;
		uint32_t note;
	} plugins[] = {
		{ "rpl_semi_sync_source", NOTE_SOURCE },
		{ "rpl_semi_sync_master", NOTE_MASTER },
		{ "rpl_semi_sync_replica", NOTE_REPLICA },
		{ "rpl_semi_sync_slave", NOTE_SLAVE },
	};
	uint32_t *notes = conn_notes(conn);
	/* Missing plugins may be loaded at any time; those that are there rarely go. */
	if (!again && (*notes & NOTE_LEARNT) && mysql_semisync_is_complete(conn)) {
		return ERR_OK;
	}
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn,
				 STR("SELECT PLUGIN_NAME FROM information_schema.PLUGINS"
				     " WHERE PLUGIN_NAME LIKE 'rpl\\_semi\\_sync%'"
				     " AND PLUGIN_STATUS='ACTIVE'"),
				 deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*notes = NOTE_LEARNT;
	while (rows_next(rows)) {
		struct str name;
		(void)rows_at(rows, 0, &name);
		for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++) {
			if (str_equal_nocase(name, str_of(plugins[i].plugin))) {
				*notes |= plugins[i].note;
			}
		}
	}
	return ERR_OK;
}

bool mysql_semisync_is_complete(struct conn *conn)
{
	return source_prefix(conn) && replica_prefix(conn);
}

void mysql_semisync_columns(struct conn *conn, struct buf *sql)
{
	const char *source = source_prefix(conn);
	const char *replica = replica_prefix(conn);
	if (source) {
		buf_printf(sql,
			   ", @@global.%s_enabled AS source_enabled,"
			   " @@global.%s_timeout AS source_timeout,"
			   " @@global.%s_wait_point AS wait_point,"
			   " @@global.%s_wait_no_%s AS wait_always,"
			   " @@global.%s_wait_for_%s_count AS wait_count",
			   source, source, source, source, awaited(conn), source, awaited(conn));
	}
	if (replica) {
		buf_printf(sql, ", @@global.%s_enabled AS replica_enabled", replica);
	}
}

void mysql_semisync_counters(struct conn *conn, struct buf *sql)
{
	const char *source = source_prefix(conn);
	const char *replica = replica_prefix(conn);
	if (source) {
		buf_printf(sql, ", '%s_status', '%s_clients', '%s_wait_sessions'", source, source,
			   source);
	}
	if (replica) {
		buf_printf(sql, ", '%s_status'", replica);
	}
}

void mysql_semisync_read(const struct rows *rows, struct semisync_status *ret)
{
	struct str text;
	ret->source_enabled = rows_get_bool(rows, "source_enabled");
	ret->source_timeout_ms = rows_get_u64(rows, "source_timeout", 0);
	ret->source_wait_count = (uint32_t)rows_get_u64(rows, "wait_count", 0);
	(void)rows_get(rows, "wait_point", &text);
	ret->source_after_sync = str_equal_nocase(text, STR("AFTER_SYNC"));
	ret->replica_enabled = rows_get_bool(rows, "replica_enabled");
}

enum {
	SOURCE_STATUS,
	SOURCE_CLIENTS,
	SOURCE_SESSIONS,
	REPLICA_STATUS,
	OLD_NAMES, /* the same again under the old names */
};

size_t mysql_semisync_values(struct status_value *values)
{
	static const char *const names[MYSQL_SEMISYNC_COUNTERS] = {
		[SOURCE_STATUS] = "Rpl_semi_sync_source_status",
		[SOURCE_CLIENTS] = "Rpl_semi_sync_source_clients",
		[SOURCE_SESSIONS] = "Rpl_semi_sync_source_wait_sessions",
		[REPLICA_STATUS] = "Rpl_semi_sync_replica_status",
		[OLD_NAMES + SOURCE_STATUS] = "Rpl_semi_sync_master_status",
		[OLD_NAMES + SOURCE_CLIENTS] = "Rpl_semi_sync_master_clients",
		[OLD_NAMES + SOURCE_SESSIONS] = "Rpl_semi_sync_master_wait_sessions",
		[OLD_NAMES + REPLICA_STATUS] = "Rpl_semi_sync_slave_status",
	};
	for (size_t i = 0; i < MYSQL_SEMISYNC_COUNTERS; i++) {
		values[i] = (struct status_value){ .name = names[i] };
	}
	return MYSQL_SEMISYNC_COUNTERS;
}

void mysql_semisync_take(const struct status_value *values, struct semisync_status *ret)
{
	const struct status_value *old = values + OLD_NAMES;
	ret->source_active = values[SOURCE_STATUS].number != 0 || old[SOURCE_STATUS].number != 0;
	ret->source_clients =
		(uint32_t)(values[SOURCE_CLIENTS].number + old[SOURCE_CLIENTS].number);
	ret->source_wait_sessions =
		(uint32_t)(values[SOURCE_SESSIONS].number + old[SOURCE_SESSIONS].number);
	ret->replica_active = values[REPLICA_STATUS].number != 0 || old[REPLICA_STATUS].number != 0;
}

void mysql_semisync_replica_flag(struct conn *conn, bool on, struct buf *sql)
{
	const char *replica = replica_prefix(conn);
	if (replica) {
		buf_printf(sql, "SET GLOBAL %s_enabled=%d;", replica, on);
	}
}

static enum err install(struct conn *conn, bool source, uint64_t deadline_us, struct err_ctx *err)
{
	bool new_names = dialect_server_number(conn) >= VERSION_NEW_NAMES;
	const char *side =
		new_names ? (source ? "source" : "replica") : (source ? "master" : "slave");
	struct err_ctx why = { .code = ERR_OK };
	enum err rc =
		conn_exec(conn, deadline_us, &why,
			  "INSTALL PLUGIN rpl_semi_sync_%s SONAME 'semisync_%s.so'", side, side);
	if (rc == ERR_SERVER && why.server_errno == ERRNO_PLUGIN_EXISTS) {
		return ERR_OK;
	}
	if (rc == ERR_SERVER && why.server_errno == ERRNO_READ_ONLY) {
		return err_set(
			err, ERR_REFUSED,
			"semi-sync needs a plugin that a read-only MySQL does not load: put "
			"'plugin-load-add=semisync_%s.so' into its option file and restart it",
			side);
	}
	if (rc != ERR_OK && err) {
		*err = why;
	}
	return rc;
}

/* Loads what is wanted and not there. */
static enum err install_wanted(struct conn *conn, const struct semisync_wanted *wanted,
			       uint64_t deadline_us, struct err_ctx *err)
{
	enum err rc = mysql_semisync_learn(conn, false, deadline_us, err);
	bool lacks_source = rc == ERR_OK && wanted->source && !source_prefix(conn);
	bool lacks_replica = rc == ERR_OK && wanted->replica && !replica_prefix(conn);
	if (lacks_source) {
		rc = install(conn, true, deadline_us, err);
	}
	if (rc == ERR_OK && lacks_replica) {
		rc = install(conn, false, deadline_us, err);
	}
	if (rc == ERR_OK && (lacks_source || lacks_replica)) {
		rc = mysql_semisync_learn(conn, true, deadline_us, err);
	}
	return rc;
}

/* Appends what brings the source side from `rows` (columns as in the status) to what is wanted. */
static void source_sql(struct conn *conn, const struct rows *rows,
		       const struct semisync_wanted *wanted, struct buf *sql)
{
	const char *source = source_prefix(conn);
	if (!source) {
		return;
	}
	struct semisync_status now = { .available = true };
	mysql_semisync_read(rows, &now);
	uint32_t wait_count = wanted->wait_count ? wanted->wait_count : 1;
	bool as_wanted = now.source_after_sync && now.source_timeout_ms >= TIMEOUT_MS &&
			 now.source_wait_count == wait_count && rows_get_bool(rows, "wait_always");
	if (wanted->source && !as_wanted) {
		buf_printf(sql,
			   "SET GLOBAL %s_wait_point='AFTER_SYNC', GLOBAL %s_timeout=%llu,"
			   " GLOBAL %s_wait_no_%s=1, GLOBAL %s_wait_for_%s_count=%u;",
			   source, source, (unsigned long long)TIMEOUT_MS, source, awaited(conn),
			   source, awaited(conn), wait_count);
	}
	if (now.source_enabled != wanted->source) {
		buf_printf(sql, "SET GLOBAL %s_enabled=%d;", source, wanted->source);
	}
}

/* Whether the running stream acknowledges. The counters take MySQL some milliseconds to add up. */
static enum err read_stream(struct conn *conn, uint64_t deadline_us, bool *ret_acks,
			    struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc =
		conn_query(conn, STR("SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%\\_status'"),
			   deadline_us, &rows, err);
	if (rc == ERR_OK) {
		struct status_value values[MYSQL_SEMISYNC_COUNTERS];
		struct semisync_status now = { .available = true };
		status_read_values(rows, values, mysql_semisync_values(values));
		mysql_semisync_take(values, &now);
		*ret_acks = now.replica_active;
	}
	return rc;
}

/* Appends what brings the replica side there: a running receiver is restarted. */
static enum err replica_sql(struct conn *conn, const struct rows *variables, struct rows *replica,
			    const struct semisync_wanted *wanted, uint64_t deadline_us,
			    struct buf *sql, struct err_ctx *err)
{
	if (!replica_prefix(conn)) {
		return ERR_OK;
	}
	bool flag_changes = rows_get_bool(variables, "replica_enabled") != wanted->replica;
	bool restart = false;
	struct str io;
	enum err rc = ERR_OK;
	if (rows_next(replica) && rows_get(replica, "Replica_IO_Running", &io)) {
		restart = flag_changes && !str_equal_nocase(io, STR("No"));
		if (!flag_changes && str_equal_nocase(io, STR("Yes"))) {
			bool acks = wanted->replica;
			rc = read_stream(conn, deadline_us, &acks, err);
			restart = acks != wanted->replica;
		}
	}
	if (flag_changes) {
		mysql_semisync_replica_flag(conn, wanted->replica, sql);
	}
	if (restart) {
		buf_add_text(sql, "STOP REPLICA IO_THREAD FOR CHANNEL '';"
				  "START REPLICA IO_THREAD FOR CHANNEL '';");
	}
	return rc;
}

enum err mysql_semisync_set(struct conn *conn, const struct semisync_wanted *wanted,
			    uint64_t deadline_us, struct err_ctx *err)
{
	enum err rc = install_wanted(conn, wanted, deadline_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	enum { VARIABLES, REPLICA, SETS };
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "SELECT 1");
	mysql_semisync_columns(conn, &sql);
	buf_add_text(&sql, ";SHOW REPLICA STATUS FOR CHANNEL ''");
	struct rows *sets[SETS] = { NULL };
	rc = conn_query_sets(conn, buf_str(&sql), deadline_us, sets, SETS, err);
	buf_clear(&sql);
	if (rc == ERR_OK && rows_next(sets[VARIABLES])) {
		source_sql(conn, sets[VARIABLES], wanted, &sql);
		rc = replica_sql(conn, sets[VARIABLES], sets[REPLICA], wanted, deadline_us, &sql,
				 err);
	}
	if (rc == ERR_OK && sql.len > 0) {
		rc = conn_query(conn, buf_str(&sql), deadline_us, NULL, err);
	}
	for (size_t i = 0; i < SETS; i++) {
		sets[i] = rows_free(sets[i]);
	}
	buf_fini(&sql);
	return rc;
}

enum err mysql_semisync_source_off(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	enum err rc = mysql_semisync_learn(conn, false, deadline_us, err);
	const char *source = rc == ERR_OK ? source_prefix(conn) : NULL;
	if (!source) {
		return rc;
	}
	/* Switching it off takes up to a second even when it is off already. */
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_printf(&sql, "SELECT @@global.%s_enabled", source);
	rc = conn_query(conn, buf_str(&sql), deadline_us, &rows, err);
	buf_fini(&sql);
	if (rc != ERR_OK || (rows_next(rows) && !rows_at_bool(rows, 0))) {
		return rc;
	}
	return conn_exec(conn, deadline_us, err, "SET GLOBAL %s_enabled=0", source);
}
