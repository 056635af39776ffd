/* The rows of one MariaDB table, streamed from the donor's snapshot into the server. */
#pragma once

#include "db/copy/mariadb_copy_objects.h"

enum { COPY_INSERT_BYTES = 1024 * 1024 }; /* of one INSERT, unless a single row is longer */

/* donor: a session within the snapshot; server: one that keeps out of its binary log. Both with SET NAMES binary, so that
 * every byte arrives as it is. progress: rows and bytes are counted up. */
MUST_CHECK enum err copy_rows(const struct reclone_options *options, struct conn *donor,
			      struct conn *server, const struct copy_object *table,
			      struct reclone_progress *progress, struct err_ctx *err);
