/* Sockets of the data path: non-blocking, close-on-exec, TCP_NODELAY.
 *
 * Addresses are resolved by net_resolve() alone, which may block on a name; nothing else here does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum { NET_ADDRESS_TEXT_BYTES_MAX = 64 };

struct net_address {
	struct sockaddr_storage storage;
	socklen_t bytes;
};

/* The first address of `host` (a name or an IP address). numeric_only: names are ERR_NOT_FOUND, so
 * that the call never blocks. Errors: ERR_NOT_FOUND, ERR_UNREACHABLE (no resolver answers). */
MUST_CHECK enum err net_resolve(const char *host, uint16_t port, bool numeric_only,
				struct net_address *ret, struct err_ctx *err);

/* A listening socket with SO_REUSEADDR and, on request, SO_REUSEPORT. host "" is every address.
 * Errors: ERR_EXISTS when the port is in use (err names the address), ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum err net_listen(const char *host, uint16_t port, bool reuse_port, int *ret_fd,
			       struct err_ctx *err);

/* The port that a bound socket has; 0 when it can't be told. */
uint16_t net_local_port(int fd);

/* Accepts one client. ERR_AGAIN when there is none, ERR_LIMIT when file descriptors are used up,
 * ERR_IO. ret_text is the peer's IP address, without the ::ffff: of a mapped one. */
MUST_CHECK enum err net_accept(int listen_fd, int *ret_fd,
			       char ret_text[NET_ADDRESS_TEXT_BYTES_MAX]);

/* Starts a connection; it is made when the socket becomes writable and net_connect_error() is 0.
 * Errors: ERR_UNREACHABLE with the reason when it fails at once, ERR_IO. */
MUST_CHECK enum err net_connect(const struct net_address *address, int *ret_fd,
				struct err_ctx *err);

/* The pending error of a socket (SO_ERROR), 0 when there is none. */
int net_connect_error(int fd);

/* Closes with RST in place of FIN: the peer's end sees it even where nobody reads. */
void net_close_reset(int fd);
