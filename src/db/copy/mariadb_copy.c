/* Sources: MariaDB Knowledge Base, "BACKUP STAGE", "START TRANSACTION ... WITH CONSISTENT SNAPSHOT",
 * "gtid_binlog_state", "gtid_slave_pos". */
#include "db/copy/mariadb_copy.h"

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/copy/mariadb_copy_accounts.h"
#include "db/copy/mariadb_copy_objects.h"
#include "db/copy/mariadb_copy_rows.h"
#include "db/server/server_internal.h"

enum { LOCK_WAIT_S = 10 };

/* The manager's account does without these otherwise. */
static const char *const privileges[] = {
	"SELECT",    "INSERT",	       "UPDATE",	"DELETE",      "CREATE",   "DROP",
	"ALTER",     "INDEX",	       "REFERENCES",	"TRIGGER",     "EVENT",	   "CREATE VIEW",
	"SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "LOCK TABLES", "SET USER", NULL,
};

/* All that is under way. */
struct copy {
	const struct reclone_options *options;
	struct conn *server; /* statements for the server that is made anew */
	struct conn *reader; /* the donor's snapshot */
	struct conn *locker; /* holds the donor's commits up for a moment */
	struct copy_objects objects;
	struct copy_accounts accounts;
	char *binlog_state; /* the donor's at the snapshot */
	char *position;	    /* for gtid_slave_pos */
	struct reclone_progress progress;
};

static enum err run_sql(const struct copy *copy, struct conn *conn, const char *sql,
			struct err_ctx *err)
{
	return conn_query(conn, str_of(sql), reclone_deadline_us(copy->options), NULL, err);
}

static void tell(struct copy *copy, const char *doing, const char *schema, const char *name)
{
	struct buf what;
	copy->progress.doing = doing;
	buf_init_fixed(&what, copy->progress.what, sizeof(copy->progress.what) - 1);
	buf_printf(&what, "%s%s%s", schema, name[0] ? "." : "", name);
	copy->progress.what[what.overflow ? 0 : what.len] = 0;
	copy->options->on_progress(copy->options->ctx, &copy->progress);
}

/* ---------------------------------------------------------------- the donor */

static enum err open_reader(struct copy *copy, struct err_ctx *err)
{
	enum err rc = reclone_connect(copy->options, true, &copy->reader, err);
	rc = rc ? rc : reclone_connect(copy->options, true, &copy->locker, err);
	rc = rc ? rc
		: run_sql(copy, copy->reader,
			  "SET SESSION sql_mode='', time_zone='+00:00', net_write_timeout=3600,"
			  " max_statement_time=0, sql_quote_show_create=1;"
			  "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
			  err);
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_printf(&sql, "SET SESSION lock_wait_timeout=%d", LOCK_WAIT_S);
	rc = rc ? rc
		: conn_query(copy->locker, buf_str(&sql), reclone_deadline_us(copy->options), NULL,
			     err);
	buf_fini(&sql);
	return rc;
}

/* Where the snapshot stands; the donor's commits wait meanwhile. The last of each domain is the position: what a
 * replica's own binary log doesn't know its gtid_slave_pos does. */
static enum err read_position(struct copy *copy, struct err_ctx *err)
{
	enum { STATE, POSITION, REPLICATED };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(copy->locker,
				 STR("SELECT @@global.gtid_binlog_state, @@global.gtid_binlog_pos,"
				     " @@global.gtid_slave_pos"),
				 reclone_deadline_us(copy->options), &rows, err);
	struct str state;
	struct str position;
	struct str replicated;
	if (rc != ERR_OK || !rows_next(rows)) {
		return rc ? rc : err_set(err, ERR_PROTOCOL, "the donor's position is missing");
	}
	(void)rows_at(rows, STATE, &state);
	(void)rows_at(rows, POSITION, &position);
	(void)rows_at(rows, REPLICATED, &replicated);
	if (state.len == 0) {
		position = replicated;
	}
	copy->binlog_state = mem_dup_text(state.len ? state.ptr : "", state.len);
	copy->position = mem_dup_text(position.len ? position.ptr : "", position.len);
	return ERR_OK;
}

static enum err take_snapshot_locked(struct copy *copy, struct err_ctx *err)
{
	enum err rc = run_sql(copy, copy->locker, "BACKUP STAGE BLOCK_DDL", err);
	rc = rc ? rc : copy_objects_read(copy->options, copy->reader, &copy->objects, err);
	rc = rc ? rc : run_sql(copy, copy->reader, "SET NAMES binary", err);
	rc = rc ? rc : copy_accounts_read(copy->options, copy->reader, &copy->accounts, err);
	rc = rc ? rc : run_sql(copy, copy->locker, "BACKUP STAGE BLOCK_COMMIT", err);
	rc = rc ? rc
		: run_sql(copy, copy->reader, "START TRANSACTION WITH CONSISTENT SNAPSHOT", err);
	return rc ? rc : read_position(copy, err);
}

/* A lock that can't be had in time is given up: somebody else's statement runs for long. */
static enum err take_snapshot(struct copy *copy, struct err_ctx *err)
{
	tell(copy, "reading the donor's definitions", "", "");
	enum err rc = run_sql(copy, copy->locker, "BACKUP STAGE START", err);
	if (rc == ERR_OK) {
		rc = take_snapshot_locked(copy, err);
		if (conn_is_usable(copy->locker)) {
			enum err end = run_sql(copy, copy->locker, "BACKUP STAGE END",
					       rc == ERR_OK ? err : NULL);
			rc = rc ? rc : end;
		}
	}
	copy->locker = conn_close(copy->locker);
	return rc ? err_wrap(err, rc, "donor '%s'", conn_target(copy->reader)) : rc;
}

/* ---------------------------------------------------------------- the server */

static enum err prepare_server(struct copy *copy, struct err_ctx *err)
{
	return run_sql(copy, copy->server,
		       "SET SESSION sql_log_bin=0, foreign_key_checks=0, unique_checks=0,"
		       " check_constraint_checks=0, time_zone='+00:00', lock_wait_timeout=60,"
		       " max_statement_time=0, sql_mode='NO_AUTO_VALUE_ON_ZERO'",
		       err);
}

/* Its source and its positions go first: what is left in between can't be taken for a replica. */
static enum err empty_server(struct copy *copy, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct conn *server = copy->server;
	uint32_t killed = 0;
	enum err rc = server_set_read_only(server, true, reclone_deadline_us(copy->options), err);
	rc = rc ? rc : server_forget_source(server, reclone_deadline_us(copy->options), err);
	rc = rc ? rc
		: server_kill_sessions(server, reclone_deadline_us(copy->options), &killed, err);
	rc = rc ? rc : run_sql(copy, server, "RESET MASTER", err);
	rc = rc ? rc : run_sql(copy, server, "SET GLOBAL gtid_slave_pos=''", err);
	rc = rc ? rc
		: conn_query(server,
			     STR("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE"
				 " SCHEMA_NAME NOT IN ('mysql', 'information_schema',"
				 " 'performance_schema', 'sys')"),
			     reclone_deadline_us(copy->options), &rows, err);
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	while (rc == ERR_OK && rows_next(rows)) {
		struct str name;
		(void)rows_at(rows, 0, &name);
		buf_clear(&sql);
		buf_add_text(&sql, "DROP DATABASE ");
		copy_quote_name(&sql, name);
		rc = conn_query(server, buf_str(&sql), reclone_deadline_us(copy->options), NULL,
				err);
		rc = rc ? rc : reclone_check_cancelled(copy->options, err);
	}
	buf_fini(&sql);
	return rc;
}

static enum err make_kind(struct copy *copy, enum copy_kind kind, struct err_ctx *err)
{
	return copy_objects_make(copy->options, copy->server, &copy->objects, kind, err);
}

static enum err make_rows(struct copy *copy, struct err_ctx *err)
{
	enum err rc = run_sql(copy, copy->server, "SET NAMES binary", err);
	for (size_t i = 0; i < copy->objects.count && rc == ERR_OK; i++) {
		const struct copy_object *one = &copy->objects.list[i];
		if (one->kind != COPY_TABLE) {
			continue;
		}
		tell(copy, "copying", one->schema, one->name);
		rc = copy_rows(copy->options, copy->reader, copy->server, one, &copy->progress,
			       err);
		rc = rc ? rc : reclone_check_cancelled(copy->options, err);
		copy->progress.tables_done++;
	}
	return rc ? rc : run_sql(copy, copy->server, "SET NAMES utf8mb4", err);
}

/* Functions and triggers: with a binary log the server wants to trust who makes them, logged or not. */
static enum err make_programs(struct copy *copy, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc =
		conn_query(copy->server, STR("SELECT @@global.log_bin_trust_function_creators"),
			   reclone_deadline_us(copy->options), &rows, err);
	bool trusting = rc == ERR_OK && rows_next(rows) && rows_at_bool(rows, 0);
	if (rc == ERR_OK && !trusting) {
		rc = run_sql(copy, copy->server, "SET GLOBAL log_bin_trust_function_creators=1",
			     err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	rc = make_kind(copy, COPY_ROUTINE, err);
	rc = rc ? rc : make_kind(copy, COPY_VIEW, err);
	rc = rc ? rc : make_kind(copy, COPY_TRIGGER, err);
	if (!trusting && conn_is_usable(copy->server)) {
		enum err again =
			run_sql(copy, copy->server, "SET GLOBAL log_bin_trust_function_creators=0",
				rc == ERR_OK ? err : NULL);
		rc = rc ? rc : again;
	}
	return rc;
}

static enum err make_all(struct copy *copy, struct err_ctx *err)
{
	tell(copy, "emptying the server", "", "");
	enum err rc = empty_server(copy, err);
	rc = rc ? rc : make_kind(copy, COPY_SCHEMA, err);
	rc = rc ? rc : make_kind(copy, COPY_SEQUENCE, err);
	rc = rc ? rc : make_kind(copy, COPY_TABLE, err);
	rc = rc ? rc : make_rows(copy, err);
	/* Triggers only now: they must not fire for what is copied. */
	tell(copy, "making views, routines, triggers, events and accounts", "", "");
	rc = rc ? rc : make_programs(copy, err);
	rc = rc ? rc : make_kind(copy, COPY_EVENT, err);
	rc = rc ? rc : run_sql(copy, copy->server, "SET NAMES binary", err);
	return rc ? rc : copy_accounts_make(copy->options, copy->server, &copy->accounts, err);
}

/* From here on it says that it has what it has. The state first: it can be set while the log is empty only. */
static enum err set_position(struct copy *copy, struct err_ctx *err)
{
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "RESET MASTER;SET GLOBAL gtid_binlog_state=");
	conn_text_quote(&sql, str_of(copy->binlog_state));
	buf_add_text(&sql, ";SET GLOBAL gtid_slave_pos=");
	conn_text_quote(&sql, str_of(copy->position));
	enum err rc = conn_query(copy->server, buf_str(&sql), reclone_deadline_us(copy->options),
				 NULL, err);
	buf_fini(&sql);
	return rc;
}

static uint32_t count_tables(const struct copy_objects *objects)
{
	uint32_t count = 0;
	for (size_t i = 0; i < objects->count; i++) {
		count += objects->list[i].kind == COPY_TABLE;
	}
	return count;
}

static enum err check_both(const struct copy *copy, struct conn *donor, struct err_ctx *err)
{
	static const char purpose[] = "copy a server's data";
	enum err rc = server_need_privileges(donor, privileges, purpose,
					     reclone_deadline_us(copy->options), err);
	return rc ? rc
		  : server_need_privileges(copy->server, privileges, purpose,
					   reclone_deadline_us(copy->options), err);
}

enum err mariadb_copy_run(const struct reclone_options *options, struct conn *server,
			  struct conn *donor, struct err_ctx *err)
{
	struct copy copy = { .options = options, .server = server };
	tell(&copy, "checking", "", "");
	enum err rc = check_both(&copy, donor, err);
	rc = rc ? rc : prepare_server(&copy, err);
	rc = rc ? rc : open_reader(&copy, err);
	rc = rc ? rc : options->at(options->ctx, RECLONE_CHECKED, err);
	rc = rc ? rc : take_snapshot(&copy, err);
	if (rc == ERR_OK) {
		copy.progress.tables = count_tables(&copy.objects);
		rc = options->at(options->ctx, RECLONE_DESTROYS, err);
	}
	rc = rc ? rc : make_all(&copy, err);
	rc = rc ? rc : set_position(&copy, err);
	copy.reader = conn_close(copy.reader);
	copy.locker = conn_close(copy.locker);
	copy_objects_fini(&copy.objects);
	copy_accounts_fini(&copy.accounts);
	mem_free(copy.binlog_state);
	mem_free(copy.position);
	return rc;
}
