/* A server's binary logs as a stream of events over the network, from one file's start to the present end.
 *
 * As a replica would read them, but the server ends the stream instead of waiting for more. Both dialects.
 * Source: MySQL source documentation, COM_BINLOG_DUMP with BINLOG_DUMP_NON_BLOCK; MariaDB Knowledge Base,
 * "COM_BINLOG_DUMP" and "mariadb_slave_capability".
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "db/conn.h"

enum { BINLOG_EVENT_BYTES_MAX = 1024 * 1024 * 1024 };

struct binlog_stream;

/* Asks for the files from `file` on. conn: of an account with REPLICATION SLAVE; taken over (conn_take_over()) and
 * to be closed by the caller after the stream. Errors: those of conn_query(), ERR_REFUSED. */
MUST_CHECK enum err binlog_stream_open(struct conn *conn, const char *file, uint64_t deadline_us,
				       struct binlog_stream **ret, struct err_ctx *err);

/* The next event: header, body and checksum; a view until the next call.
 * Errors: ERR_NOT_FOUND at the end, ERR_SERVER (what the server said), ERR_UNREACHABLE, ERR_DEADLINE,
 * ERR_LIMIT, ERR_PROTOCOL. */
MUST_CHECK enum err binlog_stream_next(struct binlog_stream *stream, uint64_t deadline_us,
				       struct str *ret, struct err_ctx *err);

struct binlog_stream *binlog_stream_free(struct binlog_stream *stream); /* takes NULL */
void binlog_stream_freep(struct binlog_stream **stream);		/* for CLEANUP */
