/* What the files of server_*.c share. */
#pragma once

#include "base/buf.h"
#include "db/dialect/dialect.h"

/* The dialect of the server that `conn` leads to, by its version. Errors: those of dialect_choose(). */
MUST_CHECK enum err server_dialect(struct conn *conn, const struct dialect **ret,
				   struct err_ctx *err);

/* Appends "SET SESSION lock_wait_timeout=...;": a statement that waits for locks is not left behind
 * to succeed long after the deadline. */
void server_limit_lock_wait(struct conn *conn, uint64_t deadline_us, struct buf *sql);

/* ERR_PRIVILEGE with the GRANT that helps unless the connection's account has all of these global privileges.
 * names: ends with NULL. purpose: "make a server anew". */
MUST_CHECK enum err server_need_privileges(struct conn *conn, const char *const *names,
					   const char *purpose, uint64_t deadline_us,
					   struct err_ctx *err);

/* Hands `why` on to `err`; ERR_DEADLINE in place of the server's "lock wait timeout exceeded". */
enum err server_lock_wait_error(enum err rc, const struct err_ctx *why, struct err_ctx *err);
