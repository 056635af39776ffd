/* Prepared data directories: made once per server version and user, copied for each new server.
 *
 * $XDG_CACHE_HOME/muster/templates or ~/.cache/muster/templates/FLAVOR-VERSION-RECIPE/ holds data/ (with
 * all accounts, no binary logs, no server identity), secrets/ (the accounts' passwords, mode 0600) and,
 * where the server wants one, ssl/. A template is never changed: another recipe or version has another
 * name. It is built under a lock in a folder beside it and then renamed.
 */
#pragma once

#include "base/err.h"
#include "os/file.h"
#include "sandbox/flavor.h"
#include "sandbox/sandbox_state.h"

#define TEMPLATE_MARKER ".muster-template"

struct template
{
	char folder[FILE_PATH_BYTES_MAX];
	char id[SANDBOX_WORD_BYTES_MAX]; /* random: another build has other passwords */
	bool built;			 /* by this call */
};

/* Finds the program's template, or builds it.
 *
 * deadline_us: for waiting for another process that builds it, and for building.
 * Errors:      ERR_IO, ERR_DEADLINE, ERR_FAILED (the words hold the server's own error); nothing
 *              half-built is left where it could be taken for a template.
 */
MUST_CHECK enum err template_prepare(const struct flavor_program *program, uint64_t deadline_us,
				     struct template *ret, struct err_ctx *err);

/* ERR_NOT_FOUND unless the template that the sandbox was made from is still there. */
MUST_CHECK enum err template_check(const struct sandbox *sandbox, struct err_ctx *err);
