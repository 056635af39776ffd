/* What is said to etcd and what it answers, over its JSON gateway: bytes are base64, 64-bit numbers are texts, what
 * is zero, false or empty is left out. No I/O.
 *
 * Source: etcd 3.4, Documentation/dev-guide/api_grpc_gateway.md and etcdserver/etcdserverpb/rpc.proto.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "store/store.h"

/* Keys from `from` up to, without, `to`; an empty `to`: the one key `from`. at_revision: 0 for the newest. */
void etcd_message_range(struct buf *out, struct str from, struct str to, uint32_t limit,
			uint64_t at_revision);

/* The first key behind all those that start with `prefix`; "\0", which stands for "no end", when there is none. */
void etcd_message_end_of(struct str prefix, struct buf *ret);

/* One transaction: compares the version of each change that asks for it and of `fence` (may be NULL), then makes the
 * changes; when a comparison fails it reads all keys that were compared instead. Keys get `prefix` in front. */
void etcd_message_commit(struct buf *out, struct str prefix, const struct store_change *changes,
			 size_t count, const struct store_change *fence);

/* Asks to be told of each change of a key from `from` up to, without, `to`, from now on. */
void etcd_message_watch(struct buf *out, struct str from, struct str to);

/* One key of an answer; the views are valid during the call. Return false to stop. */
typedef bool (*etcd_row_cb)(void *ctx, struct str key, struct str value, uint64_t version);

struct etcd_answer {
	uint64_t revision; /* of the store when it answered */
	bool succeeded;	   /* of a transaction */
	bool more;	   /* of a range: there are further keys */
	size_t rows;	   /* read in this answer */
};

/* Takes the answer to a range or transaction apart; each key that was read goes to `row`.
 * Errors: ERR_PROTOCOL when it is none. */
MUST_CHECK enum err etcd_message_read(const json_t *answer, etcd_row_cb row, void *ctx,
				      struct etcd_answer *ret, struct err_ctx *err);

/* One line of a watch. row: each key that changed, without its value when it was removed.
 * Errors: ERR_PROTOCOL; ERR_AGAIN when etcd has ended the watch (err has its words). */
MUST_CHECK enum err etcd_message_read_event(const json_t *line, etcd_row_cb row, void *ctx,
					    bool *ret_created, struct err_ctx *err);

/* The words and gRPC code of an answer that is an error: false when it is none. */
bool etcd_message_is_error(const json_t *answer, const char **ret_words, int *ret_code);
