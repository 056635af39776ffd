/* One server of a sandbox: its folder, its process, its readiness.
 *
 * Deadlines are absolute, on clock_system's monotonic clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "os/process.h"
#include "sandbox/sandbox_state.h"

struct conn;

enum instance_state { INSTANCE_DOWN, INSTANCE_STOPPED, INSTANCE_RUNNING };

/* Lets callers of long waits give up: NULL never does. */
struct instance_patience {
	bool (*is_over)(void *ctx);
	void *ctx;
};

/* ret_id: may be NULL; only for a process that is there. */
enum instance_state instance_look(const struct sandbox *sandbox,
				  const struct sandbox_server *server, struct process_id *ret_id);
const char *instance_state_name(enum instance_state state); /* "running" */

/* Makes its folder with the option file and a fresh data directory from the template.
 * Errors: ERR_IO. */
MUST_CHECK enum err instance_make(const struct sandbox *sandbox,
				  const struct sandbox_server *server, struct err_ctx *err);

/* Writes its option file anew; in force from the next start. Errors: ERR_IO. */
MUST_CHECK enum err instance_write_options(const struct sandbox *sandbox,
					   const struct sandbox_server *server,
					   struct err_ctx *err);

/* Removes its data directory. The process must be down. Errors: ERR_IO, ERR_REFUSED (it isn't). */
MUST_CHECK enum err instance_wipe(const struct sandbox *sandbox,
				  const struct sandbox_server *server, struct err_ctx *err);

/* Starts the process without waiting until it answers; fine when it runs already.
 *
 * args:   further arguments, NULL-terminated; NULL: none.
 * Errors: ERR_EXISTS (something else has its port), ERR_NOT_FOUND (the program is gone), ERR_IO.
 */
MUST_CHECK enum err instance_start(const struct sandbox *sandbox,
				   const struct sandbox_server *server, const char *const *args,
				   struct err_ctx *err);

/* Waits until the manager's account can log in.
 * Errors: ERR_FAILED (the process ended; the words hold its log's last error), ERR_DEADLINE. */
MUST_CHECK enum err instance_wait_ready(const struct sandbox *sandbox,
					const struct sandbox_server *server, uint64_t deadline_us,
					const struct instance_patience *patience,
					struct err_ctx *err);

/* Logs in as the manager's account. Errors: as conn_open(). */
MUST_CHECK enum err instance_connect(const struct sandbox *sandbox,
				     const struct sandbox_server *server, uint64_t deadline_us,
				     struct conn **ret, struct err_ctx *err);
