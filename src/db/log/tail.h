/* Saves the tail of a server that comes back: transactions that it has and the primary lacks.
 *
 * They are read over the network from its binary logs and written to two new files: a binary log that mysqlbinlog and
 * mariadb-binlog read, and a text that says what each transaction changes. Nothing is ever overwritten; both are on
 * the disk when this returns. The server is not changed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "db/conn.h"
#include "gtid/gtid_set.h"
#include "os/file.h"

struct tail_options {
	struct conn *conn; /* lists the logs: an account that may SHOW BINARY LOGS */
	struct conn
		*dump; /* another one, with REPLICATION SLAVE; good only for conn_close() then */
	const struct gtid_set *wanted;
	const char *folder;		 /* made with mode 0700 when it is missing */
	const char *stem;		 /* of the files' names: STEM.binlog, STEM.txt */
	struct str head;		 /* begins the text: lines with '#' */
	uint64_t wait_us;		 /* longest time in which nothing comes from the server */
	bool (*is_cancelled)(void *ctx); /* may be NULL */
	void *ctx;
};

struct tail_result {
	char log_path[FILE_PATH_BYTES_MAX];
	char text_path[FILE_PATH_BYTES_MAX];
	uint64_t bytes; /* of the log */
	uint32_t transactions;
	struct gtid_set missing; /* wanted, but no longer in the server's binary logs */
};

/* ret: zeroed; tail_fini() releases it in any case.
 * Errors: ERR_NOT_FOUND (none of them is in the binary logs; no file is left), ERR_EXISTS, ERR_IO,
 * ERR_DEADLINE, ERR_AGAIN (cancelled), those of binlog_stream.h. On failure no file is left behind. */
MUST_CHECK enum err tail_save(const struct tail_options *options, struct tail_result *ret,
			      struct err_ctx *err);
void tail_fini(struct tail_result *result);
