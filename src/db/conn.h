/* One connection to a database server, blocking, with a deadline in every call.
 *
 * For worker threads: one thread at a time per connection. Built on libmariadb's non-blocking calls
 * and poll(), so that a call ends at its deadline whatever the server does. After a deadline has
 * passed, or the connection was lost, it is unusable: every further call says so at once.
 * Deadlines are absolute monotonic microseconds of the clock in the options.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "db/health/evidence.h"
#include "db/rows.h"
#include "decide/observation.h"

struct conn;

enum {
	CONN_SQL_BYTES_MAX = 16 * 1024 * 1024,
	CONN_USER_TIMEOUT_MS = 3000, /* TCP_USER_TIMEOUT when the options say 0 */
};

/* Asked before each statement that is sent: one that is no longer allowed ends with ERR_REFUSED, unsent. */
struct conn_permit {
	bool (*holds)(void *ctx);
	void *ctx;
};

struct conn_options {
	const char *host; /* name or address; borrowed for the call of conn_open() */
	uint16_t port;
	const char *socket_path; /* Unix socket; used instead of host and port when not NULL */
	const char *user;
	const struct secret *password; /* NULL: none */
	const struct clock *clock;     /* outlives the connection */
	uint32_t
		user_timeout_ms; /* unacknowledged data break the connection after that; 0: default */
};

/* Connects and logs in. TLS is neither demanded nor verified; a MySQL server's RSA key is fetched when
 * caching_sha2_password needs it.
 *
 * ret_reach: may be NULL; written in every case: REACH_ANSWERS, or what the failure proves.
 * Errors:    ERR_UNREACHABLE, ERR_DEADLINE, ERR_PRIVILEGE (log-in refused), ERR_SERVER (refused
 *            otherwise); err->server_errno holds the server's number.
 */
MUST_CHECK enum err conn_open(const struct conn_options *options, uint64_t deadline_us,
			      struct conn **ret, enum reach *ret_reach, struct err_ctx *err);

/* Never blocks: the goodbye goes out if it can, the socket is closed. Takes NULL, returns NULL. */
struct conn *conn_close(struct conn *conn);
void conn_closep(struct conn **conn); /* for CLEANUP */

/* Sends one or several statements (separated by ';') and reads all their results.
 *
 * ret:    the first statement's rows that there are, NULL when no statement returns any; free with
 *         rows_free(). May be NULL when no rows are wanted.
 * Errors: ERR_SERVER or ERR_PRIVILEGE (error packet; the connection stays usable), ERR_UNREACHABLE
 *         (connection lost), ERR_DEADLINE (connection unusable from here on).
 */
MUST_CHECK enum err conn_query(struct conn *conn, struct str sql, uint64_t deadline_us,
			       struct rows **ret, struct err_ctx *err);

/* conn_query() of several statements that each return rows: fills ret_sets[0..count). A statement that
 * returned none gives NULL. More than `count` results: the rest is dropped. All or none on failure. */
MUST_CHECK enum err conn_query_sets(struct conn *conn, struct str sql, uint64_t deadline_us,
				    struct rows **ret_sets, size_t count, struct err_ctx *err);

/* conn_query() without rows of a printf-built text. Values must be quoted with conn_text_quote() first. */
PRINTF_LIKE(4, 5)
MUST_CHECK enum err conn_exec(struct conn *conn, uint64_t deadline_us, struct err_ctx *err,
			      const char *format, ...);

/* One row of a stream. values[i].ptr is NULL when column i is NULL; views live for the call only. */
typedef enum err conn_row_fn(void *ctx, const struct str *values, size_t count,
			     struct err_ctx *err);

/* Sends one statement and hands on its rows as they come, so that they needn't fit into memory.
 *
 * wait_us: longest time in which nothing comes.
 * Errors:  as conn_query(), and what `each` returns; the connection is unusable after both of
 *          ERR_DEADLINE and an error of `each`. */
MUST_CHECK enum err conn_stream(struct conn *conn, struct str sql, uint64_t wait_us,
				conn_row_fn *each, void *ctx, struct err_ctx *err);

/* Sends a statement without waiting for its answer; conn_wait() must follow. `sql` is copied. */
MUST_CHECK enum err conn_begin(struct conn *conn, struct str sql, struct err_ctx *err);

/* Waits until the answer of conn_begin() is there or the time has come. The deadline here does not make
 * the connection unusable: *ret_done is false and one may wait again. Otherwise as conn_query(). */
MUST_CHECK enum err conn_wait(struct conn *conn, uint64_t until_us, bool *ret_done,
			      struct err_ctx *err);

/* From now on. permit: outlives the connection; NULL, as at first: everything is allowed. */
void conn_set_permit(struct conn *conn, const struct conn_permit *permit);

/* Waits no longer for the answer of conn_begin(); the server may go on with it. The connection is unusable from here
 * on. Harmless when nothing is under way. */
void conn_give_up(struct conn *conn);

/* The socket, for polling between calls: readable or hung up means that the server ended it. -1 when
 * the connection is gone. */
int conn_fd(const struct conn *conn);
bool conn_is_usable(const struct conn *conn);
uint64_t conn_thread_id(const struct conn *conn);	  /* as in SHOW PROCESSLIST */
const char *conn_server_version(const struct conn *conn); /* of the greeting, without "5.5.5-" */
/* A word in which db/server remembers what it learnt of this server; 0 at first. */
uint32_t *conn_notes(struct conn *conn);
uint64_t conn_now_us(const struct conn *conn); /* of its clock */

/* Hands the logged-in socket over for packets that no statement is: it stays the connection's and is closed by
 * conn_close(), for which alone the connection is good from then on. ERR_REFUSED when it is encrypted. */
MUST_CHECK enum err conn_take_over(struct conn *conn, int *ret_fd, struct err_ctx *err);
const char *conn_target(const struct conn *conn); /* "db1:3306", for messages */

/* What the newest failed call proved; REACH_ANSWERS after a good one. */
enum reach conn_reach(const struct conn *conn);

/* Facts of the greeting, for a proxy that speaks in the server's place. */
struct conn_greeting {
	char version[VERSION_BYTES_MAX];
	uint32_t capabilities; /* low 32 bits */
	uint8_t charset;       /* collation byte */
};
void conn_get_greeting(const struct conn *conn, struct conn_greeting *ret);
