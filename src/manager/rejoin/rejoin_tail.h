/* Saves the tail of a server that comes back, in a job's thread. */
#pragma once

#include "manager/rejoin/rejoin_look.h"

/* Saves what look->extra has into the order's folder.
 * ret: a new reference: the files, how many transactions, and what is missing.
 * Errors: those of tail_save(). */
MUST_CHECK enum err rejoin_tail_save(const struct rejoin *job, const struct rejoin_look *look,
				     json_t **ret, struct err_ctx *err);
