/* Semi-sync of MySQL: two plugins, each under an old and a new name.
 *
 * rpl_semi_sync_source/_replica from 8.0.26 on, rpl_semi_sync_master/_slave before and wherever those
 * are loaded. Which are there is looked up once a connection and kept in conn_notes(). Inside db/ only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "db/conn.h"
#include "db/dialect/status_read.h"
#include "db/server/server.h"

enum {
	MYSQL_ERRNO_UNKNOWN_VARIABLE = 1193,
	MYSQL_SEMISYNC_COUNTERS = 8,
};

/* Looks which plugins are loaded, unless this connection knows and `again` is false. */
MUST_CHECK enum err mysql_semisync_learn(struct conn *conn, bool again, uint64_t deadline_us,
					 struct err_ctx *err);
bool mysql_semisync_is_complete(struct conn *conn); /* both sides are loaded */

/* For the status: appends ", @@... AS ..." and reads them back; appends ", 'Rpl_...'". */
void mysql_semisync_columns(struct conn *conn, struct buf *sql);
void mysql_semisync_counters(struct conn *conn, struct buf *sql);
void mysql_semisync_read(const struct rows *rows, struct semisync_status *ret);
/* Fills values[0..MYSQL_SEMISYNC_COUNTERS) with the counters' names; returns how many. */
size_t mysql_semisync_values(struct status_value *values);
void mysql_semisync_take(const struct status_value *values, struct semisync_status *ret);

/* Appends "SET GLOBAL ..._enabled=N;" for the replica side, nothing when it is not loaded. */
void mysql_semisync_replica_flag(struct conn *conn, bool on, struct buf *sql);

/* As server_set_semisync(). */
MUST_CHECK enum err mysql_semisync_set(struct conn *conn, const struct semisync_wanted *wanted,
				       uint64_t deadline_us, struct err_ctx *err);
MUST_CHECK enum err mysql_semisync_source_off(struct conn *conn, uint64_t deadline_us,
					      struct err_ctx *err);
