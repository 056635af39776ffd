/* The long poll as the manager sees it: a node's report comes, its answer goes when there is something new, or when it
 * is time for the next one. Manager thread only. */
#pragma once

#include "manager/nodes/nodes.h"

struct call;

/* Takes a report in and answers it, or ERR_AGAIN: it waits for news. Errors: ERR_PRIVILEGE (this node was removed, or
 * never joined), ERR_USAGE, ERR_IO (what it is must be stored first). */
MUST_CHECK enum err node_report_take(struct manager_core *core, struct call *call, json_t **ret,
				     struct err_ctx *err);

/* Answers the reports for which there is news or whose time has come. Returns when to come back. */
uint64_t node_report_turn(struct manager_core *core, uint64_t now_us);

/* Nobody waits any more. */
void node_report_dismiss(struct nodes *nodes);

/* The node that `name` and `id`, as its certificate says them, are. Errors: ERR_PRIVILEGE. */
MUST_CHECK enum err node_report_authenticate(struct manager_core *core, const json_t *params,
					     struct managed_node **ret, struct err_ctx *err);
