/* The record of a group as it stands in the store: one JSON object. */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "decide/record.h"

enum { RECORD_FORMAT = 2 }; /* of the JSON; a newer one is refused, an older one is completed */

/* One moment on both clocks: what is monotonic in the record is wall-clock time in the store. */
struct record_moment {
	uint64_t monotonic_us;
	uint64_t wall_us;
};

/* Both clocks read together. */
struct record_moment record_moment_now(const struct clock *clock);

/* A new reference. */
json_t *record_to_json(const struct record *record, const struct record_moment *now);

/* A time that lies ahead of the wall clock (which was set back) counts as now. ret: initialised. Errors: ERR_PARSE (what is wrong with which field). */
MUST_CHECK enum err record_from_json(const json_t *json, const struct record_moment *now,
				     struct record *ret, struct err_ctx *err);

/* A GTID set as JSON text. */
json_t *gtid_to_json(const struct gtid_set *set);
MUST_CHECK enum err gtid_from_json(const json_t *json, struct gtid_set *ret, struct err_ctx *err);
