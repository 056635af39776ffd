/* The record moves from one store to another while the manager runs. Manager thread only.
 *
 * At each moment at most one of the two is in force, whenever the process is killed:
 * 1. `leader/filling` in the new store says that it holds a copy that isn't finished: nobody leads on it.
 * 2. The keys are copied and compared. Nothing is decided meanwhile, so the copy is what the record is.
 * 3. `leader/moved` in the old store, with where to: nobody leads on that one from here on. This is the commit of the
 *    move: before it the old store is in force, after it the new one.
 * 4. `leader/filling` goes away. Who finds step 3 done and this one not does it: a start on the old store, which
 *    is then refused.
 */
#pragma once

#include "manager/calls/call.h"

/* Steps 1 to 3, all from a leader at rest. Then the manager leads no longer, and move_finish() follows.
 * Errors: ERR_REFUSED (something is under way, or the new store is in force for somebody else), those of both stores. */
MUST_CHECK enum err move_begin(struct manager_core *core, const struct store_place *to,
			       struct err_ctx *err);

/* Step 4. Doing it again does no harm. Errors: those of the new store. */
MUST_CHECK enum err move_finish(const struct manager_core *core, struct move *move,
				struct err_ctx *err);

/* On an old store: does step 4 if that is left to do, and says in `err` where the record is.
 * Errors: ERR_REFUSED when the record has left the store; ERR_OK when it has not; errors of the store. */
MUST_CHECK enum err move_check_left(const struct manager_core *core, struct store *store,
				    struct err_ctx *err);

/* ERR_REFUSED when the store holds a copy that isn't finished; else ERR_OK, or an error of the store. */
MUST_CHECK enum err move_check_filled(struct store *store, struct err_ctx *err);
