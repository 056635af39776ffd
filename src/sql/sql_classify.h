/* What an SQL text is: certainly a read, or what it may change of the session and the server.
 *
 * The safe answer is the default one: a text is SQL_READ only when every word of it is known to be
 * harmless. Names are resolved by the server, so a function that isn't known to be built in may write.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"
#include "sql/sql_lexer.h"

enum sql_class {
	SQL_UNCERTAIN, /* none of the others for certain; to the primary. `flags` say what is known */
	SQL_READ, /* changes nothing, and any server with the data and the session's state can answer */
	SQL_WRITE,	 /* changes data, schema or accounts */
	SQL_TRANSACTION, /* transaction control: `transaction` says which */
	SQL_SESSION,	 /* changes the session's state alone */
	SQL_CLASS_COUNT_
};

enum sql_transaction {
	SQL_TRANSACTION_NONE,
	SQL_TRANSACTION_BEGIN, /* with SQL_FLAG_EXPLICIT_READ_ONLY when it says READ ONLY */
	SQL_TRANSACTION_COMMIT,
	SQL_TRANSACTION_COMMIT_CHAIN,	/* AND CHAIN: the next one is open at once */
	SQL_TRANSACTION_COMMIT_RELEASE, /* RELEASE: the server closes the connection */
	SQL_TRANSACTION_ROLLBACK,
	SQL_TRANSACTION_ROLLBACK_CHAIN,
	SQL_TRANSACTION_ROLLBACK_RELEASE,
	SQL_TRANSACTION_ROLLBACK_TO, /* TO SAVEPOINT: the transaction stays open */
	SQL_TRANSACTION_SAVEPOINT,
	SQL_TRANSACTION_RELEASE_SAVEPOINT,
	SQL_TRANSACTION_AUTOCOMMIT_ON, /* commits an open one; SQL_FLAG_SET_SYSTEM when the SET does more */
	SQL_TRANSACTION_AUTOCOMMIT_OFF,
	SQL_TRANSACTION_XA_START,
	SQL_TRANSACTION_XA_END,
	SQL_TRANSACTION_XA_PREPARE,
	SQL_TRANSACTION_XA_COMMIT,
	SQL_TRANSACTION_XA_ROLLBACK,
	SQL_TRANSACTION_COUNT_
};

/* Of the whole text: any of its statements may be the one. */
enum sql_flag {
	SQL_FLAG_MULTI = 1u << 0, /* more than one statement */
	SQL_FLAG_OPAQUE =
		1u << 1, /* may do anything, also what no flag says: CALL, unknown functions */
	SQL_FLAG_CONDITIONAL = 1u << 2, /* has conditional comments: the flags may hold or not */
	SQL_FLAG_IMPLICIT_COMMIT = 1u << 3, /* may commit an open transaction */
	SQL_FLAG_TEMP_TABLE = 1u << 4,	    /* makes or drops a temporary table */
	SQL_FLAG_USER_VARIABLE_SET = 1u << 5,
	SQL_FLAG_USER_VARIABLE_READ = 1u << 6,
	SQL_FLAG_LOCK =
		1u << 7, /* takes a lock that outlives the transaction: GET_LOCK, LOCK TABLES ... */
	SQL_FLAG_UNLOCK = 1u << 8,	  /* gives one or all of them back */
	SQL_FLAG_ROW_LOCK = 1u << 9,	  /* SELECT ... FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE */
	SQL_FLAG_TEXT_PREPARE = 1u << 10, /* PREPARE, EXECUTE, DEALLOCATE PREPARE */
	SQL_FLAG_SET_SYSTEM =
		1u << 11, /* a session system variable, the character set or the role */
	SQL_FLAG_SET_GLOBAL = 1u << 12, /* GLOBAL, PERSIST, PERSIST_ONLY */
	SQL_FLAG_SYSTEM_READ =
		1u << 13, /* asks what the server or the session is: @@x, SHOW STATUS */
	SQL_FLAG_LAST_RESULT = 1u << 14,     /* asks for what the statement before left behind */
	SQL_FLAG_CALC_FOUND_ROWS = 1u << 15, /* leaves behind what FOUND_ROWS() asks for */
	SQL_FLAG_HANDLER = 1u << 16,
	SQL_FLAG_LOAD_LOCAL = 1u << 17, /* LOAD DATA LOCAL: the server may ask for a file */
	SQL_FLAG_KILL = 1u << 18,	/* names a connection by its number */
	SQL_FLAG_CALL = 1u << 19,	/* CALL: may have done part of its work when it fails */
	SQL_FLAG_NEXT_TRANSACTION =
		1u << 20, /* SET TRANSACTION without scope: for the next one alone */
	SQL_FLAG_EXPLICIT_READ_ONLY = 1u << 21, /* the transaction's READ ONLY, said in words */
	SQL_FLAG_HINT_PRIMARY = 1u << 22, /* comment "muster: primary"; never with the next one */
	SQL_FLAG_HINT_REPLICA = 1u << 23, /* comment "muster: replica"; says nothing of the class */
	SQL_FLAG_USER_LOCK = 1u << 24,	  /* with LOCK or UNLOCK: by GET_LOCK and its kin */
	SQL_FLAG_ROLE = 1u << 25,	  /* with SET_SYSTEM: SET ROLE */
};

struct sql_info {
	enum sql_class class;
	enum sql_transaction transaction; /* SQL_TRANSACTION_NONE in every other class */
	uint32_t flags;			  /* enum sql_flag */
	uint32_t statements; /* that are not empty; 0: nothing but blanks and comments */
};

/* Judges the text of one COM_QUERY or COM_STMT_PREPARE. Linear, allocates nothing, knows no limit of
 * its own. Several statements are of one class when all are and it isn't SQL_TRANSACTION. */
struct sql_info sql_classify(struct str text, struct sql_mode mode);

const char *sql_classify_class_name(enum sql_class class);	   /* "read" */
const char *sql_classify_transaction_name(enum sql_transaction t); /* "commit"; "" for none */
