#include "manager/records/report.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "manager/records/record_json.h"
#include "manager/records/wall_time.h"

static const char *const phase_names[PHASE_COUNT_] = { "detected", "decided", "fenced", "promoted",
						       "routed" };

void report_begin(struct report *report, const struct record *record, bool planned,
		  const char *cause, uint64_t started_us, uint64_t now_us, uint64_t wall_us)
{
	uint64_t id = report->id;
	report_fini(report);
	report->id = id + 1;
	report->open = true;
	report->planned = planned;
	report->started_us = started_us != 0 && started_us < now_us ? started_us : now_us;
	report->started_wall_us = wall_us - (now_us - report->started_us);
	(void)snprintf(report->group, sizeof(report->group), "%s", record->group);
	(void)snprintf(report->cause, sizeof(report->cause), "%s", cause);
}

void report_fini(struct report *report)
{
	gtid_set_fini(&report->lost);
	json_decref(report->hooks);
	memset(report, 0, sizeof(*report));
}

void report_add_hooks(struct report *report, const json_t *results)
{
	size_t i;
	json_t *one;
	report->hooks = report->hooks ? report->hooks : json_array();
	json_array_foreach(results, i, one)
	{
		if (json_array_size(report->hooks) < REPORT_HOOKS_MAX) {
			(void)json_array_append(report->hooks, one);
		}
	}
}

void report_mark(struct report *report, enum report_phase phase, uint64_t now_us)
{
	if (report->open && report->ends_us[phase] == 0) {
		report->ends_us[phase] = now_us;
	}
}

static json_t *milliseconds(uint64_t us)
{
	uint64_t hundredths = us / 10;
	return json_real((double)hundredths / 100.0);
}

static json_t *phases_to_json(const struct report *report, uint64_t *ret_total_us)
{
	json_t *phases = json_object();
	uint64_t begun_us = report->started_us;
	for (unsigned i = 0; i < PHASE_COUNT_; i++) {
		uint64_t end_us = report->ends_us[i];
		if (end_us == 0) {
			(void)json_object_set_new(phases, phase_names[i], json_null());
			continue;
		}
		/* Phases may overlap; each is counted from where the one before ended. */
		uint64_t took_us = end_us > begun_us ? end_us - begun_us : 0;
		(void)json_object_set_new(phases, phase_names[i], milliseconds(took_us));
		begun_us = end_us > begun_us ? end_us : begun_us;
	}
	*ret_total_us = begun_us - report->started_us;
	return phases;
}

static json_t *loss_to_json(const struct report *report)
{
	return json_pack("{s:b, s:o, s:s}", "possible", (int)report->loss_possible, "gtid",
			 gtid_to_json(&report->lost), "text", report->loss_note);
}

json_t *report_to_json(const struct report *report)
{
	uint64_t total_us = 0;
	json_t *phases = phases_to_json(report, &total_us);
	json_t *hooks = report->hooks ? json_deep_copy(report->hooks) : json_array();
	return json_pack(
		"{s:I, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:b}", "id",
		(json_int_t)report->id, "kind", report->planned ? "switchover" : "failover",
		"group", report->group, "epoch", (json_int_t)report->epoch, "from", report->from,
		"to", report->to, "cause", report->cause, "started",
		wall_time_to_json(report->started_wall_us), "done", (int)!report->open,
		"ended_because", report->end, "phases_ms", phases, "total_ms",
		milliseconds(total_us), "loss", loss_to_json(report), "hooks", hooks, "after_due",
		(int)report->after_due);
}

static void copy_text(const json_t *json, const char *field, char *to, size_t bytes)
{
	const char *text = json_string_value(json_object_get(json, field));
	(void)snprintf(to, bytes, "%s", text ? text : "");
}

/* The phases as they were; what of it lies before this host's clock began is cut off. */
static void read_phases(const json_t *json, uint64_t now_us, uint64_t wall_us,
			struct report *report)
{
	const json_t *phases = json_object_get(json, "phases_ms");
	uint64_t age_us = wall_us > report->started_wall_us ? wall_us - report->started_wall_us : 0;
	report->started_us = age_us < now_us ? now_us - age_us : 1;
	uint64_t end_us = report->started_us;
	for (unsigned i = 0; i < PHASE_COUNT_; i++) {
		const json_t *took = json_object_get(phases, phase_names[i]);
		if (json_is_number(took)) {
			end_us += (uint64_t)(json_number_value(took) * (double)US_PER_MS);
			report->ends_us[i] = end_us;
		}
	}
}

enum err report_from_json(const json_t *json, uint64_t now_us, uint64_t wall_us, struct report *ret,
			  struct err_ctx *err)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));
	const json_t *loss = json_object_get(json, "loss");
	uint64_t started_us = wall_time_from_json(json_object_get(json, "started"));
	json_int_t id = json_integer_value(json_object_get(json, "id"));
	json_int_t epoch = json_integer_value(json_object_get(json, "epoch"));
	if (!kind || id <= 0 || epoch < 0 || started_us == 0) {
		return err_set(err, ERR_PARSE, "a report without kind, id, epoch or time");
	}
	enum err rc = gtid_from_json(json_object_get(loss, "gtid"), &ret->lost, err);
	if (rc != ERR_OK) {
		return rc;
	}
	ret->open = json_is_false(json_object_get(json, "done"));
	ret->planned = strcmp(kind, "switchover") == 0;
	ret->id = (uint64_t)id;
	ret->epoch = (uint64_t)epoch;
	ret->started_wall_us = started_us;
	copy_text(json, "group", ret->group, sizeof(ret->group));
	copy_text(json, "from", ret->from, sizeof(ret->from));
	copy_text(json, "to", ret->to, sizeof(ret->to));
	copy_text(json, "cause", ret->cause, sizeof(ret->cause));
	copy_text(json, "ended_because", ret->end, sizeof(ret->end));
	copy_text(loss, "text", ret->loss_note, sizeof(ret->loss_note));
	ret->loss_possible = json_is_true(json_object_get(loss, "possible"));
	ret->after_due = json_is_true(json_object_get(json, "after_due"));
	report_add_hooks(ret, json_object_get(json, "hooks"));
	read_phases(json, now_us, wall_us, ret);
	return ERR_OK;
}
