#include "sql/sql_scan.h"

#include "sql/sql_classify.h"
#include "sql/sql_function.h"

static struct sql_token next_token(struct sql_scan *scan)
{
	struct sql_token token = sql_lexer_next(&scan->lexer);

	while (token.kind == SQL_TOKEN_HINT) {
		if (str_equal_nocase(token.text, STR("primary"))) {
			scan->hints |= SQL_FLAG_HINT_PRIMARY;
		} else if (str_equal_nocase(token.text, STR("replica"))) {
			scan->hints |= SQL_FLAG_HINT_REPLICA;
		}
		token = sql_lexer_next(&scan->lexer);
	}
	return token;
}

void sql_scan_init(struct sql_scan *scan, struct str text, struct sql_mode mode, bool leave_out)
{
	*scan = (struct sql_scan){ .pure = true };
	sql_lexer_init(&scan->lexer, text, mode, leave_out);
	scan->token = next_token(scan);
	scan->after = next_token(scan);
}

void sql_scan_begin(struct sql_scan *scan)
{
	scan->before = (struct sql_token){ .kind = SQL_TOKEN_END };
	scan->kind = SQL_SCAN_OTHER;
	scan->flags = 0;
	scan->depth = 0;
	scan->substring_depth = 0;
	scan->pure = true;
	scan->writes = false;
	scan->values_seen = false;
}

bool sql_scan_is_at_end(const struct sql_scan *scan)
{
	return scan->token.kind == SQL_TOKEN_END || scan->token.kind == SQL_TOKEN_SEMICOLON;
}

void sql_scan_skip(struct sql_scan *scan)
{
	scan->before = scan->token;
	scan->token = scan->after;
	scan->after = next_token(scan);
}

bool sql_scan_is(const struct sql_scan *scan, struct str keyword)
{
	return sql_lexer_is_word(&scan->token, keyword);
}

bool sql_scan_is_before(const struct sql_scan *scan, struct str keyword)
{
	return sql_lexer_is_word(&scan->after, keyword);
}

bool sql_scan_accept(struct sql_scan *scan, struct str keyword)
{
	if (!sql_scan_is(scan, keyword)) {
		return false;
	}
	sql_scan_skip(scan);
	return true;
}

void sql_scan_doubt(struct sql_scan *scan)
{
	scan->flags |= SQL_FLAG_OPAQUE;
	scan->pure = false;
}

static void note(struct sql_scan *scan, uint32_t flags)
{
	scan->flags |= flags;
	scan->pure = false;
}

/* After a dot that it touches, a word is a name whatever it spells. */
static bool is_qualified(const struct sql_scan *scan)
{
	return scan->before.kind == SQL_TOKEN_DOT && scan->before.to == scan->token.from;
}

/* Where a value just ended or a name is being declared, no call can begin. */
static bool can_be_call(const struct sql_scan *scan)
{
	const struct sql_token *before = &scan->before;

	if (before->kind == SQL_TOKEN_STRING || before->kind == SQL_TOKEN_NUMBER ||
	    before->kind == SQL_TOKEN_CLOSE || before->kind == SQL_TOKEN_PARAMETER) {
		return false;
	}
	if (sql_lexer_is_word(before, STR("AS")) || sql_lexer_is_word(before, STR("WITH")) ||
	    sql_lexer_is_word(before, STR("RECURSIVE"))) {
		return false;
	}
	return scan->kind != SQL_SCAN_INSERT || scan->values_seen || scan->depth > 0;
}

static void note_call(struct sql_scan *scan)
{
	enum sql_function_effect effect = SQL_FUNCTION_UNKNOWN;

	if (scan->token.kind == SQL_TOKEN_WORD && scan->before.kind != SQL_TOKEN_DOT) {
		effect = sql_function_find_effect(scan->token.text,
						  scan->token.to == scan->after.from,
						  scan->lexer.mode.dialect);
	}
	switch (effect) {
	case SQL_FUNCTION_UNKNOWN:
		sql_scan_doubt(scan);
		break;
	case SQL_FUNCTION_NONE:
		if (sql_scan_is(scan, STR("SUBSTRING")) || sql_scan_is(scan, STR("SUBSTR")) ||
		    sql_scan_is(scan, STR("MID"))) {
			scan->substring_depth = scan->depth + 1;
		}
		break;
	case SQL_FUNCTION_WRITE:
		scan->writes = true;
		scan->pure = false;
		break;
	case SQL_FUNCTION_LOCK:
		note(scan, SQL_FLAG_LOCK | SQL_FLAG_USER_LOCK);
		break;
	case SQL_FUNCTION_UNLOCK:
		note(scan, SQL_FLAG_UNLOCK | SQL_FLAG_USER_LOCK);
		break;
	case SQL_FUNCTION_LAST_RESULT:
		note(scan, SQL_FLAG_LAST_RESULT);
		break;
	case SQL_FUNCTION_SERVER:
		note(scan, SQL_FLAG_SYSTEM_READ);
		break;
	}
}

static void note_for(struct sql_scan *scan)
{
	if (sql_scan_is_before(scan, STR("UPDATE")) || sql_scan_is_before(scan, STR("SHARE"))) {
		note(scan, SQL_FLAG_ROW_LOCK);
		return;
	}
	if (sql_lexer_is_word(&scan->before, STR("VALUE"))) { /* NEXT VALUE FOR a sequence */
		scan->pure = false;
		return;
	}
	bool index_hint = sql_scan_is_before(scan, STR("JOIN")) ||
			  sql_scan_is_before(scan, STR("ORDER")) ||
			  sql_scan_is_before(scan, STR("GROUP"));
	bool substring = scan->depth > 0 && scan->depth == scan->substring_depth;
	if (!index_hint && !substring && !sql_scan_is_before(scan, STR("SYSTEM_TIME"))) {
		sql_scan_doubt(scan);
	}
}

/* A verb as such, not the function of that name. */
static bool is_verb(const struct sql_scan *scan)
{
	if (sql_scan_is(scan, STR("INSERT")) || sql_scan_is(scan, STR("REPLACE"))) {
		return scan->after.kind != SQL_TOKEN_OPEN;
	}
	if (sql_scan_is(scan, STR("UPDATE"))) {
		return !sql_lexer_is_word(&scan->before, STR("FOR"));
	}
	return sql_scan_is(scan, STR("DELETE"));
}

static bool is_sequence_column(const struct sql_scan *scan)
{
	return scan->before.kind == SQL_TOKEN_DOT &&
	       (sql_scan_is(scan, STR("NEXTVAL")) || sql_scan_is(scan, STR("CURRVAL")));
}

/* Words that turn a SELECT into more than a read. */
static void note_read_word(struct sql_scan *scan)
{
	if (is_sequence_column(scan)) {
		scan->pure = false;
		scan->writes = sql_scan_is(scan, STR("NEXTVAL"));
		return;
	}
	if (is_qualified(scan)) {
		return;
	}
	if (sql_scan_is(scan, STR("INTO"))) {
		bool variable = scan->after.kind == SQL_TOKEN_USER_VARIABLE;
		note(scan, variable ? SQL_FLAG_USER_VARIABLE_SET : 0);
	} else if (sql_scan_is(scan, STR("FOR"))) {
		note_for(scan);
	} else if (sql_scan_is(scan, STR("LOCK"))) {
		note(scan, SQL_FLAG_ROW_LOCK);
	} else if (sql_scan_is(scan, STR("SQL_CALC_FOUND_ROWS"))) {
		scan->flags |= SQL_FLAG_CALC_FOUND_ROWS;
	} else if (sql_scan_is(scan, STR("PREVIOUS")) && sql_scan_is_before(scan, STR("VALUE"))) {
		note(scan, SQL_FLAG_LAST_RESULT);
	} else if (sql_scan_is(scan, STR("PROCEDURE")) || is_verb(scan)) {
		sql_scan_doubt(scan);
	}
}

/* Each server has its own of what stands there. */
static bool is_server_schema(const struct sql_token *token)
{
	struct str name = token->text;
	if (token->kind == SQL_TOKEN_QUOTED_NAME && name.len >= 2) {
		name = str_slice(name, 1, name.len - 1);
	}
	return str_equal_nocase(name, STR("performance_schema")) ||
	       str_equal_nocase(name, STR("information_schema"));
}

static void note_name(struct sql_scan *scan)
{
	if (scan->after.kind == SQL_TOKEN_DOT && is_server_schema(&scan->token)) {
		note(scan, SQL_FLAG_SYSTEM_READ);
	}
	if (scan->after.kind == SQL_TOKEN_OPEN && can_be_call(scan)) {
		note_call(scan);
	}
}

static void note_word(struct sql_scan *scan)
{
	if (scan->kind == SQL_SCAN_READ) {
		note_read_word(scan);
	}
	if (sql_scan_is(scan, STR("NEXT")) && sql_scan_is_before(scan, STR("VALUE"))) {
		scan->pure = false;
		scan->writes = true;
	}
	if (scan->kind == SQL_SCAN_INSERT && !scan->values_seen && !is_qualified(scan) &&
	    (sql_scan_is(scan, STR("VALUES")) || sql_scan_is(scan, STR("VALUE")) ||
	     sql_scan_is(scan, STR("SELECT")) || sql_scan_is(scan, STR("SET")) ||
	     sql_scan_is(scan, STR("WITH")) || sql_scan_is(scan, STR("TABLE")))) {
		scan->values_seen = true;
		return;
	}
	note_name(scan);
}

static struct str without_quotes(struct str name)
{
	bool quoted = name.len >= 2 && name.ptr[0] == '`';
	return quoted ? str_slice(name, 1, name.len - 1) : name;
}

/* Stops at the last token of the variable: @@x, or the x of @@session.x. */
static void note_system_variable(struct sql_scan *scan)
{
	static const char *const left_behind[] = { "identity", "last_insert_id", "warning_count",
						   "error_count", NULL };
	struct str name = str_slice(scan->token.text, 2, scan->token.text.len);

	note(scan, SQL_FLAG_SYSTEM_READ);
	if (scan->after.kind == SQL_TOKEN_DOT) {
		sql_scan_skip(scan);
		sql_scan_skip(scan);
		name = scan->token.text;
	}
	name = without_quotes(name);
	for (size_t i = 0; left_behind[i]; i++) {
		if (str_equal_nocase(name, str_of(left_behind[i]))) {
			note(scan, SQL_FLAG_LAST_RESULT);
		}
	}
}

static void note_close(struct sql_scan *scan)
{
	if (scan->depth == 0) {
		sql_scan_doubt(scan);
	} else {
		scan->depth--;
	}
	if (scan->depth < scan->substring_depth) {
		scan->substring_depth = 0;
	}
}

void sql_scan_pass(struct sql_scan *scan)
{
	if (scan->token.kind == SQL_TOKEN_OPEN) {
		scan->depth++;
	} else if (scan->token.kind == SQL_TOKEN_CLOSE) {
		note_close(scan);
	} else if (scan->token.kind == SQL_TOKEN_INVALID) {
		sql_scan_doubt(scan);
	}
	sql_scan_skip(scan);
}

void sql_scan_token(struct sql_scan *scan)
{
	switch (scan->token.kind) {
	case SQL_TOKEN_WORD:
		note_word(scan);
		break;
	case SQL_TOKEN_QUOTED_NAME:
		note_name(scan);
		break;
	case SQL_TOKEN_USER_VARIABLE:
		if (scan->after.kind == SQL_TOKEN_ASSIGN) {
			note(scan, SQL_FLAG_USER_VARIABLE_SET);
		} else {
			scan->flags |= SQL_FLAG_USER_VARIABLE_READ;
		}
		break;
	case SQL_TOKEN_SYSTEM_VARIABLE:
		note_system_variable(scan);
		break;
	case SQL_TOKEN_ASSIGN:
		scan->pure = false;
		break;
	case SQL_TOKEN_OPEN:
		scan->depth++;
		break;
	case SQL_TOKEN_CLOSE:
		note_close(scan);
		break;
	case SQL_TOKEN_INVALID:
		sql_scan_doubt(scan);
		break;
	case SQL_TOKEN_END:
	case SQL_TOKEN_STRING:
	case SQL_TOKEN_NUMBER:
	case SQL_TOKEN_PARAMETER:
	case SQL_TOKEN_COMMA:
	case SQL_TOKEN_DOT:
	case SQL_TOKEN_SEMICOLON:
	case SQL_TOKEN_OPERATOR:
	case SQL_TOKEN_HINT:
		break;
	}
	if (!sql_scan_is_at_end(scan)) {
		sql_scan_skip(scan);
	}
}

void sql_scan_rest(struct sql_scan *scan)
{
	while (!sql_scan_is_at_end(scan)) {
		sql_scan_token(scan);
	}
	if (scan->depth > 0) {
		sql_scan_doubt(scan);
	}
}
