/* The cluster record: keys with values and versions. One interface, several stores.
 *
 * A store belongs to one thread. What store_commit() returned ERR_OK for survives kill -9 and power loss.
 * A key's version is 1 when it is created and grows by one with every change; removing it forgets it.
 * store_sqlite.h opens the file of one process, store_etcd.h what several processes share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct store;

enum {
	STORE_KEY_BYTES_MAX = 256,
	STORE_VALUE_BYTES_MAX = 1024 * 1024,
	STORE_CHANGES_MAX = 64,
	STORE_TEXT_BYTES_MAX = 512,
};

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

struct store *store_close(struct store *store); /* takes NULL, returns NULL */

/* What it is and where, for people: "sqlite:/var/lib/muster/muster.db". */
const char *store_text(const struct store *store);

/* Value and version of one key. ret_value: memory of the caller's buf, cleared first. ERR_NOT_FOUND. */
struct buf;
MUST_CHECK enum err store_get(struct store *store, struct str key, struct buf *ret_value,
			      uint64_t *ret_version, struct err_ctx *err);

/* Keys that start with `prefix`, in bytewise order of the key. `row` must not call into the store. */
MUST_CHECK enum err store_list(struct store *store, struct str prefix, store_row_cb row, void *ctx,
			       struct err_ctx *err);

/* The same for those keys only that come behind `after`. */
MUST_CHECK enum err store_list_after(struct store *store, struct str prefix, struct str after,
				     store_row_cb row, void *ctx, struct err_ctx *err);

/* All changes, in their order, or none; durable when it returns ERR_OK. A key stands in one change at most.
 *
 * Errors: ERR_CONFLICT (names key and versions), ERR_LIMIT, ERR_IO (disk or quota full, ...). An error of a
 * store that others share (ERR_UNREACHABLE, ERR_DEADLINE) may leave open whether it was carried out; whatever
 * of it is still under way then is carried out before the next commit of this store or never.
 */
MUST_CHECK enum err store_commit(struct store *store, const struct store_change *changes,
				 size_t count, struct err_ctx *err);

/* From now on every commit is refused with ERR_CONFLICT unless `key` has `version`: the token that keeps a
 * deposed leader from writing. An empty key lifts it. */
void store_fence(struct store *store, struct str key, uint64_t version);
