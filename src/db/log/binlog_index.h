/* The binary logs that a server has: their names, sizes, and what each begins behind. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "db/conn.h"
#include "gtid/gtid_set.h"

enum { BINLOG_INDEX_NAME_BYTES_MAX = 512 };

struct binlog_index_file {
	char name[BINLOG_INDEX_NAME_BYTES_MAX];
	uint64_t bytes;
};

/* Owned by the holder, oldest first. A zeroed one is empty. */
struct binlog_index {
	struct binlog_index_file *files;
	size_t count;
};

/* Releases the list, leaves a valid empty one. */
void binlog_index_fini(struct binlog_index *index);

/* ret: zeroed. Errors: those of conn_query(). */
MUST_CHECK enum err binlog_index_read(struct conn *conn, uint64_t deadline_us,
				      struct binlog_index *ret, struct err_ctx *err);

/* What was written before that file began: its list of previous GTIDs. ret: a valid set, replaced.
 * ERR_PROTOCOL when the file doesn't say it. Source: SHOW BINLOG EVENTS, the events Previous_gtids and Gtid_list. */
MUST_CHECK enum err binlog_index_previous(struct conn *conn, const struct binlog_index_file *file,
					  uint64_t deadline_us, struct gtid_set *ret,
					  struct err_ctx *err);
