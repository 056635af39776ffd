/* TCP behind the transport's ops table. */
#include "proxy/transport.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/net.h"

static bool is_transient(int error)
{
	return error == EAGAIN || error == ENOTCONN;
}

static enum transport_result tcp_read(struct transport *transport, void *bytes, size_t count,
				      size_t *ret_count)
{
	ssize_t got = 0;
	do {
		got = recv(transport->fd, bytes, count, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		transport->broken = !is_transient(errno);
		return transport->broken ? TRANSPORT_CLOSED : TRANSPORT_BLOCKED;
	}
	if (got == 0) {
		return TRANSPORT_CLOSED;
	}
	*ret_count = (size_t)got;
	return TRANSPORT_OK;
}

static enum transport_result tcp_write(struct transport *transport, const void *bytes, size_t count,
				       size_t *ret_count)
{
	ssize_t put = 0;
	do {
		put = send(transport->fd, bytes, count, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put < 0) {
		transport->broken = !is_transient(errno);
		return transport->broken ? TRANSPORT_CLOSED : TRANSPORT_BLOCKED;
	}
	*ret_count = (size_t)put;
	return TRANSPORT_OK;
}

static void tcp_shut(struct transport *transport)
{
	(void)shutdown(transport->fd, SHUT_WR);
}

void transport_close_socket(const struct transport *transport, bool reset)
{
	if (reset) {
		net_close_reset(transport->fd);
	} else {
		(void)close(transport->fd);
	}
}

static void tcp_close(struct transport *transport, bool reset)
{
	transport_close_socket(transport, reset);
}

static const struct transport_ops tcp_ops = { tcp_read, tcp_write, tcp_shut, tcp_close, true };

void transport_init_tcp(struct transport *transport, int fd)
{
	*transport = (struct transport){ .ops = &tcp_ops, .fd = fd };
}

void transport_note(struct transport *transport, uint32_t epoll_events)
{
	if (epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		transport->readable = true;
	}
	if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
		transport->writable = true;
	}
	if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		transport->hung_up = true;
	}
	if (transport->tls) { /* each direction may wait for the other one */
		transport->readable = true;
		transport->writable = true;
	}
}

enum transport_result transport_read(struct transport *transport, void *bytes, size_t count,
				     size_t *ret_count)
{
	*ret_count = 0;
	if (transport->fd < 0) {
		return TRANSPORT_CLOSED;
	}
	if (!transport->readable) {
		return TRANSPORT_BLOCKED;
	}
	enum transport_result rc = transport->ops->read(transport, bytes, count, ret_count);
	/* A short read empties the socket (epoll(7), question 9), unless its end is near. */
	if (rc == TRANSPORT_BLOCKED || (rc == TRANSPORT_OK && *ret_count < count &&
					transport->ops->short_empties && !transport->hung_up)) {
		transport->readable = false;
	}
	return rc;
}

enum transport_result transport_write(struct transport *transport, const void *bytes, size_t count,
				      size_t *ret_count)
{
	*ret_count = 0;
	if (transport->fd < 0) {
		return TRANSPORT_CLOSED;
	}
	if (!transport->writable) {
		return TRANSPORT_BLOCKED;
	}
	enum transport_result rc = transport->ops->write(transport, bytes, count, ret_count);
	if (rc == TRANSPORT_BLOCKED ||
	    (rc == TRANSPORT_OK && *ret_count < count && transport->ops->short_empties)) {
		transport->writable = false;
	}
	return rc;
}

void transport_shut(struct transport *transport)
{
	if (transport->fd >= 0) {
		transport->ops->shut(transport);
	}
}

void transport_close(struct transport *transport, bool reset)
{
	if (transport->fd >= 0) {
		transport->ops->close(transport, reset);
		transport->fd = -1;
	}
	transport->readable = false;
	transport->writable = false;
}
