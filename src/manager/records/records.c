#include "manager/records/records.h"

#include <stdio.h>
#include <string.h>

#include "manager/addresses/addresses.h"
#include "manager/records/record_json.h"

struct loading {
	struct manager_core *core;
	bool anew;
	enum err rc;
	struct err_ctx *err;
};

static struct group *find(struct manager_core *core, const char *name)
{
	LIST_EACH (&core->groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		if (strcmp(group->record.group, name) == 0) {
			return group;
		}
	}
	return NULL;
}

/* What the manager before had not told to its end is gone on with. */
static void resume_report(const struct clock *clock, struct group *group, const json_t *json)
{
	struct report report = { 0 };
	enum err rc = report_from_json(json, clock_monotonic_us(clock), clock_wall_us(clock),
				       &report, NULL);
	if (rc == ERR_OK && (report.open || report.after_due)) {
		report_fini(&group->report);
		group->report = report;
		group->loaded_report_id = report.id - 1;
	} else {
		report_fini(&report);
	}
}

/* A report follows its group's record in the order of the keys. One that can't be read is only a story lost. */
static void load_report(struct loading *loading, struct str value)
{
	json_t *json = json_loadb(value.ptr, value.len, 0, NULL);
	const char *name = json_string_value(json_object_get(json, "group"));
	struct group *group = name ? find(loading->core, name) : NULL;
	json_int_t id = json_integer_value(json_object_get(json, "id"));
	if (group && id > 0) {
		json_decref(group->old_report);
		group->old_report = json_incref(json);
		group->loaded_report_id = (uint64_t)id;
		report_fini(&group->report);
		group->report = (struct report){ .id = (uint64_t)id };
		if (loading->anew) {
			resume_report(loading->core->options.clock, group, json);
		}
	}
	json_decref(json);
}

static void take_record(struct loading *loading, const struct record *record)
{
	struct manager_core *core = loading->core;
	struct turn_context context = call_context(core);
	struct group *group = find(core, record->group);
	if (!group) {
		group = group_new(record, &core->options, &core->on, context.now_us);
		list_add_tail(&core->groups, &group->list);
	} else if (loading->anew || group->record.version != record->version) {
		group_set_servers(group, record, &core->options, &core->on, context.now_us);
	}
	group->listed = true;
	if (loading->anew) {
		char text[160];
		group_begin_anew(group, context.now_us);
		(void)snprintf(text, sizeof(text), "taken over from the store, %s",
			       group_state_name(record->state));
		group_tell(group, &context, LOG_INFO, "group.loaded", record->primary, 0, 0, text);
	} else {
		group->decision.rule = rules_match(record->state, 0);
	}
}

static bool load_row(void *ctx, struct str key, struct str value, uint64_t version)
{
	(void)version;
	struct loading *loading = ctx;
	if (str_ends_with(key, STR("/report"))) {
		load_report(loading, value);
		return true;
	}
	if (!str_ends_with(key, STR("/record"))) {
		return true;
	}
	json_error_t json_error;
	json_t *json = json_loadb(value.ptr, value.len, 0, &json_error);
	struct record record;
	record_init(&record);
	const struct record_moment now = record_moment_now(loading->core->options.clock);
	loading->rc = json ? record_from_json(json, &now, &record, loading->err)
			   : err_set(loading->err, ERR_PARSE, "%s", json_error.text);
	json_decref(json);
	if (loading->rc == ERR_OK) {
		take_record(loading, &record);
	} else {
		loading->rc = err_wrap(loading->err, loading->rc,
				       "the store's '%.*s' can't be read", STR_ARG(key));
	}
	record_fini(&record);
	return loading->rc == ERR_OK;
}

static void dismiss(struct group *group, enum err rc, const char *words)
{
	LIST_EACH (&group->waiters, at) {
		struct waiter *waiter = LIST_ENTRY(at, struct waiter, list);
		struct err_ctx err = { 0 };
		list_remove(&waiter->list);
		(void)err_set(&err, rc, "%s", words);
		call_answer(waiter->call, rc, &err, NULL);
	}
}

void records_dismiss(struct manager_core *core, enum err rc, const char *words)
{
	LIST_EACH (&core->groups, at) {
		dismiss(LIST_ENTRY(at, struct group, list), rc, words);
	}
}

static void drop_unlisted(struct manager_core *core)
{
	LIST_EACH (&core->groups, at) {
		struct group *group = LIST_ENTRY(at, struct group, list);
		if (!group->listed) {
			dismiss(group, ERR_NOT_FOUND, "the group is there no longer");
			(void)group_free(group);
		}
	}
}

enum err records_load(struct manager_core *core, bool anew, struct err_ctx *err)
{
	struct loading loading = { .core = core, .anew = anew, .rc = ERR_OK, .err = err };
	LIST_EACH (&core->groups, at) {
		LIST_ENTRY(at, struct group, list)->listed = false;
	}
	enum err rc = store_list(core->options.store, STR("group/"), load_row, &loading, err);
	rc = rc ? rc : loading.rc;
	if (rc == ERR_OK) {
		drop_unlisted(core);
		rc = addresses_load(core, err);
	}
	return rc;
}
