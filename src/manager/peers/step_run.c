#include "manager/peers/step_run.h"

#include "base/mem.h"
#include "db/server/server.h"
#include "db/server/server_pair.h"

static enum err run_stop_receiver(const struct step_context *context, struct err_ctx *err)
{
	return server_stop_receiver(context->conn, context->task->deadline_us, err);
}

static enum err run_drain(const struct step_context *context, struct err_ctx *err)
{
	return server_wait_drained(context->conn, context->task->deadline_us, err);
}

static enum err run_fence(const struct step_context *context, struct err_ctx *err)
{
	CLEANUP(conn_closep) struct conn *second = NULL;
	enum err rc =
		contact_open(context->contact, context->task->deadline_us, &second, NULL, err);
	if (rc != ERR_OK) {
		return rc;
	}
	conn_set_permit(second, context->permit);
	return server_fence(context->conn, second, context->task->deadline_us, err);
}

static enum err run_freeze(const struct step_context *context, struct err_ctx *err)
{
	return server_set_read_only(context->conn, true, context->task->deadline_us, err);
}

static enum err run_catch_up(const struct step_context *context, struct err_ctx *err)
{
	return server_wait_applied(context->conn, &context->task->set, context->task->deadline_us,
				   err);
}

static enum err run_promote(const struct step_context *context, struct err_ctx *err)
{
	const struct semisync_wanted wanted = { .source = context->task->wait_for_acks,
						.replica = false,
						.wait_count = 1 };
	return server_promote(context->conn, &wanted, context->task->handed,
			      context->task->deadline_us, err);
}

static enum err run_open(const struct step_context *context, struct err_ctx *err)
{
	/* Once more over this connection: a server that was restarted since it was promoted waits for nobody. Never off,
	 * which is a step of its own. */
	const struct semisync_wanted wanted = { .source = true, .replica = false, .wait_count = 1 };
	enum err rc = ERR_OK;
	if (context->task->wait_for_acks) {
		rc = server_set_semisync(context->conn, &wanted, context->task->deadline_us, err);
	}
	return rc == ERR_OK ? server_open(context->conn, context->task->deadline_us, err) : rc;
}

static enum err run_repoint(const struct step_context *context, struct err_ctx *err)
{
	const struct task *task = context->task;
	const struct repoint_options options = {
		.host = task->source_host,
		.port = task->source_port,
		.user = context->replication_user,
		.password = context->replication_password,
		.heartbeat_ms = context->heartbeat_ms,
		.net_timeout_s = context->net_timeout_s,
		.connect_retry_s = 1,
		.was_primary = task->was_primary,
		.semisync = task->acknowledge,
		.in_order = task->in_order,
	};
	return server_repoint(context->conn, &options, task->deadline_us, err);
}

static enum err run_forget_source(const struct step_context *context, struct err_ctx *err)
{
	return server_forget_source(context->conn, context->task->deadline_us, err);
}

static enum err run_keep_out(const struct step_context *context, struct err_ctx *err)
{
	enum err rc = server_set_read_only(context->conn, true, context->task->deadline_us, err);
	return rc == ERR_OK
		       ? server_stop_replication(context->conn, context->task->deadline_us, err)
		       : rc;
}

static enum err set_semisync(const struct step_context *context, bool source, bool replica,
			     struct err_ctx *err)
{
	const struct semisync_wanted wanted = { .source = source,
						.replica = replica,
						.wait_count = 1 };
	return server_set_semisync(context->conn, &wanted, context->task->deadline_us, err);
}

static enum err run_replica_on(const struct step_context *context, struct err_ctx *err)
{
	return set_semisync(context, false, true, err);
}

static enum err run_replica_off(const struct step_context *context, struct err_ctx *err)
{
	return set_semisync(context, false, false, err);
}

/* The replica's flag stays as it is: a former primary may acknowledge already. */
static enum err run_source_on(const struct step_context *context, struct err_ctx *err)
{
	return set_semisync(context, true, context->task->acknowledge, err);
}

static enum err run_source_off(const struct step_context *context, struct err_ctx *err)
{
	return set_semisync(context, false, context->task->acknowledge, err);
}

static enum err run_admit_change(const struct step_context *context, struct err_ctx *err)
{
	return server_admit_change(context->conn, context->task->domain, context->task->deadline_us,
				   err);
}

static enum err run_end_change(const struct step_context *context, struct err_ctx *err)
{
	return server_end_change(context->conn, context->task->domain, context->task->deadline_us,
				 err);
}

static enum err run_in_order(const struct step_context *context, struct err_ctx *err)
{
	return server_set_parallel_mode(context->conn, "none", context->task->deadline_us, err);
}

static enum err run_as_before(const struct step_context *context, struct err_ctx *err)
{
	return server_set_parallel_mode(context->conn, context->task->parallel_mode,
					context->task->deadline_us, err);
}

static enum err (*const runs[STEP_COUNT_])(const struct step_context *, struct err_ctx *) = {
	[STEP_STOP_RECEIVER] = run_stop_receiver,
	[STEP_DRAIN] = run_drain,
	[STEP_FEED] = run_repoint,
	[STEP_FENCE] = run_fence,
	[STEP_FREEZE] = run_freeze,
	[STEP_CATCH_UP] = run_catch_up,
	[STEP_PROMOTE] = run_promote,
	[STEP_OPEN] = run_open,
	[STEP_REPOINT] = run_repoint,
	[STEP_FORGET_SOURCE] = run_forget_source,
	[STEP_KEEP_OUT] = run_keep_out,
	[STEP_SEMISYNC_REPLICA_ON] = run_replica_on,
	[STEP_SEMISYNC_REPLICA_OFF] = run_replica_off,
	[STEP_SEMISYNC_SOURCE_ON] = run_source_on,
	[STEP_SEMISYNC_SOURCE_OFF] = run_source_off,
	[STEP_ADMIT_CHANGE] = run_admit_change,
	[STEP_END_CHANGE] = run_end_change,
	[STEP_APPLY_IN_ORDER] = run_in_order,
	[STEP_APPLY_AS_BEFORE] = run_as_before,
};

enum err step_run(const struct step_context *context, struct err_ctx *err)
{
	return runs[context->task->step](context, err);
}
