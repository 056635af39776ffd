/* The cluster record: keys with values and versions. One interface, several stores.
 *
 * A store belongs to one thread. What store_commit() returned ERR_OK for survives kill -9 and power loss.
 * A key's version is 1 when it is created and grows by one with every change; removing it forgets it.
 * SQLite implements it in store_sqlite.c (one process at a time); a distributed store comes beside it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct store;

enum { STORE_KEY_BYTES_MAX = 256, STORE_VALUE_BYTES_MAX = 1024 * 1024, STORE_CHANGES_MAX = 64 };

/* One change of a transaction. */
struct store_change {
	struct str key;
	struct str value; /* ignored when `remove` */
	bool remove;
	bool check_version; /* fail with ERR_CONFLICT unless the key's version is `version` */
	uint64_t version;   /* 0: the key must not exist */
};

/* Called for each key; the views are valid during the call. Return false to stop. */
typedef bool (*store_row_cb)(void *ctx, struct str key, struct str value, uint64_t version);

/* Opens or creates. path: a file in an existing folder; `path`.lock and `path`-wal are made beside it.
 * Errors: ERR_EXISTS (another process has it open; names its pid if known), ERR_IO (unwritable, disk
 * full, damaged: what and where), ERR_CONFIG (made by a newer muster: its schema number and ours; or a
 * database that is no store). */
MUST_CHECK enum err store_open_sqlite(const char *path, struct store **ret, struct err_ctx *err);

struct store *store_close(struct store *store); /* takes NULL, returns NULL */

/* Value and version of one key. ret_value: memory of the caller's buf, cleared first. ERR_NOT_FOUND. */
struct buf;
MUST_CHECK enum err store_get(struct store *store, struct str key, struct buf *ret_value,
			      uint64_t *ret_version, struct err_ctx *err);

/* Keys that start with `prefix`, in bytewise order of the key. `row` must not call into the store. */
MUST_CHECK enum err store_list(struct store *store, struct str prefix, store_row_cb row, void *ctx,
			       struct err_ctx *err);

/* All changes, in their order, or none; durable when it returns ERR_OK. One fdatasync.
 * Errors: ERR_CONFLICT (names key and versions), ERR_LIMIT, ERR_IO (disk full, ...). */
MUST_CHECK enum err store_commit(struct store *store, const struct store_change *changes,
				 size_t count, struct err_ctx *err);
