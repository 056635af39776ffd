/* Carries out one step on one server, over db/. One row per step. */
#pragma once

#include "db/conn.h"
#include "manager/peers/peer.h"

struct step_context {
	struct conn *conn;
	struct contact *contact;	  /* to open a second connection where a step needs one */
	const struct conn_permit *permit; /* of `conn`, and of such a second one */
	const struct task *task;
	const char *replication_user;
	const struct secret *replication_password;
	uint32_t heartbeat_ms;
	uint32_t net_timeout_s;
};

/* Does one step on the server that context->conn leads to, within the task's deadline. Doing it again
 * does no harm. Errors: those of db/server/server.h. */
MUST_CHECK enum err step_run(const struct step_context *context, struct err_ctx *err);
