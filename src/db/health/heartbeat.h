/* The heartbeat row: one row for each group in a schema of muster's own, muster.heartbeat.
 *
 * Written on the primary it is the write probe: it goes through the binary log, the disk and the semi-sync like any
 * client's commit. Read on a replica its age is the lag from end to end, through however many servers it came.
 * The statement itself makes sure that it changes nothing on a server that is read-only, whatever the privileges of
 * the account, nor where a newer epoch has written already: the server looks under the lock that read-only waits for.
 */
#pragma once

#include "db/conn.h"

/* The row as a server has it. */
struct heartbeat {
	bool found; /* false: no schema, no table or no row here (yet) */
	uint64_t epoch;
	uint64_t
		written_us; /* by the clock of the primary that wrote it, since an arbitrary moment */
};
MUST_CHECK enum err heartbeat_read(struct conn *conn, const char *group, uint64_t deadline_us,
				   struct heartbeat *ret, struct err_ctx *err);

/* Readies the session for writing; once for each connection. */
MUST_CHECK enum err heartbeat_prepare(struct conn *conn, uint64_t deadline_us, struct err_ctx *err);

/* Sends the write; conn_wait() must follow. Errors: as conn_begin(). */
MUST_CHECK enum err heartbeat_begin(struct conn *conn, const char *group, uint64_t epoch,
				    struct err_ctx *err);

/* What became of a write that conn_wait() said is done without an error. */
enum heartbeat_end {
	HEARTBEAT_WRITTEN,
	HEARTBEAT_READ_ONLY, /* nothing was changed: the server is read-only */
	HEARTBEAT_OUTDATED,  /* nothing was changed: a newer epoch has written */
	HEARTBEAT_MISSING,   /* there is no row: heartbeat_create() */
};
MUST_CHECK enum err heartbeat_finish(struct conn *conn, const char *group, uint64_t epoch,
				     uint64_t deadline_us, enum heartbeat_end *ret_end,
				     struct heartbeat *ret, struct err_ctx *err);

/* Whether an error of the write says that schema or table are missing. */
bool heartbeat_is_missing(unsigned server_errno);

/* Makes schema, table and row unless the server is read-only. */
MUST_CHECK enum err heartbeat_create(struct conn *conn, const char *group, uint64_t epoch,
				     uint64_t deadline_us, struct err_ctx *err);

/* Whether the statement of a process list is one of those above that write. */
bool heartbeat_is_write(struct str statement);
