/* Whether another failover may start without a person: pause, cool-down and cap. Pure. */
#pragma once

#include <stddef.h>

#include "decide/options.h"
#include "decide/record.h"

/* When false, `text` says until when, and what ends it; NUL-terminated, cut off at text_bytes. */
bool cooldown_is_over(const struct record *record, const struct decide_options *options,
		      uint64_t now_us, char *text, size_t text_bytes);
