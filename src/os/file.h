/* Files and folders: whole reads with a limit, atomic replacement, trees, locks.
 *
 * Paths are NUL-terminated and shorter than FILE_PATH_BYTES_MAX; errors name the path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { FILE_PATH_BYTES_MAX = 1024 };

/* Builds a path; ERR_LIMIT when it is too long. */
PRINTF_LIKE(3, 4)
MUST_CHECK enum err file_path(char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err,
			      const char *format, ...);

/* True when something of that name exists (a link counts when it leads somewhere). */
bool file_exists(const char *path);

/* Appends the whole file to `ret`, an initialised buf whose maximum is the limit.
 * Errors: ERR_NOT_FOUND, ERR_LIMIT (file too large), ERR_IO. */
MUST_CHECK enum err file_read(const char *path, struct buf *ret, struct err_ctx *err);

/* Replaces or creates the file, so that after a crash at any moment it has the old content or the new:
 * temporary file beside it, fsync, rename, fsync of the folder.
 *
 * mode:   of the new file, whatever the umask: 0600 for secrets.
 * Errors: ERR_IO; nothing is left behind.
 */
MUST_CHECK enum err file_write(const char *path, mode_t mode, struct str content,
			       struct err_ctx *err);

/* Makes the folder and those above it that are missing (the latter with the same mode).
 * Fine when it exists. Errors: ERR_IO. */
MUST_CHECK enum err file_make_folders(const char *path, mode_t mode, struct err_ctx *err);

/* Removes a file; fine when there is none. Errors: ERR_IO. */
MUST_CHECK enum err file_remove(const char *path, struct err_ctx *err);

/* Removes `path`, a folder, with everything in it; fine when there is none.
 *
 * root:   bears a file named `marker`, or nothing is removed (ERR_REFUSED): so a wrong path can't cost
 *         anybody's data. `path` is root itself or below it, without "..". The marker goes last, so an
 *         interrupted removal can be repeated. Links are removed, never followed; other file systems
 *         are not entered.
 * Errors: ERR_REFUSED, ERR_IO.
 */
MUST_CHECK enum err file_remove_tree(const char *path, const char *root, const char *marker,
				     struct err_ctx *err);

/* Copies what is in folder `from` into folder `to` (made when missing), keeping modes, times and
 * holes: cp -a --sparse=always --reflink=auto. Errors: ERR_IO. */
MUST_CHECK enum err file_copy_tree(const char *from, const char *to, struct err_ctx *err);

/* Takes an exclusive lock on the file (created with mode 0600), waiting until deadline_us on
 * clock_system's monotonic clock; 0 doesn't wait.
 *
 * ret_fd: keep it open as long as the lock is to be held; closing it releases, the process's end too.
 * Errors: ERR_DEADLINE, ERR_IO.
 */
MUST_CHECK enum err file_lock(const char *path, uint64_t deadline_us, int *ret_fd,
			      struct err_ctx *err);
