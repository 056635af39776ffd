/* The groups as they stand in the store. Manager thread only. */
#pragma once

#include "manager/calls/call.h"

/* Makes the manager's groups those of the store: new ones are watched, changed ones follow, missing ones go.
 *
 * anew: to lead from here on: whatever was under way is begun again from the record, as after a restart.
 * Errors: those of the store; ERR_PARSE when a record in it can't be read. Then some groups may be new and some old.
 */
MUST_CHECK enum err records_load(struct manager_core *core, bool anew, struct err_ctx *err);

/* Tells those that wait for an operation of a group that it goes on elsewhere, or not at all. */
void records_dismiss(struct manager_core *core, enum err rc, const char *words);
