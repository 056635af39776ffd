/* What the commands about nodes have in common. Manager thread only. */
#pragma once

#include "manager/calls/call.h"
#include "manager/nodes/nodes.h"

#define CALL_NODE_TOKEN_PREFIX "token/"

/* ERR_REFUSED when this manager takes no nodes. */
MUST_CHECK enum err call_node_need(const struct manager_core *core, struct err_ctx *err);

/* The node on whose behalf it is asked, which has to have the role agent; NULL when somebody at a manager's host asks.
 * Errors: ERR_PRIVILEGE. */
MUST_CHECK enum err call_node_asker(struct manager_core *core, const json_t *params,
				    struct managed_node **ret, struct err_ctx *err);

/* One event about a node. */
void call_node_tell(struct manager_core *core, enum log_level level, const char *evt,
		    const char *node, const char *message);
