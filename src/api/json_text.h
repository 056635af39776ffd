/* JSON as text in a buffer. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends `value` as text. flags: jansson's JSON_COMPACT, JSON_INDENT(n), ... What doesn't fit sets the
 * buffer's overflow flag. */
void json_text_add(struct buf *out, const json_t *value, size_t flags);
