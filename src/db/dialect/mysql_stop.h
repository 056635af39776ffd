/* Stopping MySQL's replication when its relay log ends in the middle of a transaction.
 *
 * A primary that dies while it sends leaves its replica with the first events of a transaction. The
 * applier begins it and waits for the rest; STOP REPLICA then waits for it, up to 60 s, whatever else is
 * done. Inside db/ only.
 * Measurements: docs/rejoin-facts.md.
 */
#pragma once

#include <stdint.h>

#include "db/conn.h"

/* As server_stop_replication(). The applier's coordinator is ended by force where all complete
 * transactions are applied, nothing more is received and one is begun still; that one is rolled back. */
MUST_CHECK enum err mysql_stop_replication(struct conn *conn, uint64_t deadline_us,
					   struct err_ctx *err);
