/* What is done to one server of a sandbox: crash, hang, start, reset.
 *
 * Servers are named as in sandbox.json; "muster" is the sandbox's `muster run`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sandbox/sandbox_state.h"
#include "sandbox/sandbox_up.h"

#define SANDBOX_SERVER_MUSTER "muster"

enum { SANDBOX_REMOVED_BYTES_MAX = 512 };

/* SIGKILL, and waits for the end; fine when it is down. Errors: ERR_NOT_FOUND (no such server). */
MUST_CHECK enum err sandbox_server_kill(const struct sandbox *sandbox, const char *name,
					struct err_ctx *err);

/* SIGSTOP: it hangs until it is continued. Errors: ERR_NOT_FOUND (no such server, or it is down). */
MUST_CHECK enum err sandbox_server_stop(const struct sandbox *sandbox, const char *name,
					struct err_ctx *err);

/* SIGCONT. Errors: ERR_NOT_FOUND (no such server, or it is down). */
MUST_CHECK enum err sandbox_server_cont(const struct sandbox *sandbox, const char *name,
					struct err_ctx *err);

/* One server that is to be started, and what came of it. */
struct sandbox_start {
	const char *name; /* or SANDBOX_SERVER_MUSTER */
	bool rewind;	  /* take back what it wrote at its end and nobody acknowledged */
	const char
		*executed;   /* what the present primary has executed, as GTID text; for `rewind` */
	bool recloning;	     /* its data are being replaced, as far as the manager knows */
	bool started;	     /* out: it was down */
	uint32_t taken_back; /* out: transactions cut off before the start (MySQL) */
	char removed[SANDBOX_REMOVED_BYTES_MAX]; /* out: their GTIDs */
};

/* Starts those that are down, side by side, and waits until each answers. `sandbox` is read anew.
 *
 * Rewinding MariaDB is an option of its start, so that crash recovery does it. That may take back
 * acknowledged transactions too, which the server must fetch again: so it gets another server_id. MySQL's binary log is cut
 * by rewind_binlog() before. Where that refuses, the server is started as it is: the manager sees what it
 * has too much. hooks are told.
 * Errors: ERR_NOT_FOUND (no such server), ERR_EXISTS (its port is taken), ERR_FAILED, ERR_DEADLINE.
 */
MUST_CHECK enum err sandbox_server_start(struct sandbox *sandbox, struct sandbox_start *starts,
					 size_t count, const struct sandbox_hooks *hooks,
					 struct err_ctx *err);

/* Ends it, replaces its data by the template's and starts it: it then has nothing, and the manager makes
 * it replicate all from the beginning. Errors: as sandbox_server_start(), template_check(). */
MUST_CHECK enum err sandbox_server_reset(struct sandbox *sandbox, const char *name,
					 const struct sandbox_hooks *hooks, struct err_ctx *err);

/* The one running server that takes writes. Errors: ERR_NOT_FOUND when there is none, ERR_CONFLICT when
 * there are several. */
MUST_CHECK enum err sandbox_server_find_primary(const struct sandbox *sandbox,
						const struct sandbox_server **ret,
						struct err_ctx *err);
