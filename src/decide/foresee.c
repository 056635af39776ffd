#include "decide/foresee.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum {
	TURN_US = 1000,
	TURNS_MAX = 400,
	IDLE_TURNS = 4, /* so many turns without a change: only time can bring one */
};

/* The copies that the forecast is made on. */
struct course {
	struct record record;
	struct observation seen;
	struct decision decision;
	struct decide_options options;
	uint64_t now_us;
	uint32_t idle;	 /* turns in a row in which nothing changed */
	bool has_waited; /* in this state: until its time was over */
	struct foresee *ret;
};

static bool follows_live_source(const struct course *course, uint32_t server, uint32_t *ret_source)
{
	for (uint32_t i = 0; i < course->record.server_count; i++) {
		if (record_follows(&course->record, &course->seen, server, i)) {
			*ret_source = i;
			return observation_answers(&course->seen, i);
		}
	}
	return false;
}

/* A stream whose source nobody here can reach goes on as it was seen to: it lives, or it is lost already. */
static void run_unseen_stream(struct course *course, uint32_t server)
{
	struct observation_server *one = &course->seen.servers[server];
	bool lives = one->status.replica.io == IO_YES &&
		     course->now_us - one->stream_us < course->options.stream_silence_us;
	if (lives) {
		one->stream_us = course->now_us;
	}
}

static void run_streams(struct course *course)
{
	uint32_t clients[SERVERS_MAX] = { 0 };
	for (uint32_t i = 0; i < course->record.server_count; i++) {
		struct server_status *status = &course->seen.servers[i].status;
		struct replica_status *replica = &status->replica;
		uint32_t source = SERVER_NONE;
		if (!observation_answers(&course->seen, i)) {
			continue;
		}
		if (!follows_live_source(course, i, &source)) {
			run_unseen_stream(course, i);
			continue;
		}
		if (replica->io == IO_NO) {
			continue;
		}
		replica->io = IO_YES;
		course->seen.servers[i].stream_us = course->now_us;
		status->semisync.replica_active = status->semisync.replica_enabled;
		clients[source] += status->semisync.replica_active ? 1 : 0;
		if (replica->sql_running && replica->sql_errno == 0) {
			gtid_set_add(&status->executed,
				     &course->seen.servers[source].status.executed);
			gtid_set_add(&status->executed, &status->received);
			gtid_set_add(&status->received, &status->executed);
		}
	}
	for (uint32_t i = 0; i < course->record.server_count; i++) {
		course->seen.servers[i].status.semisync.source_clients = clients[i];
	}
}

/* Who answers is looked at again; in an order that changes, since two servers are only compared in the order in which
 * they were looked at. */
static void look(struct course *course, bool forward)
{
	uint32_t count = course->record.server_count;
	for (uint32_t n = 0; n < count; n++) {
		uint32_t i = forward ? n : count - 1 - n;
		struct observation_server *one = &course->seen.servers[i];
		course->now_us++;
		if (observation_answers(&course->seen, i)) {
			one->contact_us = course->now_us;
			one->answered_us = course->now_us;
			one->status_us = course->now_us;
			one->status_end_us = course->now_us;
		}
	}
	course->seen.routes = (struct observation_routes){
		.epoch = course->record.epoch,
		.revision = course->record.version,
		.held = course->record.state != GROUP_STEADY,
	};
}

static void point_at(struct course *course, struct server_status *status, uint32_t server,
		     bool acknowledges)
{
	struct replica_status *replica = &status->replica;
	const struct record_server *source = &course->record.servers[server];
	bool broken = replica->sql_errno != 0;
	replica->configured = true;
	replica->gtid_position = true;
	replica->io = IO_YES;
	replica->io_errno = 0;
	replica->sql_running = !broken;
	replica->source_port = source->port;
	memcpy(replica->source_host, source->host, sizeof(replica->source_host));
	status->semisync.replica_enabled = acknowledges;
}

static void carry_out(struct course *course, uint32_t server, enum step step)
{
	struct observation_server *one = &course->seen.servers[server];
	struct server_status *status = &one->status;
	struct replica_status *replica = &status->replica;
	switch (step) {
	case STEP_STOP_RECEIVER:
		replica->io = IO_NO;
		break;
	case STEP_DRAIN:
		gtid_set_add(&status->executed, &status->received);
		break;
	case STEP_FENCE:
	case STEP_FREEZE:
		status->read_only = true;
		status->semisync.source_enabled =
			step == STEP_FREEZE && status->semisync.source_enabled;
		break;
	case STEP_CATCH_UP:
		gtid_set_add(&status->executed,
			     &course->seen.servers[course->record.primary].status.executed);
		gtid_set_add(&status->received, &status->executed);
		break;
	case STEP_PROMOTE:
		replica->io = IO_NO;
		replica->sql_running = false;
		status->semisync.source_enabled = course->record.acks > 0;
		break;
	case STEP_OPEN:
		status->read_only = false;
		break;
	case STEP_REPOINT:
	case STEP_FEED:
		point_at(course, status, course->decision.steps_source[server],
			 (course->decision.steps_acknowledge & (1u << server)) != 0);
		break;
	case STEP_FORGET_SOURCE:
		memset(replica, 0, sizeof(*replica));
		break;
	case STEP_KEEP_OUT:
		status->read_only = true;
		replica->io = IO_NO;
		replica->sql_running = false;
		break;
	case STEP_SEMISYNC_REPLICA_ON:
	case STEP_SEMISYNC_REPLICA_OFF:
		status->semisync.replica_enabled = step == STEP_SEMISYNC_REPLICA_ON;
		status->semisync.replica_active = step == STEP_SEMISYNC_REPLICA_ON;
		break;
	case STEP_SEMISYNC_SOURCE_ON:
	case STEP_SEMISYNC_SOURCE_OFF:
		status->semisync.source_enabled = step == STEP_SEMISYNC_SOURCE_ON;
		break;
	case STEP_ADMIT_CHANGE:
	case STEP_END_CHANGE:
		status->gtid_domain = step == STEP_ADMIT_CHANGE ? course->record.pair.domain
								: course->record.pair.home_domain;
		status->admins_write = step == STEP_ADMIT_CHANGE;
		break;
	case STEP_APPLY_IN_ORDER:
		status->parallel_mode[0] = 0;
		break;
	case STEP_APPLY_AS_BEFORE:
		memcpy(status->parallel_mode, course->record.servers[server].parallel_mode,
		       sizeof(status->parallel_mode));
		break;
	case STEP_COUNT_:
		break;
	}
	status->semisync.source_active = status->semisync.source_enabled;
	one->steps_done |= 1u << step;
}

static void note_move(struct course *course, const struct rule *rule)
{
	struct foresee *ret = course->ret;
	if (ret->move_count == FORESEE_MOVES_MAX) {
		ret->cut = true;
		return;
	}
	ret->moves[ret->move_count++] = (struct foresee_move){
		.rule = rule,
		.state = course->record.state,
		.epoch = course->record.epoch,
		.primary = course->record.primary,
	};
}

/* True when it is new in this state. */
static bool note_step(struct course *course, uint32_t server, enum step step, const char *why)
{
	struct foresee *ret = course->ret;
	for (uint32_t i = 0; i < ret->step_count; i++) {
		const struct foresee_step *one = &ret->steps[i];
		if (one->move + 1 == ret->move_count && one->server == server &&
		    one->step == step) {
			return false;
		}
	}
	if (ret->step_count == FORESEE_STEPS_MAX) {
		ret->cut = true;
		return false;
	}
	ret->steps[ret->step_count++] = (struct foresee_step){
		.move = ret->move_count - 1, .server = server, .step = step, .why = why
	};
	return true;
}

static void note_refusal(struct course *course)
{
	const char *missing = course->decision.facts.missing;
	(void)snprintf(course->ret->refusal, sizeof(course->ret->refusal), "%s%s%s",
		       course->decision.rule->why, missing[0] ? ": " : "", missing);
}

/* One look, one decision, its steps; true when anything changed. */
static bool turn(struct course *course)
{
	const struct decision *decision = &course->decision;
	run_streams(course);
	look(course, course->idle % 2 == 0);
	decide(&course->record, &course->seen, &course->options, course->now_us, &course->decision);
	if (decision->rule->act == ACT_GIVE_UP) {
		note_refusal(course);
	}
	if (decision->moved) {
		note_move(course, decision->rule);
		course->has_waited = false;
		for (uint32_t i = 0; i < SERVERS_MAX; i++) {
			course->seen.servers[i].steps_done = 0;
		}
	}
	bool progress = decision->moved || decision->changed;
	for (uint32_t i = 0; i < course->record.server_count; i++) {
		enum step step = decision->steps[i];
		if (step != STEP_NONE && observation_answers(&course->seen, i)) {
			carry_out(course, i, step);
			progress |= note_step(course, i, step, decision->steps_why[i]);
		}
	}
	return progress;
}

/* Nothing changes by itself: what does the end of a time bring? */
static void let_time_pass(struct course *course)
{
	const struct decide_options *options = &course->options;
	uint64_t longest_us = facts_limit_us(options, course->record.state);
	if (longest_us == UINT64_MAX) {
		longest_us = options->silence_us + options->alone_us + options->extra_us;
	}
	course->now_us += longest_us;
	course->has_waited = true;
	course->idle = 0;
}

static bool is_asked(const struct record *record)
{
	return record->ask != ASK_NONE;
}

static void follow(struct course *course)
{
	for (unsigned turns = 0; turns < TURNS_MAX && !course->ret->cut; turns++) {
		course->now_us += TURN_US;
		course->idle = turn(course) ? 0 : course->idle + 1;
		if (course->idle < IDLE_TURNS) {
			continue;
		}
		if (course->has_waited) {
			break;
		}
		let_time_pass(course);
	}
	const struct rule *last = course->decision.rule;
	course->ret->settled = course->record.state == GROUP_STEADY && !is_asked(&course->record) &&
			       course->idle >= IDLE_TURNS &&
			       !(course->decision.facts.set & FACT_GONE);
	if (!course->ret->settled && !course->ret->refusal[0] && last) {
		note_refusal(course);
	}
}

static struct course *begin(const struct record *record, const struct observation *seen,
			    const struct decide_options *options, uint64_t now_us,
			    struct foresee *ret)
{
	struct course *course = mem_need(sizeof(*course));
	memset(ret, 0, sizeof(*ret));
	record_init(&course->record);
	record_copy(&course->record, record);
	observation_copy(&course->seen, seen);
	struct observation_hooks *hooks = &course->seen.hooks;
	hooks->before_runs = false;
	hooks->failover.answer = hooks->failover.answer == HOOK_VETO ? HOOK_VETO : HOOK_GO;
	hooks->switchover.answer = hooks->switchover.answer == HOOK_VETO ? HOOK_VETO : HOOK_GO;
	course->options = *options;
	course->now_us = now_us;
	course->ret = ret;
	note_move(course, NULL);
	return course;
}

static void end(struct course *course)
{
	record_fini(&course->record);
	observation_fini(&course->seen);
	mem_free(course);
}

void foresee_run(const struct record *record, const struct observation *seen,
		 const struct decide_options *options, uint64_t now_us, struct foresee *ret)
{
	struct course *course = begin(record, seen, options, now_us, ret);
	follow(course);
	end(course);
}

void foresee_death(const struct record *record, const struct observation *seen,
		   const struct decide_options *options, uint64_t now_us, struct foresee *ret)
{
	struct course *course = begin(record, seen, options, now_us, ret);
	struct observation_server *primary = &course->seen.servers[record->primary];
	primary->reach = REACH_NOBODY_LISTENS;
	primary->misses = 2;
	primary->contact_us = now_us;
	primary->refused_since_us = now_us;
	for (uint32_t i = 0; i < record->server_count; i++) {
		struct replica_status *replica = &course->seen.servers[i].status.replica;
		if (replica->io == IO_YES &&
		    record_follows(&course->record, &course->seen, i, record->primary)) {
			replica->io = IO_CONNECTING;
		}
	}
	follow(course);
	end(course);
}
