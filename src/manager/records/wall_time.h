/* Moments as people and JSON have them: "2026-01-31T12:00:00.000Z". */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* A new reference. */
json_t *wall_time_to_json(uint64_t wall_us);

/* 0 when it isn't such a text. */
uint64_t wall_time_from_json(const json_t *json);
