/* The hooks of one group: whom to ask or tell now, and what was answered. Manager thread only.
 *
 * Level-triggered as the decision is: what is to be asked follows from the record, the decision and the report, so that
 * a manager that starts in the middle asks (again) what is still open. A hook is asked at least once.
 */
#pragma once

#include "manager/hooks/hook.h"

struct group;
struct hooks;
struct turn_context;

/* NULL when no program is configured: all else takes that. */
struct hooks *hooks_new(const struct hook_options *options);

/* Kills the programs that run. Takes NULL, returns NULL. */
struct hooks *hooks_free(struct hooks *hooks);

/* Puts the answers into the observation, before it is decided upon. */
void hooks_see(struct group *group, const struct turn_context *context);

/* Starts what is to be asked or told after a decision that is stored. */
void hooks_turn(struct group *group, const struct turn_context *context);

/* Kills the programs that run and forgets all answers: this manager leads no longer, or begins to. */
void hooks_begin_anew(struct group *group);

/* Takes the answer of a run that has ended, and tells it; false when it is none of this group. */
bool hooks_take(struct group *group, const struct turn_context *context, uint64_t serial);
