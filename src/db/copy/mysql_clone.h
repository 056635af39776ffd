/* MySQL's clone plugin: the server fetches all of the donor's data by itself and restarts on them. */
#pragma once

#include "db/copy/reclone.h"

/* reclone_run() for MySQL. server, donor: connections of the manager's account. */
MUST_CHECK enum err mysql_clone_run(const struct reclone_options *options, struct conn *server,
				    struct conn *donor, struct err_ctx *err);
