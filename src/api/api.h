/* The door of `muster run`: HTTP and JSON over a Unix socket.
 *
 * Thin: a request becomes one manager_call(), its result or error becomes the answer. Every connection
 * has a thread of its own, so a call may block until its deadline.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

struct api;
struct manager;

enum {
	API_TIMEOUT_MS = 30000, /* of a request that names none */
	API_TIMEOUT_MS_MAX = 600000,
	API_BODY_BYTES_MAX = 1024 * 1024,
	API_CONNECTIONS_MAX = 128,
	API_EVENTS_MAX = 10000, /* in one answer */
};

struct api_options {
	const char *socket_path; /* borrowed until api_stop() */
	struct manager *manager; /* outlives the api; NULL: `call` is asked instead */
	enum err (*call)(void *ctx, const char *method, json_t *params, uint32_t timeout_ms,
			 json_t **ret, struct err_ctx *err);
	/* Whether a call goes to `call` although there is a manager. May be NULL: none does. */
	bool (*is_for_call)(void *ctx, const char *method, const json_t *params);
	void *ctx; /* of both */
	const struct clock *clock;
	const struct log *log;
};

/* Errors: ERR_EXISTS (another process answers there), ERR_IO, ERR_LIMIT. */
MUST_CHECK enum err api_start(const struct api_options *options, struct api **ret,
			      struct err_ctx *err);

/* Ends streams, waits for the calls under way, removes the socket. Takes NULL, returns NULL. */
struct api *api_stop(struct api *api);
