#include "os/clock_system.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec now;
	(void)clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t monotonic_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_BOOTTIME);
}

static uint64_t wall_us(void *ctx)
{
	(void)ctx;
	return read_us(CLOCK_REALTIME);
}

const struct clock clock_system = { monotonic_us, wall_us, NULL };
