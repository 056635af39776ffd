/* One database server, whatever its dialect: what it says of itself, and what it can be told.
 *
 * The only face of db/ for the rooms above: no SQL of a dialect is seen outside this room. Each function
 * is idempotent: repeated, it finds things done and says ERR_OK. `deadline_us` is absolute (conn.h).
 * Errors everywhere: those of conn_query(); ERR_PRIVILEGE names the missing privilege in the words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "db/conn.h"
#include "decide/observation.h"
#include "gtid/gtid_set.h"

enum {
	SERVER_FINDINGS_MAX = 32,
	SERVER_FINDING_BYTES_MAX = 512,
	SERVER_NEIGHBOURS_MAX = 32,
	SERVER_HEARTBEAT_MS = 500, /* when repoint_options say 0 */
};

/* ------------------------------------------------------------------------------------------------
 * Reading */

/* One full status, 2 round trips. ret->executed and ret->received are re-filled: *ret must be
 * initialised by server_status_init() before its first use, and released by server_status_fini().
 * On failure *ret is unchanged. */
MUST_CHECK enum err server_read_status(struct conn *conn, uint64_t deadline_us,
				       struct server_status *ret, struct err_ctx *err);
void server_status_init(struct server_status *status);
void server_status_fini(struct server_status *status);
void server_status_copy(struct server_status *to, const struct server_status *from);

/* The cheap probe: one SELECT that runs through the executor and reads read_only. */
MUST_CHECK enum err server_probe(struct conn *conn, uint64_t deadline_us, bool *ret_read_only,
				 struct err_ctx *err);

/* The listener for administrators, which lets one in when all connections are used up: MariaDB's extra_port,
 * MySQL's admin_address. port 0: it has none. host "": where one is connected to. */
struct server_side_door {
	char host[HOST_BYTES_MAX];
	uint16_t port;
};
MUST_CHECK enum err server_find_side_door(struct conn *conn, uint64_t deadline_us,
					  struct server_side_door *ret, struct err_ctx *err);

/* Servers around this one: its source, and its replicas as it knows them. */
struct server_neighbour {
	char host[HOST_BYTES_MAX];
	uint16_t port; /* 0: not known (the replica does not report it) */
	uint32_t server_id;
	bool is_source;
};
struct server_neighbours {
	struct server_neighbour list[SERVER_NEIGHBOURS_MAX];
	size_t count;
};
MUST_CHECK enum err server_discover(struct conn *conn, uint64_t deadline_us,
				    struct server_neighbours *ret, struct err_ctx *err);

/* What the server has executed and has no longer in its binary logs. ret: a valid set, replaced. */
MUST_CHECK enum err server_read_purged(struct conn *conn, uint64_t deadline_us,
				       struct gtid_set *ret, struct err_ctx *err);

/* How much the users' tables hold, as the engine's files say. */
struct server_size {
	uint64_t bytes;
	uint32_t tables; /* files of tables: a partition counts as one */
};
MUST_CHECK enum err server_read_size(struct conn *conn, uint64_t deadline_us,
				     struct server_size *ret, struct err_ctx *err);

/* What stands between this server and a safe failover. */
enum finding_severity { FINDING_BLOCKING, FINDING_WARNING };
struct server_finding {
	const char *id; /* stable: "binlog-off"; static text */
	enum finding_severity severity;
	char text[SERVER_FINDING_BYTES_MAX];   /* what is wrong */
	char remedy[SERVER_FINDING_BYTES_MAX]; /* a statement or an option file line */
};
struct server_findings {
	struct server_finding list[SERVER_FINDINGS_MAX];
	size_t count;
};

/* Configuration: binary log, log_slave_updates, server_id, GTID modes, filters, durability, semi-sync,
 * delay. No finding: count 0. */
MUST_CHECK enum err server_audit(struct conn *conn, uint64_t deadline_us,
				 struct server_findings *ret, struct err_ctx *err);

/* Privileges that the connection's own account lacks for what this file does; each finding's remedy is
 * the GRANT that gives it. */
MUST_CHECK enum err server_check_privileges(struct conn *conn, uint64_t deadline_us,
					    struct server_findings *ret, struct err_ctx *err);

/* The accounts that can log in, for a proxy. Views live for the call of `each` only. */
struct server_account {
	struct str user; /* empty: anonymous */
	struct str host;
	struct str plugin;
	struct str auth; /* as the server stores it */
	bool locked;
};
typedef enum err server_account_fn(void *ctx, const struct server_account *account,
				   struct err_ctx *err);
MUST_CHECK enum err server_read_accounts(struct conn *conn, uint64_t deadline_us,
					 server_account_fn *each, void *ctx, struct err_ctx *err);

/* The plugin that the server's greeting names. */
const char *server_default_plugin(struct conn *conn);

/* ------------------------------------------------------------------------------------------------
 * Writing or not */

/* read_only on (MySQL: super_read_only, and kept over a restart by SET PERSIST) or off. Waits for
 * running writes and for commits that wait for an acknowledgement: see server_fence(). */
MUST_CHECK enum err server_set_read_only(struct conn *conn, bool read_only, uint64_t deadline_us,
					 struct err_ctx *err);

/* Makes a primary unable to answer OK to any client from here on, waiting commits included: read_only
 * is asked for on `conn`, and until its answer comes, client sessions are killed through `second`
 * (sessions of the accounts of both connections, replication and system threads are spared). Then the
 * semi-sync source is switched off. ERR_DEADLINE: not fenced. */
MUST_CHECK enum err server_fence(struct conn *conn, struct conn *second, uint64_t deadline_us,
				 struct err_ctx *err);

/* Kills all client sessions but those of the connection's own account; *ret_count: how many. */
MUST_CHECK enum err server_kill_sessions(struct conn *conn, uint64_t deadline_us,
					 uint32_t *ret_count, struct err_ctx *err);

/* ------------------------------------------------------------------------------------------------
 * Replication */

struct semisync_wanted {
	bool source; /* wait for acknowledgements as a primary: AFTER_SYNC, no time-out, no fallback */
	bool replica;	     /* acknowledge as a replica */
	uint32_t wait_count; /* MariaDB: 1 only */
};

/* Loads the plugins where absent; ERR_REFUSED names the option file lines where that is impossible
 * (read-only MySQL). A change of the replica flag restarts the receiver if it runs. */
MUST_CHECK enum err server_set_semisync(struct conn *conn, const struct semisync_wanted *wanted,
					uint64_t deadline_us, struct err_ctx *err);

/* Stops what receives; what is received goes on being applied. When this returns ERR_OK the server
 * acknowledges nothing more. */
MUST_CHECK enum err server_stop_receiver(struct conn *conn, uint64_t deadline_us,
					 struct err_ctx *err);
/* Starts the receiver alone, the applier untouched: undoes server_stop_receiver(). */
MUST_CHECK enum err server_start_receiver(struct conn *conn, uint64_t deadline_us,
					  struct err_ctx *err);
MUST_CHECK enum err server_stop_replication(struct conn *conn, uint64_t deadline_us,
					    struct err_ctx *err);
MUST_CHECK enum err server_start_replication(struct conn *conn, uint64_t deadline_us,
					     struct err_ctx *err);
/* Stops replication and forgets the source and its relay logs. */
MUST_CHECK enum err server_forget_source(struct conn *conn, uint64_t deadline_us,
					 struct err_ctx *err);

struct repoint_options {
	const char *host;
	uint16_t port;
	const char *user;
	const struct secret *password;
	uint32_t heartbeat_ms;	  /* 0: SERVER_HEARTBEAT_MS */
	uint32_t net_timeout_s;	  /* 0: the server's own */
	uint32_t connect_retry_s; /* 0: 1 */
	bool was_primary; /* MariaDB: its own binary log counts into the position it asks from */
	bool semisync;	  /* acknowledge */
	bool in_order;	  /* MariaDB: apply one after the other, whatever the domain */
};

/* Makes the server a running replica of the named one. Where the dialect has to forget its relay logs for that
 * (MariaDB), what is in them must be at the new source too; a short while is given to apply it first. No-op
 * when it is so already and both threads run. */
MUST_CHECK enum err server_repoint(struct conn *conn, const struct repoint_options *options,
				   uint64_t deadline_us, struct err_ctx *err);

/* Waits until the server has executed all of `set`. ERR_DEADLINE leaves the connection usable. */
MUST_CHECK enum err server_wait_applied(struct conn *conn, const struct gtid_set *set,
					uint64_t deadline_us, struct err_ctx *err);

/* Waits until all that is received is applied; the receiver must be stopped (else it may never end).
 * ERR_REFUSED when the applier does not run and something is left: the words hold its error.
 * ERR_DEADLINE leaves the connection usable. */
MUST_CHECK enum err server_wait_drained(struct conn *conn, uint64_t deadline_us,
					struct err_ctx *err);

/* Stops replication and sets semi-sync as wanted; stays read-only, remembers its old source.
 *
 * handed: its source is read-only and it has applied all that was there. Then MySQL's appliers, which take tens of
 * milliseconds to stop, may run on with nothing to do until the source is forgotten: half a transaction, which would hold its
 * locks, can't have been received.
 */
MUST_CHECK enum err server_promote(struct conn *conn, const struct semisync_wanted *wanted,
				   bool handed, uint64_t deadline_us, struct err_ctx *err);

/* Makes it writable: read_only off. ERR_REFUSED: it receives from a source, as one that was restarted since it was promoted
 * does by itself, and what it would get from there nobody has judged. */
MUST_CHECK enum err server_open(struct conn *conn, uint64_t deadline_us, struct err_ctx *err);

/* ------------------------------------------------------------------------------------------------
 * Accounts */

struct setup_accounts {
	const char *manager_user; /* NULL: leave alone */
	const struct secret *manager_password;
	const char *manager_host; /* pattern, "%" */
	const char *replication_user;
	const struct secret *replication_password;
	const char *replication_host;
	bool binlog; /* write the statements to the binary log, so that replicas get them too */
};

/* Creates or updates both accounts with exactly the privileges they need. */
MUST_CHECK enum err server_setup_accounts(struct conn *conn, const struct setup_accounts *accounts,
					  uint64_t deadline_us, struct err_ctx *err);
