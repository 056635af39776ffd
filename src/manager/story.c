#include "manager/story.h"

#include <stdio.h>
#include <string.h>

static void note_loss(struct group *group, const struct record *next)
{
	struct report *report = &group->report;
	const struct record *record = &group->record;
	report->loss_possible = record->policy != POLICY_LOSSLESS || record->ask_accept_loss;
	if (next->previous == SERVER_NONE) {
		return;
	}
	/* What the lost primary was last seen to have, and the new one has not. */
	gtid_set_clear(&report->lost);
	if (report->loss_possible) {
		gtid_set_subtract(&group->seen.servers[next->previous].status.executed, &next->base,
				  &report->lost);
	}
	bool none = gtid_set_is_empty(&report->lost);
	(void)snprintf(
		report->loss_note, sizeof(report->loss_note), "%s",
		!report->loss_possible ? "none: every acknowledged commit is proven to be there"
		: none ? "none known; the old primary may hold more, it is named when it comes back"
		       : "lost as far as known; what the old primary holds is named when it comes "
			 "back");
}

/* Keeps the story: which phase has ended by this move. */
void story_tell_report(struct group *group, const struct turn_context *context,
		       const struct record *next, const struct decision *decision)
{
	struct report *report = &group->report;
	const struct rule *rule = decision->rule;
	uint64_t now_us = context->now_us;
	bool was_open = report->open;
	if (rule->act == ACT_NEW_EPOCH && !report->open) {
		uint64_t trouble_us = group->record.primary == SERVER_NONE
					      ? 0
					      : group->members[group->record.primary].trouble_us;
		if (trouble_us == 0 && (decision->facts.set & FACT_STALLED)) {
			trouble_us = group->seen.servers[group->record.primary].write.since_us;
		}
		report_begin(report, &group->record, false, rule->why, trouble_us, now_us,
			     clock_wall_us(context->options->clock));
	}
	if (rule->from == GROUP_STEADY && rule->to == GROUP_DRAINING) {
		report_begin(report, &group->record, true, rule->why, now_us, now_us,
			     clock_wall_us(context->options->clock));
	}
	/* A refused failover that goes on is the same story under a new number. */
	if (rule->from == GROUP_REFUSED && rule->to == GROUP_REVOKING && report->id != 0) {
		report->open = true;
		report->id++;
		report->end[0] = 0;
	}
	if (!was_open && report->open) {
		report->after_due = hook_is_set(&context->options->hooks, HOOK_AFTER_KIND);
	}
	if (!report->open) {
		return;
	}
	if (rule->act == ACT_NEW_EPOCH || rule->to == GROUP_DRAINING) {
		uint32_t from = group->record.primary;
		if (from != SERVER_NONE) {
			memcpy(report->from, group->record.servers[from].name,
			       sizeof(report->from));
		}
		report_mark(report, PHASE_DETECTED, now_us);
	}
	if (rule->act == ACT_ELECT || rule->act == ACT_HAND_OVER) {
		memcpy(report->to, next->servers[next->primary].name, sizeof(report->to));
		report->epoch = next->epoch;
		report_mark(report, PHASE_FENCED, now_us);
		note_loss(group, next);
	}
	if (rule->act == ACT_GIVE_UP) {
		(void)snprintf(report->end, sizeof(report->end), "%s: %s", rule->why,
			       decision->facts.missing);
		if (rule->to == GROUP_REFUSED) {
			report->open = false;
		}
	}
	if (rule->act == ACT_SETTLE && rule->from == GROUP_OPENING) {
		report_mark(report, PHASE_PROMOTED, now_us);
	} else if (rule->act == ACT_SETTLE) {
		report->open = false;
	}
}

void story_tell_move(struct group *group, const struct turn_context *context,
		     const struct decision *decision)
{
	const struct rule *rule = decision->rule;
	char text[512];
	const char *missing = decision->facts.missing;
	bool refused = rule->act == ACT_GIVE_UP && missing[0];
	(void)snprintf(text, sizeof(text), "%s: %s%s%s", group_state_name(rule->to), rule->why,
		       refused ? "; " : "", refused ? missing : "");
	group_tell(group, context, rule->to == GROUP_REFUSED || refused ? LOG_WARN : LOG_INFO,
		   "group.state", group->record.primary, rule->id, 0, text);
	if (rule->act == ACT_GIVE_UP) {
		(void)snprintf(group->gave_up, sizeof(group->gave_up), "%s%s%s", rule->why,
			       missing[0] ? ": " : "", missing);
		group->gave_up_version = group->record.version;
		const char *evt = rule->to == GROUP_REFUSED   ? "failover.refused"
				  : rule->to == GROUP_UNDOING ? "switchover.undone"
							      : "switchover.refused";
		group_tell(group, context, LOG_WARN, evt, group->record.primary, rule->id, 0,
			   group->gave_up);
	}
}

void story_tell_promise(struct group *group, const struct turn_context *context,
			const struct record *old, const struct decision *decision)
{
	if (decision->promise_why) {
		group_tell(group, context, group->record.acks < old->acks ? LOG_WARN : LOG_INFO,
			   "promise.changed", SERVER_NONE, 0, 0, decision->promise_why);
	}
	for (uint32_t i = 0; i < group->record.server_count; i++) {
		const struct server_rule *rule = decision->server_rules[i];
		if (decision->acted & (1u << i)) {
			group_tell(group, context,
				   rule->act == SERVER_ACT_DIVERGE ? LOG_ERROR : LOG_INFO,
				   "server.decided", i, rule->id, 0, rule->why);
		}
		if (decision->downtime_over & (1u << i)) {
			group_tell(group, context, LOG_INFO, "server.downtime", i, 0, 0,
				   "its downtime has ended");
		}
		/* A former primary came back with more: that is what the failover lost. */
		if (rule && rule->act == SERVER_ACT_DIVERGE && group->report.loss_possible &&
		    strcmp(group->report.from, group->record.servers[i].name) == 0) {
			gtid_set_copy(&group->report.lost, &group->record.servers[i].extra);
			(void)snprintf(group->report.loss_note, sizeof(group->report.loss_note),
				       "lost: named by the old primary's return");
		}
	}
}

void story_tell_pair(struct group *group, const struct turn_context *context,
		     const struct record *old, const struct decision *decision)
{
	const struct pair_rule *rule = decision->pair_rule;
	if (!rule || (rule->to == rule->from && rule->act == PAIR_ACT_NONE)) {
		return;
	}
	char text[512];
	char words[PAIR_WORDS_BYTES_MAX + 4] = "";
	uint64_t took_us = old->pair.since_us ? context->now_us - old->pair.since_us : 0;
	if (old->pair.what[0]) {
		(void)snprintf(words, sizeof(words), " (%s)", old->pair.what);
	}
	(void)snprintf(text, sizeof(text), "%s: %s%s", pair_state_name(rule->to), rule->why, words);
	bool given_up = rule->to == PAIR_NONE && rule->from != PAIR_FOLLOWING;
	group_tell(group, context, given_up ? LOG_WARN : LOG_INFO, "pair.state", old->pair.out,
		   rule->id, took_us, text);
}
