/* Reads the accounts of a server into a snapshot for the proxy. */
#pragma once

#include "db/conn.h"
#include "proxy/login/accounts.h"

/* ret: sealed, the caller has the reference. Errors: those of conn_query(), ERR_LIMIT. */
MUST_CHECK enum err account_read(struct conn *conn, uint64_t deadline_us, struct accounts **ret,
				 struct err_ctx *err);
