#include "sql/sql_classify.h"

#include "base/check.h"
#include "sql/sql_scan.h"
#include "sql/sql_statement.h"

/* What one way of reading the text makes of it. */
struct reading {
	struct sql_info info;
	size_t conditionals;
	bool ambiguous;
};

/* Several statements: the class that all are of. Transaction control among others has no class, and
 * no flag says what it did. */
static enum sql_class combined(const struct sql_info *info, enum sql_class next)
{
	if (info->statements == 0) {
		return next;
	}
	return info->class == next && next != SQL_TRANSACTION ? next : SQL_UNCERTAIN;
}

static struct reading read_text(struct str text, struct sql_mode mode, bool leave_out)
{
	struct reading ret = { 0 };
	struct sql_info *info = &ret.info;
	struct sql_scan scan;

	sql_scan_init(&scan, text, mode, leave_out);
	while (scan.token.kind != SQL_TOKEN_END) {
		sql_scan_begin(&scan);
		if (scan.token.kind == SQL_TOKEN_SEMICOLON) {
			sql_scan_skip(&scan);
			continue;
		}
		enum sql_transaction transaction = SQL_TRANSACTION_NONE;
		enum sql_class class = sql_statement_classify(&scan, &transaction);
		if (info->statements > 0) {
			bool control = class == SQL_TRANSACTION || info->class == SQL_TRANSACTION;
			info->flags |= SQL_FLAG_MULTI | (control ? (uint32_t)SQL_FLAG_OPAQUE : 0);
		}
		info->class = combined(info, class);
		info->transaction =
			info->class == SQL_TRANSACTION ? transaction : SQL_TRANSACTION_NONE;
		info->flags |= scan.flags;
		info->statements++;
	}
	info->flags |= scan.hints;
	ret.conditionals = scan.lexer.conditionals;
	ret.ambiguous = scan.lexer.ambiguous;
	return ret;
}

static struct sql_info with_doubt(struct sql_info info, uint32_t flags)
{
	info.class = SQL_UNCERTAIN;
	info.transaction = SQL_TRANSACTION_NONE;
	info.flags |= flags;
	return info;
}

/* The text has conditional comments: `with` their content or `without`, and with several of them
 * also some with and some without, which nobody has looked at. */
static struct sql_info either(const struct reading *with, const struct reading *without)
{
	struct sql_info info = with->info;
	enum sql_class class = with->info.class;
	bool control = class == SQL_TRANSACTION || without->info.class == SQL_TRANSACTION;

	info.flags |= without->info.flags | SQL_FLAG_CONDITIONAL;
	if (without->info.statements > info.statements) {
		info.statements = without->info.statements;
	}
	if (with->conditionals != 1 || without->conditionals != 1 || control) {
		return with_doubt(info, SQL_FLAG_OPAQUE);
	}
	bool same = without->info.statements == 0 || without->info.class == class;
	if (!same || (class != SQL_WRITE && class != SQL_SESSION)) {
		return with_doubt(info, 0);
	}
	return info;
}

struct sql_info sql_classify(struct str text, struct sql_mode mode)
{
	struct reading with = read_text(text, mode, false);
	struct sql_info info = with.info;
	bool ambiguous = with.ambiguous;

	if (with.conditionals > 0) {
		struct reading without = read_text(text, mode, true);
		info = either(&with, &without);
		ambiguous = ambiguous || without.ambiguous;
	}
	if (ambiguous) {
		info = with_doubt(info, SQL_FLAG_OPAQUE);
	}
	if (info.flags & SQL_FLAG_HINT_PRIMARY) {
		info.flags &= ~(uint32_t)SQL_FLAG_HINT_REPLICA;
	}
	return info;
}

const char *sql_classify_class_name(enum sql_class class)
{
	static const char *const names[SQL_CLASS_COUNT_] = {
		[SQL_UNCERTAIN] = "uncertain",	   [SQL_READ] = "read",	      [SQL_WRITE] = "write",
		[SQL_TRANSACTION] = "transaction", [SQL_SESSION] = "session",
	};
	check(class < SQL_CLASS_COUNT_);
	return names[class];
}

const char *sql_classify_transaction_name(enum sql_transaction t)
{
	static const char *const names[SQL_TRANSACTION_COUNT_] = {
		[SQL_TRANSACTION_NONE] = "",
		[SQL_TRANSACTION_BEGIN] = "begin",
		[SQL_TRANSACTION_COMMIT] = "commit",
		[SQL_TRANSACTION_COMMIT_CHAIN] = "commit and chain",
		[SQL_TRANSACTION_COMMIT_RELEASE] = "commit release",
		[SQL_TRANSACTION_ROLLBACK] = "rollback",
		[SQL_TRANSACTION_ROLLBACK_CHAIN] = "rollback and chain",
		[SQL_TRANSACTION_ROLLBACK_RELEASE] = "rollback release",
		[SQL_TRANSACTION_ROLLBACK_TO] = "rollback to savepoint",
		[SQL_TRANSACTION_SAVEPOINT] = "savepoint",
		[SQL_TRANSACTION_RELEASE_SAVEPOINT] = "release savepoint",
		[SQL_TRANSACTION_AUTOCOMMIT_ON] = "autocommit on",
		[SQL_TRANSACTION_AUTOCOMMIT_OFF] = "autocommit off",
		[SQL_TRANSACTION_XA_START] = "xa start",
		[SQL_TRANSACTION_XA_END] = "xa end",
		[SQL_TRANSACTION_XA_PREPARE] = "xa prepare",
		[SQL_TRANSACTION_XA_COMMIT] = "xa commit",
		[SQL_TRANSACTION_XA_ROLLBACK] = "xa rollback",
	};
	check(t < SQL_TRANSACTION_COUNT_);
	return names[t];
}
