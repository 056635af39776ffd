/* What a change on the passive side of a pair asks of a server. Errors and deadlines as in server.h. */
#pragma once

#include "db/server/server.h"

/* Administrators (who may write on a read-only server) can change it, under GTIDs that collide with none of its source:
 * MariaDB in GTID domain `domain`, in sessions that begin from here on; MySQL under its own server_uuid. All others are
 * kept out as before. */
MUST_CHECK enum err server_admit_change(struct conn *conn, uint32_t domain, uint64_t deadline_us,
					struct err_ctx *err);

/* Nobody can any more. domain: MariaDB's of before. */
MUST_CHECK enum err server_end_change(struct conn *conn, uint32_t domain, uint64_t deadline_us,
				      struct err_ctx *err);

/* MariaDB: how the running applier applies, "none" being one after the other; all that was received is applied first. The
 * others have nothing to change. ERR_DEADLINE: as before. */
MUST_CHECK enum err server_set_parallel_mode(struct conn *conn, const char *mode,
					     uint64_t deadline_us, struct err_ctx *err);
