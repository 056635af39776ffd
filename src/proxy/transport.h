/* One end of a byte stream: TCP, or what stands on it (tls.h).
 *
 * Built for edge-triggered polling: `readable` and `writable` remember what the poller said until an
 * attempt finds the opposite, so that no poller call is needed to stop or resume a direction.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transport_result {
	TRANSPORT_OK,	   /* some bytes went through */
	TRANSPORT_BLOCKED, /* none can for now */
	TRANSPORT_CLOSED,  /* end of stream or broken */
};

struct transport;

struct transport_ops {
	enum transport_result (*read)(struct transport *transport, void *bytes, size_t count,
				      size_t *ret_count);
	enum transport_result (*write)(struct transport *transport, const void *bytes, size_t count,
				       size_t *ret_count);
	void (*shut)(struct transport *transport); /* the end of what is written */
	void (*close)(struct transport *transport, bool reset);
	bool short_empties; /* a read that gives less than was asked for says that there is no more now */
};

struct ssl_st; /* OpenSSL's SSL */

struct transport {
	const struct transport_ops *ops;
	int fd;		    /* -1: closed */
	struct ssl_st *tls; /* owned by the transport; NULL: none (tls.h) */
	bool readable;
	bool writable;
	bool broken;  /* TRANSPORT_CLOSED was no end of stream, but a reset or a failure */
	bool hung_up; /* the poller has seen the peer's end: short reads prove nothing */
};

/* Over a connected or connecting TCP socket, which it owns. */
void transport_init_tcp(struct transport *transport, int fd);

/* Takes over what epoll reported. */
void transport_note(struct transport *transport, uint32_t epoll_events);

/* Reads what there is, up to count bytes. */
enum transport_result transport_read(struct transport *transport, void *bytes, size_t count,
				     size_t *ret_count);

/* Writes what fits. */
enum transport_result transport_write(struct transport *transport, const void *bytes, size_t count,
				      size_t *ret_count);

/* Nothing more will be written; reading goes on. Harmless when closed. */
void transport_shut(struct transport *transport);

/* reset: with RST, so that a peer that doesn't read sees it too. Harmless when closed. */
void transport_close(struct transport *transport, bool reset);

/* For ops: closes the socket alone. */
void transport_close_socket(const struct transport *transport, bool reset);

static inline bool transport_is_open(const struct transport *transport)
{
	return transport->fd >= 0;
}
