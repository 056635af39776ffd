/* What this process may do: the two capabilities that floating addresses need, and no more. */
#pragma once

#include "base/err.h"

/* Errors: ERR_PRIVILEGE with one line that names what is missing and how to give it. */
MUST_CHECK enum err privilege_check(struct err_ctx *err);

/* Sets that line for a call that the kernel refused, begun with `what`; returns ERR_PRIVILEGE. */
enum err privilege_missing(struct err_ctx *err, const char *what);
