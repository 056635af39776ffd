/* The record of a group as it stands in the store: one JSON object. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "decide/record.h"

enum { RECORD_FORMAT = 1 }; /* of the JSON; a newer one is refused */

json_t *record_to_json(const struct record *record); /* a new reference */

/* ret: initialised. Errors: ERR_PARSE (what is wrong with which field). */
MUST_CHECK enum err record_from_json(const json_t *json, struct record *ret, struct err_ctx *err);

/* A GTID set as JSON text. */
json_t *gtid_to_json(const struct gtid_set *set);
MUST_CHECK enum err gtid_from_json(const json_t *json, struct gtid_set *ret, struct err_ctx *err);
