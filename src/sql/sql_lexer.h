/* The words of an SQL text, one at a time, without copying: what MySQL and MariaDB would see.
 *
 * Comments are left out. What stands in a conditional comment is seen or left out as asked, since only
 * the server knows which of the two it does. Where two servers, or two character sets, could read
 * the text in different ways, `ambiguous` is set: nothing is certain then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum sql_dialect { SQL_DIALECT_UNKNOWN, SQL_DIALECT_MYSQL, SQL_DIALECT_MARIADB };

/* What the session has set that changes how text is read. Zero: a new session with the server's own
 * sql_mode and an ordinary character set. */
struct sql_mode {
	bool ansi_quotes;	   /* sql_mode ANSI_QUOTES: "x" is a name */
	bool no_backslash_escapes; /* sql_mode NO_BACKSLASH_ESCAPES */
	bool oracle;		   /* sql_mode ORACLE: BEGIN opens a block */
	/* character_set_client is none of utf8mb4, utf8mb3, latin1, ascii, binary: a byte over 127 may
	 * hide a quote or be a blank, so a text with one is not certain. */
	bool odd_charset;
	enum sql_dialect dialect; /* whose built-in functions are known to be built in */
};

enum sql_token_kind {
	SQL_TOKEN_END,
	SQL_TOKEN_INVALID,     /* not lexable; SQL_TOKEN_END follows */
	SQL_TOKEN_WORD,	       /* keyword or unquoted name; text as written */
	SQL_TOKEN_QUOTED_NAME, /* `x`, or "x" with ANSI_QUOTES; text with the quotes */
	SQL_TOKEN_STRING,      /* text with quotes and N, x or b before them */
	SQL_TOKEN_NUMBER,
	SQL_TOKEN_USER_VARIABLE,   /* @x, @'x', @`x` */
	SQL_TOKEN_SYSTEM_VARIABLE, /* @@x, @@global, @@`x`: up to the first dot */
	SQL_TOKEN_PARAMETER,	   /* ? */
	SQL_TOKEN_OPEN,
	SQL_TOKEN_CLOSE,
	SQL_TOKEN_COMMA,
	SQL_TOKEN_DOT,
	SQL_TOKEN_SEMICOLON,
	SQL_TOKEN_ASSIGN,   /* := */
	SQL_TOKEN_OPERATOR, /* one character */
	SQL_TOKEN_HINT,	    /* of a comment "muster: WORD": text is WORD */
};

struct sql_token {
	enum sql_token_kind kind;
	struct str text; /* a view of the lexer's text */
	size_t from;	 /* offset of its first byte */
	size_t to;	 /* offset behind its last byte */
};

struct sql_lexer {
	struct str text; /* borrowed */
	size_t at;
	struct sql_mode mode;
	bool leave_out;	     /* of conditional comments: the content */
	bool in_conditional; /* within one whose content is seen */
	size_t conditionals; /* so far */
	bool ambiguous;	     /* sticky */
};

/* Begins at the start of `text`, which the caller keeps. `leave_out`: conditional comments are not
 * carried out. */
void sql_lexer_init(struct sql_lexer *lexer, struct str text, struct sql_mode mode, bool leave_out);

/* The next token; at the end SQL_TOKEN_END, again and again. Each other token takes at least a byte.
 * Source: MySQL 8.0, sql/sql_lex.cc, lex_one_token(); MariaDB 10.11, sql/sql_lex.cc. */
struct sql_token sql_lexer_next(struct sql_lexer *lexer);

/* A word that equals `keyword`, which is in upper case; case does not count. */
bool sql_lexer_is_word(const struct sql_token *token, struct str keyword);
