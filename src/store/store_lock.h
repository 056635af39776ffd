/* One process at a time: an operating-system lock on a file that names its holder's pid.
 *
 * The lock ends with the process, however it ends; the file stays and means nothing by itself.
 */
#pragma once

#include "base/err.h"

/* Takes the lock, without waiting.
 *
 * path:   of the lock file; created with mode 0600 where it is missing.
 * ret_fd: keep it open as long as the lock is to be held; closing it releases.
 * Errors: ERR_EXISTS (another process holds it; its pid is named when known), ERR_IO.
 */
MUST_CHECK enum err store_lock_take(const char *path, int *ret_fd, struct err_ctx *err);
