#include "store/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/str.h"

enum { PID_TEXT_BYTES = 32 };

/* The pid that the holder wrote; 0 when it can't be read (it may be writing just now). */
static uint32_t holder_pid(int fd)
{
	char text[PID_TEXT_BYTES];
	ssize_t got = pread(fd, text, sizeof(text), 0);
	uint32_t pid = 0;
	if (got <= 0 || str_parse_u32(str_trim((struct str){ text, (size_t)got }), 1, UINT32_MAX,
				      &pid) != ERR_OK) {
		return 0;
	}
	return pid;
}

static enum err say_held(const char *path, int fd, struct err_ctx *err)
{
	uint32_t pid = holder_pid(fd);
	if (pid == 0) {
		return err_set(err, ERR_EXISTS, "another process holds '%s': end it first", path);
	}
	return err_set(err, ERR_EXISTS, "process %u holds '%s': end it first", pid, path);
}

/* The pid is a help for people; without it (full disk) the lock is as good. */
static void write_pid(int fd)
{
	char text[PID_TEXT_BYTES];
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (length > 0 && ftruncate(fd, 0) == 0) {
		ssize_t ignored = pwrite(fd, text, (size_t)length, 0);
		(void)ignored;
	}
}

enum err store_lock_take(const char *path, int *ret_fd, struct err_ctx *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return err_set(err, ERR_IO, "cannot create '%s': %s", path, strerrordesc_np(errno));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum err rc = errno == EWOULDBLOCK ? say_held(path, fd, err)
						   : err_set(err, ERR_IO, "cannot lock '%s': %s",
							     path, strerrordesc_np(errno));
		(void)close(fd);
		return rc;
	}
	write_pid(fd);
	*ret_fd = fd;
	return ERR_OK;
}
