#include "sql/sql_set.h"

enum scope { SCOPE_NONE, SCOPE_SESSION, SCOPE_GLOBAL };

/* What one SET has done so far. */
struct set {
	struct sql_scan *scan;
	enum scope scope; /* of the last keyword; holds for what follows without one */
	enum sql_transaction autocommit;
	uint32_t flags;
};

static enum scope scope_of(struct str word)
{
	static const struct {
		const char *word;
		enum scope scope;
	} rows[] = {
		{ "GLOBAL", SCOPE_GLOBAL },	  { "PERSIST", SCOPE_GLOBAL },
		{ "PERSIST_ONLY", SCOPE_GLOBAL }, { "SESSION", SCOPE_SESSION },
		{ "LOCAL", SCOPE_SESSION },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (str_equal_nocase(word, str_of(rows[i].word))) {
			return rows[i].scope;
		}
	}
	return SCOPE_NONE;
}

/* To the comma that ends an assignment. */
static void scan_value(struct sql_scan *scan)
{
	while (!sql_scan_is_at_end(scan) &&
	       !(scan->depth == 0 && scan->token.kind == SQL_TOKEN_COMMA)) {
		sql_scan_token(scan);
	}
}

static bool accept_assignment(struct sql_scan *scan)
{
	if (scan->token.kind == SQL_TOKEN_ASSIGN ||
	    (scan->token.kind == SQL_TOKEN_OPERATOR && str_equal(scan->token.text, STR("=")))) {
		sql_scan_skip(scan);
		return true;
	}
	return false;
}

/* autocommit's value, when it is written out: what else it may be is for the server to know. */
static enum sql_transaction autocommit_of(const struct sql_scan *scan)
{
	static const struct {
		const char *word;
		enum sql_transaction value;
	} rows[] = {
		{ "0", SQL_TRANSACTION_AUTOCOMMIT_OFF },
		{ "OFF", SQL_TRANSACTION_AUTOCOMMIT_OFF },
		{ "FALSE", SQL_TRANSACTION_AUTOCOMMIT_OFF },
		{ "'OFF'", SQL_TRANSACTION_AUTOCOMMIT_OFF },
		{ "1", SQL_TRANSACTION_AUTOCOMMIT_ON },
		{ "ON", SQL_TRANSACTION_AUTOCOMMIT_ON },
		{ "TRUE", SQL_TRANSACTION_AUTOCOMMIT_ON },
		{ "'ON'", SQL_TRANSACTION_AUTOCOMMIT_ON },
	};
	if (scan->after.kind != SQL_TOKEN_END && scan->after.kind != SQL_TOKEN_SEMICOLON &&
	    scan->after.kind != SQL_TOKEN_COMMA) {
		return SQL_TRANSACTION_NONE;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (str_equal_nocase(scan->token.text, str_of(rows[i].word))) {
			return rows[i].value;
		}
	}
	return SQL_TRANSACTION_NONE;
}

static struct str bare_name(struct str name)
{
	bool quoted = name.len >= 2 && name.ptr[0] == '`';
	return quoted ? str_slice(name, 1, name.len - 1) : name;
}

/* At the name of a system variable; `scope` is what stands before it. */
static void set_system(struct set *set, struct str name, enum scope scope)
{
	struct sql_scan *scan = set->scan;

	sql_scan_skip(scan);
	while (scan->token.kind == SQL_TOKEN_DOT) { /* of a key cache, or of a stored routine */
		sql_scan_skip(scan);
		name = STR("");
		if (!sql_scan_is_at_end(scan)) {
			sql_scan_skip(scan);
		}
	}
	if (!accept_assignment(scan)) {
		sql_scan_doubt(scan);
		return;
	}
	bool global = scope == SCOPE_GLOBAL || (scope == SCOPE_NONE && set->scope == SCOPE_GLOBAL);
	if (str_equal_nocase(bare_name(name), STR("autocommit")) && !global) {
		set->autocommit = autocommit_of(scan);
		if (set->autocommit == SQL_TRANSACTION_NONE) {
			sql_scan_doubt(scan);
		}
		return;
	}
	set->flags |= global ? SQL_FLAG_SET_GLOBAL : 0;
	set->flags |= scope == SCOPE_GLOBAL ? 0 : SQL_FLAG_SET_SYSTEM;
}

/* At @@x or @@scope.x */
static void set_at_variable(struct set *set)
{
	struct sql_scan *scan = set->scan;
	struct str name = bare_name(str_slice(scan->token.text, 2, scan->token.text.len));
	enum scope scope = SCOPE_SESSION;

	if (scan->after.kind == SQL_TOKEN_DOT && scope_of(name) != SCOPE_NONE) {
		scope = scope_of(name);
		sql_scan_skip(scan);
		sql_scan_skip(scan);
		name = scan->token.text;
	}
	if (sql_scan_is_at_end(scan)) {
		sql_scan_doubt(scan);
		return;
	}
	set_system(set, name, scope);
}

static void set_user_variable(struct set *set)
{
	sql_scan_skip(set->scan);
	if (!accept_assignment(set->scan)) {
		sql_scan_doubt(set->scan);
	}
	set->flags |= SQL_FLAG_USER_VARIABLE_SET;
}

/* SET [scope] TRANSACTION ... */
static void set_transaction(struct set *set, enum scope scope)
{
	struct sql_scan *scan = set->scan;

	sql_scan_skip(scan);
	set->flags |= scope == SCOPE_GLOBAL ? SQL_FLAG_SET_GLOBAL : SQL_FLAG_SET_SYSTEM;
	set->flags |= scope == SCOPE_NONE ? SQL_FLAG_NEXT_TRANSACTION : 0;
	while (!sql_scan_is_at_end(scan)) {
		if (sql_scan_is(scan, STR("READ")) && sql_scan_is_before(scan, STR("ONLY"))) {
			set->flags |= SQL_FLAG_EXPLICIT_READ_ONLY;
		}
		if (scan->token.kind != SQL_TOKEN_WORD && scan->token.kind != SQL_TOKEN_COMMA) {
			sql_scan_doubt(scan);
		}
		sql_scan_skip(scan);
	}
}

/* SET NAMES, CHARACTER SET, ROLE: what follows is not an assignment. false when it is none of them. */
static bool set_without_name(struct set *set)
{
	struct sql_scan *scan = set->scan;
	bool assigns = scan->after.kind == SQL_TOKEN_ASSIGN ||
		       scan->after.kind == SQL_TOKEN_OPERATOR || scan->after.kind == SQL_TOKEN_DOT;

	if (assigns) {
		return false;
	}
	if (sql_scan_is(scan, STR("NAMES")) || sql_scan_is(scan, STR("CHARSET")) ||
	    sql_scan_is(scan, STR("CHARACTER")) || sql_scan_is(scan, STR("CHAR"))) {
		set->flags |= SQL_FLAG_SET_SYSTEM;
		scan_value(scan);
		return true;
	}
	if (sql_scan_is(scan, STR("ROLE"))) {
		set->flags |= SQL_FLAG_SET_SYSTEM | SQL_FLAG_ROLE;
		sql_scan_rest(scan);
		return true;
	}
	return false;
}

/* One of the comma-separated parts. */
static void set_part(struct set *set)
{
	struct sql_scan *scan = set->scan;
	enum scope scope = SCOPE_NONE;

	if (scan->token.kind == SQL_TOKEN_USER_VARIABLE) {
		set_user_variable(set);
		return;
	}
	if (scan->token.kind == SQL_TOKEN_SYSTEM_VARIABLE) {
		set_at_variable(set);
		return;
	}
	if (scan->token.kind == SQL_TOKEN_WORD && scan->after.kind != SQL_TOKEN_ASSIGN &&
	    scan->after.kind != SQL_TOKEN_OPERATOR) {
		scope = scope_of(scan->token.text);
	}
	if (scope != SCOPE_NONE) {
		set->scope = scope;
		sql_scan_skip(scan);
	}
	if (sql_scan_is(scan, STR("TRANSACTION")) && scan->after.kind == SQL_TOKEN_WORD) {
		set_transaction(set, scope);
	} else if (scan->token.kind != SQL_TOKEN_WORD &&
		   scan->token.kind != SQL_TOKEN_QUOTED_NAME) {
		sql_scan_doubt(scan);
	} else if (!set_without_name(set)) {
		set_system(set, scan->token.text, scope);
	}
}

/* SET PASSWORD, SET DEFAULT ROLE: statements of their own, which change accounts. */
static bool is_account_change(const struct sql_scan *scan)
{
	if (sql_scan_is(scan, STR("PASSWORD"))) {
		return true;
	}
	return sql_scan_is(scan, STR("DEFAULT")) && sql_scan_is_before(scan, STR("ROLE"));
}

enum sql_class sql_set_classify(struct sql_scan *scan, enum sql_transaction *ret_transaction)
{
	struct set set = { .scan = scan };

	scan->kind = SQL_SCAN_READ; /* values may be queries */
	if (is_account_change(scan)) {
		sql_scan_rest(scan);
		scan->flags |= SQL_FLAG_IMPLICIT_COMMIT;
		return SQL_WRITE;
	}
	for (;;) {
		set_part(&set);
		scan_value(scan);
		if (sql_scan_is_at_end(scan)) {
			break;
		}
		sql_scan_skip(scan);
	}
	sql_scan_rest(scan); /* parentheses that are not closed */
	scan->flags |= set.flags;
	uint32_t more = SQL_FLAG_OPAQUE | SQL_FLAG_SET_GLOBAL | SQL_FLAG_ROW_LOCK;
	if (scan->writes || (scan->flags & more)) {
		return SQL_UNCERTAIN;
	}
	if (set.autocommit != SQL_TRANSACTION_NONE) {
		*ret_transaction = set.autocommit;
		return SQL_TRANSACTION;
	}
	return SQL_SESSION;
}
