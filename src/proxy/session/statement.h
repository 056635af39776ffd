/* What the proxy has to know of a statement's text before it is sent: sql/ classifies, this maps it to
 * what a lost connection would mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "proxy/session/outcome.h"
#include "sql/sql_lexer.h"

struct state;

struct statement {
	enum outcome_kind kind;
	bool single; /* one statement and no CALL: an error proves that it had no effect */
	bool infile; /* LOAD DATA LOCAL: the server may ask for a file */
	bool explains_changes; /* a change of state that the server reports follows from the text */
	bool sets_literals;    /* SET @a = literal, ...: statement_keep_literals() */
	bool kills;	       /* KILL: names a connection by its number */
	bool replica; /* any server that is up to date may do it: a read, or the begin of READ ONLY */
	bool leaves_last; /* what the next one may ask for can't be had elsewhere: SQL_CALC_FOUND_ROWS */
	uint32_t losses;  /* enum state_loss bits: what it sets up that can't be set up again */
	uint32_t regains; /* and what it ends */
};

/* Judges a text. whole: false when it is only the start of a longer one. */
void statement_judge(struct str text, bool whole, struct sql_mode mode, struct statement *ret);

/* How the session's server reads text, by what is known of its variables. collation: of the log-in;
 * status: the last status flags. */
struct sql_mode statement_mode(const struct state *state, uint8_t collation, uint16_t status,
			       bool mariadb);

/* Keeps the user variables of a statement with `sets_literals`. */
void statement_keep_literals(struct str text, struct sql_mode mode, struct state *state);
