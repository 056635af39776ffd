/* Time as a passed value: pure code gets microseconds, shell code asks the clock it was given.
 *
 * os/clock_system.h has the machine's clock; tests pass their own.
 */
#pragma once

#include <stdint.h>

struct clock {
	uint64_t (*monotonic_us)(void *ctx); /* never goes back; counts while suspended too */
	uint64_t (*wall_us)(void *ctx);	     /* since 1970, for display only */
	void *ctx;
};

static inline uint64_t clock_monotonic_us(const struct clock *clock)
{
	return clock->monotonic_us(clock->ctx);
}

static inline uint64_t clock_wall_us(const struct clock *clock)
{
	return clock->wall_us(clock->ctx);
}

enum { US_PER_MS = 1000, US_PER_S = 1000000 };
