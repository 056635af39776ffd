#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/clock_system.h"
#include "os/process.h"

enum { READ_BYTES = 16384, LOCK_PAUSE_MS = 5, COPY_TIMEOUT_S = 120 };

enum err file_path(char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err, const char *format, ...)
{
	char path[FILE_PATH_BYTES_MAX];
	va_list args;
	va_start(args, format);
	int wanted = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (wanted < 0 || (size_t)wanted >= sizeof(path)) {
		return err_set(err, ERR_LIMIT, "path '%.64s...' is too long", path);
	}
	memcpy(ret, path, (size_t)wanted + 1);
	return ERR_OK;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static enum err say_errno(struct err_ctx *err, const char *what, const char *path)
{
	int error = errno;
	return err_set(err, error == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot %s '%s': %s", what,
		       path, strerrordesc_np(error));
}

static enum err read_all(int fd, const char *path, struct buf *ret, struct err_ctx *err)
{
	char chunk[READ_BYTES];
	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return say_errno(err, "read", path);
		}
		if (got == 0) {
			return ERR_OK;
		}
		buf_add(ret, chunk, (size_t)got);
		if (buf_finish(ret)) {
			return err_set(err, ERR_LIMIT, "'%s' is larger than %zu bytes", path,
				       ret->bytes_max);
		}
	}
}

enum err file_read(const char *path, struct buf *ret, struct err_ctx *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return say_errno(err, "open", path);
	}
	enum err rc = read_all(fd, path, ret, err);
	(void)close(fd);
	return rc;
}

static bool write_all(int fd, struct str content)
{
	size_t done = 0;
	while (done < content.len) {
		ssize_t put = write(fd, content.ptr + done, content.len - done);
		if (put < 0 && errno != EINTR) {
			return false;
		}
		done += put > 0 ? (size_t)put : 0;
	}
	return true;
}

/* The folder that `path` is in; "." when it names none. */
static enum err folder_of(const char *path, char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	const char *slash = strrchr(path, '/');
	if (!slash) {
		return file_path(ret, err, ".");
	}
	return file_path(ret, err, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static enum err sync_folder(const char *folder, struct err_ctx *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return say_errno(err, "open", folder);
	}
	bool done = fsync(fd) == 0;
	enum err rc = done ? ERR_OK : say_errno(err, "sync", folder);
	(void)close(fd);
	return rc;
}

enum err file_write(const char *path, mode_t mode, struct str content, struct err_ctx *err)
{
	char folder[FILE_PATH_BYTES_MAX];
	char temporary[FILE_PATH_BYTES_MAX];
	enum err rc = folder_of(path, folder, err);
	rc = rc ? rc : file_path(temporary, err, "%s.XXXXXX", path);
	if (rc) {
		return rc;
	}
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		(void)say_errno(err, "create", temporary);
		return ERR_IO;
	}
	if (fchmod(fd, mode) || !write_all(fd, content) || fsync(fd)) {
		rc = say_errno(err, "write", path);
	}
	if (close(fd) && !rc) {
		rc = say_errno(err, "write", path);
	}
	if (!rc && rename(temporary, path)) {
		rc = say_errno(err, "replace", path);
	}
	if (rc) {
		(void)unlink(temporary);
		return rc == ERR_NOT_FOUND ? ERR_IO : rc;
	}
	return sync_folder(folder, err);
}

enum err file_make_folders(const char *path, mode_t mode, struct err_ctx *err)
{
	char part[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(part, err, "%s", path);
	if (rc) {
		return rc;
	}
	for (char *at = part + 1; *part; at++) {
		bool last = *at == '\0';
		if (!last && *at != '/') {
			continue;
		}
		*at = '\0';
		if (mkdir(part, mode) && errno != EEXIST) {
			(void)say_errno(err, "make folder", part);
			return ERR_IO;
		}
		if (last) {
			break;
		}
		*at = '/';
	}
	struct stat status;
	if (stat(path, &status) || !S_ISDIR(status.st_mode)) {
		return err_set(err, ERR_IO, "'%s' is not a folder", path);
	}
	return ERR_OK;
}

enum err file_remove(const char *path, struct err_ctx *err)
{
	if (unlink(path) && errno != ENOENT) {
		return say_errno(err, "remove", path);
	}
	return ERR_OK;
}

static enum err check_removable(const char *path, const char *root, const char *marker,
				struct err_ctx *err)
{
	char marker_path[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(marker_path, err, "%s/%s", root, marker);
	if (rc) {
		return rc;
	}
	struct str whole = str_of(path);
	struct str rest = whole;
	bool below = str_starts_with(whole, str_of(root));
	if (below) {
		rest = str_slice(whole, strlen(root), whole.len);
	}
	if (!below || (rest.len && rest.ptr[0] != '/') || str_contains(rest, STR(".."))) {
		return err_set(err, ERR_REFUSED, "'%s' is not below '%s': not removed", path, root);
	}
	if (!file_exists(marker_path)) {
		return err_set(err, ERR_REFUSED, "'%s' has no file '%s': not removed", root,
			       marker);
	}
	return ERR_OK;
}

/* Removes what fts comes across on the way out, except `keep_1` and `keep_2`. */
static enum err remove_walked(FTS *walk, const char *keep_1, const char *keep_2,
			      struct err_ctx *err)
{
	for (FTSENT *entry = fts_read(walk); entry; entry = fts_read(walk)) {
		/* The rest comes in post-order: a folder after all that is in it. */
		if (entry->fts_info == FTS_D || strcmp(entry->fts_path, keep_1) == 0 ||
		    strcmp(entry->fts_path, keep_2) == 0) {
			continue;
		}
		bool folder = entry->fts_info == FTS_DP || entry->fts_info == FTS_DNR;
		if (unlinkat(AT_FDCWD, entry->fts_path, folder ? AT_REMOVEDIR : 0) &&
		    errno != ENOENT) {
			return say_errno(err, "remove", entry->fts_path);
		}
	}
	return ERR_OK;
}

enum err file_remove_tree(const char *path, const char *root, const char *marker,
			  struct err_ctx *err)
{
	char start[FILE_PATH_BYTES_MAX];
	char marker_path[FILE_PATH_BYTES_MAX];
	if (!file_exists(path)) {
		return ERR_OK;
	}
	enum err rc = check_removable(path, root, marker, err);
	rc = rc ? rc : file_path(start, err, "%s", path);
	rc = rc ? rc : file_path(marker_path, err, "%s/%s", root, marker);
	if (rc) {
		return rc;
	}
	bool whole = strcmp(path, root) == 0;
	char *const starts[] = { start, NULL };
	FTS *walk = fts_open(starts, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	if (!walk) {
		return say_errno(err, "read", path);
	}
	rc = remove_walked(walk, marker_path, whole ? root : "", err);
	(void)fts_close(walk);
	if (!rc && whole && (unlink(marker_path) || rmdir(root))) {
		rc = say_errno(err, "remove", root);
	}
	return rc;
}

enum err file_copy_tree(const char *from, const char *to, struct err_ctx *err)
{
	char content[FILE_PATH_BYTES_MAX];
	enum err rc = file_make_folders(to, 0700, err);
	rc = rc ? rc : file_path(content, err, "%s/.", from);
	if (rc) {
		return rc;
	}
	const char *const argv[] = { "cp", "-a", "--sparse=always", "--reflink=auto", "--", content,
				     to,   NULL };
	struct process_options options = { .argv = argv };
	uint64_t deadline = clock_monotonic_us(&clock_system) + (uint64_t)COPY_TIMEOUT_S * US_PER_S;
	rc = process_run(&options, deadline, err);
	return rc ? err_wrap(err, ERR_IO, "copying '%s' to '%s'", from, to) : ERR_OK;
}

enum err file_lock(const char *path, uint64_t deadline_us, int *ret_fd, struct err_ctx *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		(void)say_errno(err, "open", path);
		return ERR_IO;
	}
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		enum err rc = ERR_OK;
		if (errno != EWOULDBLOCK && errno != EINTR) {
			rc = say_errno(err, "lock", path);
		} else if (clock_monotonic_us(&clock_system) >= deadline_us) {
			rc = err_set(err, ERR_DEADLINE, "'%s' is locked by another process", path);
		}
		if (rc) {
			(void)close(fd);
			return rc;
		}
		/* flock() can't be given a deadline. */
		(void)poll(NULL, 0, LOCK_PAUSE_MS);
	}
	*ret_fd = fd;
	return ERR_OK;
}
