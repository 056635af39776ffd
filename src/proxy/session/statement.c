/* From sql/'s classes and flags to the proxy's questions. */
#include "proxy/session/statement.h"

#include "proxy/session/state.h"
#include "sql/sql_classify.h"
#include "wire/capability.h"

/* The first two words; quoted names and the like are empty. */
struct opening {
	struct sql_token first;
	struct sql_token second;
};

static struct opening opening_of(struct str text, struct sql_mode mode)
{
	struct sql_lexer lexer;
	struct opening opening;
	sql_lexer_init(&lexer, text, mode, false);
	do {
		opening.first = sql_lexer_next(&lexer);
	} while (opening.first.kind == SQL_TOKEN_OPEN || opening.first.kind == SQL_TOKEN_HINT ||
		 opening.first.kind == SQL_TOKEN_SEMICOLON);
	opening.second = sql_lexer_next(&lexer);
	return opening;
}

static bool is_one_of(const struct sql_token *token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sql_lexer_is_word(token, str_of(words[i]))) {
			return true;
		}
	}
	return false;
}

/* Statements that can't commit what is open, whatever functions they call: stored functions and
 * triggers may not commit. */
static bool is_row_statement(const struct sql_token *first)
{
	static const char *const words[] = { "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE",
					     "WITH",   "VALUES", "SHOW",   "DO" };
	return is_one_of(first, words, sizeof(words) / sizeof(words[0]));
}

static enum outcome_kind kind_of_transaction(const struct sql_info *info)
{
	switch (info->transaction) {
	case SQL_TRANSACTION_BEGIN:
	case SQL_TRANSACTION_AUTOCOMMIT_ON:
		return OUTCOME_BEGIN;
	case SQL_TRANSACTION_COMMIT:
	case SQL_TRANSACTION_COMMIT_CHAIN:
	case SQL_TRANSACTION_COMMIT_RELEASE:
		return OUTCOME_COMMIT;
	case SQL_TRANSACTION_ROLLBACK:
		return OUTCOME_ROLLBACK;
	case SQL_TRANSACTION_ROLLBACK_CHAIN: /* opens a transaction as well: not done by a loss */
	case SQL_TRANSACTION_ROLLBACK_RELEASE:
	case SQL_TRANSACTION_ROLLBACK_TO:
	case SQL_TRANSACTION_SAVEPOINT:
	case SQL_TRANSACTION_RELEASE_SAVEPOINT:
	case SQL_TRANSACTION_AUTOCOMMIT_OFF:
	case SQL_TRANSACTION_XA_START:
	case SQL_TRANSACTION_XA_END:
		return OUTCOME_SESSION;
	case SQL_TRANSACTION_NONE:
	case SQL_TRANSACTION_XA_PREPARE:
	case SQL_TRANSACTION_XA_COMMIT:
	case SQL_TRANSACTION_XA_ROLLBACK:
	case SQL_TRANSACTION_COUNT_:
		break;
	}
	return OUTCOME_MAY_COMMIT;
}

static enum outcome_kind kind_of(const struct sql_info *info, const struct sql_token *first)
{
	const uint32_t anything =
		SQL_FLAG_MULTI | SQL_FLAG_CONDITIONAL | SQL_FLAG_CALL | SQL_FLAG_IMPLICIT_COMMIT;
	switch (info->class) {
	case SQL_READ:
		return OUTCOME_READ;
	case SQL_TRANSACTION:
		return kind_of_transaction(info);
	case SQL_SESSION:
		return info->flags & (anything | SQL_FLAG_OPAQUE | SQL_FLAG_SET_GLOBAL)
			       ? OUTCOME_MAY_COMMIT
			       : OUTCOME_SESSION;
	case SQL_WRITE:
	case SQL_UNCERTAIN:
	case SQL_CLASS_COUNT_:
		break;
	}
	return !(info->flags & anything) && is_row_statement(first) ? OUTCOME_WRITE
								    : OUTCOME_MAY_COMMIT;
}

/* One `@name = literal`, whose name has been read. *ret_next: the token behind it. */
static bool walk_literal(struct sql_lexer *lexer, struct str name, struct state *state,
			 struct sql_token *ret_next)
{
	struct sql_token sign = sql_lexer_next(lexer);
	struct sql_token value = sql_lexer_next(lexer);
	size_t from = value.from;
	bool assigns = sign.kind == SQL_TOKEN_ASSIGN ||
		       (sign.kind == SQL_TOKEN_OPERATOR && str_equal(sign.text, STR("=")));
	if (value.kind == SQL_TOKEN_OPERATOR && str_equal(value.text, STR("-"))) {
		value = sql_lexer_next(lexer);
	}
	bool literal = value.kind == SQL_TOKEN_STRING || value.kind == SQL_TOKEN_NUMBER ||
		       sql_lexer_is_word(&value, STR("NULL"));
	*ret_next = sql_lexer_next(lexer);
	if (!assigns || !literal) {
		return false;
	}
	if (state) {
		(void)state_set_variable(state, name, str_slice(lexer->text, from, value.to));
	}
	return ret_next->kind == SQL_TOKEN_COMMA || ret_next->kind == SQL_TOKEN_SEMICOLON ||
	       ret_next->kind == SQL_TOKEN_END;
}

/* Passes over the assignment of something else, which the server itself reports. */
static bool skip_assignment(struct sql_lexer *lexer, struct sql_token *next)
{
	size_t depth = 0;
	while (next->kind != SQL_TOKEN_END && next->kind != SQL_TOKEN_SEMICOLON &&
	       (depth || next->kind != SQL_TOKEN_COMMA)) {
		struct sql_token before = *next;
		*next = sql_lexer_next(lexer);
		depth += before.kind == SQL_TOKEN_OPEN ? 1 : 0;
		depth -= before.kind == SQL_TOKEN_CLOSE && depth ? 1 : 0;
		if (before.kind == SQL_TOKEN_USER_VARIABLE && next->kind == SQL_TOKEN_ASSIGN) {
			return false;
		}
	}
	return true;
}

/* A SET of which each user variable gets a literal. state: keeps them there; NULL only looks. */
static bool walk_literals(struct str text, struct sql_mode mode, struct state *state)
{
	struct sql_lexer lexer;
	sql_lexer_init(&lexer, text, mode, false);
	struct sql_token token = sql_lexer_next(&lexer);
	if (!sql_lexer_is_word(&token, STR("SET"))) {
		return false;
	}
	do {
		token = sql_lexer_next(&lexer);
		bool known = token.kind == SQL_TOKEN_USER_VARIABLE
				     ? walk_literal(&lexer, token.text, state, &token)
				     : skip_assignment(&lexer, &token);
		if (!known) {
			return false;
		}
	} while (token.kind == SQL_TOKEN_COMMA);
	if (token.kind == SQL_TOKEN_SEMICOLON) {
		token = sql_lexer_next(&lexer);
	}
	return token.kind == SQL_TOKEN_END && !lexer.ambiguous && !lexer.conditionals;
}

static uint32_t losses_of(const struct sql_info *info, const struct opening *opening,
			  bool sets_literals)
{
	static const char *const table_lockers[] = { "LOCK", "FLUSH", "BACKUP" };
	uint32_t losses = 0;
	if (info->flags & SQL_FLAG_TEMP_TABLE) {
		losses |= STATE_TEMPORARY_TABLE;
	}
	if ((info->flags & SQL_FLAG_USER_VARIABLE_SET) && !sets_literals) {
		losses |= STATE_USER_VARIABLE;
	}
	if (info->flags & SQL_FLAG_LOCK) {
		losses |= is_one_of(&opening->first, table_lockers, 3) ? STATE_TABLE_LOCK
								       : STATE_USER_LOCK;
	}
	if (info->flags & SQL_FLAG_TEXT_PREPARE) {
		losses |= STATE_TEXT_PREPARED;
	}
	if (info->flags & SQL_FLAG_HANDLER) {
		losses |= STATE_HANDLER;
	}
	if (info->flags & SQL_FLAG_NEXT_TRANSACTION) {
		losses |= STATE_NEXT_TRANSACTION;
	}
	if (sql_lexer_is_word(&opening->first, STR("SET")) &&
	    sql_lexer_is_word(&opening->second, STR("ROLE"))) {
		losses |= STATE_ROLE;
	}
	return losses;
}

/* A read that is the same on any server, or what a comment says. What asks for the server or the session itself
 * is not: the server meant is the one that the client takes the proxy for. */
static bool fits_replica(const struct sql_info *info)
{
	const uint32_t primary = SQL_FLAG_MULTI | SQL_FLAG_LAST_RESULT | SQL_FLAG_CALC_FOUND_ROWS |
				 SQL_FLAG_SYSTEM_READ | SQL_FLAG_HINT_PRIMARY | SQL_FLAG_ROW_LOCK |
				 SQL_FLAG_LOCK | SQL_FLAG_UNLOCK;
	bool certain = info->class == SQL_READ || (info->transaction == SQL_TRANSACTION_BEGIN &&
						   (info->flags & SQL_FLAG_EXPLICIT_READ_ONLY));
	bool hinted = info->class == SQL_UNCERTAIN && (info->flags & SQL_FLAG_HINT_REPLICA);
	return info->statements == 1 && (certain || hinted) && !(info->flags & primary);
}

void statement_judge(struct str text, bool whole, struct sql_mode mode, struct statement *ret)
{
	struct sql_info info = sql_classify(text, mode);
	struct opening opening = opening_of(text, mode);
	const uint32_t several = SQL_FLAG_MULTI | SQL_FLAG_CONDITIONAL | SQL_FLAG_CALL;
	*ret = (struct statement){
		.kind = whole ? kind_of(&info, &opening.first) : OUTCOME_MAY_COMMIT,
		.single = whole && info.statements == 1 && !(info.flags & several),
		.infile = (info.flags & SQL_FLAG_LOAD_LOCAL) != 0,
		.kills = info.statements == 1 && (info.flags & SQL_FLAG_KILL),
		.explains_changes = whole && !(info.flags & (several | SQL_FLAG_OPAQUE)),
		.replica = whole && fits_replica(&info),
		.leaves_last = (info.flags & SQL_FLAG_CALC_FOUND_ROWS) != 0,
	};
	ret->sets_literals = whole && (info.flags & SQL_FLAG_USER_VARIABLE_SET) &&
			     walk_literals(text, mode, NULL);
	ret->losses = losses_of(&info, &opening, ret->sets_literals);
	if (ret->single && sql_lexer_is_word(&opening.first, STR("UNLOCK"))) {
		ret->regains |= STATE_TABLE_LOCK;
	}
}

static bool is_ordinary_charset(struct str name)
{
	static const char *const names[] = { "utf8mb4", "utf8mb3", "utf8",
					     "latin1",	"ascii",   "binary" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_equal_nocase(name, str_of(names[i]))) {
			return true;
		}
	}
	return false;
}

/* Collation ids of the log-in's one byte whose character set is utf8mb4, utf8mb3, latin1, ascii or
 * binary. Source: information_schema.COLLATIONS of both servers. */
static bool is_ordinary_collation(uint8_t id)
{
	static const uint8_t ids[] = { 5, 8, 11, 15, 31, 33, 45, 46, 47, 48, 49, 63, 65, 83, 94 };
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (ids[i] == id) {
			return true;
		}
	}
	return (id >= 192 && id <= 247) || id == 255;
}

struct sql_mode statement_mode(const struct state *state, uint8_t collation, uint16_t status,
			       bool mariadb)
{
	struct sql_mode mode = {
		.no_backslash_escapes = (status & STATUS_NO_BACKSLASH_ESCAPES) != 0,
		.ansi_quotes = mariadb && (status & STATUS_ANSI_QUOTES),
		.odd_charset = !is_ordinary_collation(collation),
		.dialect = mariadb ? SQL_DIALECT_MARIADB : SQL_DIALECT_MYSQL,
	};
	for (size_t i = 0; i < state->variable_count; i++) {
		struct str name = str_of(state->variables[i].name);
		struct str value = str_of(state->variables[i].value);
		if (str_equal_nocase(name, STR("sql_mode"))) {
			mode.ansi_quotes = str_contains_nocase(value, STR("ANSI_QUOTES"));
			mode.no_backslash_escapes =
				str_contains_nocase(value, STR("NO_BACKSLASH_ESCAPES"));
			mode.oracle = mariadb && str_contains_nocase(value, STR("ORACLE"));
		} else if (str_equal_nocase(name, STR("character_set_client"))) {
			mode.odd_charset = !is_ordinary_charset(value);
		}
	}
	return mode;
}

void statement_keep_literals(struct str text, struct sql_mode mode, struct state *state)
{
	(void)walk_literals(text, mode, state);
}
