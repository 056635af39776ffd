/* Bytes as SQL, under a sql_mode that the first byte chooses. The classifier ends, and a text that locks
 * rows, assigns, or writes somewhere is never a read, however it is dressed. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sql/sql_classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* What no read has outside of strings and comments, told by neighbouring tokens alone. */
static bool is_suspicious(const struct sql_token *before, const struct sql_token *token)
{
	if (before->kind == SQL_TOKEN_DOT) {
		return false;
	}
	bool locks =
		sql_lexer_is_word(before, STR("FOR")) &&
		(sql_lexer_is_word(token, STR("UPDATE")) || sql_lexer_is_word(token, STR("SHARE")));
	return locks || sql_lexer_is_word(token, STR("INTO")) || token->kind == SQL_TOKEN_ASSIGN ||
	       token->kind == SQL_TOKEN_INVALID || token->kind == SQL_TOKEN_SYSTEM_VARIABLE;
}

static bool has_suspicious_token(struct str text, struct sql_mode mode, bool leave_out)
{
	struct sql_lexer lexer;
	struct sql_token before = { .kind = SQL_TOKEN_END };
	struct sql_token token;
	bool found = false;
	size_t at = 0;

	sql_lexer_init(&lexer, text, mode, leave_out);
	do {
		token = sql_lexer_next(&lexer);
		must(token.from >= at && token.to <= text.len && token.from <= token.to);
		must(token.kind == SQL_TOKEN_END || token.kind == SQL_TOKEN_INVALID ||
		     token.to > token.from);
		found = found || is_suspicious(&before, &token);
		at = token.to;
		before = token;
	} while (token.kind != SQL_TOKEN_END);
	return found || lexer.ambiguous || lexer.conditionals > 0;
}

/* A comment in front, a semicolon or a comment behind: nothing changes. */
static void check_dressed(struct str text, struct sql_mode mode, struct sql_info info)
{
	static const char *const before[] = { "/* x */ ", "-- x\n", "\n;" };
	static const char *const after[] = { "", "\n-- x", "\n;" };
	struct buf buf;

	buf_init(&buf, text.len + 64);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		buf_clear(&buf);
		buf_add_text(&buf, before[i]);
		buf_add_str(&buf, text);
		if (!(info.flags & SQL_FLAG_OPAQUE)) { /* it may end in an open comment */
			buf_add_text(&buf, after[i]);
		}
		must(buf_finish(&buf) == ERR_OK);
		struct sql_info dressed = sql_classify(buf_str(&buf), mode);
		must(dressed.class == info.class);
		must(dressed.transaction == info.transaction);
		must(dressed.flags == info.flags);
		must(dressed.statements == info.statements);
	}
	buf_fini(&buf);
}

/* Case means nothing, but in \N, M!, 0x and 0b. */
static void check_case(struct str text, struct sql_mode mode, struct sql_info info)
{
	struct buf buf;

	buf_init(&buf, text.len + 1);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool letter = c >= 'a' && c <= 'z' && !memchr("bmnx", c, 4);
		buf_add_char(&buf, (char)(letter ? c - 'a' + 'A' : c));
	}
	struct sql_info upper = sql_classify(buf_str(&buf), mode);
	must(upper.class == info.class && upper.flags == info.flags);
	buf_fini(&buf);
}

/* Within an unknown function's parentheses nothing is certain. */
static void check_wrapped(struct str text, struct sql_mode mode)
{
	struct buf buf;

	buf_init(&buf, text.len + 64);
	buf_add_text(&buf, "SELECT f(");
	buf_add_str(&buf, text);
	buf_add_text(&buf, ")");
	must(buf_finish(&buf) == ERR_OK);
	must(sql_classify(buf_str(&buf), mode).class != SQL_READ);
	buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	struct sql_mode mode = {
		.ansi_quotes = data[0] & 1,
		.no_backslash_escapes = data[0] & 2,
		.oracle = data[0] & 4,
		.odd_charset = data[0] & 8,
		.dialect = data[0] & 16 ? SQL_DIALECT_MARIADB : SQL_DIALECT_MYSQL,
	};
	struct str text = { (const char *)data + 1, size - 1 };
	struct sql_info info = sql_classify(text, mode);

	must(sql_classify_class_name(info.class) && info.class < SQL_CLASS_COUNT_);
	must((info.transaction != SQL_TRANSACTION_NONE) == (info.class == SQL_TRANSACTION));
	must(!(info.flags & SQL_FLAG_MULTI) || info.statements > 1);
	bool suspicious = has_suspicious_token(text, mode, false);
	suspicious = has_suspicious_token(text, mode, true) || suspicious;
	if (info.class == SQL_READ) {
		must(!suspicious);
		must(!(info.flags & ~(uint32_t)(SQL_FLAG_MULTI | SQL_FLAG_USER_VARIABLE_READ |
						SQL_FLAG_CALC_FOUND_ROWS | SQL_FLAG_HINT_PRIMARY |
						SQL_FLAG_HINT_REPLICA)));
	}
	check_dressed(text, mode, info);
	check_case(text, mode, info);
	check_wrapped(text, mode);
	return 0;
}
