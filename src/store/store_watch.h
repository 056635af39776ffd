/* Tells when keys of a store in etcd have changed. Only wakes: what is there now has to be read. */
#pragma once

#include "store/store_etcd.h"

struct store_watch;

/* Called from the watch's own thread with each key that changed; with an empty one when changes may have been missed
 * (at the begin, and after each break). */
typedef void (*store_watch_cb)(void *ctx, struct str key);

/* Starts a thread that watches all keys of the store and connects again, to the next endpoint, whenever that breaks.
 * Errors: ERR_CONFIG, ERR_NOMEM. */
MUST_CHECK enum err store_watch_start(const struct store_etcd_options *options,
				      store_watch_cb on_change, void *ctx, struct store_watch **ret,
				      struct err_ctx *err);

struct store_watch *store_watch_stop(struct store_watch *watch); /* takes NULL, returns NULL */
