#include "db/log/binlog_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/mem.h"

enum {
	COMMAND_BINLOG_DUMP = 0x12,
	DUMP_NON_BLOCK = 1,
	FIRST_POSITION = 4,
	PACKET_HEADER_BYTES = 4,
	PACKET_BODY_MAX = 0xffffff,
	READ_BYTES = 64 * 1024,
	WAIT_SLICE_US = 500 * 1000,
	BYTE_EVENT = 0x00,
	BYTE_END = 0xfe,
	BYTE_ERROR = 0xff,
	BYTE_NONE = 0x100,
};

struct binlog_stream {
	struct conn *conn;
	int fd;
	struct buf in;	  /* received and not yet taken */
	struct buf event; /* of the newest */
	size_t taken;	  /* of `in`, to be dropped at the next read */
};

/* MariaDB leaves its GTID events away unless it is told that they are understood. Checksums come as they are in the
 * file. */
static const char hello_sql[] =
	"SET @master_binlog_checksum=@@global.binlog_checksum,"
	" @source_binlog_checksum=@@global.binlog_checksum, @mariadb_slave_capability=4";

static uint64_t left_us(const struct binlog_stream *stream, uint64_t deadline_us)
{
	uint64_t now_us = conn_now_us(stream->conn);
	return deadline_us > now_us ? deadline_us - now_us : 0;
}

/* Waits until the socket can be read or written. */
static enum err wait_socket(struct binlog_stream *stream, short events, uint64_t deadline_us,
			    struct err_ctx *err)
{
	struct pollfd pfd = { .fd = stream->fd, .events = events };
	for (;;) {
		uint64_t wait_us = left_us(stream, deadline_us);
		/* In slices: the clock of one that is to be broken off jumps ahead. */
		uint64_t slice_us = wait_us < WAIT_SLICE_US ? wait_us : WAIT_SLICE_US;
		struct timespec timeout = { .tv_sec = 0, .tv_nsec = (long)slice_us * 1000 };
		int ready = ppoll(&pfd, 1, &timeout, NULL);
		if (ready > 0) {
			return ERR_OK;
		}
		if (ready == 0 && wait_us == 0) {
			return err_set(err, ERR_DEADLINE,
				       "server '%s': no more of its binary logs came in time",
				       conn_target(stream->conn));
		}
		if (ready < 0 && errno != EINTR) {
			return err_set(err, ERR_IO, "poll: %s", strerrordesc_np(errno));
		}
	}
}

static enum err send_all(struct binlog_stream *stream, struct str bytes, uint64_t deadline_us,
			 struct err_ctx *err)
{
	while (bytes.len > 0) {
		ssize_t sent = send(stream->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent > 0) {
			bytes = str_slice(bytes, (size_t)sent, bytes.len);
		} else if (errno == EAGAIN || errno == EINTR) {
			enum err rc = wait_socket(stream, POLLOUT, deadline_us, err);
			if (rc != ERR_OK) {
				return rc;
			}
		} else {
			return err_set(err, ERR_UNREACHABLE, "server '%s': %s",
				       conn_target(stream->conn), strerrordesc_np(errno));
		}
	}
	return ERR_OK;
}

static enum err send_dump(struct binlog_stream *stream, const char *file, uint64_t deadline_us,
			  struct err_ctx *err)
{
	struct buf packet;
	buf_init(&packet, PACKET_BODY_MAX);
	size_t file_bytes = strlen(file);
	buf_add_u24(&packet, (uint32_t)(1 + 4 + 2 + 4 + file_bytes));
	buf_add_u8(&packet, 0);
	buf_add_u8(&packet, COMMAND_BINLOG_DUMP);
	buf_add_u32(&packet, FIRST_POSITION);
	buf_add_u16(&packet, DUMP_NON_BLOCK);
	buf_add_u32(&packet, 0); /* no replica: no other dump is ended for it */
	buf_add(&packet, file, file_bytes);
	enum err rc = send_all(stream, buf_str(&packet), deadline_us, err);
	buf_fini(&packet);
	return rc;
}

enum err binlog_stream_open(struct conn *conn, const char *file, uint64_t deadline_us,
			    struct binlog_stream **ret, struct err_ctx *err)
{
	int fd = -1;
	enum err rc = conn_query(conn, str_of(hello_sql), deadline_us, NULL, err);
	rc = rc ? rc : conn_take_over(conn, &fd, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct binlog_stream *stream = mem_need(sizeof(*stream));
	stream->conn = conn;
	stream->fd = fd;
	buf_init(&stream->in, (size_t)BINLOG_EVENT_BYTES_MAX + (size_t)2 * READ_BYTES);
	buf_init(&stream->event, BINLOG_EVENT_BYTES_MAX);
	rc = send_dump(stream, file, deadline_us, err);
	if (rc != ERR_OK) {
		(void)binlog_stream_free(stream);
		return rc;
	}
	*ret = stream;
	return ERR_OK;
}

struct binlog_stream *binlog_stream_free(struct binlog_stream *stream)
{
	if (stream) {
		buf_fini(&stream->in);
		buf_fini(&stream->event);
	}
	return mem_free(stream);
}

void binlog_stream_freep(struct binlog_stream **stream)
{
	*stream = binlog_stream_free(*stream);
}

/* Makes at least `need` bytes available behind what was taken. */
static enum err fill(struct binlog_stream *stream, size_t need, uint64_t deadline_us,
		     struct err_ctx *err)
{
	if (stream->in.len - stream->taken < need && stream->taken > 0) {
		buf_consume(&stream->in, stream->taken);
		stream->taken = 0;
	}
	while (stream->in.len - stream->taken < need) {
		uint8_t *to = buf_reserve(&stream->in, READ_BYTES);
		if (!to) {
			return err_set(err, ERR_LIMIT, "an event of the binary log is too large");
		}
		ssize_t got = recv(stream->fd, to, READ_BYTES, MSG_DONTWAIT);
		if (got > 0) {
			buf_commit(&stream->in, (size_t)got);
		} else if (got == 0) {
			return err_set(err, ERR_UNREACHABLE, "server '%s' ended the connection",
				       conn_target(stream->conn));
		} else if (errno == EAGAIN || errno == EINTR) {
			enum err rc = wait_socket(stream, POLLIN, deadline_us, err);
			if (rc != ERR_OK) {
				return rc;
			}
		} else {
			return err_set(err, ERR_UNREACHABLE, "server '%s': %s",
				       conn_target(stream->conn), strerrordesc_np(errno));
		}
	}
	return ERR_OK;
}

/* One packet's body; a body of the longest size goes on in the next packet. */
static enum err read_packet(struct binlog_stream *stream, uint64_t deadline_us, struct err_ctx *err)
{
	buf_clear(&stream->event);
	uint32_t bytes = PACKET_BODY_MAX;
	while (bytes == PACKET_BODY_MAX) {
		enum err rc = fill(stream, PACKET_HEADER_BYTES, deadline_us, err);
		if (rc != ERR_OK) {
			return rc;
		}
		struct cursor cur = cursor_of(stream->in.ptr + stream->taken, PACKET_HEADER_BYTES);
		if (cursor_u24(&cur, &bytes) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "packet is cut short");
		}
		rc = fill(stream, PACKET_HEADER_BYTES + bytes, deadline_us, err);
		if (rc != ERR_OK) {
			return rc;
		}
		buf_add(&stream->event, stream->in.ptr + stream->taken + PACKET_HEADER_BYTES,
			bytes);
		stream->taken += PACKET_HEADER_BYTES + bytes;
	}
	return buf_finish(&stream->event) == ERR_OK
		       ? ERR_OK
		       : err_set(err, ERR_LIMIT, "an event of the binary log is too large");
}

/* Number, '#' and SQL state, text. */
static enum err server_error(const struct binlog_stream *stream, struct err_ctx *err)
{
	struct cursor cur = cursor_of(stream->event.ptr, stream->event.len);
	uint16_t number = 0;
	(void)!cursor_skip(&cur, 1);
	(void)!cursor_u16(&cur, &number);
	struct str text = cursor_rest(&cur);
	if (str_starts_with(text, STR("#"))) {
		text = str_slice(text, 6, text.len);
	}
	err_set(err, ERR_SERVER, "server '%s': %.*s (%u, while its binary logs were read)",
		conn_target(stream->conn), STR_ARG(text), number);
	if (err) {
		err->server_errno = number;
	}
	return ERR_SERVER;
}

enum err binlog_stream_next(struct binlog_stream *stream, uint64_t deadline_us, struct str *ret,
			    struct err_ctx *err)
{
	enum err rc = read_packet(stream, deadline_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct str body = buf_str(&stream->event);
	switch (body.len > 0 ? (int)(uint8_t)body.ptr[0] : BYTE_NONE) {
	case BYTE_EVENT:
		*ret = str_slice(body, 1, body.len);
		return ERR_OK;
	case BYTE_END:
		return err_set(err, ERR_NOT_FOUND, "the binary logs end here");
	case BYTE_ERROR:
		return server_error(stream, err);
	default:
		return err_set(err, ERR_PROTOCOL, "server '%s' sent no event of a binary log",
			       conn_target(stream->conn));
	}
}
