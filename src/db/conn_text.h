/* Text work of a connection: SQL literals, and what the client library's messages hide. Pure. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

/* Appends 'text' as an SQL string literal, quotes included, for a session without
 * NO_BACKSLASH_ESCAPES in a character set in which no byte of a longer character is a quote or a
 * backslash (utf8mb4). */
void conn_text_quote(struct buf *sql, struct str text);

/* The operating system's error number in a message of libmariadb, which keeps it nowhere else:
 * "Can't connect to server on '127.0.0.1' (111)", "... system error: 104". 0 when there is none.
 * Source: libmariadb, libmariadb/ma_errmsg.c. */
int conn_text_os_errno(struct str message);
