#include "manager/vitals.h"

#include <stdio.h>
#include <string.h>

enum { VERDICT_SETTLE_MS = 1000 }; /* shorter ones are not worth an event */

static enum pulse_role role_of(const struct group *group, uint32_t server)
{
	const struct record *record = &group->record;
	if (server != record->primary) {
		return PULSE_READ;
	}
	bool writes = record->state == GROUP_STEADY && !group->unstored &&
		      observation_answers(&group->seen, server) &&
		      !group->seen.servers[server].status.read_only;
	return writes ? PULSE_WRITE : PULSE_OFF;
}

void vitals_set_roles(struct group *group)
{
	uint64_t epoch = group->record.epoch;
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		struct member *member = &group->members[i];
		struct observation_server *seen = &group->seen.servers[i];
		enum pulse_role role = role_of(group, i);
		/* A server that answers no status goes on being written to: what became of the write is evidence. */
		if (role == PULSE_OFF && member->pulse == PULSE_WRITE &&
		    member->pulse_epoch == epoch && group->record.state == GROUP_STEADY &&
		    !group->unstored && !observation_answers(&group->seen, i)) {
			continue;
		}
		if (role == member->pulse && epoch == member->pulse_epoch) {
			continue;
		}
		if (role == PULSE_WRITE) {
			memset(&seen->write, 0, sizeof(seen->write));
			group->beat_us = 0;
		}
		seen->lag_known = false;
		member->pulse = role;
		member->pulse_epoch = epoch;
		peer_set_pulse(member->peer, role, epoch);
	}
}

void vitals_rest(struct group *group)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		struct member *member = &group->members[i];
		if (member->pulse != PULSE_OFF) {
			member->pulse = PULSE_OFF;
			group->seen.servers[i].lag_known = false;
			memset(&group->seen.servers[i].write, 0,
			       sizeof(group->seen.servers[i].write));
			peer_set_pulse(member->peer, PULSE_OFF, member->pulse_epoch);
		}
	}
}

/* How far what a replica shows is behind the primary at `at_us`: so long ago the first heartbeat was written that it
 * lacks. Only times of one clock are subtracted: the primary's, and ours. */
static uint64_t lag_of(const struct group *group, uint64_t row_written_us, uint64_t at_us)
{
	if (row_written_us >= group->beat_written_us) {
		return 0;
	}
	int64_t behind_us = (int64_t)(group->beat_written_us - row_written_us) -
			    (int64_t)group->beat_interval_us;
	int64_t since_us = (int64_t)at_us - (int64_t)group->beat_us;
	int64_t lag_us = (behind_us > 0 ? behind_us : 0) + since_us;
	return lag_us > 0 ? (uint64_t)lag_us : 0;
}

void vitals_take_pulse(struct group *group, uint32_t server, const struct pulse_report *report)
{
	struct observation_server *seen = &group->seen.servers[server];
	/* What was found of another epoch or role says nothing of this one. */
	if (report->epoch != group->record.epoch || report->role != group->members[server].pulse) {
		return;
	}
	if (report->role == PULSE_WRITE) {
		seen->write = report->write;
		if (report->row.found) {
			group->beat_written_us = report->row.written_us;
			group->beat_us = report->at_us;
		}
		return;
	}
	seen->lag_known = report->row.found && group->beat_us != 0;
	seen->lag_us = seen->lag_known ? lag_of(group, report->row.written_us, report->at_us) : 0;
}

static void tell_verdict(struct group *group, const struct turn_context *context, uint32_t server,
			 const struct verdict_row *row)
{
	const char *words = group->seen.servers[server].write.words;
	bool is_write = group->seen.servers[server].write.since_us != 0 && words[0] != '\0';
	char text[SERVER_ERROR_BYTES_MAX + 512];
	(void)snprintf(text, sizeof(text), "%s: %s%s%s%s%s%s", verdict_name(row->verdict),
		       row->text, is_write ? " (" : "", is_write ? words : "", is_write ? ")" : "",
		       row->remedy[0] ? "; " : "", row->remedy);
	group_tell(group, context, row->treatment == TREAT_NOTHING ? LOG_INFO : LOG_WARN,
		   "server.verdict", server, row->id, 0, text);
}

void vitals_tell(struct group *group, const struct turn_context *context)
{
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		struct member *member = &group->members[i];
		const struct verdict_row *row = verdict_find(&group->record, &group->seen,
							     &group->options, i, context->now_us);
		if (row->verdict != member->verdict) {
			member->verdict = row->verdict;
			member->verdict_us = context->now_us;
		}
		bool settled = context->now_us - member->verdict_us >=
			       (uint64_t)VERDICT_SETTLE_MS * US_PER_MS;
		if (!settled || member->verdict == member->verdict_told ||
		    member->verdict == VERDICT_UNKNOWN) {
			continue;
		}
		/* That a server is up is news only after it was not. */
		bool news =
			member->verdict != VERDICT_UP || member->verdict_told != VERDICT_UNKNOWN;
		member->verdict_told = member->verdict;
		if (news) {
			tell_verdict(group, context, i, row);
		}
	}
}
