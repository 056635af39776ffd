/* The sandbox's `muster run`, and the calls to it that a sandbox needs.
 *
 * It is spoken to as a person would: by running the program. So this room needs nothing of those above.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "sandbox/instance.h"
#include "sandbox/sandbox_state.h"

/* What a command that is run for a sandbox may take. */
struct node_wait {
	uint64_t deadline_us;			  /* clock_system, monotonic */
	const struct instance_patience *patience; /* may be NULL */
};

/* ret_id: may be NULL; only for a process that is there. */
enum instance_state node_look(const struct sandbox *sandbox, struct process_id *ret_id);

/* Starts `muster run` without waiting; fine when it runs already. Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_CHECK enum err node_start(const struct sandbox *sandbox, struct err_ctx *err);

/* Waits until it takes commands. Errors: ERR_FAILED (it ended; the words hold its log's last error),
 * ERR_DEADLINE. */
MUST_CHECK enum err node_wait_ready(const struct sandbox *sandbox, const struct node_wait *wait,
				    struct err_ctx *err);

/* muster group create. Errors: ERR_FAILED with its last line. */
MUST_CHECK enum err node_create_group(const struct sandbox *sandbox, const struct node_wait *wait,
				      struct err_ctx *err);

/* Makes the first two servers of the group a pair, with the others below them. */
MUST_CHECK enum err node_make_pair(const struct sandbox *sandbox, const struct node_wait *wait,
				   struct err_ctx *err);

/* muster wait GROUP healthy. Errors: ERR_FAILED with its last line. */
MUST_CHECK enum err node_wait_healthy(const struct sandbox *sandbox, const struct node_wait *wait,
				      struct err_ctx *err);
