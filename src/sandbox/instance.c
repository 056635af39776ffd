#include "sandbox/instance.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "db/conn.h"
#include "os/clock_system.h"
#include "os/net_port.h"
#include "sandbox/log_tail.h"
#include "sandbox/option_file.h"

enum {
	OPTION_FILE_BYTES_MAX = 65536,
	ARGS_MAX = 16,
	READY_PAUSE_MS = 10,
	LOGIN_TIMEOUT_MS = 1000,
	CMDLINE_BYTES_MAX = 65536,
	PID_TEXT_BYTES_MAX = 64,
};

const char *instance_state_name(enum instance_state state)
{
	static const char *const names[] = { "down", "stopped", "running" };
	return names[state];
}

/* The pid that the server itself has written, when the process was started with our option file: finds it
 * too when we were killed before we could write down whom we had started. */
static enum err identify_by_own_pidfile(const struct sandbox *sandbox,
					const struct sandbox_server *server, struct process_id *ret)
{
	char path[FILE_PATH_BYTES_MAX];
	char option_file[FILE_PATH_BYTES_MAX];
	struct buf text;
	struct process_id id;
	uint32_t pid = 0;
	buf_init(&text, CMDLINE_BYTES_MAX);
	enum err rc = sandbox_state_path(sandbox, path, NULL, "%s/server.pid", server->name);
	rc = rc ? rc : sandbox_state_path(sandbox, option_file, NULL, "%s/my.cnf", server->name);
	rc = rc ? rc : file_read(path, &text, NULL);
	rc = rc ? rc : str_parse_u32(str_trim(buf_str(&text)), 1, INT32_MAX, &pid);
	rc = rc ? rc : process_identify((pid_t)pid, &id, NULL);
	rc = rc ? rc : file_path(path, NULL, "/proc/%u/cmdline", pid);
	buf_clear(&text);
	rc = rc ? rc : file_read(path, &text, NULL);
	if (!rc && !str_contains(buf_str(&text), str_of(option_file))) {
		rc = ERR_NOT_FOUND;
	}
	buf_fini(&text);
	if (!rc) {
		*ret = id;
	}
	return rc;
}

enum instance_state instance_look(const struct sandbox *sandbox,
				  const struct sandbox_server *server, struct process_id *ret_id)
{
	char path[FILE_PATH_BYTES_MAX];
	struct process_id id = { 0 };
	enum err rc = sandbox_state_path(sandbox, path, NULL, "%s/pid", server->name);
	rc = rc ? rc : process_read_pidfile(path, &id, NULL);
	if ((rc || !process_is_alive(&id)) &&
	    (identify_by_own_pidfile(sandbox, server, &id) || !process_is_alive(&id))) {
		return INSTANCE_DOWN;
	}
	if (ret_id) {
		*ret_id = id;
	}
	return process_is_stopped(&id) ? INSTANCE_STOPPED : INSTANCE_RUNNING;
}

enum err instance_write_options(const struct sandbox *sandbox, const struct sandbox_server *server,
				struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	struct buf text;
	buf_init(&text, OPTION_FILE_BYTES_MAX);
	enum err rc = option_file_server(sandbox, server, &text, err);
	rc = rc ? rc : sandbox_state_path(sandbox, path, err, "%s/my.cnf", server->name);
	rc = rc ? rc : file_write(path, 0600, buf_str(&text), err);
	buf_fini(&text);
	return rc;
}

enum err instance_make(const struct sandbox *sandbox, const struct sandbox_server *server,
		       struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	char template_data[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_path(sandbox, path, err, "%s", server->name);
	rc = rc ? rc : file_make_folders(path, 0700, err);
	rc = rc ? rc : instance_write_options(sandbox, server, err);
	rc = rc ? rc : sandbox_state_path(sandbox, path, err, "%s/data", server->name);
	rc = rc ? rc : file_path(template_data, err, "%s/data", sandbox->template_folder);
	return rc ? rc : file_copy_tree(template_data, path, err);
}

enum err instance_wipe(const struct sandbox *sandbox, const struct sandbox_server *server,
		       struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	if (instance_look(sandbox, server, NULL) != INSTANCE_DOWN) {
		return err_set(err, ERR_REFUSED, "server '%s' runs: its data is not removed",
			       server->name);
	}
	enum err rc = sandbox_state_path(sandbox, path, err, "%s/data", server->name);
	return rc ? rc : file_remove_tree(path, sandbox->root, SANDBOX_MARKER, err);
}

/* What a crash left: MySQL refuses to start as long as the pid in SOCKET.lock is in use, be it by a zombie
 * of its own or by another program. */
static enum err remove_leftovers(const struct sandbox *sandbox, const struct sandbox_server *server,
				 struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	char lock[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_socket(sandbox, server, path, err);
	rc = rc ? rc : file_path(lock, err, "%s.lock", path);
	rc = rc ? rc : file_remove(path, err);
	rc = rc ? rc : file_remove(lock, err);
	rc = rc ? rc : sandbox_state_path(sandbox, path, err, "%s/server.pid", server->name);
	return rc ? rc : file_remove(path, err);
}

enum err instance_start(const struct sandbox *sandbox, const struct sandbox_server *server,
			const char *const *args, struct err_ctx *err)
{
	char option_file[FILE_PATH_BYTES_MAX];
	char log[FILE_PATH_BYTES_MAX];
	char folder[FILE_PATH_BYTES_MAX];
	char pidfile[FILE_PATH_BYTES_MAX];
	const char *argv[ARGS_MAX] = { sandbox->program, option_file };
	if (instance_look(sandbox, server, NULL) != INSTANCE_DOWN) {
		return ERR_OK;
	}
	enum err rc = sandbox_state_path(sandbox, folder, err, "%s", server->name);
	rc = rc ? rc : sandbox_state_path(sandbox, log, err, "%s/server.log", server->name);
	rc = rc ? rc : sandbox_state_path(sandbox, pidfile, err, "%s/pid", server->name);
	rc = rc ? rc : file_path(option_file, err, "--defaults-file=%s/my.cnf", folder);
	rc = rc ? rc : remove_leftovers(sandbox, server, err);
	rc = rc ? rc : net_port_check_free(server->port, err);
	if (rc) {
		return err_wrap(err, rc, "server '%s' can't be started", server->name);
	}
	for (size_t i = 0, count = 2; args && args[i] && count < ARGS_MAX - 1; i++) {
		argv[count++] = args[i];
	}
	struct process_options options = {
		.argv = argv, .output = log, .folder = folder, .detach = true
	};
	struct process_id id;
	rc = process_spawn(&options, &id, err);
	return rc ? rc : process_write_pidfile(pidfile, &id, err);
}

enum err instance_connect(const struct sandbox *sandbox, const struct sandbox_server *server,
			  uint64_t deadline_us, struct conn **ret, struct err_ctx *err)
{
	char socket[FILE_PATH_BYTES_MAX];
	struct secret password;
	enum err rc = sandbox_state_socket(sandbox, server, socket, err);
	rc = rc ? rc : sandbox_state_read_password(sandbox, SANDBOX_MANAGER, &password, err);
	if (rc) {
		return rc;
	}
	struct conn_options options = { .host = "localhost",
					.port = server->port,
					.socket_path = socket,
					.user = sandbox_state_account_user(SANDBOX_MANAGER),
					.password = &password,
					.clock = &clock_system };
	rc = conn_open(&options, deadline_us, ret, NULL, err);
	secret_wipe(&password);
	return rc;
}

static enum err say_ended(const struct sandbox *sandbox, const struct sandbox_server *server,
			  struct err_ctx *err)
{
	char log[FILE_PATH_BYTES_MAX];
	char words[LOG_TAIL_BYTES_MAX];
	enum err rc = sandbox_state_path(sandbox, log, err, "%s/server.log", server->name);
	if (rc) {
		return rc;
	}
	log_tail_read(log, "ERROR", words);
	return err_set(err, ERR_FAILED, "server '%s' ended: %s (log: %s)", server->name, words,
		       log);
}

enum err instance_wait_ready(const struct sandbox *sandbox, const struct sandbox_server *server,
			     uint64_t deadline_us, const struct instance_patience *patience,
			     struct err_ctx *err)
{
	for (;;) {
		struct conn *conn = NULL;
		struct err_ctx why = { 0 };
		uint64_t now = clock_monotonic_us(&clock_system);
		uint64_t login = now + (uint64_t)LOGIN_TIMEOUT_MS * US_PER_MS;
		if (!instance_connect(sandbox, server, login < deadline_us ? login : deadline_us,
				      &conn, &why)) {
			(void)conn_close(conn);
			return ERR_OK;
		}
		if (instance_look(sandbox, server, NULL) == INSTANCE_DOWN) {
			return say_ended(sandbox, server, err);
		}
		if (now >= deadline_us) {
			return err_set(err, ERR_DEADLINE, "server '%s' does not answer: %s",
				       server->name, err_text(why.code, &why));
		}
		if (patience && patience->is_over(patience->ctx)) {
			return err_set(err, ERR_FAILED, "interrupted");
		}
		(void)poll(NULL, 0, READY_PAUSE_MS);
	}
}
