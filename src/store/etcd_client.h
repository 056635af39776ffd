/* Calls to etcd's endpoints over HTTP: the last one that was good first, the next one when it fails; logs in where a
 * user is configured, and again when that has expired. One thread.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "store/store_etcd.h"

struct etcd_client;

/* Errors: ERR_CONFIG. */
MUST_CHECK enum err etcd_client_new(const struct store_etcd_options *options,
				    struct etcd_client **ret, struct err_ctx *err);
struct etcd_client *etcd_client_free(struct etcd_client *client); /* takes NULL, returns NULL */

/* One request; ends by deadline_us (monotonic). Asks again, also after an answer was lost, so it must do no harm to
 * say it twice.
 *
 * path: "/v3/kv/range". ret: a new reference. Errors: those of store_open_etcd(), ERR_LIMIT.
 */
MUST_CHECK enum err etcd_client_call(struct etcd_client *client, const char *path,
				     struct str request, uint64_t deadline_us, json_t **ret,
				     struct err_ctx *err);

/* The same to one endpoint only, once. */
MUST_CHECK enum err etcd_client_ask(struct etcd_client *client, size_t endpoint, const char *path,
				    struct str request, uint64_t deadline_us, json_t **ret,
				    struct err_ctx *err);

/* How many there are, and the URL of each: from 0 on, without a slash at its end. */
size_t etcd_client_endpoint_count(const struct etcd_client *client);
const char *etcd_client_endpoint(const struct etcd_client *client, size_t endpoint);

/* Called for each line of a stream. false ends the stream. */
typedef bool (*etcd_line_cb)(void *ctx, const json_t *line);

/* A request whose answer is lines, at one endpoint, until it ends, nothing has come for silence_ms, `line` says so, or
 * etcd_client_wake() finds `stopping` set. Then the next call takes the next endpoint. */
MUST_CHECK enum err etcd_client_stream(struct etcd_client *client, const char *path,
				       struct str request, uint32_t silence_ms,
				       const atomic_bool *stopping, etcd_line_cb line, void *ctx,
				       struct err_ctx *err);

/* Makes a stream look at its `stopping`. Any thread. */
void etcd_client_wake(struct etcd_client *client);
