/* The listening Unix socket of `muster run`. */
#pragma once

#include "base/err.h"

/* Listens on `path` with mode 0660. The socket file of a dead process is replaced.
 *
 * Errors: ERR_EXISTS (a process answers there, or the path is no socket), ERR_LIMIT (path too long for a
 * socket), ERR_IO.
 */
MUST_CHECK enum err api_socket_listen(const char *path, int *ret_fd, struct err_ctx *err);

/* Connects to what listens on `path`. Errors: ERR_UNREACHABLE, ERR_LIMIT, ERR_IO. */
MUST_CHECK enum err api_socket_connect(const char *path, int *ret_fd, struct err_ctx *err);
