/* A forecast as JSON: for explanations and dry runs. */
#pragma once

#include <jansson.h>

#include "decide/foresee.h"

/* {settled, refusal, states: [{state, rule, why, epoch, primary, steps: [{server, step, text, why}]}]}; a new
 * reference. The first state is the present one. */
json_t *foresee_to_json(const struct record *record, const struct foresee *course);

/* The answer of a dry run; a new reference. would: it would be done; else `refusal` of the course says why not. */
json_t *foresee_dry_run(const struct record *record, const struct foresee *course, bool would);
