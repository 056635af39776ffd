/* The store in etcd.
 *
 * An answer may be lost after the commit was carried out, and a request that nobody waits for any longer may still be
 * carried out later. So each commit also replaces the mark of its writer, `writer/NAME`, and compares that key's
 * version: said twice, it is done once (the second time the comparison fails and the mark is its own), and as soon as one
 * later commit of the writer is done, none that went before it can be.
 */
#include "store/store_etcd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "os/random.h"
#include "store/etcd_client.h"
#include "store/etcd_message.h"
#include "store/store_ops.h"

enum {
	PAGE_ROWS = 100,
	REQUEST_BYTES_MAX = 128 * 1024 * 1024,
	MARK_BYTES_MAX = 64,
	MARK_TRIES_MAX = 3,
	HANDLE_BYTES = 8,
	WRITER_BYTES_MAX = 128,
	LIST_TRIES_MAX = 3,
};

struct store_etcd {
	struct store base;
	struct etcd_client *client;
	const struct clock *clock;
	uint32_t timeout_ms;
	char prefix[STORE_ETCD_PREFIX_BYTES_MAX];
	char writer_key[WRITER_BYTES_MAX + 16];
	char handle[2 * HANDLE_BYTES + 1]; /* begins each mark of this handle, and no other's */
	uint64_t mark_version;
	bool mark_known;
	uint64_t commits;
};

static const struct store_ops ops;

/* `base` is the first member: the room's own kinds of store are told apart by their functions. */
static struct store_etcd *self(struct store *base)
{
	check(base->ops == &ops);
	return (struct store_etcd *)base;
}

static void close_etcd(struct store *base)
{
	struct store_etcd *store = self(base);
	store->client = etcd_client_free(store->client);
	mem_free(store);
}

static uint64_t deadline_of(const struct store_etcd *store)
{
	return clock_monotonic_us(store->clock) + (uint64_t)store->timeout_ms * US_PER_MS;
}

enum err store_open_etcd(const struct store_etcd_options *options, const char *writer,
			 struct store **ret, struct err_ctx *err)
{
	struct store_etcd *store = mem_need(sizeof(*store));
	uint8_t bytes[HANDLE_BYTES];
	store->base.ops = &ops;
	store->clock = options->clock;
	store->timeout_ms = options->timeout_ms;
	(void)snprintf(store->base.text, sizeof(store->base.text), "etcd:%s%s", options->endpoints,
		       options->prefix);
	int length = snprintf(store->writer_key, sizeof(store->writer_key), "writer/%s", writer);
	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < HANDLE_BYTES; i++) {
		(void)snprintf(store->handle + 2 * i, 3, "%02x", bytes[i]);
	}
	enum err rc = ERR_OK;
	if (length < 0 || (size_t)length >= sizeof(store->writer_key)) {
		rc = err_set(err, ERR_CONFIG, "store: the node's name is too long");
	} else if (!options->prefix || options->prefix[0] != '/' ||
		   str_copy(str_of(options->prefix), store->prefix, sizeof(store->prefix)) !=
			   ERR_OK) {
		rc = err_set(err, ERR_CONFIG,
			     "store: the prefix in etcd begins with '/' and has at most %d bytes",
			     (int)STORE_ETCD_PREFIX_BYTES_MAX - 1);
	}
	rc = rc ? rc : etcd_client_new(options, &store->client, err);
	if (rc != ERR_OK) {
		mem_free(store);
		return rc;
	}
	*ret = &store->base;
	return ERR_OK;
}

/* ---------------------------------------------------------------- reading */

struct reading {
	struct store_etcd *store;
	store_row_cb row; /* NULL: the first value is copied to `value` */
	void *ctx;
	struct buf *value;
	uint64_t version;
	size_t rows;
	struct buf last; /* the newest key, with the prefix */
	bool stopped;
};

static bool take_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct reading *reading = ctx;
	size_t prefix_bytes = strlen(reading->store->prefix);
	reading->rows++;
	if (reading->row) {
		buf_clear(&reading->last);
		buf_add_str(&reading->last, key);
		reading->stopped = !reading->row(
			reading->ctx, str_slice(key, prefix_bytes, key.len), value, version);
		return !reading->stopped;
	}
	buf_clear(reading->value);
	buf_add_str(reading->value, value);
	reading->version = version;
	return true;
}

static enum err ask(struct store_etcd *store, const char *path, struct buf *request,
		    uint64_t deadline_us, struct reading *reading, struct etcd_answer *ret,
		    struct err_ctx *err)
{
	json_t *answer = NULL;
	if (buf_finish(request) != ERR_OK) {
		return err_set(err, ERR_LIMIT, "store: the request is too long");
	}
	enum err rc =
		etcd_client_call(store->client, path, buf_str(request), deadline_us, &answer, err);
	rc = rc ? rc : etcd_message_read(answer, take_row, reading, ret, err);
	json_decref(answer);
	return rc ? err_wrap(err, rc, "store") : ERR_OK;
}

static void add_key(const struct store_etcd *store, struct str key, struct buf *ret)
{
	buf_clear(ret);
	buf_add_text(ret, store->prefix);
	buf_add_str(ret, key);
}

static enum err get(struct store *base, struct str key, struct buf *ret_value,
		    uint64_t *ret_version, struct err_ctx *err)
{
	struct store_etcd *store = self(base);
	struct reading reading = { .store = store, .value = ret_value };
	struct etcd_answer answer;
	struct buf whole;
	struct buf request;
	buf_init(&whole, STORE_ETCD_PREFIX_BYTES_MAX + STORE_KEY_BYTES_MAX);
	buf_init(&request, REQUEST_BYTES_MAX);
	add_key(store, key, &whole);
	etcd_message_range(&request, buf_str(&whole), STR(""), 1, 0);
	enum err rc =
		ask(store, "/v3/kv/range", &request, deadline_of(store), &reading, &answer, err);
	buf_fini(&whole);
	buf_fini(&request);
	if (rc != ERR_OK) {
		return rc;
	}
	if (reading.rows == 0) {
		return err_set(err, ERR_NOT_FOUND, "store: there is no '%.*s'", STR_ARG(key));
	}
	*ret_version = reading.version;
	return buf_finish(ret_value) == ERR_OK
		       ? ERR_OK
		       : err_set(err, ERR_LIMIT, "store: the value of '%.*s' is too long",
				 STR_ARG(key));
}

/* All pages as they were when the first one was read. */
static enum err list_pages(struct store_etcd *store, struct str from, struct str to,
			   struct reading *reading, struct err_ctx *err)
{
	struct etcd_answer answer = { .more = true };
	struct buf request;
	struct buf next;
	enum err rc = ERR_OK;
	uint64_t revision = 0;
	buf_init(&request, REQUEST_BYTES_MAX);
	buf_init(&next, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	buf_add_str(&next, from);
	while (rc == ERR_OK && answer.more && !reading->stopped) {
		buf_clear(&request);
		etcd_message_range(&request, buf_str(&next), to, PAGE_ROWS, revision);
		rc = ask(store, "/v3/kv/range", &request, deadline_of(store), reading, &answer,
			 err);
		revision = revision ? revision : answer.revision;
		/* The smallest key behind the last one. */
		buf_clear(&next);
		buf_add_str(&next, buf_str(&reading->last));
		buf_add_u8(&next, 0);
	}
	buf_fini(&request);
	buf_fini(&next);
	return rc;
}

static enum err list(struct store *base, struct str prefix, struct str after, store_row_cb row,
		     void *ctx, struct err_ctx *err)
{
	struct store_etcd *store = self(base);
	struct reading reading = { .store = store, .row = row, .ctx = ctx };
	struct buf from;
	struct buf to;
	struct buf whole;
	buf_init(&from, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	buf_init(&to, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	buf_init(&whole, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	buf_init(&reading.last, STORE_TEXT_BYTES_MAX + STORE_KEY_BYTES_MAX);
	add_key(store, prefix, &whole);
	etcd_message_end_of(buf_str(&whole), &to);
	bool inside = str_compare(after, prefix) >= 0 && after.len;
	add_key(store, inside ? after : prefix, &from);
	if (inside) {
		buf_add_u8(&from, 0);
	}
	enum err rc = list_pages(store, buf_str(&from), buf_str(&to), &reading, err);
	buf_fini(&from);
	buf_fini(&to);
	buf_fini(&whole);
	buf_fini(&reading.last);
	return rc;
}

/* ---------------------------------------------------------------- writing */

/* What a refused transaction read of the keys that it compared. */
struct refusal {
	const struct store_etcd *store;
	const struct store_change *changes; /* the mark's is the last */
	size_t count;
	const struct store_change *fence;
	uint64_t versions[STORE_CHANGES_MAX + 1]; /* 0: there is no such key */
	uint64_t fence_version;
	bool mark_is_new;  /* the mark is that of this commit: it was carried out */
	bool mark_is_ours; /* the mark was made by this handle */
};

static bool take_refusal(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct refusal *refusal = ctx;
	const struct store_change *mark = &refusal->changes[refusal->count - 1];
	key = str_slice(key, strlen(refusal->store->prefix), key.len);
	for (size_t i = 0; i < refusal->count; i++) {
		if (str_equal(refusal->changes[i].key, key)) {
			refusal->versions[i] = version;
		}
	}
	if (refusal->fence && str_equal(refusal->fence->key, key)) {
		refusal->fence_version = version;
	}
	if (str_equal(mark->key, key)) {
		refusal->mark_is_new = str_equal(value, mark->value);
		refusal->mark_is_ours = str_starts_with(value, str_of(refusal->store->handle));
	}
	return true;
}

/* ERR_AGAIN: an earlier commit, whose answer was lost, was carried out; the mark's version is known again. */
static enum err judge_refusal(struct store_etcd *store, const struct refusal *refusal,
			      struct err_ctx *err)
{
	uint64_t mark_version = refusal->versions[refusal->count - 1];
	uint64_t expected = store->mark_version;
	store->mark_version = mark_version;
	if (refusal->mark_is_new) {
		return ERR_OK;
	}
	if (mark_version != expected && refusal->mark_is_ours) {
		return ERR_AGAIN;
	}
	const struct store_change *fence = refusal->fence;
	if (fence && refusal->fence_version != fence->version) {
		return store_say_conflict(fence->key, refusal->fence_version, fence->version, err);
	}
	for (size_t i = 0; i + 1 < refusal->count; i++) {
		const struct store_change *change = &refusal->changes[i];
		if (change->check_version && change->version != refusal->versions[i]) {
			return store_say_conflict(change->key, refusal->versions[i],
						  change->version, err);
		}
	}
	if (mark_version != expected) {
		return err_set(err, ERR_CONFLICT,
			       "store: another process writes as '%s': each node needs a name of "
			       "its own",
			       store->writer_key + sizeof("writer/") - 1);
	}
	/* What was compared has changed back since: the next try tells. */
	return ERR_AGAIN;
}

/* How often the mark was replaced so far. */
static enum err learn_mark(struct store_etcd *store, struct err_ctx *err)
{
	struct buf value;
	buf_init(&value, STORE_VALUE_BYTES_MAX);
	enum err rc =
		get(&store->base, str_of(store->writer_key), &value, &store->mark_version, err);
	buf_fini(&value);
	if (rc == ERR_NOT_FOUND) {
		store->mark_version = 0;
		rc = ERR_OK;
	}
	store->mark_known = rc == ERR_OK;
	return rc;
}

static enum err commit_once(struct store_etcd *store, struct store_change *changes, size_t count,
			    const struct store_change *fence, uint64_t deadline_us,
			    struct err_ctx *err)
{
	struct refusal refusal = {
		.store = store, .changes = changes, .count = count, .fence = fence
	};
	struct etcd_answer said;
	struct buf request;
	json_t *answer = NULL;
	changes[count - 1].version = store->mark_version;
	buf_init(&request, REQUEST_BYTES_MAX);
	etcd_message_commit(&request, str_of(store->prefix), changes, count, fence);
	enum err rc = buf_finish(&request);
	rc = rc ? err_set(err, rc, "store: the commit is too long")
		: etcd_client_call(store->client, "/v3/kv/txn", buf_str(&request), deadline_us,
				   &answer, err);
	buf_fini(&request);
	rc = rc ? rc : etcd_message_read(answer, take_refusal, &refusal, &said, err);
	json_decref(answer);
	if (rc != ERR_OK) {
		return err_wrap(err, rc, "store");
	}
	if (said.succeeded) {
		store->mark_version++;
		return ERR_OK;
	}
	return judge_refusal(store, &refusal, err);
}

static enum err commit(struct store *base, const struct store_change *changes, size_t count,
		       const struct store_change *fence, struct err_ctx *err)
{
	struct store_etcd *store = self(base);
	struct store_change all[STORE_CHANGES_MAX + 1];
	char mark[MARK_BYTES_MAX];
	uint64_t deadline_us = deadline_of(store);
	enum err rc = store->mark_known ? ERR_OK : learn_mark(store, err);
	if (rc != ERR_OK) {
		return rc;
	}
	memcpy(all, changes, count * sizeof(all[0]));
	(void)snprintf(mark, sizeof(mark), "%s %" PRIu64, store->handle, ++store->commits);
	all[count] = (struct store_change){ .key = str_of(store->writer_key),
					    .value = str_of(mark),
					    .check_version = true };
	rc = ERR_AGAIN;
	for (unsigned tries = 0; rc == ERR_AGAIN && tries < MARK_TRIES_MAX; tries++) {
		rc = commit_once(store, all, count + 1, fence, deadline_us, err);
	}
	return rc == ERR_AGAIN
		       ? err_set(err, ERR_CONFLICT, "store: '%s' is written by others meanwhile",
				 store->writer_key)
		       : rc;
}

static const struct store_ops ops = {
	.close = close_etcd,
	.get = get,
	.list = list,
	.commit = commit,
};

/* ---------------------------------------------------------------- looking at the members */

static uint64_t number_of(const json_t *object, const char *name)
{
	uint64_t number = 0;
	const char *text = json_string_value(json_object_get(object, name));
	return text && str_parse_u64(str_of(text), 0, UINT64_MAX, &number) == ERR_OK ? number : 0;
}

static void look_at(struct etcd_client *client, size_t endpoint, uint64_t deadline_us,
		    struct store_etcd_member *ret)
{
	struct err_ctx err = { 0 };
	json_t *answer = NULL;
	*ret = (struct store_etcd_member){ 0 };
	(void)snprintf(ret->url, sizeof(ret->url), "%s", etcd_client_endpoint(client, endpoint));
	enum err rc = etcd_client_ask(client, endpoint, "/v3/maintenance/status", STR("{}"),
				      deadline_us, &answer, &err);
	if (rc != ERR_OK) {
		(void)snprintf(ret->words, sizeof(ret->words), "%s", err_text(rc, &err));
		return;
	}
	const json_t *header = json_object_get(answer, "header");
	const char *version = json_string_value(json_object_get(answer, "version"));
	uint64_t leader = number_of(answer, "leader");
	ret->answers = true;
	ret->has_leader = leader != 0;
	ret->is_leader = leader != 0 && leader == number_of(header, "member_id");
	ret->bytes = number_of(answer, "dbSize");
	ret->revision = number_of(header, "revision");
	(void)snprintf(ret->version, sizeof(ret->version), "%.31s", version ? version : "");
	json_decref(answer);
}

enum err store_etcd_look(const struct store_etcd_options *options, struct store_etcd_member *ret,
			 size_t *ret_count, struct err_ctx *err)
{
	struct etcd_client *client = NULL;
	enum err rc = etcd_client_new(options, &client, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret_count = etcd_client_endpoint_count(client);
	for (size_t i = 0; i < *ret_count; i++) {
		uint64_t deadline_us = clock_monotonic_us(options->clock) +
				       (uint64_t)options->timeout_ms * US_PER_MS;
		look_at(client, i, deadline_us, &ret[i]);
	}
	(void)etcd_client_free(client);
	return ERR_OK;
}
