/* Read your writes: what a replica must have applied before it may answer this session, by GTID. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum { CAUSAL_BYTES_MAX = 512 };

struct causal {
	char *gtids; /* owned; the newest of each domain or source, "0-1-5,2-1-9" or "UUID:5"; NULL: none */
	uint32_t waited; /* bits by server of the route: has them */
};

void causal_fini(struct causal *causal); /* leaves an empty one; takes {0} */

/* A write of the session got these, as servers report them (MariaDB: last_gtid; MySQL: OWN_GTID). Beyond
 * CAUSAL_BYTES_MAX the oldest are forgotten. */
void causal_take(struct causal *causal, struct str gtids);

/* The SQL that waits for them on a replica: one row when it has them, none when it hasn't within `wait_ms`. */
void causal_write_wait(const struct causal *causal, bool mariadb, uint32_t wait_ms,
		       struct buf *out);
