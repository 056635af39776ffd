#include "manager/report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "manager/record_json.h"

static const char *const phase_names[PHASE_COUNT_] = { "detected", "decided", "fenced", "promoted",
						       "routed" };

void report_begin(struct report *report, const struct record *record, bool planned,
		  const char *cause, uint64_t started_us, uint64_t now_us, uint64_t wall_us)
{
	uint64_t id = report->id;
	gtid_set_fini(&report->lost);
	memset(report, 0, sizeof(*report));
	report->id = id + 1;
	report->open = true;
	report->planned = planned;
	report->started_us = started_us != 0 && started_us < now_us ? started_us : now_us;
	report->started_wall_us = wall_us - (now_us - report->started_us);
	(void)snprintf(report->group, sizeof(report->group), "%s", record->group);
	(void)snprintf(report->cause, sizeof(report->cause), "%s", cause);
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

static json_t *wall_time(uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / US_PER_S);
	struct tm parts;
	char day[32];
	char text[48];
	if (!gmtime_r(&seconds, &parts) ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
		return json_null();
	}
	(void)snprintf(text, sizeof(text), "%s.%03uZ", day,
		       (unsigned)(wall_us % US_PER_S / US_PER_MS));
	return json_string(text);
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
	return json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:b, s:s, s:o, s:o, s:o}", "id",
			 (json_int_t)report->id, "kind",
			 report->planned ? "switchover" : "failover", "group", report->group,
			 "epoch", (json_int_t)report->epoch, "from", report->from, "to", report->to,
			 "cause", report->cause, "started", wall_time(report->started_wall_us),
			 "done", (int)!report->open, "ended_because", report->end, "phases_ms",
			 phases, "total_ms", milliseconds(total_us), "loss", loss_to_json(report));
}
