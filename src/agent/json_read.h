/* Fields of JSON that another process wrote: each is there and within its bounds, or an error says which isn't. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A text of fewer than `bytes` bytes, copied with its NUL. ERR_PARSE: it is missing or too long. */
MUST_CHECK enum err json_read_text(const json_t *json, const char *key, char *to, size_t bytes,
				   struct err_ctx *err);

/* A whole number from 0 to max. ERR_PARSE: it isn't. */
MUST_CHECK enum err json_read_number(const json_t *json, const char *key, uint64_t max,
				     uint64_t *ret, struct err_ctx *err);
