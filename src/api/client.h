/* The other side of the door: calls to `muster run` over its Unix socket. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { CLIENT_ANSWER_BYTES_MAX = 64 * 1024 * 1024, CLIENT_LINE_BYTES_MAX = 1024 * 1024 };

struct client {
	const char *socket_path; /* borrowed */
	uint32_t timeout_ms;	 /* of a call; told to the other side too */
};

/* One request; blocks.
 *
 * path: "/v1/..." with its query; body: a JSON object or NULL, borrowed; ret: a new reference.
 * Errors: ERR_UNREACHABLE (nobody answers at the socket), ERR_DEADLINE, ERR_PROTOCOL (what answers is
 * no muster), and those that the other side answers with, words included.
 */
MUST_CHECK enum err client_call(const struct client *client, const char *http_method,
				const char *path, const json_t *body, json_t **ret,
				struct err_ctx *err);

/* Called for each line of a stream, without its newline. false ends the stream. */
typedef bool (*client_line_cb)(void *ctx, struct str line);

/* A GET whose answer is lines, until the other side ends it or `line` says so; no deadline. */
MUST_CHECK enum err client_stream(const struct client *client, const char *path,
				  client_line_cb line, void *ctx, struct err_ctx *err);

/* Appends `word` to a path or query, with what could end it percent-encoded. Source: RFC 3986, 2.3. */
void client_add_word(struct buf *path, struct str word);
