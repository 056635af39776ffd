/* Calls to other nodes: HTTPS and JSON, both sides known by their certificates.
 *
 * A caller keeps its connections; it belongs to one thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/identity.h"
#include "proxy/routing/route.h"

enum { CALLER_ANSWER_BYTES_MAX = 64 * 1024 * 1024, CALLER_CALLS_MAX = 80 };

/* Where somebody listens, and by what name its certificate must know it. */
struct caller_address {
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
	char tls_name[128]; /* "manager.muster", "NAME.node.muster" */
};

/* One of several calls at once. */
struct caller_call {
	struct caller_address to;
	bool refused;	/* nobody listens there, and the host lives */
	enum err rc;	/* of the call */
	json_t *answer; /* rc is ERR_OK: a new reference */
};

struct caller;

/* identity: borrowed until caller_free(), NULL for a caller without a certificate of its own, which knows others by
 * `authority` (PEM, NULL: checks nobody). Both are copied. Never NULL. */
struct caller *caller_new(const struct identity *identity, const char *authority);
struct caller *caller_free(struct caller *caller); /* takes NULL, returns NULL */

/* POST of `body` (borrowed) to /node/v1/PATH; GET when body is NULL. Blocks at most timeout_ms, a connect a third of it.
 * ret: a new reference, a JSON object. ret_refused: may be NULL; as in caller_call.
 * Errors: ERR_UNREACHABLE, ERR_DEADLINE, ERR_PROTOCOL, and those that the other side answers with. */
MUST_CHECK enum err caller_call(struct caller *caller, const struct caller_address *to,
				const char *path, const json_t *body, uint32_t timeout_ms,
				json_t **ret, bool *ret_refused, struct err_ctx *err);

/* The same to several at once (at most CALLER_CALLS_MAX), each with its own outcome. enough: asked about each that has ended;
 * once it is true the others are given up, as if they had not answered in time. NULL: all are waited for. */
void caller_call_all(struct caller *caller, struct caller_call *calls, size_t count,
		     const char *path, const json_t *body, uint32_t timeout_ms,
		     bool (*enough)(const struct caller_call *call));

/* "HOST:PORT" or "[HOST]:PORT" with the name of a manager's certificate. Errors: ERR_USAGE. */
MUST_CHECK enum err caller_parse_address(struct str text, struct caller_address *ret,
					 struct err_ctx *err);
