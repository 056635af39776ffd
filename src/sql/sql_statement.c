#include "sql/sql_statement.h"

#include "sql/sql_ddl.h"
#include "sql/sql_set.h"
#include "sql/sql_transaction.h"

enum form {
	FORM_PLAIN,
	FORM_ANALYZE,
	FORM_BACKUP,
	FORM_DDL,
	FORM_DML,
	FORM_EXPLAIN,
	FORM_FLUSH,
	FORM_GRANT,
	FORM_INSERT,
	FORM_LOAD,
	FORM_LOCK,
	FORM_SELECT,
	FORM_SET,
	FORM_SHOW,
	FORM_START,
	FORM_TRANSACTION,
	FORM_WITH
};

/* Combinations that the table's rows name. */
enum row_flag {
	SQL_FLAG_NOTHING = 0,
	SQL_FLAG_CALL_ANYTHING = SQL_FLAG_CALL | SQL_FLAG_OPAQUE | SQL_FLAG_IMPLICIT_COMMIT,
	SQL_FLAG_EXECUTE = SQL_FLAG_TEXT_PREPARE | SQL_FLAG_OPAQUE | SQL_FLAG_IMPLICIT_COMMIT,
	SQL_FLAG_GET = SQL_FLAG_LAST_RESULT | SQL_FLAG_USER_VARIABLE_SET,
	SQL_FLAG_UNLOCK_TABLES = SQL_FLAG_UNLOCK | SQL_FLAG_IMPLICIT_COMMIT
};

struct row {
	struct str word;
	enum form form;
	enum sql_class class;
	uint32_t flags;
};

static const struct row rows[] = {
#define X(word, form, class, flags) \
	{ { #word, sizeof(#word) - 1 }, FORM_##form, SQL_##class, (uint32_t)SQL_FLAG_##flags },
#include "sql/sql_statement.def"
#undef X
};

/* What stands before the statement proper. */
enum prefix {
	PREFIX_NONE,
	PREFIX_EXPLAIN, /* it is not carried out */
	PREFIX_EXECUTED /* ANALYZE, SET STATEMENT: it is */
};

struct statement {
	struct sql_scan *scan;
	const struct row *row;
	enum prefix prefix;
	enum sql_transaction transaction; /* of SQL_TRANSACTION */
};

static const struct row *find_row(const struct sql_token *token)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (sql_lexer_is_word(token, rows[i].word)) {
			return &rows[i];
		}
	}
	return NULL;
}

/* One of the words of a list that NULL ends. */
static bool is_any(const struct sql_token *token, const char *const *words)
{
	for (size_t i = 0; words[i]; i++) {
		if (sql_lexer_is_word(token, str_of(words[i]))) {
			return true;
		}
	}
	return false;
}

static enum sql_class read_rest(struct sql_scan *scan)
{
	scan->kind = SQL_SCAN_READ;
	sql_scan_rest(scan);
	if (scan->writes) {
		return SQL_WRITE;
	}
	return scan->pure ? SQL_READ : SQL_UNCERTAIN;
}

/* What WITH leads to: the first verb outside of parentheses. */
static enum sql_class classify_with(struct sql_scan *scan)
{
	static const char *const changes[] = { "UPDATE", "DELETE", "INSERT", "REPLACE", NULL };
	static const char *const reads[] = { "SELECT", "VALUES", "TABLE", NULL };

	scan->kind = SQL_SCAN_READ;
	while (!sql_scan_is_at_end(scan)) {
		bool verb_here = scan->depth == 0 && scan->before.kind != SQL_TOKEN_DOT;
		if (verb_here && is_any(&scan->token, changes)) {
			scan->kind = SQL_SCAN_OTHER;
			sql_scan_rest(scan);
			return SQL_WRITE;
		}
		if (verb_here && is_any(&scan->token, reads)) {
			break;
		}
		sql_scan_token(scan);
	}
	return read_rest(scan);
}

static enum sql_class classify_insert(struct sql_scan *scan)
{
	sql_scan_skip(scan); /* the verb is a function's name too */
	scan->kind = SQL_SCAN_INSERT;
	sql_scan_rest(scan);
	return SQL_WRITE;
}

static enum sql_class classify_load(struct sql_scan *scan)
{
	static const char *const options[] = { "DATA", "XML", "LOW_PRIORITY", "CONCURRENT", NULL };

	sql_scan_skip(scan);
	if (sql_scan_is(scan, STR("INDEX"))) {
		scan->flags |= SQL_FLAG_IMPLICIT_COMMIT;
	}
	while (is_any(&scan->token, options)) {
		sql_scan_skip(scan);
	}
	if (sql_scan_is(scan, STR("LOCAL"))) {
		scan->flags |= SQL_FLAG_LOAD_LOCAL;
	}
	/* Names and variables before SET are there to be filled; CHARACTER SET is another matter. */
	while (!sql_scan_is_at_end(scan) && (!sql_scan_is(scan, STR("SET")) ||
					     sql_lexer_is_word(&scan->before, STR("CHARACTER")))) {
		if (scan->token.kind == SQL_TOKEN_USER_VARIABLE) {
			scan->flags |= SQL_FLAG_USER_VARIABLE_SET;
		}
		sql_scan_pass(scan);
	}
	sql_scan_rest(scan);
	return SQL_WRITE;
}

static enum sql_class classify_flush(struct sql_scan *scan)
{
	bool lock = false;

	while (!sql_scan_is_at_end(scan)) {
		lock = lock || sql_scan_is(scan, STR("LOCK")) || sql_scan_is(scan, STR("EXPORT"));
		sql_scan_token(scan);
	}
	if (!lock || (scan->flags & SQL_FLAG_OPAQUE)) {
		return SQL_UNCERTAIN;
	}
	scan->flags |= SQL_FLAG_LOCK;
	return SQL_SESSION;
}

static enum sql_class classify_lock(struct sql_scan *scan)
{
	sql_scan_skip(scan);
	if (!sql_scan_is(scan, STR("INSTANCE"))) {
		scan->flags |= SQL_FLAG_IMPLICIT_COMMIT;
	}
	sql_scan_rest(scan);
	return scan->flags & SQL_FLAG_OPAQUE ? SQL_UNCERTAIN : SQL_SESSION;
}

static enum sql_class classify_backup(struct sql_scan *scan)
{
	sql_scan_skip(scan);
	bool ends = sql_scan_is(scan, STR("UNLOCK")) ||
		    (sql_scan_is(scan, STR("STAGE")) && sql_scan_is_before(scan, STR("END")));
	scan->flags |= ends ? SQL_FLAG_UNLOCK : SQL_FLAG_LOCK;
	sql_scan_rest(scan);
	return scan->flags & SQL_FLAG_OPAQUE ? SQL_UNCERTAIN : SQL_SESSION;
}

static enum sql_class classify_transaction(struct statement *st)
{
	enum sql_transaction transaction = sql_transaction_read(st->scan);

	if (transaction == SQL_TRANSACTION_NONE || st->prefix != PREFIX_NONE) {
		sql_scan_doubt(st->scan);
		return SQL_UNCERTAIN;
	}
	st->transaction = transaction;
	return SQL_TRANSACTION;
}

/* START TRANSACTION, or START of replication. */
static enum sql_class classify_start(struct statement *st)
{
	if (sql_scan_is_before(st->scan, STR("TRANSACTION"))) {
		return classify_transaction(st);
	}
	st->scan->flags |= SQL_FLAG_IMPLICIT_COMMIT;
	sql_scan_rest(st->scan);
	return SQL_UNCERTAIN;
}

static enum sql_class classify_set(struct statement *st)
{
	enum sql_transaction transaction = SQL_TRANSACTION_NONE;

	sql_scan_skip(st->scan);
	enum sql_class class = sql_set_classify(st->scan, &transaction);
	if (st->prefix != PREFIX_NONE) {
		sql_scan_doubt(st->scan);
		return SQL_UNCERTAIN;
	}
	if (class == SQL_TRANSACTION) {
		st->transaction = transaction;
	}
	return class;
}

/* What SHOW shows that is the same on every server: the data dictionary. */
static bool accept_shown(struct sql_scan *scan)
{
	static const char *const modifiers[] = { "FULL", "EXTENDED", "STORAGE", NULL };
	static const char *const dictionary[] = { "CHARACTER", "CHARSET",  "COLLATION", "COLUMNS",
						  "DATABASES", "ENGINES",  "EVENTS",	"FIELDS",
						  "INDEX",     "INDEXES",  "KEYS",	"SCHEMAS",
						  "TABLES",    "TRIGGERS", NULL };
	static const char *const created[] = { "DATABASE", "EVENT",    "FUNCTION", "PROCEDURE",
					       "SCHEMA",   "SEQUENCE", "TABLE",	   "TRIGGER",
					       "USER",	   "VIEW",     NULL };
	static const char *const with_status[] = { "FUNCTION", "PROCEDURE", "TABLE", NULL };

	while (is_any(&scan->token, modifiers)) {
		sql_scan_skip(scan);
	}
	const struct sql_token *second = &scan->after;
	bool create = sql_scan_is(scan, STR("CREATE")) && is_any(second, created);
	bool status = is_any(&scan->token, with_status) && sql_lexer_is_word(second, STR("STATUS"));
	if (create || status) {
		sql_scan_skip(scan);
		sql_scan_skip(scan);
		return true;
	}
	return is_any(&scan->token, dictionary);
}

static enum sql_class classify_show(struct sql_scan *scan)
{
	static const char *const left_behind[] = { "WARNINGS", "ERRORS",   "COUNT",
						   "PROFILE",  "PROFILES", NULL };

	if (!sql_scan_accept(scan, STR("SHOW"))) { /* HELP, CHECKSUM */
		sql_scan_skip(scan);
		return read_rest(scan);
	}
	if (is_any(&scan->token, left_behind)) {
		scan->flags |= SQL_FLAG_LAST_RESULT;
		sql_scan_skip(scan);
		sql_scan_rest(scan);
		return SQL_UNCERTAIN;
	}
	if (accept_shown(scan)) {
		return read_rest(scan);
	}
	scan->flags |= SQL_FLAG_SYSTEM_READ;
	sql_scan_rest(scan);
	return SQL_UNCERTAIN;
}

static enum sql_class classify_plain(struct statement *st)
{
	struct sql_scan *scan = st->scan;

	sql_scan_rest(scan);
	if (st->row->class == SQL_SESSION && (scan->flags & SQL_FLAG_OPAQUE)) {
		return SQL_UNCERTAIN;
	}
	return st->row->class;
}

/* GRANT UPDATE (a): words before parentheses that call nothing. */
static enum sql_class classify_grant(struct sql_scan *scan)
{
	while (!sql_scan_is_at_end(scan)) {
		sql_scan_pass(scan);
	}
	return SQL_WRITE;
}

static enum sql_class classify_proper(struct statement *st)
{
	struct sql_scan *scan = st->scan;

	switch (st->row->form) {
	case FORM_PLAIN:
		return classify_plain(st);
	case FORM_BACKUP:
		return classify_backup(scan);
	case FORM_ANALYZE:
	case FORM_DDL:
		return sql_ddl_classify(scan);
	case FORM_DML:
		sql_scan_rest(scan);
		return SQL_WRITE;
	case FORM_FLUSH:
		return classify_flush(scan);
	case FORM_INSERT:
		return classify_insert(scan);
	case FORM_LOAD:
		return classify_load(scan);
	case FORM_LOCK:
		return classify_lock(scan);
	case FORM_GRANT:
		return classify_grant(scan);
	case FORM_EXPLAIN: /* a prefix, passed before */
		break;
	case FORM_SELECT:
		return read_rest(scan);
	case FORM_SET:
		return classify_set(st);
	case FORM_SHOW:
		return classify_show(scan);
	case FORM_START:
		return classify_start(st);
	case FORM_TRANSACTION:
		return classify_transaction(st);
	case FORM_WITH:
		return classify_with(scan);
	}
	return SQL_UNCERTAIN;
}

/* FORMAT = JSON, behind EXPLAIN or ANALYZE. */
static void skip_format(struct sql_scan *scan)
{
	if (sql_scan_is(scan, STR("FORMAT")) && scan->after.kind == SQL_TOKEN_OPERATOR) {
		sql_scan_skip(scan);
		sql_scan_skip(scan);
		if (!sql_scan_is_at_end(scan)) {
			sql_scan_skip(scan);
		}
	}
}

/* Passes EXPLAIN and its options. Leaves the statement's own first word, or a table's name. */
static void pass_explain(struct statement *st)
{
	struct sql_scan *scan = st->scan;
	bool analyze = false;

	sql_scan_skip(scan);
	if (sql_scan_accept(scan, STR("EXTENDED")) || sql_scan_accept(scan, STR("PARTITIONS"))) {
		st->prefix = PREFIX_EXPLAIN;
	}
	analyze = sql_scan_accept(scan, STR("ANALYZE"));
	skip_format(scan);
	analyze = sql_scan_accept(scan, STR("ANALYZE")) || analyze;
	if (st->prefix != PREFIX_EXECUTED) {
		st->prefix = analyze ? PREFIX_EXECUTED : PREFIX_EXPLAIN;
	}
}

/* ANALYZE [FORMAT=x] statement, not ANALYZE TABLE. */
static bool pass_analyze(struct statement *st)
{
	struct sql_scan *scan = st->scan;

	if (sql_scan_is_before(scan, STR("TABLE")) || sql_scan_is_before(scan, STR("LOCAL")) ||
	    sql_scan_is_before(scan, STR("TABLES")) ||
	    sql_scan_is_before(scan, STR("NO_WRITE_TO_BINLOG"))) {
		return false;
	}
	sql_scan_skip(scan);
	skip_format(scan);
	st->prefix = PREFIX_EXECUTED;
	return true;
}

/* SET STATEMENT variable = value, ... FOR: what is set ends with the statement. */
static void pass_set_statement(struct statement *st)
{
	struct sql_scan *scan = st->scan;

	sql_scan_skip(scan);
	sql_scan_skip(scan);
	scan->kind = SQL_SCAN_READ; /* values may be queries */
	while (!sql_scan_is_at_end(scan) && !(scan->depth == 0 && sql_scan_is(scan, STR("FOR")))) {
		sql_scan_token(scan);
	}
	(void)sql_scan_accept(scan, STR("FOR"));
	scan->kind = SQL_SCAN_OTHER;
	st->prefix = PREFIX_EXECUTED;
}

/* Passes what stands before the statement proper; false when there is nothing of the kind. */
static bool pass_prefix(struct statement *st)
{
	struct sql_scan *scan = st->scan;

	if (!st->row) {
		return false;
	}
	if (st->row->form == FORM_EXPLAIN) {
		pass_explain(st);
		return true;
	}
	if (st->row->form == FORM_ANALYZE) {
		return pass_analyze(st);
	}
	if (st->row->form == FORM_SET && sql_scan_is_before(scan, STR("STATEMENT"))) {
		pass_set_statement(st);
		return true;
	}
	return false;
}

/* Only a query may be in parentheses. */
static bool pass_parentheses(struct statement *st)
{
	struct sql_scan *scan = st->scan;

	if (scan->token.kind != SQL_TOKEN_OPEN) {
		return true;
	}
	while (scan->token.kind == SQL_TOKEN_OPEN) {
		sql_scan_token(scan);
	}
	st->row = find_row(&scan->token);
	return st->row && (st->row->form == FORM_SELECT || st->row->form == FORM_WITH);
}

/* EXPLAIN of a change does not carry it out; that is all that is certain. */
static enum sql_class explained(struct statement *st, enum sql_class class)
{
	uint32_t kept = SQL_FLAG_OPAQUE | SQL_FLAG_USER_VARIABLE_READ | SQL_FLAG_USER_VARIABLE_SET |
			SQL_FLAG_LAST_RESULT | SQL_FLAG_SYSTEM_READ;

	st->scan->flags &= kept;
	return class == SQL_READ ? SQL_READ : SQL_UNCERTAIN;
}

enum sql_class sql_statement_classify(struct sql_scan *scan, enum sql_transaction *ret_transaction)
{
	struct statement st = { .scan = scan };

	do {
		st.row = find_row(&scan->token);
	} while (pass_prefix(&st));

	bool table_name =
		!st.row && st.prefix == PREFIX_EXPLAIN &&
		(scan->token.kind == SQL_TOKEN_WORD || scan->token.kind == SQL_TOKEN_QUOTED_NAME);
	if (table_name) {
		return read_rest(scan);
	}
	if (!pass_parentheses(&st) || !st.row) {
		sql_scan_doubt(scan);
		sql_scan_rest(scan);
		return SQL_UNCERTAIN;
	}
	scan->flags |= st.row->flags;
	enum sql_class class = classify_proper(&st);
	if (class == SQL_TRANSACTION) {
		*ret_transaction = st.transaction;
	}
	return st.prefix == PREFIX_EXPLAIN ? explained(&st, class) : class;
}
