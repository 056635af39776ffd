/* Names to addresses with a deadline.
 *
 * The system's resolver knows no deadline, so a name is looked up in a thread of its own that is left
 * behind when it takes too long (at most RESOLVE_THREADS_MAX at a time). Addresses take no thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

enum {
	RESOLVE_ADDRESSES_MAX = 4,
	RESOLVE_ADDRESS_BYTES = 64,
	RESOLVE_THREADS_MAX = 64,
};

struct resolve_addresses {
	char list[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_BYTES]; /* numeric, as getaddrinfo sorts */
	size_t count;						 /* at least 1 on success */
};

/* Errors: ERR_UNREACHABLE (the resolver says no), ERR_DEADLINE, ERR_LIMIT (too many slow look-ups). */
MUST_CHECK enum err resolve_name(const char *host, const struct clock *clock, uint64_t deadline_us,
				 struct resolve_addresses *ret, struct err_ctx *err);
