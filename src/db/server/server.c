#include "db/server/server.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/dialect/status_read.h"
#include "db/server/server_internal.h"

enum {
	POLL_FAST_US = 500,  /* between two looks at a position, at first */
	POLL_SLOW_US = 5000, /* after POLL_FAST_COUNT looks */
	POLL_FAST_COUNT = 100,
	POLL_APPLIER_EVERY = 20, /* looks at positions between two looks at the applier */
	/* Looks after which a server is believed whose gtid_slave_pos says nothing of what its binary
	 * log has: one that was copied from a primary. */
	POLL_SETTLE_COUNT = 200,
	LOCK_WAIT_MIN_S = 1,
	ERRNO_LOCK_WAIT = 1205,
};

enum err server_dialect(struct conn *conn, const struct dialect **ret, struct err_ctx *err)
{
	return dialect_choose(str_of(conn_server_version(conn)), ret, err);
}

static enum err run_sql(struct conn *conn, const char *sql, uint64_t deadline_us,
			struct err_ctx *err)
{
	return conn_query(conn, str_of(sql), deadline_us, NULL, err);
}

void server_status_init(struct server_status *status)
{
	*status = (struct server_status){ .flavor = GTID_NONE };
	gtid_set_init(&status->executed);
	gtid_set_init(&status->received);
}

void server_status_fini(struct server_status *status)
{
	gtid_set_fini(&status->executed);
	gtid_set_fini(&status->received);
}

void server_status_copy(struct server_status *to, const struct server_status *from)
{
	struct gtid_set executed = to->executed;
	struct gtid_set received = to->received;
	gtid_set_copy(&executed, &from->executed);
	gtid_set_copy(&received, &from->received);
	*to = *from;
	to->executed = executed;
	to->received = received;
}

enum err server_read_status(struct conn *conn, uint64_t deadline_us, struct server_status *ret,
			    struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct server_status fresh;
	server_status_init(&fresh);
	rc = dialect->read_status(conn, deadline_us, &fresh, err);
	if (rc == ERR_OK) {
		server_status_fini(ret);
		*ret = fresh;
	} else {
		server_status_fini(&fresh);
	}
	return rc;
}

enum err server_probe(struct conn *conn, uint64_t deadline_us, bool *ret_read_only,
		      struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	CLEANUP(rows_freep) struct rows *rows = NULL;
	if (rc == ERR_OK) {
		rc = conn_query(conn, str_of(dialect->probe_sql), deadline_us, &rows, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	*ret_read_only = rows_next(rows) && rows_at_bool(rows, 0);
	return ERR_OK;
}

const char *server_default_plugin(struct conn *conn)
{
	const struct dialect *dialect = NULL;
	return server_dialect(conn, &dialect, NULL) == ERR_OK ? dialect->default_plugin
							      : "mysql_native_password";
}

void server_limit_lock_wait(struct conn *conn, uint64_t deadline_us, struct buf *sql)
{
	uint64_t at_us = conn_now_us(conn);
	uint64_t left_s = deadline_us > at_us ? (deadline_us - at_us) / US_PER_S : 0;
	buf_printf(sql, "SET SESSION lock_wait_timeout=%llu;",
		   (unsigned long long)(left_s < LOCK_WAIT_MIN_S ? LOCK_WAIT_MIN_S : left_s));
}

enum err server_lock_wait_error(enum err rc, const struct err_ctx *why, struct err_ctx *err)
{
	if (rc == ERR_SERVER && why->server_errno == ERRNO_LOCK_WAIT) {
		return err_set(err, ERR_DEADLINE,
			       "not read-only in time: running writes or commits hold it up");
	}
	if (rc != ERR_OK && err) {
		*err = *why;
	}
	return rc;
}

enum err server_set_read_only(struct conn *conn, bool read_only, uint64_t deadline_us,
			      struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!read_only) {
		return run_sql(conn, dialect->open_sql, deadline_us, err);
	}
	struct err_ctx why = { .code = ERR_OK };
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	server_limit_lock_wait(conn, deadline_us, &sql);
	buf_add_text(&sql, dialect->read_only_sql);
	rc = conn_query(conn, buf_str(&sql), deadline_us, NULL, &why);
	buf_fini(&sql);
	rc = server_lock_wait_error(rc, &why, err);
	if (rc == ERR_OK && dialect->keep_read_only) {
		struct err_ctx ignored = { .code = ERR_OK };
		/* Where it can't be kept the option file decides; it is read-only all the same. */
		(void)dialect->keep_read_only(conn, deadline_us, &ignored);
	}
	return rc;
}

static enum err check_receives_nothing(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct replica_status replica = { .configured = false };
	struct gtid_set received;
	gtid_set_init(&received);
	enum err rc = server_dialect(conn, &dialect, err);
	rc = rc ? rc
		: conn_query(conn, str_of(dialect->replica_status_sql), deadline_us, &rows, err);
	rc = rc ? rc : status_read_replica(rows, dialect, &replica, &received, err);
	gtid_set_fini(&received);
	if (rc == ERR_OK && replica.configured && replica.io != IO_NO) {
		return err_set(err, ERR_REFUSED, "the server replicates: it is not opened");
	}
	return rc;
}

enum err server_open(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	enum err rc = check_receives_nothing(conn, deadline_us, err);
	return rc ? rc : server_set_read_only(conn, false, deadline_us, err);
}

enum err server_set_semisync(struct conn *conn, const struct semisync_wanted *wanted,
			     uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc == ERR_OK ? dialect->set_semisync(conn, wanted, deadline_us, err) : rc;
}

enum err server_stop_receiver(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc == ERR_OK ? run_sql(conn, dialect->stop_receiver_sql, deadline_us, err) : rc;
}

enum err server_start_receiver(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc == ERR_OK ? run_sql(conn, dialect->start_receiver_sql, deadline_us, err) : rc;
}

enum err server_stop_replication(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc != ERR_OK) {
		return rc;
	}
	return dialect->stop_replication ? dialect->stop_replication(conn, deadline_us, err)
					 : run_sql(conn, dialect->stop_sql, deadline_us, err);
}

enum err server_start_replication(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc == ERR_OK ? run_sql(conn, dialect->start_sql, deadline_us, err) : rc;
}

enum err server_forget_source(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = server_stop_replication(conn, deadline_us, err);
	}
	return rc == ERR_OK ? run_sql(conn, dialect->reset_sql, deadline_us, err) : rc;
}

enum err server_promote(struct conn *conn, const struct semisync_wanted *wanted, bool handed,
			uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK && handed && dialect->stops_slowly) {
		rc = server_stop_receiver(conn, deadline_us, err);
	} else if (rc == ERR_OK) {
		rc = server_stop_replication(conn, deadline_us, err);
	}
	return rc == ERR_OK ? dialect->set_semisync(conn, wanted, deadline_us, err) : rc;
}

/* ---- Repointing ---- */

enum { DRAIN_BEFORE_CHANGE_MS = 20 };

/* Whether the replica is what the options ask for already, and runs. */
static bool is_as_wanted(const struct server_status *status, const struct repoint_options *options,
			 struct str user)
{
	const struct replica_status *replica = &status->replica;
	return replica->configured && replica->gtid_position && replica->io != IO_NO &&
	       replica->sql_running && replica->source_port == options->port &&
	       str_equal_nocase(str_of(replica->source_host), str_of(options->host)) &&
	       str_equal(user, str_of(options->user)) &&
	       status->semisync.replica_enabled == options->semisync &&
	       (replica->io != IO_YES || status->semisync.replica_active == options->semisync) &&
	       replica->io_errno == 0;
}

static enum err find_replica(struct conn *conn, const struct dialect *dialect,
			     const struct repoint_options *options, uint64_t deadline_us,
			     struct repoint_from *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct server_status status;
	server_status_init(&status);
	enum err rc = server_read_status(conn, deadline_us, &status, err);
	if (rc == ERR_OK) {
		rc = conn_query(conn, str_of(dialect->replica_status_sql), deadline_us, &rows, err);
	}
	if (rc == ERR_OK) {
		struct str user = { NULL, 0 };
		if (rows_next(rows)) {
			(void)rows_get(rows, dialect->columns->source_user, &user);
		}
		ret->configured = status.replica.configured;
		ret->semisync = status.semisync.available;
		ret->as_wanted = is_as_wanted(&status, options, user);
		ret->live = dialect->repoints_live && ret->configured &&
			    status.replica.gtid_position && status.replica.sql_running &&
			    (ret->semisync || !options->semisync);
	}
	server_status_fini(&status);
	return rc;
}

/* Stops what has to be stopped for the change: the receiver alone where that is enough. */
static enum err stop_for_change(struct conn *conn, const struct dialect *dialect,
				const struct repoint_options *options,
				const struct repoint_from *from, uint64_t deadline_us,
				struct err_ctx *err)
{
	enum err rc = server_stop_receiver(conn, deadline_us, err);
	if (rc != ERR_OK || from->live) {
		return rc;
	}
	/* The change drops the relay logs. What is in them can be fetched again from the new source, so only a
	 * short while is given to apply it first. */
	uint64_t drain_until_us = conn_now_us(conn) + (uint64_t)DRAIN_BEFORE_CHANGE_MS * US_PER_MS;
	struct err_ctx ignored = { 0 };
	(void)!server_wait_drained(
		conn, drain_until_us < deadline_us ? drain_until_us : deadline_us, &ignored);
	rc = server_stop_replication(conn, deadline_us, err);
	if (rc == ERR_OK && options->semisync && !from->semisync) {
		/* The plugin must be there before its flag can be set. Where it is, the source's flag is
		 * left alone: to switch it off takes MySQL up to a second. */
		const struct semisync_wanted loaded = { .replica = true };
		rc = dialect->set_semisync(conn, &loaded, deadline_us, err);
	}
	return rc;
}

enum err server_repoint(struct conn *conn, const struct repoint_options *options,
			uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	struct repoint_from from = { .configured = false };
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc == ERR_OK) {
		rc = find_replica(conn, dialect, options, deadline_us, &from, err);
	}
	if (rc != ERR_OK || from.as_wanted) {
		return rc;
	}
	rc = stop_for_change(conn, dialect, options, &from, deadline_us, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct buf sql;
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	dialect->repoint_sql(conn, options, &from, &sql);
	buf_add_text(&sql, from.live ? dialect->start_receiver_sql : dialect->start_sql);
	rc = buf_finish(&sql) == ERR_OK
		     ? conn_query(conn, buf_str(&sql), deadline_us, NULL, err)
		     : err_set(err, ERR_LIMIT, "the statement that repoints is too long");
	explicit_bzero(sql.ptr, sql.len); /* it holds a password */
	buf_fini(&sql);
	return rc;
}

/* ---- Waiting for positions ---- */

static void pause_us(uint64_t us)
{
	struct timespec ts = { .tv_sec = 0, .tv_nsec = (long)us * 1000 };
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR) {
	}
}

/* What a look at a position finds. */
struct position {
	struct gtid_set executed;
	struct gtid_set replicated; /* MariaDB: gtid_slave_pos */
	uint32_t server_id;
};

static void position_fini(struct position *position)
{
	gtid_set_fini(&position->executed);
	gtid_set_fini(&position->replicated);
}

static enum err read_position(struct conn *conn, const struct dialect *dialect,
			      uint64_t deadline_us, struct position *ret, struct err_ctx *err)
{
	enum { EXECUTED, SERVER_ID, REPLICATED };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, str_of(dialect->position_sql), deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	gtid_set_clear(&ret->executed);
	gtid_set_clear(&ret->replicated);
	if (!rows_next(rows)) {
		return err_set(err, ERR_PROTOCOL, "the server's position is missing");
	}
	ret->server_id = (uint32_t)rows_at_u64(rows, SERVER_ID, 0);
	rc = status_read_gtids(rows, EXECUTED, dialect->flavor, &ret->executed, err);
	if (rc == ERR_OK) {
		rc = status_read_gtids(rows, REPLICATED, dialect->flavor, &ret->replicated, err);
	}
	gtid_set_add(&ret->executed, &ret->replicated);
	return rc;
}

static bool knows_key(const struct gtid_set *set, const struct gtid_key *key)
{
	for (size_t i = 0; i < set->item_count; i++) {
		if (set->items[i].key.domain == key->domain &&
		    set->items[i].key.server == key->server) {
			return true;
		}
	}
	return false;
}

/* Whether all of `set` is executed. A MariaDB server that was made from a backup knows only the last
 * transaction of each domain, not which server wrote those before: where it knows nothing of a server,
 * the domain's number decides. */
static bool is_applied(const struct gtid_set *set, const struct gtid_set *executed)
{
	if (gtid_set_contains(executed, set)) {
		return true;
	}
	struct gtid_set missing;
	gtid_set_init(&missing);
	gtid_set_subtract(set, executed, &missing);
	bool history_only = gtid_set_distance(set, executed) == 0;
	for (size_t i = 0; i < missing.item_count && history_only; i++) {
		const struct gtid_key *key = &missing.items[i].key;
		history_only = key->flavor == GTID_MARIADB && !knows_key(executed, key);
	}
	gtid_set_fini(&missing);
	return history_only;
}

/* Whether what MariaDB's binary log has is in its engines too: gtid_binlog_state runs ahead of the
 * commit, gtid_slave_pos comes after it, but says nothing of what the server wrote itself. */
static bool is_settled(const struct gtid_set *set, const struct gtid_set *replicated,
		       uint32_t own_server_id)
{
	for (size_t i = 0; i < set->item_count; i++) {
		const struct gtid_item *item = &set->items[i];
		uint64_t last = set->intervals[item->first + item->count - 1].to;
		uint64_t reached = 0;
		if (item->key.flavor != GTID_MARIADB || item->key.server == own_server_id) {
			continue;
		}
		for (size_t j = 0; j < replicated->item_count; j++) {
			const struct gtid_item *there = &replicated->items[j];
			uint64_t to = replicated->intervals[there->first + there->count - 1].to;
			if (there->key.domain == item->key.domain && to > reached) {
				reached = to;
			}
		}
		if (reached < last) {
			return false;
		}
	}
	return true;
}

/* A deadline for one look: a little later than the caller's, so that the caller's passes between two
 * looks and the connection stays usable. */
static uint64_t look_deadline(uint64_t deadline_us)
{
	return deadline_us + US_PER_S;
}

static enum err fail_wait(const struct gtid_set *set, const struct gtid_set *executed,
			  struct err_ctx *err)
{
	struct gtid_set missing;
	gtid_set_init(&missing);
	gtid_set_subtract(set, executed, &missing);
	struct buf text;
	buf_init(&text, ERR_TEXT_BYTES_MAX / 2);
	gtid_set_print(&missing, &text);
	enum err rc = err_set(err, ERR_DEADLINE, "not applied in time: %s", buf_text(&text));
	buf_fini(&text);
	gtid_set_fini(&missing);
	return rc;
}

/* ERR_REFUSED when the applier does not run. */
static enum err applier_runs(struct conn *conn, const struct dialect *dialect, uint64_t deadline_us,
			     struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc =
		conn_query(conn, str_of(dialect->replica_status_sql), deadline_us, &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct replica_status replica;
	struct gtid_set received;
	gtid_set_init(&received);
	rc = status_read_replica(rows, dialect, &replica, &received, err);
	gtid_set_fini(&received);
	if (rc == ERR_OK && !replica.sql_running) {
		rc = err_set(err, ERR_REFUSED, "received transactions are not applied: %s",
			     replica.sql_error[0] ? replica.sql_error : "the applier is stopped");
	}
	return rc;
}

/* Looks at what is executed until all of `set` is. watch_applier: give up when it doesn't run. */
static enum err wait_for(struct conn *conn, const struct dialect *dialect,
			 const struct gtid_set *set, bool watch_applier, uint64_t deadline_us,
			 struct err_ctx *err)
{
	struct position position = { .server_id = 0 };
	gtid_set_init(&position.executed);
	gtid_set_init(&position.replicated);
	unsigned settling = 0; /* looks that found all in the binary log, not all in the engines */
	enum err rc = ERR_OK;
	for (unsigned look = 0;; look++) {
		rc = read_position(conn, dialect, look_deadline(deadline_us), &position, err);
		bool applied = rc == ERR_OK && is_applied(set, &position.executed);
		if (rc != ERR_OK ||
		    (applied && (is_settled(set, &position.replicated, position.server_id) ||
				 settling++ >= POLL_SETTLE_COUNT))) {
			break;
		}
		if (watch_applier && !applied && look % POLL_APPLIER_EVERY == 0) {
			rc = applier_runs(conn, dialect, look_deadline(deadline_us), err);
			if (rc != ERR_OK) {
				break;
			}
		}
		if (conn_now_us(conn) >= deadline_us) {
			rc = fail_wait(set, &position.executed, err);
			break;
		}
		pause_us(look < POLL_FAST_COUNT ? POLL_FAST_US : POLL_SLOW_US);
	}
	position_fini(&position);
	return rc;
}

enum err server_wait_applied(struct conn *conn, const struct gtid_set *set, uint64_t deadline_us,
			     struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	return rc == ERR_OK ? wait_for(conn, dialect, set, false, deadline_us, err) : rc;
}

enum err server_wait_drained(struct conn *conn, uint64_t deadline_us, struct err_ctx *err)
{
	const struct dialect *dialect = NULL;
	enum err rc = server_dialect(conn, &dialect, err);
	if (rc != ERR_OK) {
		return rc;
	}
	CLEANUP(rows_freep) struct rows *rows = NULL;
	rc = conn_query(conn, str_of(dialect->replica_status_sql), look_deadline(deadline_us),
			&rows, err);
	struct gtid_set received;
	gtid_set_init(&received);
	struct replica_status replica;
	if (rc == ERR_OK) {
		rc = status_read_replica(rows, dialect, &replica, &received, err);
	}
	if (rc == ERR_OK && replica.configured) {
		rc = wait_for(conn, dialect, &received, true, deadline_us, err);
	}
	gtid_set_fini(&received);
	return rc;
}
