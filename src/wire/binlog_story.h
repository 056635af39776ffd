/* Tells for people what the transactions of a binary log change: a paragraph for each.
 *
 *   0-1-104  2026-11-21 05:12:13 UTC
 *     app.orders: 2 inserted, 1 updated
 *     statement in app: CREATE TABLE app.x (id INT)
 *
 * Fed event by event; both dialects. Statements are cut at BINLOG_STATEMENT_BYTES_MAX, the log has them whole.
 * Control characters of statements and names are written as '?', but for newlines, which become blanks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/binlog.h"

enum { BINLOG_STATEMENT_BYTES_MAX = 4096, BINLOG_STORY_TABLES_MAX = 256 };

struct binlog_story;

struct binlog_story *binlog_story_new(void);
struct binlog_story *binlog_story_free(struct binlog_story *story); /* takes NULL, returns NULL */

/* Begins a transaction. gtid: as text. timestamp: seconds since 1970, of its first event. */
void binlog_story_begin(struct binlog_story *story, struct str gtid, uint32_t timestamp);

/* One event of it; those that say nothing are passed over. What can't be read is told as such. */
void binlog_story_add(struct binlog_story *story, const struct binlog_event *event);

/* Appends the paragraph of the transaction. */
void binlog_story_end(struct binlog_story *story, struct buf *out);
