/* Walking through one statement, token by token, and noting what it does on the way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "sql/sql_lexer.h"

/* What the words mean that mean different things in different statements. */
enum sql_scan_kind {
	SQL_SCAN_READ,	 /* SELECT and its kin: INTO, FOR UPDATE and verbs are suspicious */
	SQL_SCAN_INSERT, /* names before VALUES are columns */
	SQL_SCAN_OTHER
};

struct sql_scan {
	struct sql_lexer lexer;
	struct sql_token before; /* the token before; SQL_TOKEN_END at the start of a statement */
	struct sql_token token;	 /* the one to be looked at */
	struct sql_token after;
	uint32_t hints; /* SQL_FLAG_HINT_*: of the whole text */
	/* Of the statement: */
	enum sql_scan_kind kind;
	uint32_t flags;		/* enum sql_flag */
	size_t depth;		/* open parentheses */
	size_t substring_depth; /* that of the arguments of SUBSTRING, in which FOR is harmless; 0: none */
	bool pure;		/* nothing seen yet that a pure read hasn't */
	bool writes;		/* changes data by a function */
	bool values_seen; /* SQL_SCAN_INSERT: behind the column list */
};

/* Stands at the first token of the text. */
void sql_scan_init(struct sql_scan *scan, struct str text, struct sql_mode mode, bool leave_out);

/* Forgets what was noted of the statement before. */
void sql_scan_begin(struct sql_scan *scan);

/* At a semicolon or at the end of the text. */
bool sql_scan_is_at_end(const struct sql_scan *scan);

/* Passes the token without looking at it; stays at the end of the text. */
void sql_scan_skip(struct sql_scan *scan);

/* Passes the token if it is the keyword (upper case); says whether it was. */
bool sql_scan_accept(struct sql_scan *scan, struct str keyword);

/* The token is the keyword (upper case). */
bool sql_scan_is(const struct sql_scan *scan, struct str keyword);

/* The token after is the keyword (upper case). */
bool sql_scan_is_before(const struct sql_scan *scan, struct str keyword);

/* Notes what the token does and passes it. */
void sql_scan_token(struct sql_scan *scan);

/* Passes the token, noting nothing but parentheses and what can't be read: of a part in which nothing
 * is called. */
void sql_scan_pass(struct sql_scan *scan);

/* Notes all tokens to the end of the statement. */
void sql_scan_rest(struct sql_scan *scan);

/* May do anything from here on. */
void sql_scan_doubt(struct sql_scan *scan);
