#include "sandbox/sandbox_server.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "db/conn.h"
#include "db/log/rewind.h"
#include "db/server/server.h"
#include "gtid/gtid_set.h"
#include "os/clock_system.h"
#include "os/file.h"
#include "os/process.h"
#include "sandbox/broken_copy.h"
#include "sandbox/instance.h"
#include "sandbox/node.h"
#include "sandbox/sandbox_down.h"
#include "sandbox/template.h"

enum { END_TIMEOUT_S = 60, READY_TIMEOUT_S = 60, PROBE_TIMEOUT_MS = 500, TAILS_MAX = 10000 };

static uint64_t in_ms(unsigned ms)
{
	return clock_monotonic_us(&clock_system) + (uint64_t)ms * US_PER_MS;
}

static bool is_muster(const char *name)
{
	return strcmp(name, SANDBOX_SERVER_MUSTER) == 0;
}

static enum err look(const struct sandbox *sandbox, const char *name,
		     enum instance_state *ret_state, struct process_id *ret_id, struct err_ctx *err)
{
	const struct sandbox_server *server = NULL;
	if (is_muster(name)) {
		*ret_state = node_look(sandbox, ret_id);
		return ERR_OK;
	}
	enum err rc = sandbox_state_find_server(sandbox, name, &server, err);
	if (!rc) {
		*ret_state = instance_look(sandbox, server, ret_id);
	}
	return rc;
}

enum err sandbox_server_kill(const struct sandbox *sandbox, const char *name, struct err_ctx *err)
{
	struct process_id id = { 0 };
	enum instance_state state = INSTANCE_DOWN;
	enum err rc = look(sandbox, name, &state, &id, err);
	if (rc || state == INSTANCE_DOWN) {
		return rc;
	}
	return process_kill(&id, in_ms(END_TIMEOUT_S * 1000), err);
}

static enum err send_signal(const struct sandbox *sandbox, const char *name, int signal_number,
			    struct err_ctx *err)
{
	struct process_id id = { 0 };
	enum instance_state state = INSTANCE_DOWN;
	enum err rc = look(sandbox, name, &state, &id, err);
	if (!rc && state == INSTANCE_DOWN) {
		rc = err_set(err, ERR_NOT_FOUND, "'%s' of sandbox '%s' is down", name,
			     sandbox->name);
	}
	return rc ? rc : process_signal(&id, signal_number, err);
}

enum err sandbox_server_stop(const struct sandbox *sandbox, const char *name, struct err_ctx *err)
{
	return send_signal(sandbox, name, SIGSTOP, err);
}

enum err sandbox_server_cont(const struct sandbox *sandbox, const char *name, struct err_ctx *err)
{
	return send_signal(sandbox, name, SIGCONT, err);
}

/* The first name for cut-off bytes that isn't taken. */
static enum err choose_tail_path(const struct sandbox *sandbox, const char *name,
				 char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	for (int i = 1; i <= TAILS_MAX; i++) {
		enum err rc = sandbox_state_path(sandbox, ret, err, "%s/taken-back.%d", name, i);
		if (rc || !file_exists(ret)) {
			return rc;
		}
	}
	return err_set(err, ERR_LIMIT, "too many files '%s'", ret);
}

/* Under its old server_uuid it would, as a primary, give the numbers of the tail to other transactions: a replica that had
 * received the tail would take them for those. It makes a new one when it starts. */
static enum err renew_uuid(const char *datadir, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(path, err, "%s/auto.cnf", datadir);
	return rc ? rc : file_remove(path, err);
}

static enum err rewind_mysql(const struct sandbox *sandbox, struct sandbox_start *start,
			     struct err_ctx *err)
{
	char index[FILE_PATH_BYTES_MAX];
	char datadir[FILE_PATH_BYTES_MAX];
	char tail[FILE_PATH_BYTES_MAX];
	struct gtid_set kept;
	struct rewind_result result = { .needed = false };
	gtid_set_init(&kept);
	gtid_set_init(&result.removed);
	enum err rc = gtid_set_parse(str_of(start->executed), GTID_MYSQL, &kept, err);
	rc = rc ? rc : sandbox_state_path(sandbox, datadir, err, "%s/data", start->name);
	rc = rc ? rc : file_path(index, err, "%s/binlog.index", datadir);
	rc = rc ? rc : choose_tail_path(sandbox, start->name, tail, err);
	if (!rc) {
		struct rewind_options options = {
			.index_path = index, .datadir = datadir, .kept = &kept, .tail_path = tail
		};
		rc = rewind_binlog(&options, &result, err);
	}
	if (!rc && result.needed) {
		rc = renew_uuid(datadir, err);
	}
	if (!rc && result.needed) {
		struct buf text;
		buf_init_fixed(&text, start->removed, sizeof(start->removed) - 1);
		gtid_set_print(&result.removed, &text);
		start->removed[text.len] = '\0';
		start->taken_back = result.transactions;
	}
	gtid_set_fini(&result.removed);
	gtid_set_fini(&kept);
	return rc;
}

/* Another server_id, from the next start on. */
static enum err renumber(struct sandbox *sandbox, const struct sandbox_server *server,
			 struct err_ctx *err)
{
	sandbox_state_renumber(sandbox, server->name);
	enum err rc = sandbox_state_save(sandbox, err);
	return rc ? rc : instance_write_options(sandbox, server, err);
}

/* Prepares MariaDB's crash recovery to take back what nobody acknowledged.
 *
 * Under its new server_id the server doesn't take what is in its binary log for its own: the position to
 * replicate from is set from the log, before anybody can log in.
 * Source: MariaDB Knowledge Base, "Semisynchronous Replication", init_rpl_role; MDEV-21117. */
static enum err prepare_mariadb(struct sandbox *sandbox, const struct sandbox_server *server,
				char ret_arg[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = renumber(sandbox, server, err);
	rc = rc ? rc : sandbox_state_path(sandbox, path, err, "%s/position.sql", server->name);
	rc = rc ? rc
		: file_write(path, 0600,
			     STR("SET GLOBAL gtid_slave_pos=@@global.gtid_binlog_pos;\n"), err);
	return rc ? rc : file_path(ret_arg, err, "--init-file=%s", path);
}

/* Whatever is mended of it: its data come anew. */
static enum err mend_copy(const struct sandbox *sandbox, const struct sandbox_start *start,
			  const struct sandbox_hooks *hooks, struct err_ctx *err)
{
	char datadir[FILE_PATH_BYTES_MAX];
	bool mended = false;
	enum err rc = sandbox_state_path(sandbox, datadir, err, "%s/data", start->name);
	rc = rc ? rc : broken_copy_mend(datadir, &mended, err);
	if (mended) {
		sandbox_up_say(hooks, "%s: the copy was broken off; it begins a new binary log",
			       start->name);
	}
	return rc;
}

static enum err start_one(struct sandbox *sandbox, struct sandbox_start *start,
			  const struct sandbox_hooks *hooks, struct err_ctx *err)
{
	char init_file[FILE_PATH_BYTES_MAX];
	const char *const rewind_args[] = { "--rpl-semi-sync-slave-enabled=1",
					    "--init-rpl-role=SLAVE", init_file, NULL };
	const struct sandbox_server *server = NULL;
	const char *const *args = NULL;
	enum instance_state state = INSTANCE_DOWN;
	enum err rc = look(sandbox, start->name, &state, NULL, err);
	start->started = !rc && state == INSTANCE_DOWN;
	if (rc || !start->started) {
		return rc;
	}
	if (is_muster(start->name)) {
		return node_start(sandbox, err);
	}
	rc = sandbox_state_find_server(sandbox, start->name, &server, err);
	if (rc) {
		return rc;
	}
	bool mysql = strcmp(sandbox->flavor, "mysql") == 0;
	if (start->recloning && mysql) {
		rc = mend_copy(sandbox, start, hooks, err);
	} else if (start->rewind && !mysql) {
		args = rewind_args;
		rc = prepare_mariadb(sandbox, server, init_file, err);
	} else if (start->rewind && start->executed) {
		struct err_ctx why = { 0 };
		rc = rewind_mysql(sandbox, start, &why);
		if (rc) {
			sandbox_up_say(hooks, "%s is started with all it has: %s", start->name,
				       err_text(rc, &why));
			rc = ERR_OK;
		}
	}
	return rc ? rc : instance_start(sandbox, server, args, err);
}

static enum err wait_one(const struct sandbox *sandbox, const struct sandbox_start *start,
			 const struct instance_patience *patience, struct err_ctx *err)
{
	const struct sandbox_server *server = NULL;
	uint64_t deadline = in_ms(READY_TIMEOUT_S * 1000);
	struct node_wait wait = { deadline, patience };
	if (!start->started) {
		return ERR_OK;
	}
	if (is_muster(start->name)) {
		return node_wait_ready(sandbox, &wait, err);
	}
	enum err rc = sandbox_state_find_server(sandbox, start->name, &server, err);
	return rc ? rc : instance_wait_ready(sandbox, server, deadline, patience, err);
}

static enum err start_and_wait(struct sandbox *sandbox, struct sandbox_start *starts, size_t count,
			       const struct sandbox_hooks *hooks, struct err_ctx *err)
{
	const struct instance_patience patience = {
		.is_over = hooks ? hooks->is_cancelled : NULL,
		.ctx = hooks ? hooks->ctx : NULL,
	};
	enum err rc = ERR_OK;
	for (size_t i = 0; i < count && !rc; i++) {
		rc = start_one(sandbox, &starts[i], hooks, err);
	}
	for (size_t i = 0; i < count && !rc; i++) {
		rc = wait_one(sandbox, &starts[i], patience.is_over ? &patience : NULL, err);
	}
	return rc;
}

enum err sandbox_server_start(struct sandbox *sandbox, struct sandbox_start *starts, size_t count,
			      const struct sandbox_hooks *hooks, struct err_ctx *err)
{
	int lock = -1;
	enum err rc = sandbox_down_lock(sandbox, &lock, err);
	if (rc) {
		return rc;
	}
	rc = sandbox_state_load(sandbox->name, sandbox, err);
	rc = rc ? rc : start_and_wait(sandbox, starts, count, hooks, err);
	(void)close(lock);
	return rc;
}

static enum err reset_locked(struct sandbox *sandbox, const struct sandbox_server *server,
			     const struct sandbox_hooks *hooks, struct err_ctx *err)
{
	struct sandbox_start start = { .name = server->name };
	enum err rc = template_check(sandbox, err);
	rc = rc ? rc : sandbox_server_kill(sandbox, server->name, err);
	rc = rc ? rc : instance_wipe(sandbox, server, err);
	rc = rc ? rc : renumber(sandbox, server, err);
	rc = rc ? rc : instance_make(sandbox, server, err);
	return rc ? rc : start_and_wait(sandbox, &start, 1, hooks, err);
}

enum err sandbox_server_reset(struct sandbox *sandbox, const char *name,
			      const struct sandbox_hooks *hooks, struct err_ctx *err)
{
	const struct sandbox_server *server = NULL;
	int lock = -1;
	enum err rc = sandbox_down_lock(sandbox, &lock, err);
	if (rc) {
		return rc;
	}
	rc = sandbox_state_load(sandbox->name, sandbox, err);
	rc = rc ? rc : sandbox_state_find_server(sandbox, name, &server, err);
	rc = rc ? rc : reset_locked(sandbox, server, hooks, err);
	(void)close(lock);
	return rc;
}

static bool takes_writes(const struct sandbox *sandbox, const struct sandbox_server *server)
{
	struct conn *conn = NULL;
	bool read_only = true;
	if (instance_look(sandbox, server, NULL) != INSTANCE_RUNNING ||
	    instance_connect(sandbox, server, in_ms(PROBE_TIMEOUT_MS), &conn, NULL)) {
		return false;
	}
	enum err rc = server_probe(conn, in_ms(PROBE_TIMEOUT_MS), &read_only, NULL);
	(void)conn_close(conn);
	return !rc && !read_only;
}

enum err sandbox_server_find_primary(const struct sandbox *sandbox,
				     const struct sandbox_server **ret, struct err_ctx *err)
{
	const struct sandbox_server *found = NULL;
	for (size_t i = 0; i < sandbox->server_count; i++) {
		if (!takes_writes(sandbox, &sandbox->servers[i])) {
			continue;
		}
		if (found) {
			return err_set(err, ERR_CONFLICT, "both '%s' and '%s' take writes",
				       found->name, sandbox->servers[i].name);
		}
		found = &sandbox->servers[i];
	}
	if (!found) {
		return err_set(err, ERR_NOT_FOUND, "no server of sandbox '%s' takes writes",
			       sandbox->name);
	}
	*ret = found;
	return ERR_OK;
}
