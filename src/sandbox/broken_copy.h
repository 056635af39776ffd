/* A MySQL server that died while it took over a copy: what has to be mended before it can start. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Removes `datadir`/binlog.index when it names a file that is gone; the server must be down. Harmless only to a server whose
 * data are to be replaced anyway: elsewhere a missing binary log is a loss that a person has to see.
 *
 * CLONE takes the binary logs away before it writes their index anew. Killed in between, the server ends at each start with
 * "Can't init tc log"; without an index it begins one. Seen with MySQL 9.7.
 * ret_mended: whether it was. Errors: ERR_IO, ERR_LIMIT.
 */
MUST_CHECK enum err broken_copy_mend(const char *datadir, bool *ret_mended, struct err_ctx *err);
