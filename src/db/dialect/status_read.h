/* Reading pieces of a server's status out of rows: what both dialects share. */
#pragma once

#include <stddef.h>

#include "db/dialect/dialect.h"
#include "db/rows.h"
#include "decide/observation.h"

/* Copies a column's text into a field of fixed size; cut when too long, "" when NULL or absent. */
void status_read_text(const struct rows *rows, const char *column, char *to, size_t to_bytes);

/* The version from column "@@version", without what packagers add: "10.11.19-MariaDB", "9.7.4". */
void status_read_version(const struct rows *rows, struct server_status *ret);

/* Adds the GTIDs of a column to a set. */
MUST_CHECK enum err status_read_gtids(const struct rows *rows, int column, enum gtid_flavor flavor,
				      struct gtid_set *set, struct err_ctx *err);

/* The replication status; rows may be NULL or empty: not configured. received_ticks is what the
 * position in the source's binary log gives, without heartbeats. `received` gets the GTIDs. */
MUST_CHECK enum err status_read_replica(struct rows *rows, const struct dialect *dialect,
					struct replica_status *ret, struct gtid_set *received,
					struct err_ctx *err);

/* The value of a variable in rows of (name, value), after a full walk from the first row. */
struct status_value {
	const char *name; /* as the server writes it, case does not count */
	uint64_t number;  /* 0 when it is absent or no number; 1 for ON */
	uint64_t asked_s; /* the server's clock at the statement: the third column, 0 without one */
	bool found;
};
void status_read_values(struct rows *rows, struct status_value *values, size_t count);
