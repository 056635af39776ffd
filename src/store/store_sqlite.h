/* The store in one SQLite file, for one process at a time. */
#pragma once

#include "store/store.h"

/* Opens or creates. path: a file in an existing folder; `path`.lock and `path`-wal are made beside it.
 * Errors: ERR_EXISTS (another process has it open; names its pid if known), ERR_IO (unwritable, disk
 * full, damaged: what and where), ERR_CONFIG (made by a newer muster: its schema number and ours; or a
 * database that is no store). */
MUST_CHECK enum err store_open_sqlite(const char *path, struct store **ret, struct err_ctx *err);
