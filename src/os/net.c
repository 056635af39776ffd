/* Listening, accepting and connecting, without blocking. */
#include "os/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

enum { LISTEN_BACKLOG = 1024, PORT_TEXT_BYTES = 8 };

static enum err resolve(const char *host, uint16_t port, int flags, struct net_address *ret,
			struct err_ctx *err)
{
	char port_text[PORT_TEXT_BYTES];
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = flags | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	(void)snprintf(port_text, sizeof(port_text), "%u", (unsigned)port);
	int rc = getaddrinfo(*host ? host : NULL, port_text, &hints, &found);
	if (rc == EAI_AGAIN) {
		return err_set(err, ERR_UNREACHABLE, "host '%s': %s", host, gai_strerror(rc));
	}
	if (rc) {
		return err_set(err, ERR_NOT_FOUND, "host '%s': %s", host, gai_strerror(rc));
	}
	*ret = (struct net_address){ .bytes = found->ai_addrlen };
	memcpy(&ret->storage, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return ERR_OK;
}

enum err net_resolve(const char *host, uint16_t port, bool numeric_only, struct net_address *ret,
		     struct err_ctx *err)
{
	return resolve(host, port, numeric_only ? AI_NUMERICHOST : 0, ret, err);
}

static void set_option(int fd, int level, int option, int value)
{
	/* All of them are optimisations or hints; a kernel without one still works. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

enum err net_listen(const char *host, uint16_t port, bool reuse_port, int *ret_fd,
		    struct err_ctx *err)
{
	struct net_address address = { 0 };
	enum err rc = resolve(host, port, AI_PASSIVE, &address, err);
	if (rc) {
		return rc;
	}
	int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return err_set(err, ERR_IO, "socket for %s:%u: %s", host, (unsigned)port,
			       strerrordesc_np(errno));
	}
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (reuse_port) {
		set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	}
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (bind(fd, (struct sockaddr *)&address.storage, address.bytes) ||
	    listen(fd, LISTEN_BACKLOG)) {
		int saved = errno;
		(void)close(fd);
		return err_set(err, saved == EADDRINUSE ? ERR_EXISTS : ERR_IO,
			       "listen on %s:%u: %s", host, (unsigned)port, strerrordesc_np(saved));
	}
	*ret_fd = fd;
	return ERR_OK;
}

static uint16_t port_of(const struct sockaddr_storage *storage)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (storage->ss_family == AF_INET) {
		memcpy(&v4, storage, sizeof(v4));
		return ntohs(v4.sin_port);
	}
	if (storage->ss_family == AF_INET6) {
		memcpy(&v6, storage, sizeof(v6));
		return ntohs(v6.sin6_port);
	}
	return 0;
}

uint16_t net_local_port(int fd)
{
	struct sockaddr_storage storage;
	socklen_t bytes = sizeof(storage);
	memset(&storage, 0, sizeof(storage));
	return getsockname(fd, (struct sockaddr *)&storage, &bytes) ? 0 : port_of(&storage);
}

static void print_address(const struct sockaddr_storage *storage,
			  char ret_text[NET_ADDRESS_TEXT_BYTES_MAX])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	ret_text[0] = '\0';
	if (storage->ss_family == AF_INET) {
		memcpy(&v4, storage, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, ret_text, NET_ADDRESS_TEXT_BYTES_MAX);
		return;
	}
	if (storage->ss_family != AF_INET6) {
		return;
	}
	memcpy(&v6, storage, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		(void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], ret_text,
				NET_ADDRESS_TEXT_BYTES_MAX);
	} else {
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, ret_text, NET_ADDRESS_TEXT_BYTES_MAX);
	}
}

enum err net_accept(int listen_fd, int *ret_fd, char ret_text[NET_ADDRESS_TEXT_BYTES_MAX])
{
	struct sockaddr_storage storage;
	socklen_t bytes = sizeof(storage);
	memset(&storage, 0, sizeof(storage));
	int fd = accept4(listen_fd, (struct sockaddr *)&storage, &bytes,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
			return ERR_AGAIN;
		}
		return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_IO;
	}
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	print_address(&storage, ret_text);
	*ret_fd = fd;
	return ERR_OK;
}

enum err net_connect(const struct net_address *address, int *ret_fd, struct err_ctx *err)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return err_set(err, ERR_IO, "socket: %s", strerrordesc_np(errno));
	}
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (connect(fd, (const struct sockaddr *)&address->storage, address->bytes) &&
	    errno != EINPROGRESS) {
		int saved = errno;
		(void)close(fd);
		return err_set(err, ERR_UNREACHABLE, "connect: %s", strerrordesc_np(saved));
	}
	*ret_fd = fd;
	return ERR_OK;
}

int net_connect_error(int fd)
{
	int error = 0;
	socklen_t bytes = sizeof(error);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) ? errno : error;
}

void net_close_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	(void)close(fd);
}
