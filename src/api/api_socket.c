#include "api/api_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

enum { BACKLOG = 128, SOCKET_MODE = 0660 };

static enum err open_socket(const char *path, struct sockaddr_un *ret_address, int *ret_fd,
			    struct err_ctx *err)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path[0] || str_copy(str_of(path), ret_address->sun_path,
				 sizeof(ret_address->sun_path)) != ERR_OK) {
		return err_set(err, ERR_LIMIT, "socket '%s': a socket's path has 1 to %zu bytes",
			       path, sizeof(ret_address->sun_path) - 1);
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return err_set(err, ERR_IO, "socket '%s': %s", path, strerrordesc_np(errno));
	}
	*ret_fd = fd;
	return ERR_OK;
}

enum err api_socket_connect(const char *path, int *ret_fd, struct err_ctx *err)
{
	struct sockaddr_un address;
	int fd = -1;
	enum err rc = open_socket(path, &address, &fd, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		rc = err_set(err, ERR_UNREACHABLE, "nothing answers at '%s': %s", path,
			     strerrordesc_np(errno));
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return ERR_OK;
}

/* Takes away the file of a process that is gone; refuses anything else that is there. */
static enum err clear_path(const char *path, struct err_ctx *err)
{
	struct stat there;
	int fd = -1;
	if (lstat(path, &there) != 0) {
		return errno == ENOENT ? ERR_OK
				       : err_set(err, ERR_IO, "socket '%s': %s", path,
						 strerrordesc_np(errno));
	}
	if (!S_ISSOCK(there.st_mode)) {
		return err_set(err, ERR_EXISTS, "'%s' is there and is no socket", path);
	}
	if (api_socket_connect(path, &fd, NULL) == ERR_OK) {
		(void)close(fd);
		return err_set(err, ERR_EXISTS, "another muster answers at '%s': end it first",
			       path);
	}
	if (unlink(path) != 0 && errno != ENOENT) {
		return err_set(err, ERR_IO, "socket '%s': %s", path, strerrordesc_np(errno));
	}
	return ERR_OK;
}

enum err api_socket_listen(const char *path, int *ret_fd, struct err_ctx *err)
{
	struct sockaddr_un address;
	int fd = -1;
	enum err rc = open_socket(path, &address, &fd, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = clear_path(path, err);
	/* The mode of the unbound socket is that of the file that bind() makes: never wider than ours. */
	if (rc == ERR_OK && (fchmod(fd, SOCKET_MODE) != 0 ||
			     bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
			     chmod(path, SOCKET_MODE) != 0 || listen(fd, BACKLOG) != 0)) {
		rc = err_set(err, ERR_IO, "socket '%s': %s", path, strerrordesc_np(errno));
	}
	if (rc != ERR_OK) {
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return ERR_OK;
}
