#include "sandbox/sandbox_down.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/clock_system.h"
#include "os/process.h"
#include "sandbox/instance.h"
#include "sandbox/node.h"

enum { END_TIMEOUT_S = 60, LOCK_TIMEOUT_S = 10 };

static uint64_t in_seconds(unsigned seconds)
{
	return clock_monotonic_us(&clock_system) + (uint64_t)seconds * US_PER_S;
}

enum err sandbox_down_lock(const struct sandbox *sandbox, int *ret_fd, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_path(sandbox, path, err, ".lock");
	rc = rc ? rc : file_lock(path, in_seconds(LOCK_TIMEOUT_S), ret_fd, err);
	if (rc == ERR_DEADLINE) {
		return err_set(err, rc, "another command is at work on sandbox '%s'",
			       sandbox->name);
	}
	return rc;
}

enum err sandbox_down_processes(const struct sandbox *sandbox, struct err_ctx *err)
{
	struct process_id ids[SANDBOX_SERVERS_MAX];
	size_t count = 0;
	uint64_t deadline = in_seconds(END_TIMEOUT_S);
	enum err rc = ERR_OK;
	if (node_look(sandbox, &ids[0]) != INSTANCE_DOWN) {
		rc = process_kill(&ids[0], deadline, err);
	}
	for (size_t i = 0; i < sandbox->server_count && !rc; i++) {
		if (instance_look(sandbox, &sandbox->servers[i], &ids[count]) != INSTANCE_DOWN) {
			rc = process_signal(&ids[count++], SIGKILL, err);
			rc = rc == ERR_NOT_FOUND ? ERR_OK : rc;
		}
	}
	for (size_t i = 0; i < count && !rc; i++) {
		rc = process_wait(&ids[i], deadline, NULL, err);
	}
	return rc;
}

enum err sandbox_down_folder(const struct sandbox *sandbox, struct err_ctx *err)
{
	enum err rc = ERR_OK;
	if (strcmp(sandbox->sockets, sandbox->root) != 0) {
		rc = file_remove_tree(sandbox->sockets, sandbox->sockets, SANDBOX_MARKER, err);
	}
	return rc ? rc : file_remove_tree(sandbox->root, sandbox->root, SANDBOX_MARKER, err);
}

/* What a sandbox can have at most, for one whose sandbox.json can't be read. */
static void assume_all_servers(struct sandbox *sandbox)
{
	sandbox->server_count = SANDBOX_SERVERS_MAX;
	for (size_t i = 0; i < sandbox->server_count; i++) {
		(void)snprintf(sandbox->servers[i].name, sizeof(sandbox->servers[i].name), "db%u",
			       (unsigned)i + 1);
	}
}

enum err sandbox_down(const char *name, struct err_ctx *err)
{
	struct sandbox sandbox;
	int lock = -1;
	enum err rc = sandbox_state_load(name, &sandbox, err);
	if (rc == ERR_PARSE || rc == ERR_IO) {
		rc = sandbox_state_init(name, &sandbox, err);
		assume_all_servers(&sandbox);
	} else if (rc == ERR_NOT_FOUND && !sandbox_state_init(name, &sandbox, NULL)) {
		char marker[FILE_PATH_BYTES_MAX];
		/* With the marker, it is sandbox.json that is missing: half made. */
		if (!sandbox_state_path(&sandbox, marker, NULL, "%s", SANDBOX_MARKER) &&
		    file_exists(marker)) {
			assume_all_servers(&sandbox);
			rc = ERR_OK;
		}
	}
	rc = rc ? rc : sandbox_down_lock(&sandbox, &lock, err);
	if (rc) {
		return rc;
	}
	rc = sandbox_down_processes(&sandbox, err);
	rc = rc ? rc : sandbox_down_folder(&sandbox, err);
	(void)close(lock);
	return rc;
}
