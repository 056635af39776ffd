/* The table of HTTP routes (routes.def), the finding of one in it, and its description as OpenAPI. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum route_kind {
	ROUTE_CALL,    /* a method of the manager */
	ROUTE_EVENTS,  /* the event stream */
	ROUTE_OPENAPI, /* the description of all routes */
};

struct route_row {
	const char *http_method;
	const char *path;
	enum route_kind kind;
	const char *call; /* the manager's method; "" for the other kinds */
	const char *summary;
};

extern const struct route_row route_rows[];
extern const size_t route_count;

/* Finds the row for a request and puts the words in braces into `params`.
 * Errors: ERR_NOT_FOUND: no such path (names the nearest), or not with this method (names those). */
MUST_CHECK enum err route_find(const char *http_method, const char *path, json_t *params,
			       const struct route_row **ret, struct err_ctx *err);

json_t *route_openapi(void); /* new reference; OpenAPI 3.0 */

void route_page(struct buf *out); /* docs/api.md */
