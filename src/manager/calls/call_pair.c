/* pair.set, pair.unset, pair.show, pair.maintain: the active-passive pair, and the long change of its passive side. */
#include <stdio.h>
#include <string.h>

#include "manager/calls/call.h"
#include "manager/calls/plan.h"
#include "manager/records/pair_json.h"

enum { DOMAIN_MAX = INT32_MAX };

/* ---------------------------------------------------------------- which two */

static enum err read_masters(const json_t *params, struct record *next, struct err_ctx *err)
{
	const json_t *masters = json_object_get(params, "masters");
	if (json_array_size(masters) != 2) {
		return err_set(err, ERR_USAGE, "masters: two names of servers are needed");
	}
	for (uint32_t i = 0; i < 2; i++) {
		const char *name = json_string_value(json_array_get(masters, i));
		uint32_t server = name ? record_find(next, name) : SERVER_NONE;
		if (server == SERVER_NONE) {
			return err_set(err, ERR_NOT_FOUND, "group '%s' has no server '%.64s'",
				       next->group, name ? name : "?");
		}
		if (record_parent(next, server) != SERVER_NONE) {
			return err_set(err, ERR_REFUSED,
				       "'%s' is set below '%s': first 'muster group set --server "
				       "%s --below primary'",
				       name, next->servers[record_parent(next, server)].name, name);
		}
		next->pair.masters[i] = server;
	}
	if (next->pair.masters[0] == next->pair.masters[1]) {
		return err_set(err, ERR_USAGE, "a pair is of two servers");
	}
	return ERR_OK;
}

static enum err read_domain(const struct group *group, const json_t *params, struct record *next,
			    struct err_ctx *err)
{
	const json_t *domain = json_object_get(params, "domain");
	if (domain && (!json_is_integer(domain) || json_integer_value(domain) < 0 ||
		       json_integer_value(domain) > DOMAIN_MAX)) {
		return err_set(err, ERR_USAGE, "domain: a number from 0 to %d is needed",
			       DOMAIN_MAX);
	}
	next->pair.domain =
		domain ? (uint32_t)json_integer_value(domain) : (uint32_t)PAIR_DOMAIN_DEFAULT;
	for (uint32_t i = 0; i < next->server_count; i++) {
		const struct server_status *status = &group->seen.servers[i].status;
		if (observation_answers(&group->seen, i) && status->flavor == GTID_MARIADB &&
		    status->gtid_domain == next->pair.domain) {
			return err_set(err, ERR_REFUSED,
				       "'%s' writes in GTID domain %u (gtid_domain_id): a change "
				       "needs one of its own, choose another --domain",
				       next->servers[i].name, next->pair.domain);
		}
	}
	return ERR_OK;
}

static enum err store(struct manager_core *core, struct group *group, const struct record *next,
		      const char *evt, const char *text, struct err_ctx *err)
{
	struct turn_context context = call_context(core);
	enum err rc = group_store(group, &context, next, err);
	if (rc == ERR_OK) {
		group_tell(group, &context, LOG_INFO, evt, next->pair.out, 0, 0, text);
	}
	return rc;
}

static json_t *answer(const struct manager_core *core, const struct group *group, const char *text)
{
	uint64_t now_us = clock_monotonic_us(core->options.clock);
	json_t *pair = pair_to_json(group, now_us);
	json_t *json = json_pack("{s:s, s:s, s:o}", "group", group->record.group, "text", text,
				 "pair", pair);
	const json_t *warnings = json_object_get(pair, "warnings");
	if (json_array_size(warnings)) {
		(void)json_object_set_new(json, "warnings", json_deep_copy(warnings));
	}
	return json;
}

enum err call_pair_set(struct manager_core *core, struct call *call, json_t **ret,
		       struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (group->record.pair.state != PAIR_NONE) {
		return err_set(err, ERR_REFUSED,
			       "a change of the passive side is under way (%s): see 'muster pair "
			       "show'",
			       pair_state_name(group->record.pair.state));
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	rc = read_masters(call->params, &next, err);
	rc = rc ? rc : read_domain(group, call->params, &next, err);
	next.pair.set = true;
	next.version++;
	rc = rc ? rc : store(core, group, &next, "pair.set", "two servers are a pair", err);
	record_fini(&next);
	if (rc == ERR_OK) {
		*ret = answer(core, group, "is a pair");
	}
	return rc;
}

enum err call_pair_unset(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (group->record.pair.state != PAIR_NONE) {
		return err_set(err, ERR_REFUSED,
			       "a change of the passive side is under way (%s): 'muster pair "
			       "maintain --abort' calls it off",
			       pair_state_name(group->record.pair.state));
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	next.pair.set = false;
	next.version++;
	rc = store(core, group, &next, "pair.set", "there is no pair any more", err);
	record_fini(&next);
	if (rc == ERR_OK) {
		*ret = answer(core, group, "is no pair any more");
	}
	return rc;
}

enum err call_pair_show(struct manager_core *core, struct call *call, json_t **ret,
			struct err_ctx *err)
{
	struct group *group = NULL;
	enum err rc = call_group(core, call->params, &group, err);
	if (rc == ERR_OK) {
		uint64_t now_us = clock_monotonic_us(core->options.clock);
		*ret = json_pack("{s:s, s:o}", "group", group->record.group, "pair",
				 pair_to_json(group, now_us));
	}
	return rc;
}

/* ---------------------------------------------------------------- the change */

/* Somebody else than the passive side has to acknowledge meanwhile, and who comes back has to be able to take over. */
static enum err check_begin(const struct group *group, uint32_t passive, struct err_ctx *err)
{
	const struct record *record = &group->record;
	const char *name = record->servers[passive].name;
	if (record->state != GROUP_STEADY || record->ask != ASK_NONE) {
		return err_set(err, ERR_REFUSED, "group '%s' is %s: a change starts from steady",
			       record->group, group_state_name(record->state));
	}
	const struct replica_status *replica = &group->seen.servers[passive].status.replica;
	if (!observation_answers(&group->seen, passive) ||
	    !record_follows(record, &group->seen, passive, record->primary) ||
	    replica->io != IO_YES || !replica->sql_running) {
		return err_set(err, ERR_REFUSED,
			       "'%s', the passive one, does not replicate from the primary: mend "
			       "that first",
			       name);
	}
	if (record->servers[passive].diverged || record->servers[passive].never_promote ||
	    record_in_downtime(record, passive)) {
		return err_set(err, ERR_REFUSED,
			       "'%s', the passive one, could not take over afterwards: it is %s",
			       name,
			       record->servers[passive].diverged	? "diverged"
			       : record->servers[passive].never_promote ? "set to never-promote"
									: "in downtime");
	}
	uint32_t others = 0;
	for (uint32_t i = 0; i < record->server_count; i++) {
		others |= pair_is_below(record, i, passive) ? 0 : 1u << i;
	}
	if (record->policy == POLICY_LOSSLESS && (record->sync_set & others) == 0) {
		return err_set(err, ERR_REFUSED,
			       "only the passive side acknowledges commits: give the active one a "
			       "replica ('muster group add --below'), or set the policy to async "
			       "for the time of the change");
	}
	return ERR_OK;
}

static enum err begin(struct group *group, const json_t *params, struct record *next,
		      struct err_ctx *err)
{
	const char *what = json_string_value(json_object_get(params, "what"));
	uint32_t passive = pair_passive(&group->record);
	if (next->pair.state != PAIR_NONE) {
		return err_set(err, ERR_EXISTS,
			       "a change of '%s' is under way (%s): see 'muster pair show'",
			       next->servers[next->pair.out].name,
			       pair_state_name(next->pair.state));
	}
	if (passive == SERVER_NONE) {
		return err_set(err, ERR_REFUSED,
			       "the primary is none of the pair: first 'muster switchover' to one "
			       "of the two");
	}
	enum err rc = check_begin(group, passive, err);
	next->pair.state = PAIR_OUT;
	next->pair.out = passive;
	next->pair.ask = PAIR_ASK_NONE;
	next->pair.tried_us = 0;
	next->pair.what[0] = 0;
	if (rc == ERR_OK && what &&
	    str_copy(str_of(what), next->pair.what, sizeof(next->pair.what)) != ERR_OK) {
		rc = err_set(err, ERR_USAGE, "what: at most %d bytes", PAIR_WORDS_BYTES_MAX - 1);
	}
	return rc;
}

static enum err done(struct group *group, const json_t *params, struct record *next,
		     struct err_ctx *err)
{
	(void)group;
	(void)params;
	if (next->pair.state != PAIR_CHANGING) {
		return err_set(err, ERR_REFUSED, "the passive side is not being changed: it is %s",
			       pair_state_name(next->pair.state));
	}
	next->pair.ask = PAIR_ASK_DONE;
	return ERR_OK;
}

static enum err abort_change(struct group *group, const json_t *params, struct record *next,
			     struct err_ctx *err)
{
	uint64_t now_us = 0;
	char missing[256];
	bool discard = json_is_true(json_object_get(params, "discard"));
	uint32_t facts = pair_facts_find(next, &group->seen, now_us, missing, sizeof(missing));
	enum pair_state state = next->pair.state;
	if (state == PAIR_NONE) {
		return err_set(err, ERR_REFUSED, "no change is under way");
	}
	if (state == PAIR_SWITCHING) {
		return err_set(err, ERR_REFUSED, "the roles switch just now: see how that ends");
	}
	bool unchanged = state == PAIR_OUT || (state == PAIR_CHANGING && (facts & PAIR_UNCHANGED));
	if (!unchanged && !discard && state != PAIR_FOLLOWING) {
		return err_set(err, ERR_REFUSED,
			       "'%s' %s: go on with --done; or --discard, then what was changed "
			       "counts as too much, and the whole side has to be made anew with "
			       "'muster rejoin --reclone'",
			       next->servers[next->pair.out].name,
			       facts & PAIR_CHANGED ? "is changed already"
						    : "may be changed already, it does not answer");
	}
	next->pair.ask = PAIR_ASK_ABORT;
	next->pair.discard = discard;
	return ERR_OK;
}

/* Who runs the statements says how far they are: after a break they go on from there. */
static enum err progress(struct group *group, const json_t *params, struct record *next,
			 struct err_ctx *err)
{
	(void)group;
	const char *script = json_string_value(json_object_get(params, "script"));
	const json_t *count = json_object_get(params, "done");
	const json_t *mark = json_object_get(params, "mark");
	if (next->pair.state != PAIR_CHANGING) {
		return err_set(err, ERR_REFUSED, "the passive side is not being changed: it is %s",
			       pair_state_name(next->pair.state));
	}
	if (!script || !json_is_integer(count) || json_integer_value(count) < 0 ||
	    json_integer_value(count) > INT32_MAX || !json_is_integer(mark) ||
	    json_integer_value(mark) < 0 ||
	    str_copy(str_of(script), next->pair.script, sizeof(next->pair.script)) != ERR_OK) {
		return err_set(err, ERR_USAGE, "script, done and mark are needed");
	}
	next->pair.script_done = (uint32_t)json_integer_value(count);
	next->pair.script_mark = (uint64_t)json_integer_value(mark);
	return ERR_OK;
}

static const struct action {
	const char *name;
	const char *text; /* what has been asked for */
	bool told;	  /* worth an event */
	enum err (*run)(struct group *group, const json_t *params, struct record *next,
			struct err_ctx *err);
} actions[] = {
	{ "begin", "the passive side is taken out", true, begin },
	{ "done", "the change is said to be complete", true, done },
	{ "abort", "the change is called off", true, abort_change },
	{ "progress", "noted", false, progress },
};

static const struct action *find_action(const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "action"));
	for (size_t i = 0; name && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, name) == 0) {
			return &actions[i];
		}
	}
	return NULL;
}

static json_t *would_be(const struct group *group, const struct record *next,
			const struct action *action)
{
	char text[256];
	(void)snprintf(text, sizeof(text),
		       "%s: %s would leave sync set and readers, be changed, come back and become "
		       "the primary; the others would get the change from it",
		       action->name, next->servers[next->pair.out].name);
	return json_pack("{s:b, s:s, s:b, s:s, s:s}", "dry_run", 1, "group", group->record.group,
			 "would", 1, "reason", "", "text", text);
}

enum err call_pair_maintain(struct manager_core *core, struct call *call, json_t **ret,
			    struct err_ctx *err)
{
	struct group *group = NULL;
	const struct action *action = find_action(call->params);
	if (!action) {
		return err_set(err, ERR_USAGE, "action: one of begin, progress, done, abort");
	}
	enum err rc = call_group(core, call->params, &group, err);
	if (rc == ERR_OK && !group->record.pair.set) {
		rc = err_set(err, ERR_REFUSED,
			     "group '%s' is no pair: 'muster pair set' makes it one",
			     group->record.group);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct record next;
	record_init(&next);
	record_copy(&next, &group->record);
	rc = action->run(group, call->params, &next, err);
	next.version++;
	if (rc == ERR_OK && call_is_dry(call)) {
		*ret = would_be(group, &next, action);
	} else if (rc == ERR_OK && action->told) {
		rc = store(core, group, &next, "pair.asked", action->text, err);
	} else if (rc == ERR_OK) {
		struct turn_context context = call_context(core);
		rc = group_store(group, &context, &next, err);
	}
	record_fini(&next);
	if (rc == ERR_OK && !*ret) {
		*ret = answer(core, group, action->text);
	}
	return rc;
}
