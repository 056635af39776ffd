/* What the stores have in common, inside of this room: the functions of one kind, and the head of its struct. */
#pragma once

#include "store/store.h"

struct store_ops {
	void (*close)(struct store *store);
	/* The callers have checked the limits of keys, values and counts. */
	enum err (*get)(struct store *store, struct str key, struct buf *ret_value,
			uint64_t *ret_version, struct err_ctx *err);
	enum err (*list)(struct store *store, struct str prefix, struct str after, store_row_cb row,
			 void *ctx, struct err_ctx *err);
	/* fence: a comparison that every commit makes besides; NULL: none. */
	enum err (*commit)(struct store *store, const struct store_change *changes, size_t count,
			   const struct store_change *fence, struct err_ctx *err);
};

/* The first member of each kind's own struct. */
struct store {
	const struct store_ops *ops;
	bool fenced;
	char fence_key[STORE_KEY_BYTES_MAX];
	size_t fence_key_bytes;
	uint64_t fence_version;
	char text[STORE_TEXT_BYTES_MAX];
};

/* The words for a comparison that failed. */
enum err store_say_conflict(struct str key, uint64_t version, uint64_t expected,
			    struct err_ctx *err);
