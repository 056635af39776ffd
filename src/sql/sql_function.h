/* What calling a function does, as far as its name tells. */
#pragma once

#include "base/str.h"
#include "sql/sql_lexer.h"

enum sql_function_effect {
	SQL_FUNCTION_UNKNOWN,	  /* not known to be built in: may do anything */
	SQL_FUNCTION_NONE,	  /* computes a value, or isn't a function but a reserved word */
	SQL_FUNCTION_WRITE,	  /* moves a sequence */
	SQL_FUNCTION_LOCK,	  /* takes a user lock */
	SQL_FUNCTION_UNLOCK,	  /* gives user locks back */
	SQL_FUNCTION_LAST_RESULT, /* asks for what the statement before left behind */
	SQL_FUNCTION_SERVER /* the answer depends on the server or the connection that is asked */
};

/* Of the unqualified, unquoted name before a parenthesis. `adjacent`: nothing stands between the two. */
enum sql_function_effect sql_function_find_effect(struct str name, bool adjacent,
						  enum sql_dialect dialect);
