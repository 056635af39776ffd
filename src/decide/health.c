#include "decide/health.h"

#include "decide/tree.h"
#include "decide/verdict.h"

static const char *reach_problem(enum reach reach)
{
	switch (reach) {
	case REACH_UNKNOWN:
		return "not looked at yet";
	case REACH_REFUSES_US:
		return "alive, but refuses our log-in";
	case REACH_NOBODY_LISTENS:
		return "down: nobody listens";
	case REACH_SILENT:
		return "no answer";
	case REACH_HUNG:
		return "hangs: connected, no answer";
	case REACH_NAME:
		return "its name can't be resolved";
	case REACH_ANSWERS:
	case REACH_COUNT_:
		break;
	}
	return "not looked at since the manager paused";
}

static const char *replica_problem(const struct record *record, const struct observation *seen,
				   uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	const struct replica_status *replica = &status->replica;
	uint32_t source = tree_source(record, server);
	bool acknowledges =
		record->policy == POLICY_LOSSLESS && tree_may_acknowledge(record, seen, server);
	if (!record_follows(record, seen, server, source)) {
		return source == record->primary ? "does not replicate from the primary"
						 : "does not replicate from its parent";
	}
	if (replica->io_errno != 0 && replica->io != IO_YES) {
		return replica->io_error;
	}
	if (replica->sql_errno != 0) {
		return replica->sql_error;
	}
	if (replica->io != IO_YES) {
		return replica->io == IO_CONNECTING ? "is connecting to its source"
						    : "its receiver is stopped";
	}
	if (!replica->sql_running) {
		return "its applier is stopped";
	}
	if (!status->read_only) {
		return "is writable";
	}
	if (acknowledges && !record_is_member(record, server)) {
		return "is not in the sync set yet";
	}
	if (acknowledges && !status->semisync.replica_active) {
		return "does not acknowledge";
	}
	if (acknowledges && record_is_void(record, seen, server)) {
		return "has begun anew: is not counted on yet";
	}
	if (status->semisync.source_enabled) {
		return "still waits for acknowledgements, as a primary does";
	}
	return NULL;
}

const char *health_problem(const struct record *record, const struct observation *seen,
			   uint32_t server)
{
	const struct observation_server *one = &seen->servers[server];
	if (!observation_answers(seen, server)) {
		return reach_problem(one->reach);
	}
	if (record->servers[server].recloning) {
		return "is being made anew";
	}
	if (record->servers[server].diverged) {
		return "diverged: has transactions that the primary lacks";
	}
	if (server == record->primary) {
		const struct verdict_row *row = verdict_of_answers(record, seen, server);
		return verdict_is_harm(row->verdict) ? row->text : NULL;
	}
	if (record->primary == SERVER_NONE) {
		return NULL;
	}
	return replica_problem(record, seen, server);
}

static bool note(struct buf *missing, const char *who, const char *what)
{
	if (missing) {
		buf_printf(missing, "%s%s%s\n", who, who[0] ? ": " : "", what);
	}
	return false;
}

bool health_check(const struct record *record, const struct observation *seen, struct buf *missing)
{
	bool healthy = true;
	if (record->state != GROUP_STEADY) {
		healthy = note(missing, "", "the group is not steady");
	}
	if (record->primary == SERVER_NONE) {
		healthy = note(missing, "", "there is no primary");
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		const char *problem = health_problem(record, seen, i);
		if (problem && (i == record->primary || !record_in_downtime(record, i))) {
			healthy = note(missing, record->servers[i].name, problem);
		}
	}
	if (record->policy == POLICY_LOSSLESS && record->acks == 0 && record->server_count > 1) {
		healthy = note(missing, "", "the primary commits alone");
	}
	return healthy;
}
