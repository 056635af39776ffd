/* Where log lines of `muster run` go: logfmt on standard error, one write a line. */
#pragma once

#include "base/log.h"

/* level: everything above it is not built. */
struct log log_stderr(enum log_level level);

/* LOG_INFO for a name that is none. */
enum log_level log_stderr_level(const char *name);
