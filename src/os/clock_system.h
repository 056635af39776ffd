/* The machine's clock. */
#pragma once

#include "base/clock.h"

/* CLOCK_BOOTTIME (counts while suspended) and CLOCK_REALTIME. */
extern const struct clock clock_system;
