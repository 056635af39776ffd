/* What differs between the servers' dialects: one ops table per row of dialects.def.
 *
 * Nothing outside db/ includes this. Fields ending in _sql are whole statements; the functions are for
 * what a text cannot say. Which of the two a server speaks is decided by its version text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "db/conn.h"
#include "db/server/server.h"
#include "gtid/gtid_set.h"

/* Names of the columns of the replication status. */
struct dialect_columns {
	const char *source_host;
	const char *source_port;
	const char *source_user;
	const char *io_running;
	const char *sql_running;
	const char *lag;
	const char *io_errno;
	const char *io_error;
	const char *sql_errno;
	const char *sql_error;
	const char *connect_retry;
	const char *source_file;
	const char *source_position;
	const char *received; /* GTIDs received */
};

struct reclone_options; /* of reclone.h */

/* What a server is before it is repointed. */
struct repoint_from {
	bool configured; /* has a source */
	bool live;	 /* its applier runs on GTIDs and goes on running */
	bool semisync;	 /* can acknowledge: built in, or the plugin is loaded */
	bool as_wanted;	 /* nothing to do */
};

/* A global privilege of the manager's account, and what it is for. */
struct dialect_privilege {
	const char *name;
	const char *purpose;
};

struct dialect {
	enum gtid_flavor flavor;
	const char *probe_sql;	   /* one row, one column: 1 when read only */
	const char *read_only_sql; /* on */
	const char *open_sql;	   /* off */
	/* One row: executed, server_id and, where it differs, what is replicated into the engines. */
	const char *position_sql;
	const char *stop_sql; /* server_stop_replication() unless stop_replication is there */
	const char *start_sql;
	const char *stop_receiver_sql;
	const char *start_receiver_sql;
	const char *reset_sql; /* forget the source */
	const char *size_sql;  /* one row: bytes and number of the users' tables' files */
	const char *replica_status_sql;
	const char *replicas_sql; /* as the primary knows them; columns Server_id, Host, Port */
	const char *accounts_sql; /* user, host, plugin, authentication string, locked */
	const char *
		heartbeat_table_sql; /* makes schema and table of the heartbeat, unless read-only */
	/* Who holds a global lock: one row with id, user, host, time. Tried in order; one that the server
	 * refuses tells nothing. NULL at the end. */
	const char *holder_sql[2];
	const char *holder_unknown; /* why nobody is named */
	const char *disk_full_sql; /* a row when the server said lately that a disk is full; NULL */
	const char *side_door_sql; /* host, port: a listener for administrators; port 0: none */
	const char *identified_by; /* between account and password in CREATE USER */
	const char *replication_privileges;
	const char *tables_privilege;	/* what the manager reads: ON this TO account */
	const char *const *more_grants; /* "INSERT ON mysql.plugin" ...; ends with NULL */
	const struct dialect_privilege *privileges; /* ends with a NULL name */
	const struct dialect_columns *columns;
	const char *default_plugin;
	bool killed_waits_on; /* a killed session goes on waiting for its acknowledgement, its client
				 cut off */

	enum err (*read_status)(struct conn *conn, uint64_t deadline_us, struct server_status *ret,
				struct err_ctx *err);
	enum err (*set_semisync)(struct conn *conn, const struct semisync_wanted *wanted,
				 uint64_t deadline_us, struct err_ctx *err);
	enum err (*semisync_source_off)(struct conn *conn, uint64_t deadline_us,
					struct err_ctx *err);
	/* Stops all of replication, whatever the applier is in the middle of. May be NULL. */
	enum err (*stop_replication)(struct conn *conn, uint64_t deadline_us, struct err_ctx *err);
	/* Appends what repoints: everything between stop and start. */
	void (*repoint_sql)(struct conn *conn, const struct repoint_options *options,
			    const struct repoint_from *from, struct buf *sql);
	/* The source may be changed while the applier runs: relay logs stay, only the receiver is stopped. */
	bool repoints_live;
	bool stops_slowly; /* its appliers take tens of milliseconds to stop, though they have nothing to do */
	/* Keeps read-only over a restart where the server can; NULL where it cannot. */
	enum err (*keep_read_only)(struct conn *conn, uint64_t deadline_us, struct err_ctx *err);
	/* server_admit_change(), server_end_change(), server_set_parallel_mode(); the last is NULL where nothing overtakes. */
	enum err (*admit_change)(struct conn *conn, uint32_t domain, uint64_t deadline_us,
				 struct err_ctx *err);
	enum err (*end_change)(struct conn *conn, uint32_t domain, uint64_t deadline_us,
			       struct err_ctx *err);
	enum err (*set_parallel_mode)(struct conn *conn, const char *mode, uint64_t deadline_us,
				      struct err_ctx *err);
	/* reclone_run() of this dialect; connections of the manager's account to both. */
	enum err (*reclone)(const struct reclone_options *options, struct conn *server,
			    struct conn *donor, struct err_ctx *err);
	/* Adds the findings that only this dialect has. */
	enum err (*audit)(struct conn *conn, uint64_t deadline_us, struct server_findings *ret,
			  struct err_ctx *err);
};

#define X(symbol, name, mark, oldest) extern const struct dialect symbol;
#include "db/dialect/dialects.def"
#undef X

/* "10.11.19-MariaDB-0+deb12u1-log" gives 101119. ERR_PARSE. */
MUST_CHECK enum err dialect_parse_version(struct str version, uint32_t *ret);

/* The dialect of a version text. ERR_PARSE, or ERR_REFUSED when it is too old. */
MUST_CHECK enum err dialect_choose(struct str version, const struct dialect **ret,
				   struct err_ctx *err);

/* The dialect's name in dialects.def. */
const char *dialect_name(const struct dialect *dialect);

/* The version number of the server at the other end; 0 when its text cannot be read. */
uint32_t dialect_server_number(const struct conn *conn);
