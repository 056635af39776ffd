/* What can be said of sandboxes: for tables, JSON and shells. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "sandbox/sandbox_state.h"

/* One sandbox with its processes as they are now; a new reference. */
json_t *sandbox_view_describe(const struct sandbox *sandbox);

/* All sandboxes; a damaged one has a field "error" and little else. *ret is an array, a new reference. */
MUST_CHECK enum err sandbox_view_list(json_t **ret, struct err_ctx *err);

/* The variables that point a program at the sandbox: an object of texts, MUSTER_SOCKET and so on; a new
 * reference. It holds the application user's password. */
MUST_CHECK enum err sandbox_view_env(const struct sandbox *sandbox, json_t **ret,
				     struct err_ctx *err);

/* Appends an object of texts as shell assignments, one a line, quoted so that any shell takes them as
 * they are. */
void sandbox_view_shell(const json_t *variables, struct buf *out);
