/* What `muster register` and `muster deregister` do with --service. */
#pragma once

#include "cli/args.h"
#include "cli/cli.h"

/* Errors: ERR_USAGE, and the manager's. */
MUST_CHECK enum err service_register(struct cli *cli, const struct args *args);
/* Waits until the back end has left. Errors: ERR_USAGE, ERR_DEADLINE, and the manager's. */
MUST_CHECK enum err service_deregister(struct cli *cli, const struct args *args);
