#include "manager/role.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/calls/call.h"
#include "manager/move.h"
#include "manager/records/records.h"
#include "manager/records/text_json.h"
#include "manager/rejoin/rejoin.h"

enum {
	RETRY_MS = 250,
	REREAD_MS = 5000, /* also when nothing is heard of a change */
};

static uint64_t now_of(const struct manager_core *core)
{
	return clock_monotonic_us(core->options.clock);
}

/* ---------------------------------------------------------------- what other threads tell */

static void on_election(void *ctx)
{
	const struct role *role = ctx;
	role->wake(role->ctx);
}

/* Beats and the marks of writers change all the time and are nothing to read. */
static void on_store(void *ctx, struct str key)
{
	struct role *role = ctx;
	if (key.len == 0 || str_starts_with(key, STR("group/")) ||
	    str_starts_with(key, STR("event/"))) {
		if (!atomic_exchange(&role->stale, true)) {
			role->wake(role->ctx);
		}
	}
}

/* ---------------------------------------------------------------- reading */

static void tell_trouble(struct manager_core *core, enum err rc, const struct err_ctx *err)
{
	struct role *role = &core->role;
	const char *words = rc == ERR_OK ? "" : err_text(rc, err);
	if (strcmp(words, role->trouble) == 0) {
		return;
	}
	(void)snprintf(role->trouble, sizeof(role->trouble), "%s", words);
	if (rc != ERR_OK) {
		log_event(core->options.log, LOG_WARN, "store.failed",
			  "the record can't be read; what was read before is shown",
			  LOG_TEXT("error", words));
	} else {
		log_event(core->options.log, LOG_INFO, "store.read", "the record is read again");
	}
}

static enum err read_store(struct manager_core *core, bool anew, struct err_ctx *err)
{
	struct role *role = &core->role;
	uint64_t begun_us = now_of(core);
	atomic_store(&role->stale, false);
	enum err rc = records_load(core, anew, err);
	rc = rc ? rc : event_log_load(core->events, core->options.store, err);
	if (rc == ERR_OK) {
		role->read_us = begun_us;
		role->read_wall_us = clock_wall_us(core->options.clock);
	} else {
		role->retry_us = now_of(core) + (uint64_t)RETRY_MS * US_PER_MS;
		atomic_store(&role->stale, true);
	}
	return rc;
}

/* Whoever moved the record may not have come to the end of it. */
static void check_left(struct manager_core *core)
{
	struct leader_view view;
	struct err_ctx err = { 0 };
	leader_look(core->role.leader, &view);
	if (!view.moved[0] || core->role.left_checked) {
		return;
	}
	core->role.left_checked = true;
	if (move_check_left(core, core->options.store, &err) != ERR_OK) {
		log_event(core->options.log, LOG_WARN, "store.moved", err.text);
	}
}

static void follow(struct manager_core *core)
{
	struct role *role = &core->role;
	uint64_t now_us = now_of(core);
	check_left(core);
	bool due = atomic_load(&role->stale) || role->read_us == 0 ||
		   now_us >= role->read_us + (uint64_t)REREAD_MS * US_PER_MS;
	if (due && now_us >= role->retry_us) {
		struct err_ctx err = { 0 };
		enum err rc = read_store(core, false, &err);
		tell_trouble(core, rc, &err);
	}
}

/* ---------------------------------------------------------------- taking over and stepping down */

static void tell_lead(struct manager_core *core, const struct leader_view *view)
{
	char text[LEADER_NAME_BYTES_MAX + 96];
	(void)snprintf(text, sizeof(text), "%s leads, term %llu", view->node,
		       (unsigned long long)view->term);
	const struct event event = { .level = LOG_INFO, .evt = "manager.leads", .message = text };
	event_log_add(core->events, &event);
}

/* From here on every commit carries the term; what is read after that is what nobody else changes any more. */
static void take_over(struct manager_core *core)
{
	struct role *role = &core->role;
	struct leader_view view;
	struct err_ctx err = { 0 };
	leader_look(role->leader, &view);
	if (!view.leads || now_of(core) < role->retry_us) {
		return;
	}
	store_fence(core->options.store, STR(LEADER_TERM_KEY), view.term);
	enum err rc = event_log_load(core->events, core->options.store, &err);
	if (rc == ERR_OK) {
		/* The groups are loaded with an event each. */
		event_log_lead(core->events, true);
		rc = read_store(core, true, &err);
	}
	tell_trouble(core, rc, &err);
	if (rc != ERR_OK) {
		event_log_lead(core->events, false);
		role->retry_us = now_of(core) + (uint64_t)RETRY_MS * US_PER_MS;
		return;
	}
	role->leading = true;
	role->term = view.term;
	tell_lead(core, &view);
}

static void step_down(struct manager_core *core)
{
	struct role *role = &core->role;
	role->leading = false;
	atomic_store(&role->stale, true);
	event_log_lead(core->events, false);
	LIST_EACH (&core->groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		rejoin_stop(group);
		hooks_begin_anew(group);
	}
	records_dismiss(core, ERR_UNREACHABLE,
			"this manager leads no longer; what was begun goes on: see the status");
	log_event(core->options.log, LOG_WARN, "manager.follows",
		  "this manager decides nothing any more");
}

/* ---------------------------------------------------------------- moving to another store */

void role_leave(struct manager_core *core, struct move *move)
{
	struct role *role = &core->role;
	(void)pthread_mutex_lock(role->mutex);
	role->left = true;
	(void)pthread_mutex_unlock(role->mutex);
	role->move = *move;
	move->store = NULL;
	role->leading = false;
	role->retry_us = 0;
	event_log_lead(core->events, false);
}

/* In the election on an etcd. */
static enum err take_part(struct manager_core *core, struct err_ctx *err)
{
	struct role *role = &core->role;
	const struct manager_options *options = &core->options;
	const struct store_etcd_options etcd = store_place_etcd(&options->place, options->clock);
	const struct leader_options with = {
		.store = &etcd,
		.node = options->node,
		.address = options->address,
		.lease_ms = options->lease_ms,
		.clock = options->clock,
		.log = options->log,
		.changed = on_election,
		.ctx = role,
	};
	struct leader *leader = NULL;
	atomic_store(&role->stale, true);
	enum err rc = store_watch_start(&etcd, on_store, role, &role->watch, err);
	rc = rc ? rc : leader_start(&with, &leader, err);
	(void)pthread_mutex_lock(role->mutex);
	role->leader = leader;
	(void)pthread_mutex_unlock(role->mutex);
	return rc;
}

/* The new store is in force: on a file this process leads from here on, on etcd one is elected in a moment. */
static void change_store(struct manager_core *core)
{
	struct role *role = &core->role;
	struct store *old_store = core->options.store;
	struct leader *old_leader = role->leader;
	struct err_ctx err = { 0 };
	role->watch = store_watch_stop(role->watch);
	(void)pthread_mutex_lock(role->mutex);
	core->options.store = role->move.store;
	core->options.place = role->move.to;
	role->leader = NULL;
	(void)pthread_mutex_unlock(role->mutex);
	(void)leader_stop(old_leader);
	(void)store_close(old_store);
	role->move.store = NULL;
	secret_wipe(&role->move.to.password);
	enum err rc = ERR_OK;
	if (core->options.place.kind == STORE_SQLITE) {
		event_log_lead(core->events, true);
		role->leading = true;
	} else {
		rc = take_part(core, &err);
	}
	tell_trouble(core, rc, &err);
	log_event(core->options.log, LOG_INFO, "store.moved", "the record is in another store",
		  LOG_TEXT("store", store_text(core->options.store)));
	(void)pthread_mutex_lock(role->mutex);
	role->left = false;
	(void)pthread_mutex_unlock(role->mutex);
}

static void end_move(struct manager_core *core)
{
	struct role *role = &core->role;
	struct err_ctx err = { 0 };
	if (now_of(core) < role->retry_us) {
		return;
	}
	enum err rc = move_finish(core, &role->move, &err);
	if (rc == ERR_OK) {
		change_store(core);
	} else {
		tell_trouble(core, rc, &err);
		role->retry_us = now_of(core) + (uint64_t)RETRY_MS * US_PER_MS;
	}
}

bool role_turn(struct manager_core *core)
{
	struct role *role = &core->role;
	if (role->left) {
		end_move(core);
	}
	if (!role->leader || role->left) {
		return role->leading;
	}
	bool leads = leader_leads(role->leader, now_of(core));
	/* Another term: somebody may have led in between, and the commits of this one are refused. */
	if (role->leading && (!leads || leader_term(role->leader) != role->term)) {
		step_down(core);
		return false;
	}
	if (!role->leading && leads) {
		take_over(core);
	}
	if (!role->leading) {
		follow(core);
	}
	return role->leading;
}

void role_place(const struct manager_core *core, struct store_place *ret)
{
	(void)pthread_mutex_lock(core->role.mutex);
	*ret = core->options.place;
	(void)pthread_mutex_unlock(core->role.mutex);
}

uint64_t role_beat_us(const struct manager_core *core, uint64_t now_us)
{
	const struct role *role = &core->role;
	(void)pthread_mutex_lock(role->mutex);
	uint64_t beat_us = role->leader ? leader_beat_us(role->leader) : now_us;
	(void)pthread_mutex_unlock(role->mutex);
	return beat_us;
}

uint64_t role_former_us(const struct manager_core *core, uint64_t now_us)
{
	struct leader_view view = { .former_us = now_us };
	if (core->role.leader) {
		leader_look(core->role.leader, &view);
	}
	return view.former_us;
}

bool role_may_act(const struct manager_core *core)
{
	const struct role *role = &core->role;
	(void)pthread_mutex_lock(role->mutex);
	bool may = !role->left && (!role->leader || leader_leads(role->leader, now_of(core)));
	(void)pthread_mutex_unlock(role->mutex);
	return may;
}

/* ---------------------------------------------------------------- start and stop */

/* On a file that is in force. */
static enum err lead_alone(struct manager_core *core, struct err_ctx *err)
{
	struct store *store = core->options.store;
	enum err rc = move_check_left(core, store, err);
	rc = rc ? rc : move_check_filled(store, err);
	rc = rc ? rc : event_log_load(core->events, store, err);
	event_log_lead(core->events, true);
	rc = rc ? rc : read_store(core, true, err);
	core->role.leading = rc == ERR_OK;
	return rc;
}

enum err role_start(struct manager_core *core, void (*wake)(void *ctx), void *ctx,
		    struct err_ctx *err)
{
	struct role *role = &core->role;
	role->mutex = mem_need(sizeof(*role->mutex));
	check(pthread_mutex_init(role->mutex, NULL) == 0);
	role->wake = wake;
	role->ctx = ctx;
	return core->options.place.kind == STORE_SQLITE ? lead_alone(core, err)
							: take_part(core, err);
}

void role_stop(struct manager_core *core)
{
	core->role.watch = store_watch_stop(core->role.watch);
	core->role.leader = leader_stop(core->role.leader);
	if (core->role.mutex) {
		core->role.move.store = store_close(core->role.move.store);
		(void)pthread_mutex_destroy(core->role.mutex);
		core->role.mutex = mem_free(core->role.mutex);
	}
	secret_wipe(&core->options.place.password);
}

/* ---------------------------------------------------------------- telling */

enum err role_check(struct manager_core *core, struct err_ctx *err)
{
	struct leader_view view;
	if (core->role.leading) {
		return ERR_OK;
	}
	if (core->role.left || !core->role.leader) {
		return err_set(err, ERR_REFUSED, "the record is on its way to another store: %s",
			       core->role.trouble[0] ? core->role.trouble
						     : "try again in a moment");
	}
	leader_look(core->role.leader, &view);
	if (view.filling[0]) {
		return err_set(
			err, ERR_REFUSED,
			"nobody leads on '%s': it holds a copy of '%s' that was not finished",
			store_text(core->options.store), view.filling);
	}
	if (view.moved[0]) {
		return err_set(
			err, ERR_REFUSED,
			"the record has moved to %s: configure [store] there and start again",
			view.moved);
	}
	if (view.trouble[0]) {
		return err_set(err, ERR_REFUSED,
			       "nobody leads as far as is known here: %s; reading still works",
			       view.trouble);
	}
	if (view.leads || !view.node[0]) {
		return err_set(err, ERR_REFUSED, "nobody leads yet: try again in a moment");
	}
	return err_set(err, ERR_REFUSED, "'%s' leads: ask there (%s)", view.node, view.address);
}

json_t *role_to_json(struct manager_core *core)
{
	const struct role *role = &core->role;
	const struct manager_options *options = &core->options;
	struct leader_view view = { .leads = role->leading };
	if (role->leader) {
		leader_look(role->leader, &view);
	} else {
		(void)snprintf(view.node, sizeof(view.node), "%s", options->node);
		(void)snprintf(view.address, sizeof(view.address), "%s", options->address);
	}
	uint64_t now_us = now_of(core);
	uint64_t age_us = role->leading || role->read_us == 0 ? 0 : now_us - role->read_us;
	const char *trouble = role->trouble[0] ? role->trouble : view.trouble;
	return json_pack("{s:s, s:b, s:o, s:o, s:I, s:s, s:f, s:o, s:o}", "node", options->node,
			 "leads", (int)role->leading, "leader", text_to_json(str_of(view.node)),
			 "leader_address", text_to_json(str_of(view.address)), "term",
			 (json_int_t)view.term, "store", store_text(options->store), "record_age_s",
			 (double)age_us / (double)US_PER_S, "trouble",
			 trouble[0] ? text_to_json(str_of(trouble)) : json_null(), "moved_to",
			 view.moved[0] ? text_to_json(str_of(view.moved)) : json_null());
}
