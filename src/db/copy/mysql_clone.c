/* Source: MySQL Reference Manual, "The Clone Plugin", "Cloning Remote Data". Seen with 9.7: CLONE wants
 * super_read_only off and says so only when it has begun to remove the data; read_only may stay on. INSTALL PLUGIN is
 * refused under super_read_only, and is not written to the binary log. */
#include "db/copy/mysql_clone.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "db/conn_text.h"
#include "db/copy/reclone_internal.h"
#include "db/server/server.h"

enum {
	ERRNO_RESTART_FAILED = 3707, /* nobody supervises the server: it ended instead */
	ERRNO_LOST_FIRST = 2000,
	ERRNO_LOST_LAST = 2999,
	LOOK_MS = 250,
	CLONE_PATCH_FREE = 80037, /* before, both servers had to be of the very same version */
	VERSION_8_0_LAST = 80099,
};

static void pause_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = 0, .tv_nsec = (long)ms * 1000000 };
	while (nanosleep(&ts, &ts) != 0 && errno == EINTR) {
	}
}

static enum err check_patch(struct conn *server, struct conn *donor, struct err_ctx *err)
{
	uint32_t mine = dialect_server_number(server);
	uint32_t theirs = dialect_server_number(donor);
	bool old = mine < CLONE_PATCH_FREE || (theirs < CLONE_PATCH_FREE);
	if (old && mine <= VERSION_8_0_LAST && mine != theirs) {
		return err_set(err, ERR_REFUSED,
			       "'%s' runs %s and the donor %s: before 8.0.37 a clone needs the "
			       "same version",
			       conn_target(server), conn_server_version(server),
			       conn_server_version(donor));
	}
	return ERR_OK;
}

static enum err query_flag(const struct reclone_options *options, struct conn *conn,
			   const char *sql, bool *ret, struct err_ctx *err)
{
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn, str_of(sql), reclone_deadline_us(options), &rows, err);
	if (rc == ERR_OK) {
		*ret = rows_next(rows) && rows_at_bool(rows, 0);
	}
	return rc;
}

/* Loads the plugin where it isn't. super_read_only is lifted for that moment, read_only is not. */
static enum err load_plugin(const struct reclone_options *options, struct conn *conn,
			    struct err_ctx *err)
{
	bool active = false;
	bool sealed = false;
	enum err rc = query_flag(options, conn,
				 "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE"
				 " PLUGIN_NAME='clone' AND PLUGIN_STATUS='ACTIVE'",
				 &active, err);
	if (rc != ERR_OK || active) {
		return rc;
	}
	rc = query_flag(options, conn, "SELECT @@global.super_read_only", &sealed, err);
	if (rc == ERR_OK && sealed) {
		rc = conn_query(conn, STR("SET GLOBAL super_read_only=0"),
				reclone_deadline_us(options), NULL, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	rc = conn_query(conn, STR("INSTALL PLUGIN clone SONAME 'mysql_clone.so'"),
			reclone_deadline_us(options), NULL, err);
	if (sealed && conn_is_usable(conn)) {
		enum err again =
			conn_query(conn, STR("SET GLOBAL super_read_only=1"),
				   reclone_deadline_us(options), NULL, rc == ERR_OK ? err : NULL);
		rc = rc ? rc : again;
	}
	return rc ? err_wrap(err, rc, "'%s': the clone plugin can't be loaded", conn_target(conn))
		  : rc;
}

/* Whether the newest clone here was carried to its end. ret_words: the server's, when it failed. */
static enum err read_clone_status(const struct reclone_options *options, struct conn *conn,
				  bool *ret_completed, char *words, size_t words_bytes,
				  struct err_ctx *err)
{
	enum { COMPLETED, WORDS };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	enum err rc = conn_query(conn,
				 STR("SELECT STATE='Completed', ERROR_MESSAGE FROM"
				     " performance_schema.clone_status ORDER BY ID DESC LIMIT 1"),
				 reclone_deadline_us(options), &rows, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct str text = { NULL, 0 };
	*ret_completed = rows_next(rows) && rows_at_bool(rows, COMPLETED);
	words[0] = 0;
	if (rows_count(rows) > 0 && rows_at(rows, WORDS, &text)) {
		text = str_slice(text, 0, words_bytes - 1);
		(void)!str_copy(text, words, words_bytes);
	}
	return ERR_OK;
}

/* A clone that was broken off from here went on there: all that was missing is to be finished. */
static enum err is_completed(const struct reclone_options *options, struct conn *server,
			     struct conn *donor, bool *ret, struct err_ctx *err)
{
	char words[8];
	struct server_status mine;
	struct server_status theirs;
	server_status_init(&mine);
	server_status_init(&theirs);
	*ret = false;
	enum err rc = load_plugin(options, server, err);
	rc = rc ? rc : read_clone_status(options, server, ret, words, sizeof(words), err);
	rc = rc ? rc : server_read_status(server, reclone_deadline_us(options), &mine, err);
	rc = rc ? rc : server_read_status(donor, reclone_deadline_us(options), &theirs, err);
	*ret = *ret && rc == ERR_OK && !gtid_set_is_empty(&mine.executed) &&
	       gtid_set_contains(&theirs.executed, &mine.executed);
	server_status_fini(&mine);
	server_status_fini(&theirs);
	return rc;
}

static void read_progress(const struct reclone_options *options, struct conn *second,
			  struct reclone_progress *progress)
{
	enum { DONE, ESTIMATE, STAGE };
	CLEANUP(rows_freep) struct rows *rows = NULL;
	struct err_ctx ignored = { 0 };
	if (second && conn_is_usable(second) &&
	    conn_query(
		    second,
		    STR("SELECT SUM(DATA), SUM(ESTIMATE), MAX(IF(STATE='In Progress', STAGE, ''))"
			" FROM performance_schema.clone_progress"),
		    reclone_deadline_us(options), &rows, &ignored) == ERR_OK &&
	    rows_next(rows)) {
		struct str stage = { NULL, 0 };
		progress->bytes = rows_at_u64(rows, DONE, 0);
		(void)rows_at(rows, STAGE, &stage);
		(void)!str_copy(str_slice(stage, 0, sizeof(progress->what) - 1), progress->what,
				sizeof(progress->what));
	}
	options->on_progress(options->ctx, progress);
}

static enum err begin_clone(const struct reclone_options *options, struct conn *server,
			    struct err_ctx *err)
{
	const struct conn_options *donor = options->donor;
	struct buf sql;
	char address[HOST_BYTES_MAX + 16];
	struct buf text;
	buf_init_fixed(&text, address, sizeof(address) - 1);
	buf_printf(&text, "%s:%u", donor->host, (unsigned)donor->port);
	buf_init(&sql, CONN_SQL_BYTES_MAX);
	buf_add_text(&sql, "SET GLOBAL read_only=1;SET GLOBAL super_read_only=0;"
			   "SET GLOBAL clone_valid_donor_list=");
	conn_text_quote(&sql, buf_str(&text));
	enum err rc = conn_query(server, buf_str(&sql), reclone_deadline_us(options), NULL, err);
	if (rc == ERR_OK) {
		buf_clear(&sql);
		buf_add_text(&sql, "CLONE INSTANCE FROM ");
		conn_text_quote(&sql, str_of(donor->user));
		buf_add_char(&sql, '@');
		conn_text_quote(&sql, str_of(donor->host));
		buf_printf(&sql, ":%u IDENTIFIED BY ", (unsigned)donor->port);
		conn_text_quote(&sql, str_of(donor->password ? donor->password->text : ""));
		rc = conn_begin(server, buf_str(&sql), err);
	}
	explicit_bzero(sql.ptr, sql.len); /* it holds a password */
	buf_fini(&sql);
	return rc;
}

/* The statement ends with the server: restarted, or ended where nobody restarts it. */
static enum err clone(const struct reclone_options *options, struct conn *server,
		      struct reclone_progress *progress, struct err_ctx *err)
{
	CLEANUP(conn_closep) struct conn *second = NULL;
	struct err_ctx why = { .code = ERR_OK };
	bool done = false;
	enum err rc = reclone_connect(options, false, &second, err);
	rc = rc ? rc : begin_clone(options, server, err);
	if (rc != ERR_OK) {
		return rc;
	}
	while (rc == ERR_OK && !done) {
		uint64_t until_us = conn_now_us(server) + (uint64_t)LOOK_MS * US_PER_MS;
		rc = conn_wait(server, until_us, &done, &why);
		if (rc == ERR_OK && !done) {
			read_progress(options, second, progress);
			rc = reclone_check_cancelled(options, &why);
		}
	}
	bool ended = why.server_errno == ERRNO_RESTART_FAILED ||
		     (why.server_errno >= ERRNO_LOST_FIRST && why.server_errno <= ERRNO_LOST_LAST);
	if (rc == ERR_OK || ended) {
		progress->doing = why.server_errno == ERRNO_RESTART_FAILED
					  ? "the server has the copy and has ended, since nobody "
					    "supervises it: start it"
					  : "the server has the copy and restarts";
		progress->what[0] = 0;
		options->on_progress(options->ctx, progress);
		return ERR_OK;
	}
	if (err) {
		*err = why;
	}
	return rc;
}

/* One that is about to end may still take a log-in: its process is older than the copy. */
static bool is_restarted(const struct reclone_options *options, struct conn *conn,
			 uint64_t since_us)
{
	struct server_status status;
	server_status_init(&status);
	enum err rc = server_read_status(conn, reclone_deadline_us(options), &status, NULL);
	uint64_t passed_s = (conn_now_us(conn) - since_us) / US_PER_S;
	bool restarted = rc == ERR_OK && status.uptime_s <= passed_s + 1;
	server_status_fini(&status);
	return restarted;
}

static enum err wait_back(const struct reclone_options *options, struct conn **ret,
			  struct err_ctx *err)
{
	uint64_t since_us = clock_monotonic_us(options->server->clock);
	uint64_t until_us = since_us + options->restart_us;
	for (;;) {
		struct err_ctx why = { .code = ERR_OK };
		enum err rc = reclone_check_cancelled(options, err);
		if (rc != ERR_OK) {
			return rc;
		}
		rc = reclone_connect(options, false, ret, &why);
		if (rc == ERR_OK && is_restarted(options, *ret, since_us)) {
			return ERR_OK;
		}
		*ret = conn_close(*ret);
		if (clock_monotonic_us(options->server->clock) >= until_us) {
			return err_set(err, ERR_DEADLINE,
				       "the server has the copy, but did not come back: start it, "
				       "then do this once more");
		}
		pause_ms(LOOK_MS);
	}
}

/* What came with the donor's data and is not this server's: its source. */
static enum err finish(const struct reclone_options *options, struct conn *server,
		       struct err_ctx *err)
{
	char words[512];
	bool completed = false;
	enum err rc = read_clone_status(options, server, &completed, words, sizeof(words), err);
	if (rc == ERR_OK && !completed) {
		rc = err_set(err, ERR_FAILED, "the clone did not end well: %s",
			     words[0] ? words : "the server says nothing of it");
	}
	rc = rc ? rc : server_set_read_only(server, true, reclone_deadline_us(options), err);
	return rc ? rc : server_forget_source(server, reclone_deadline_us(options), err);
}

enum err mysql_clone_run(const struct reclone_options *options, struct conn *server,
			 struct conn *donor, struct err_ctx *err)
{
	struct reclone_progress progress = { .doing = "checking" };
	CLEANUP(conn_closep) struct conn *back = NULL;
	bool completed = false;
	options->on_progress(options->ctx, &progress);
	enum err rc = check_patch(server, donor, err);
	if (rc == ERR_OK && options->resumes) {
		rc = is_completed(options, server, donor, &completed, err);
	}
	if (rc == ERR_OK && completed) {
		rc = options->at(options->ctx, RECLONE_CHECKED, err);
		return rc ? rc : finish(options, server, err);
	}
	rc = rc ? rc : load_plugin(options, donor, err);
	rc = rc ? rc : load_plugin(options, server, err);
	rc = rc ? rc : options->at(options->ctx, RECLONE_CHECKED, err);
	rc = rc ? rc : server_stop_replication(server, reclone_deadline_us(options), err);
	rc = rc ? rc : options->at(options->ctx, RECLONE_DESTROYS, err);
	progress.doing = "cloning";
	rc = rc ? rc : clone(options, server, &progress, err);
	rc = rc ? rc : wait_back(options, &back, err);
	return rc ? rc : finish(options, back, err);
}
