/* The store in one SQLite file.
 *
 * Write-ahead log with synchronous=FULL: a commit is one fdatasync, and what it returned ERR_OK for is on
 * the disk. locking_mode=EXCLUSIVE keeps the log's index in memory (no shared-memory file), and a lock
 * file beside it names the process that holds it.
 * Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous
 */
#include "store/store_sqlite.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/store_lock.h"
#include "store/store_ops.h"

enum {
	APPLICATION_ID = 0x6d757374, /* "must": tells our file from another SQLite database */
	WAL_KEPT_BYTES_MAX = 1024 * 1024,
};

enum statement { GET, LIST, PUT, REMOVE, BEGIN, COMMIT, ROLLBACK, STATEMENT_COUNT_ };

static const char *const statement_sql[STATEMENT_COUNT_] = {
	[GET] = "SELECT value, version FROM record WHERE key = ?1",
	/* substr() needs no escaping of wildcards; keys are blobs, so the order is bytewise. */
	[LIST] = "SELECT key, value, version FROM record WHERE key >= ?1 AND key > ?2"
		 " AND substr(key, 1, length(?1)) = ?1 ORDER BY key",
	[PUT] = "INSERT INTO record (key, value, version) VALUES (?1, ?2, ?3)"
		" ON CONFLICT (key) DO UPDATE SET value = ?2, version = ?3",
	[REMOVE] = "DELETE FROM record WHERE key = ?1",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
};

/* Row n takes the file from schema n to schema n + 1. Rows are only ever added. */
static const char *const migrations[] = {
	"CREATE TABLE record (key BLOB PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL)"
	" WITHOUT ROWID",
};
enum { SCHEMA = sizeof(migrations) / sizeof(migrations[0]) };

struct store_sqlite {
	struct store base;
	char *path;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT_];
	int lock_fd;
};

/* One line for a failure of SQLite: what it means and what to do. `code` is extended. */
static enum err say(const struct store_sqlite *store, int code, struct err_ctx *err)
{
	int os_errno = store->db ? sqlite3_system_errno(store->db) : 0;
	char reason[128] = "";
	if (os_errno != 0) {
		(void)snprintf(reason, sizeof(reason), ": %s", strerrordesc_np(os_errno));
	}
	switch (code & 0xff) {
	case SQLITE_FULL:
		return err_set(err, ERR_IO, "store '%s': the disk is full, nothing was stored",
			       store->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_IO,
			       "store '%s' is damaged or no store: move it away, or restore a copy",
			       store->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return err_set(err, ERR_IO, "store '%s' cannot be written%s", store->path, reason);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, ERR_EXISTS, "store '%s' is open in another process",
			       store->path);
	case SQLITE_NOMEM:
		return err_set(err, ERR_NOMEM, "store '%s': out of memory", store->path);
	default: /* SQLite's codes, not an enum of ours */
		return err_set(err, ERR_IO, "store '%s': %s%s", store->path, sqlite3_errstr(code),
			       reason);
	}
}

static enum err run(struct store_sqlite *store, const char *sql, struct err_ctx *err)
{
	int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? ERR_OK : say(store, sqlite3_extended_errcode(store->db), err);
}

/* The first column of the first row of `sql`. */
static enum err ask_int(struct store_sqlite *store, const char *sql, int64_t *ret,
			struct err_ctx *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
	}
	if (code == SQLITE_ROW) {
		*ret = sqlite3_column_int64(statement, 0);
	}
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW ? ERR_OK : say(store, sqlite3_extended_errcode(store->db), err);
}

static enum err statement_run(struct store_sqlite *store, enum statement which, struct err_ctx *err)
{
	sqlite3_stmt *statement = store->statements[which];
	int code = sqlite3_step(statement);
	enum err rc =
		code == SQLITE_DONE ? ERR_OK : say(store, sqlite3_extended_errcode(store->db), err);
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	return rc;
}

static enum err migrate(struct store_sqlite *store, struct err_ctx *err)
{
	int64_t schema = 0;
	int64_t application = 0;
	int64_t tables = 0;
	enum err rc = ask_int(store, "PRAGMA user_version", &schema, err);
	if (rc == ERR_OK) {
		rc = ask_int(store, "PRAGMA application_id", &application, err);
	}
	if (rc == ERR_OK) {
		rc = ask_int(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (application != APPLICATION_ID && (application != 0 || tables != 0)) {
		return err_set(err, ERR_CONFIG, "'%s' is a SQLite database, but no store of muster",
			       store->path);
	}
	if (schema > SCHEMA) {
		return err_set(
			err, ERR_CONFIG,
			"store '%s' was made by a newer muster: schema %lld, this one knows %d",
			store->path, (long long)schema, (int)SCHEMA);
	}
	for (int64_t from = schema; from < SCHEMA; from++) {
		char sql[512];
		int length = snprintf(sql, sizeof(sql),
				      "BEGIN; %s; PRAGMA user_version=%lld;"
				      " PRAGMA application_id=%d; COMMIT",
				      migrations[from], (long long)from + 1, (int)APPLICATION_ID);
		check(length > 0 && (size_t)length < sizeof(sql));
		rc = run(store, sql, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

/* Reads every page: a damaged file is found at the start, not in the middle of a failover. */
static enum err check_file(struct store_sqlite *store, struct err_ctx *err)
{
	int64_t problems = 0;
	enum err rc = ask_int(store,
			      "SELECT count(*) FROM pragma_quick_check"
			      " WHERE quick_check <> 'ok'",
			      &problems, err);
	if (rc == ERR_OK && problems != 0) {
		return say(store, SQLITE_CORRUPT, err);
	}
	return rc;
}

static enum err prepare(struct store_sqlite *store, struct err_ctx *err)
{
	for (enum statement which = 0; which < STATEMENT_COUNT_; which++) {
		int code = sqlite3_prepare_v3(store->db, statement_sql[which], -1,
					      SQLITE_PREPARE_PERSISTENT, &store->statements[which],
					      NULL);
		if (code != SQLITE_OK) {
			return say(store, sqlite3_extended_errcode(store->db), err);
		}
	}
	return ERR_OK;
}

static enum err open_file(struct store_sqlite *store, struct err_ctx *err)
{
	int code =
		sqlite3_open_v2(store->path, &store->db,
				SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
					SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
				NULL);
	if (code != SQLITE_OK) {
		return say(store, code, err);
	}
	char sql[256];
	int length = snprintf(sql, sizeof(sql),
			      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
			      " PRAGMA synchronous=FULL; PRAGMA journal_size_limit=%d",
			      (int)WAL_KEPT_BYTES_MAX);
	check(length > 0 && (size_t)length < sizeof(sql));
	enum err rc = run(store, sql, err);
	if (rc == ERR_OK) {
		rc = check_file(store, err);
	}
	if (rc == ERR_OK) {
		rc = migrate(store, err);
	}
	return rc == ERR_OK ? prepare(store, err) : rc;
}

static void close_file(struct store *base);
static const struct store_ops ops;

enum err store_open_sqlite(const char *path, struct store **ret, struct err_ctx *err)
{
	struct store_sqlite *store = mem_need(sizeof(*store));
	store->base.ops = &ops;
	(void)snprintf(store->base.text, sizeof(store->base.text), "sqlite:%s", path);
	store->lock_fd = -1;
	store->path = mem_dup_text(path, strlen(path));

	char lock_path[PATH_MAX];
	int length = snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	enum err rc;
	if (length < 0 || (size_t)length >= sizeof(lock_path)) {
		rc = err_set(err, ERR_LIMIT, "store '%s': path too long", path);
	} else {
		rc = store_lock_take(lock_path, &store->lock_fd, err);
	}
	if (rc == ERR_OK) {
		rc = open_file(store, err);
	}
	if (rc != ERR_OK) {
		close_file(&store->base);
		return rc;
	}
	*ret = &store->base;
	return ERR_OK;
}

/* `base` is the first member: the room's own kinds of store are told apart by their functions. */
static struct store_sqlite *self(struct store *base)
{
	check(base->ops == &ops);
	return (struct store_sqlite *)base;
}

static void close_file(struct store *base)
{
	struct store_sqlite *store = self(base);
	for (enum statement which = 0; which < STATEMENT_COUNT_; which++) {
		(void)sqlite3_finalize(store->statements[which]);
	}
	(void)sqlite3_close(store->db);
	if (store->lock_fd >= 0) {
		(void)close(store->lock_fd);
	}
	mem_free(store->path);
	mem_free(store);
}

static void bind(sqlite3_stmt *statement, int index, struct str bytes)
{
	/* A NULL pointer would bind SQL NULL; an empty value is a value. Views outlive the step. */
	check(sqlite3_bind_blob64(statement, index, bytes.len ? bytes.ptr : "", bytes.len,
				  SQLITE_STATIC) == SQLITE_OK);
}

static struct str column(sqlite3_stmt *statement, int index)
{
	const char *bytes = sqlite3_column_blob(statement, index);
	return (struct str){ bytes, (size_t)sqlite3_column_bytes(statement, index) };
}

static enum err get(struct store *base, struct str key, struct buf *ret_value,
		    uint64_t *ret_version, struct err_ctx *err)
{
	struct store_sqlite *store = self(base);
	sqlite3_stmt *statement = store->statements[GET];
	bind(statement, 1, key);
	int code = sqlite3_step(statement);
	enum err rc = ERR_OK;
	if (code == SQLITE_ROW) {
		buf_clear(ret_value);
		buf_add_str(ret_value, column(statement, 0));
		*ret_version = (uint64_t)sqlite3_column_int64(statement, 1);
		rc = buf_finish(ret_value);
		if (rc != ERR_OK) {
			rc = err_set(err, rc,
				     "store: the value of '%.*s' is too long for its reader",
				     STR_ARG(key));
		}
	} else if (code == SQLITE_DONE) {
		rc = err_set(err, ERR_NOT_FOUND, "store: no key '%.*s'", STR_ARG(key));
	} else {
		rc = say(store, sqlite3_extended_errcode(store->db), err);
	}
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	return rc;
}

static enum err list(struct store *base, struct str prefix, struct str after, store_row_cb row,
		     void *ctx, struct err_ctx *err)
{
	struct store_sqlite *store = self(base);
	sqlite3_stmt *statement = store->statements[LIST];
	bind(statement, 1, prefix);
	bind(statement, 2, after);
	int code = sqlite3_step(statement);
	while (code == SQLITE_ROW) {
		if (!row(ctx, column(statement, 0), column(statement, 1),
			 (uint64_t)sqlite3_column_int64(statement, 2))) {
			code = SQLITE_DONE;
			break;
		}
		code = sqlite3_step(statement);
	}
	enum err rc =
		code == SQLITE_DONE ? ERR_OK : say(store, sqlite3_extended_errcode(store->db), err);
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	return rc;
}

/* 0: there is no such key. */
static enum err version_of(struct store_sqlite *store, struct str key, uint64_t *ret,
			   struct err_ctx *err)
{
	sqlite3_stmt *statement = store->statements[GET];
	bind(statement, 1, key);
	int code = sqlite3_step(statement);
	enum err rc = ERR_OK;
	if (code == SQLITE_ROW) {
		*ret = (uint64_t)sqlite3_column_int64(statement, 1);
	} else if (code == SQLITE_DONE) {
		*ret = 0;
	} else {
		rc = say(store, sqlite3_extended_errcode(store->db), err);
	}
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	return rc;
}

static enum err change_check(const struct store_change *change, uint64_t version,
			     struct err_ctx *err)
{
	return change->check_version && change->version != version
		       ? store_say_conflict(change->key, version, change->version, err)
		       : ERR_OK;
}

static enum err change_apply(struct store_sqlite *store, const struct store_change *change,
			     struct err_ctx *err)
{
	uint64_t version = 0;
	enum err rc = version_of(store, change->key, &version, err);
	if (rc == ERR_OK) {
		rc = change_check(change, version, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	enum statement which = change->remove ? REMOVE : PUT;
	bind(store->statements[which], 1, change->key);
	if (!change->remove) {
		bind(store->statements[which], 2, change->value);
		check(sqlite3_bind_int64(store->statements[which], 3, (int64_t)version + 1) ==
		      SQLITE_OK);
	}
	return statement_run(store, which, err);
}

static enum err fence_check(struct store_sqlite *store, const struct store_change *fence,
			    struct err_ctx *err)
{
	uint64_t version = 0;
	enum err rc = version_of(store, fence->key, &version, err);
	return rc == ERR_OK ? change_check(fence, version, err) : rc;
}

static enum err commit(struct store *base, const struct store_change *changes, size_t count,
		       const struct store_change *fence, struct err_ctx *err)
{
	struct store_sqlite *store = self(base);
	enum err rc = statement_run(store, BEGIN, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (fence) {
		rc = fence_check(store, fence, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		rc = change_apply(store, &changes[i], err);
	}
	if (rc == ERR_OK) {
		rc = statement_run(store, COMMIT, err);
	}
	/* SQLite has rolled back by itself after some failures (disk full); then there is nothing open. */
	if (rc != ERR_OK && sqlite3_get_autocommit(store->db) == 0) {
		(void)statement_run(store, ROLLBACK, NULL);
	}
	return rc;
}

static const struct store_ops ops = {
	.close = close_file,
	.get = get,
	.list = list,
	.commit = commit,
};
