#include "sandbox/node.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/clock_system.h"
#include "sandbox/log_tail.h"

#define MESSAGE_PREFIX "muster: " /* in front of a command's error */

enum {
	WORDS_MAX = 24,
	SERVER_WORD_BYTES_MAX = 64,
	TIMEOUT_TEXT_BYTES = 24,
	READY_PAUSE_MS = 5,
	SECONDS_MIN = 1,
	GRACE_US = 2 * US_PER_S, /* a command ends by itself at its own time-out; then we end it */
};

/* What points our own caller at another muster must not reach this one. */
static const char *const environment[] = { "MUSTER_CONFIG", "MUSTER_SOCKET",
					   "MUSTER_MANAGER_PASSWORD", "MUSTER_REPLICATION_PASSWORD",
					   NULL };

enum instance_state node_look(const struct sandbox *sandbox, struct process_id *ret_id)
{
	char path[FILE_PATH_BYTES_MAX];
	struct process_id id;
	if (sandbox_state_path(sandbox, path, NULL, "muster.pid") ||
	    process_read_pidfile(path, &id, NULL) || !process_is_alive(&id)) {
		return INSTANCE_DOWN;
	}
	if (ret_id) {
		*ret_id = id;
	}
	return process_is_stopped(&id) ? INSTANCE_STOPPED : INSTANCE_RUNNING;
}

enum err node_start(const struct sandbox *sandbox, struct err_ctx *err)
{
	char config[FILE_PATH_BYTES_MAX];
	char log[FILE_PATH_BYTES_MAX];
	char pidfile[FILE_PATH_BYTES_MAX];
	struct process_id id;
	if (node_look(sandbox, NULL) != INSTANCE_DOWN) {
		return ERR_OK;
	}
	enum err rc = sandbox_state_path(sandbox, config, err, "muster.cnf");
	rc = rc ? rc : sandbox_state_path(sandbox, log, err, "muster.log");
	rc = rc ? rc : sandbox_state_path(sandbox, pidfile, err, "muster.pid");
	if (rc) {
		return rc;
	}
	const char *const argv[] = { sandbox->muster, "run", "--config", config, NULL };
	struct process_options options = { .argv = argv,
					   .env = environment,
					   .output = log,
					   .folder = sandbox->root,
					   .detach = true };
	rc = process_spawn(&options, &id, err);
	return rc ? rc : process_write_pidfile(pidfile, &id, err);
}

static bool answers(const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (str_copy(str_of(socket_path), address.sun_path, sizeof(address.sun_path))) {
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return false;
	}
	bool connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	(void)close(fd);
	return connected;
}

enum err node_wait_ready(const struct sandbox *sandbox, const struct node_wait *wait,
			 struct err_ctx *err)
{
	char socket_path[FILE_PATH_BYTES_MAX];
	char log[FILE_PATH_BYTES_MAX];
	char words[LOG_TAIL_BYTES_MAX];
	enum err rc = sandbox_state_socket(sandbox, NULL, socket_path, err);
	rc = rc ? rc : sandbox_state_path(sandbox, log, err, "muster.log");
	while (!rc && !answers(socket_path)) {
		if (node_look(sandbox, NULL) == INSTANCE_DOWN) {
			log_tail_read(log, "error", words);
			return err_set(err, ERR_FAILED, "muster run ended: %s (log: %s)", words,
				       log);
		}
		if (clock_monotonic_us(&clock_system) >= wait->deadline_us) {
			return err_set(err, ERR_DEADLINE, "muster run does not answer (log: %s)",
				       log);
		}
		if (wait->patience && wait->patience->is_over(wait->patience->ctx)) {
			return err_set(err, ERR_FAILED, "interrupted");
		}
		(void)poll(NULL, 0, READY_PAUSE_MS);
	}
	return rc;
}

/* Runs one command; `words` leave room for the socket's option and the end. */
static enum err run_command(const struct sandbox *sandbox, const char **words, size_t count,
			    uint64_t deadline_us, struct err_ctx *err)
{
	char socket_path[FILE_PATH_BYTES_MAX];
	char output[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_socket(sandbox, NULL, socket_path, err);
	rc = rc ? rc : sandbox_state_path(sandbox, output, err, "command.log");
	rc = rc ? rc : file_remove(output, err);
	if (rc) {
		return rc;
	}
	words[count++] = "--socket";
	words[count++] = socket_path;
	words[count] = NULL;
	struct process_options options = { .argv = words, .env = environment, .output = output };
	rc = process_run(&options, deadline_us, err);
	if (rc) {
		char said[LOG_TAIL_BYTES_MAX];
		log_tail_read(output, MESSAGE_PREFIX, said);
		bool prefixed = str_starts_with(str_of(said), STR(MESSAGE_PREFIX));
		return err_set(err, rc, "muster %s %s: %s (log: %s/muster.log)", words[1], words[2],
			       said + (prefixed ? sizeof(MESSAGE_PREFIX) - 1 : 0), sandbox->root);
	}
	return ERR_OK;
}

static void print_timeout(const struct node_wait *wait, char ret[TIMEOUT_TEXT_BYTES])
{
	uint64_t now = clock_monotonic_us(&clock_system);
	uint64_t left = wait->deadline_us > now ? (wait->deadline_us - now) / US_PER_S : 0;
	(void)snprintf(ret, TIMEOUT_TEXT_BYTES, "%llu",
		       (unsigned long long)(left < SECONDS_MIN ? SECONDS_MIN : left));
}

enum err node_create_group(const struct sandbox *sandbox, const struct node_wait *wait,
			   struct err_ctx *err)
{
	const char *words[WORDS_MAX] = { sandbox->muster, "group", "create", sandbox->name };
	char servers[SANDBOX_SERVERS_MAX][SERVER_WORD_BYTES_MAX];
	char timeout[TIMEOUT_TEXT_BYTES];
	size_t count = 4;
	for (size_t i = 0; i < sandbox->server_count; i++) {
		(void)snprintf(servers[i], sizeof(servers[i]), "%s=127.0.0.1:%u",
			       sandbox->servers[i].name, (unsigned)sandbox->servers[i].port);
		words[count++] = servers[i];
	}
	print_timeout(wait, timeout);
	words[count++] = "--policy";
	words[count++] = sandbox->policy;
	words[count++] = "--timeout";
	words[count++] = timeout;
	return run_command(sandbox, words, count, wait->deadline_us + GRACE_US, err);
}

/* db1 and db2 are the pair; db3, db5 ... are below db1, and db4, db6 ... below db2. */
enum err node_make_pair(const struct sandbox *sandbox, const struct node_wait *wait,
			struct err_ctx *err)
{
	enum err rc = ERR_OK;
	for (size_t i = 2; i < sandbox->server_count && !rc; i++) {
		const char *words[WORDS_MAX] = { sandbox->muster, "group",
						 "set",		  sandbox->name,
						 "--server",	  sandbox->servers[i].name,
						 "--below",	  sandbox->servers[i % 2].name };
		rc = run_command(sandbox, words, 8, wait->deadline_us + GRACE_US, err);
	}
	const char *words[WORDS_MAX] = {
		sandbox->muster, "pair", "set", sandbox->name, "db1", "db2"
	};
	return rc ? rc : run_command(sandbox, words, 6, wait->deadline_us + GRACE_US, err);
}

enum err node_wait_healthy(const struct sandbox *sandbox, const struct node_wait *wait,
			   struct err_ctx *err)
{
	char timeout[TIMEOUT_TEXT_BYTES];
	const char *words[WORDS_MAX] = { sandbox->muster, "wait",      sandbox->name,
					 "healthy",	  "--timeout", timeout };
	print_timeout(wait, timeout);
	return run_command(sandbox, words, 6, wait->deadline_us + GRACE_US, err);
}
