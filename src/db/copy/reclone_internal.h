/* What the ways of making a server anew share. */
#pragma once

#include "db/copy/reclone.h"
#include "db/dialect/dialect.h"

/* Another connection to the server or to the donor. */
MUST_CHECK enum err reclone_connect(const struct reclone_options *options, bool donor,
				    struct conn **ret, struct err_ctx *err);

/* For one statement that begins now. */
uint64_t reclone_deadline_us(const struct reclone_options *options);

/* ERR_AGAIN when it is to be broken off. */
MUST_CHECK enum err reclone_check_cancelled(const struct reclone_options *options,
					    struct err_ctx *err);
