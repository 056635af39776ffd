/* A forecast as JSON: for explanations and dry runs. */
#pragma once

#include <jansson.h>

#include "decide/foresee.h"

/* {settled, refusal, states: [{state, rule, why, epoch, primary, steps: [{server, step, text, why}]}]}; a new
 * reference. The first state is the present one. */
json_t *foresee_to_json(const struct record *record, const struct foresee *course);

/* The answer of a dry run; a new reference. would: it would be done; else `refusal` of the course says why not. */
json_t *foresee_dry_run(const struct record *record, const struct foresee *course, bool would);

/* The same for settings that are fine: what would follow from them on the servers, and who would take over if the
 * primary died then. next: the record with the settings, its servers those that are seen. A new reference. */
json_t *foresee_settings(const struct record *next, const struct observation *seen,
			 const struct decide_options *options, uint64_t now_us);
