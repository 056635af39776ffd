/* Makes a server anew, in a job's thread. */
#pragma once

#include "manager/rejoin/rejoin_look.h"

/* Saves the tail first, if there is one; an order that says so goes on without.
 * Errors: ERR_REFUSED, those of rejoin_tail_save() and reclone_run(). */
MUST_CHECK enum err rejoin_reclone(struct rejoin *job, const struct rejoin_look *look,
				   struct err_ctx *err);
