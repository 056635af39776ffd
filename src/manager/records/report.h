/* The story of one failover or switchover: its phases in time, who and why, and what was lost. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "decide/record.h"

enum { REPORT_HOOKS_MAX = 12 };

enum report_phase {
	PHASE_DETECTED, /* trouble seen to proven; switchover: asked for to begun */
	PHASE_DECIDED,	/* proven to on the record */
	PHASE_FENCED,	/* until the old primary could acknowledge nothing more */
	PHASE_PROMOTED, /* until the new primary took writes */
	PHASE_ROUTED,	/* until every node routed to it */
	PHASE_COUNT_
};

struct report {
	bool open; /* under way */
	bool planned;
	uint64_t id;	     /* grows: tells a new report from the one before */
	uint64_t started_us; /* monotonic: the first sign of trouble, or the order */
	uint64_t started_wall_us;
	uint64_t ends_us[PHASE_COUNT_]; /* monotonic end of each phase; 0: not reached */
	uint64_t epoch;
	char group[NAME_BYTES_MAX];
	char from[NAME_BYTES_MAX]; /* "" when there was none */
	char to[NAME_BYTES_MAX];
	char cause[256];
	char end[512];	      /* "" while it goes well; why it was refused or undone otherwise */
	bool loss_possible;   /* the policy or a person allowed it */
	struct gtid_set lost; /* transactions known to be lost */
	char loss_note[256];
	bool after_due; /* the `after` hook has not ended yet; it is run when the report is closed */
	json_t *hooks;	/* an array of what the hooks answered; NULL: nothing */
};

/* Opens a new report in place of the one before. started_us: the first sign of trouble, monotonic;
 * 0 when it begins at now_us. */
void report_begin(struct report *report, const struct record *record, bool planned,
		  const char *cause, uint64_t started_us, uint64_t now_us, uint64_t wall_us);

/* Marks the end of a phase, the first time only. */
void report_mark(struct report *report, enum report_phase phase, uint64_t now_us);

/* Appends results of hooks (an array, borrowed); beyond REPORT_HOOKS_MAX they are left out. */
void report_add_hooks(struct report *report, const json_t *results);

/* Releases what the report holds. */
void report_fini(struct report *report);

json_t *report_to_json(const struct report *report); /* a new reference */

/* Goes on with a report that a manager before left open; its phases keep their lengths.
 * ret: zeroed. now_us, wall_us: the same moment on both clocks. Errors: ERR_PARSE. */
MUST_CHECK enum err report_from_json(const json_t *json, uint64_t now_us, uint64_t wall_us,
				     struct report *ret, struct err_ctx *err);
