/* MariaDB copied table by table, from one consistent snapshot of the donor, over SQL alone.
 *
 * The donor's DDL waits while its definitions are read, its commits for the moment in which the snapshot and the GTID
 * position are taken (BACKUP STAGE). Tables have to be of an engine that has snapshots. Accounts come along.
 */
#pragma once

#include "db/copy/reclone.h"

/* reclone_run() for MariaDB. server, donor: connections of the manager's account. */
MUST_CHECK enum err mariadb_copy_run(const struct reclone_options *options, struct conn *server,
				     struct conn *donor, struct err_ctx *err);
