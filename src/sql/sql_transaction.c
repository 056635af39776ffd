#include "sql/sql_transaction.h"

/* START TRANSACTION [WITH CONSISTENT SNAPSHOT | READ WRITE | READ ONLY][, ...], behind START. */
static enum sql_transaction read_start(struct sql_scan *scan)
{
	if (!sql_scan_accept(scan, STR("TRANSACTION"))) {
		return SQL_TRANSACTION_NONE;
	}
	while (!sql_scan_is_at_end(scan)) {
		if (sql_scan_accept(scan, STR("READ"))) {
			if (sql_scan_accept(scan, STR("ONLY"))) {
				scan->flags |= SQL_FLAG_EXPLICIT_READ_ONLY;
			} else if (!sql_scan_accept(scan, STR("WRITE"))) {
				return SQL_TRANSACTION_NONE;
			}
		} else if (!sql_scan_accept(scan, STR("WITH")) ||
			   !sql_scan_accept(scan, STR("CONSISTENT")) ||
			   !sql_scan_accept(scan, STR("SNAPSHOT"))) {
			return SQL_TRANSACTION_NONE;
		}
		if (scan->token.kind == SQL_TOKEN_COMMA) {
			sql_scan_skip(scan);
		}
	}
	return SQL_TRANSACTION_BEGIN;
}

struct endings {
	enum sql_transaction plain;
	enum sql_transaction chain;
	enum sql_transaction release;
};

/* [WORK] [AND [NO] CHAIN] [[NO] RELEASE] */
static enum sql_transaction read_ending(struct sql_scan *scan, struct endings endings)
{
	enum sql_transaction ret = endings.plain;

	if (sql_scan_accept(scan, STR("AND"))) {
		bool no = sql_scan_accept(scan, STR("NO"));
		if (!sql_scan_accept(scan, STR("CHAIN"))) {
			return SQL_TRANSACTION_NONE;
		}
		ret = no ? endings.plain : endings.chain;
	}
	bool no = sql_scan_accept(scan, STR("NO"));
	if (sql_scan_accept(scan, STR("RELEASE"))) {
		ret = no ? ret : endings.release;
	} else if (no) {
		return SQL_TRANSACTION_NONE;
	}
	return ret;
}

/* A savepoint's name. */
static bool accept_name(struct sql_scan *scan)
{
	if (scan->token.kind != SQL_TOKEN_WORD && scan->token.kind != SQL_TOKEN_QUOTED_NAME) {
		return false;
	}
	sql_scan_skip(scan);
	return true;
}

static enum sql_transaction read_rollback(struct sql_scan *scan)
{
	(void)sql_scan_accept(scan, STR("WORK"));
	if (sql_scan_accept(scan, STR("TO"))) {
		if (sql_scan_is(scan, STR("SAVEPOINT")) &&
		    (scan->after.kind == SQL_TOKEN_WORD ||
		     scan->after.kind == SQL_TOKEN_QUOTED_NAME)) {
			sql_scan_skip(scan);
		}
		return accept_name(scan) ? SQL_TRANSACTION_ROLLBACK_TO : SQL_TRANSACTION_NONE;
	}
	return read_ending(scan, (struct endings){ SQL_TRANSACTION_ROLLBACK,
						   SQL_TRANSACTION_ROLLBACK_CHAIN,
						   SQL_TRANSACTION_ROLLBACK_RELEASE });
}

/* XA verb xid [...]: the identifier and the suffixes change nothing of what it is. */
static enum sql_transaction read_xa(struct sql_scan *scan)
{
	static const struct {
		const char *verb;
		enum sql_transaction transaction;
	} rows[] = {
		{ "START", SQL_TRANSACTION_XA_START },
		{ "BEGIN", SQL_TRANSACTION_XA_START },
		{ "END", SQL_TRANSACTION_XA_END },
		{ "PREPARE", SQL_TRANSACTION_XA_PREPARE },
		{ "COMMIT", SQL_TRANSACTION_XA_COMMIT },
		{ "ROLLBACK", SQL_TRANSACTION_XA_ROLLBACK },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!sql_scan_accept(scan, str_of(rows[i].verb))) {
			continue;
		}
		if (scan->token.kind != SQL_TOKEN_STRING && scan->token.kind != SQL_TOKEN_NUMBER) {
			return SQL_TRANSACTION_NONE;
		}
		sql_scan_rest(scan);
		return scan->pure ? rows[i].transaction : SQL_TRANSACTION_NONE;
	}
	return SQL_TRANSACTION_NONE;
}

static enum sql_transaction read_any(struct sql_scan *scan)
{
	if (sql_scan_accept(scan, STR("BEGIN"))) {
		if (scan->lexer.mode.oracle) {
			return SQL_TRANSACTION_NONE;
		}
		(void)sql_scan_accept(scan, STR("WORK"));
		return SQL_TRANSACTION_BEGIN;
	}
	if (sql_scan_accept(scan, STR("START"))) {
		return read_start(scan);
	}
	if (sql_scan_accept(scan, STR("COMMIT"))) {
		(void)sql_scan_accept(scan, STR("WORK"));
		return read_ending(scan, (struct endings){ SQL_TRANSACTION_COMMIT,
							   SQL_TRANSACTION_COMMIT_CHAIN,
							   SQL_TRANSACTION_COMMIT_RELEASE });
	}
	if (sql_scan_accept(scan, STR("ROLLBACK"))) {
		return read_rollback(scan);
	}
	if (sql_scan_accept(scan, STR("SAVEPOINT"))) {
		return accept_name(scan) ? SQL_TRANSACTION_SAVEPOINT : SQL_TRANSACTION_NONE;
	}
	if (sql_scan_accept(scan, STR("RELEASE"))) {
		return sql_scan_accept(scan, STR("SAVEPOINT")) && accept_name(scan)
			       ? SQL_TRANSACTION_RELEASE_SAVEPOINT
			       : SQL_TRANSACTION_NONE;
	}
	if (sql_scan_accept(scan, STR("XA"))) {
		return read_xa(scan);
	}
	return SQL_TRANSACTION_NONE;
}

enum sql_transaction sql_transaction_read(struct sql_scan *scan)
{
	enum sql_transaction ret = read_any(scan);

	if (!sql_scan_is_at_end(scan)) {
		ret = SQL_TRANSACTION_NONE;
		sql_scan_rest(scan);
	}
	return ret;
}
