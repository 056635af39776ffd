/* What becomes of a statement whose server connection is lost: facts in, one row out.
 *
 * The rows follow from what is certain. A transaction whose COMMIT was never sent did not commit. A
 * statement that may commit and was sent whole may have committed. Nothing that may have committed
 * is ever sent again or called a deadlock.
 */
#pragma once

#include <stdbool.h>

/* What a statement may do to the transaction that it meets. */
enum outcome_kind {
	OUTCOME_READ,	    /* certainly a pure read */
	OUTCOME_WRITE,	    /* changes rows; commits by itself only in autocommit mode */
	OUTCOME_SESSION,    /* changes or asks session state only */
	OUTCOME_BEGIN,	    /* starts a transaction; commits the one that is open */
	OUTCOME_COMMIT,	    /* COMMIT as such */
	OUTCOME_ROLLBACK,   /* ROLLBACK of the whole transaction */
	OUTCOME_MAY_COMMIT, /* everything else: DDL, CALL, several statements, not certain */
	OUTCOME_KIND_COUNT_
};

enum outcome_sent {
	OUTCOME_SENT_NOTHING,
	OUTCOME_SENT_PART, /* the server can't execute what it has not got whole */
	OUTCOME_SENT_WHOLE,
	OUTCOME_SENT_COUNT_
};

struct outcome_facts {
	enum outcome_kind kind;
	enum outcome_sent sent;
	bool visible;	     /* the client has got a byte of the reply */
	bool retained;	     /* the statement's bytes are still here */
	bool in_transaction; /* a transaction was open when the statement came */
	bool autocommit;
};

enum outcome {
	OUTCOME_RESEND,	     /* hold it and send it again */
	OUTCOME_ROLLED_BACK, /* 1213/40001: it certainly did not commit */
	OUTCOME_UNKNOWN,     /* 08007: nobody can tell whether it committed */
	OUTCOME_DONE,	     /* the loss did what the statement asked for: answer OK */
	OUTCOME_CLOSE,	     /* the client has a part of the reply: only closing is honest */
	OUTCOME_COUNT_
};

/* Pure and total. */
enum outcome outcome_decide(const struct outcome_facts *facts);
