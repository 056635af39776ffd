/* The errors that the proxy itself answers with: one row each. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum refusal {
	REFUSAL_TOO_MANY_SESSIONS,
	REFUSAL_ACCESS_DENIED,
	REFUSAL_ACCOUNT_LOCKED, /* MySQL's number */
	REFUSAL_ACCOUNT_LOCKED_MARIADB,
	REFUSAL_LOGIN_TIMEOUT,
	REFUSAL_BAD_HANDSHAKE,
	REFUSAL_TLS_REQUIRED,
	REFUSAL_MALFORMED,
	REFUSAL_UNKNOWN_COMMAND,
	REFUSAL_UNKNOWN_STATEMENT,
	REFUSAL_TOO_MANY_STATEMENTS,
	REFUSAL_NEEDS_REPREPARE,
	REFUSAL_ROLLED_BACK,
	REFUSAL_OUTCOME_UNKNOWN,
	REFUSAL_STATE_LOST,
	REFUSAL_NO_SERVER,
	REFUSAL_SERVER_LOGIN,
	REFUSAL_REPLY_OVER_LIMIT,
	REFUSAL_COUNT_
};

/* Appends one framed ERR packet. *sequence as in packet_append(). detail: goes into the row's text
 * where it has a %s; NULL is "". with_state: false in place of a greeting. */
void refusal_add(struct buf *out, uint8_t *sequence, enum refusal refusal, const char *detail,
		 bool with_state);

/* The payload alone, with its SQLSTATE. */
void refusal_write(struct buf *out, enum refusal refusal, const char *detail, bool with_state);

/* The row's error number. */
uint16_t refusal_errno(enum refusal refusal);
