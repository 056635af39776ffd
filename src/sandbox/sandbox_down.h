/* Taking a sandbox down: nothing of it goes on, nothing of it stays. */
#pragma once

#include "base/err.h"
#include "sandbox/sandbox_state.h"

/* Ends all processes and removes the folder, also of a sandbox that is half made or damaged.
 * Errors: ERR_NOT_FOUND, ERR_DEADLINE (another command works on it, or a process doesn't end), ERR_IO. */
MUST_CHECK enum err sandbox_down(const char *name, struct err_ctx *err);

/* Ends `muster run` first, so that nobody takes the end of the servers for a failure, then the servers.
 * Errors: ERR_DEADLINE, ERR_PRIVILEGE, ERR_IO. */
MUST_CHECK enum err sandbox_down_processes(const struct sandbox *sandbox, struct err_ctx *err);

/* Removes the folder, and the one for sockets. Errors: ERR_IO. */
MUST_CHECK enum err sandbox_down_folder(const struct sandbox *sandbox, struct err_ctx *err);

/* Takes the lock that keeps commands that change one sandbox apart; closing *ret_fd releases it.
 * Errors: ERR_DEADLINE. */
MUST_CHECK enum err sandbox_down_lock(const struct sandbox *sandbox, int *ret_fd,
				      struct err_ctx *err);
