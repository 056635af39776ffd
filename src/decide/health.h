/* Whether a group is as it should be, and what is missing. Pure. */
#pragma once

#include "base/buf.h"
#include "decide/observation.h"
#include "decide/record.h"

/* True when a primary is writable, every configured server replicates, and the policy is met.
 * missing: one line per thing that is not so, each ended by a newline; may be NULL. */
bool health_check(const struct record *record, const struct observation *seen, struct buf *missing);

/* What is wrong with one server, in few words; NULL when nothing is. */
const char *health_problem(const struct record *record, const struct observation *seen,
			   uint32_t server);
