#include "store/store.h"

#include <string.h>

#include "base/check.h"
#include "store/store_ops.h"

struct store *store_close(struct store *store)
{
	if (store) {
		store->ops->close(store);
	}
	return NULL;
}

const char *store_text(const struct store *store)
{
	return store->text;
}

static bool key_is_valid(struct str key)
{
	return key.len != 0 && key.len <= STORE_KEY_BYTES_MAX;
}

enum err store_get(struct store *store, struct str key, struct buf *ret_value,
		   uint64_t *ret_version, struct err_ctx *err)
{
	if (!key_is_valid(key)) {
		return err_set(err, ERR_LIMIT, "store: a key has 1 to %d bytes",
			       (int)STORE_KEY_BYTES_MAX);
	}
	return store->ops->get(store, key, ret_value, ret_version, err);
}

enum err store_list(struct store *store, struct str prefix, store_row_cb row, void *ctx,
		    struct err_ctx *err)
{
	return store_list_after(store, prefix, STR(""), row, ctx, err);
}

enum err store_list_after(struct store *store, struct str prefix, struct str after,
			  store_row_cb row, void *ctx, struct err_ctx *err)
{
	if (prefix.len > STORE_KEY_BYTES_MAX || after.len > STORE_KEY_BYTES_MAX) {
		return err_set(err, ERR_LIMIT, "store: a key has at most %d bytes",
			       (int)STORE_KEY_BYTES_MAX);
	}
	return store->ops->list(store, prefix, after, row, ctx, err);
}

static enum err check_limits(const struct store_change *changes, size_t count, struct err_ctx *err)
{
	if (count > STORE_CHANGES_MAX) {
		return err_set(err, ERR_LIMIT, "store: %zu changes in one commit, at most %d",
			       count, (int)STORE_CHANGES_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		const struct store_change *change = &changes[i];
		if (!key_is_valid(change->key) || change->value.len > STORE_VALUE_BYTES_MAX) {
			return err_set(err, ERR_LIMIT,
				       "store: key '%.*s': %zu bytes of value, at most %d",
				       STR_ARG(str_slice(change->key, 0, STORE_KEY_BYTES_MAX)),
				       change->value.len, (int)STORE_VALUE_BYTES_MAX);
		}
		/* A store that is asked for all at once can't tell which of two changes of a key comes last. */
		for (size_t k = 0; k < i; k++) {
			check(!str_equal(changes[k].key, change->key));
		}
	}
	return ERR_OK;
}

enum err store_commit(struct store *store, const struct store_change *changes, size_t count,
		      struct err_ctx *err)
{
	enum err rc = check_limits(changes, count, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct store_change fence = {
		.key = { store->fence_key, store->fence_key_bytes },
		.check_version = true,
		.version = store->fence_version,
	};
	return store->ops->commit(store, changes, count, store->fenced ? &fence : NULL, err);
}

void store_fence(struct store *store, struct str key, uint64_t version)
{
	check(key.len <= sizeof(store->fence_key));
	store->fenced = key.len != 0;
	if (store->fenced) {
		memcpy(store->fence_key, key.ptr, key.len);
	}
	store->fence_key_bytes = key.len;
	store->fence_version = version;
}

enum err store_say_conflict(struct str key, uint64_t version, uint64_t expected,
			    struct err_ctx *err)
{
	return err_set(err, ERR_CONFLICT,
		       "store: '%.*s' has version %llu, version %llu was expected", STR_ARG(key),
		       (unsigned long long)version, (unsigned long long)expected);
}
