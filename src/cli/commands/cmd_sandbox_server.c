/* muster sandbox kill, stop, cont, start, reset: what is done to the servers of a sandbox.
 *
 * The manager is asked which server is the primary, and whether one that is to be started may be rewound;
 * without an answer the servers are asked, and nothing is rewound.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/client.h"
#include "base/clock.h"
#include "cli/command.h"
#include "os/clock_system.h"
#include "sandbox/instance.h"
#include "sandbox/node.h"
#include "sandbox/sandbox_server.h"

enum {
	ASK_TIMEOUT_MS = 2000,
	SAVE_TIMEOUT_MS = 60000,
	SETTLE_MS = 5000,
	SETTLE_PAUSE_MS = 50,
	PATH_BYTES_MAX = 128
};

static const char PRIMARY[] = "primary";

const struct option_row options_sandbox_reset[] = {
	{ .name = "discard-tail",
	  .kind = OPTION_FLAG,
	  .help = "Go on when what only this server has can't be saved." },
	{ 0 },
};

/* One call about the sandbox's group. ERR_UNREACHABLE when its `muster run` isn't there. */
static enum err call_manager(const struct sandbox *sandbox, const char *http_method,
			     const char *rest, const json_t *body, uint32_t timeout_ms,
			     json_t **ret, struct err_ctx *err)
{
	char socket[FILE_PATH_BYTES_MAX];
	char path[PATH_BYTES_MAX];
	if (node_look(sandbox, NULL) != INSTANCE_RUNNING ||
	    sandbox_state_socket(sandbox, NULL, socket, NULL) != ERR_OK) {
		return err_set(err, ERR_UNREACHABLE, "muster run isn't there");
	}
	struct client client = { .socket_path = socket, .timeout_ms = timeout_ms };
	(void)snprintf(path, sizeof(path), "/v1/groups/%s%s", sandbox->name, rest);
	return client_call(&client, http_method, path, body, ret, err);
}

/* What the manager says of the group; NULL when it doesn't answer. A new reference. */
static json_t *ask_manager(const struct sandbox *sandbox)
{
	json_t *status = NULL;
	enum err rc = call_manager(sandbox, "GET", "/status", NULL, ASK_TIMEOUT_MS, &status, NULL);
	return rc == ERR_OK ? status : NULL;
}

static const char *text_of(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));
	return text ? text : "";
}

/* The row of status.servers whose field has that text, or NULL. */
static const json_t *find_row(const json_t *status, const char *field, const char *text)
{
	size_t index;
	const json_t *row;
	json_array_foreach(json_object_get(status, "servers"), index, row)
	{
		if (strcmp(text_of(row, field), text) == 0) {
			return row;
		}
	}
	return NULL;
}

/* Whether no failover is under way or about to begin: what the status says of a server that is to be started holds. */
static bool is_settled(const json_t *status)
{
	const char *state = text_of(status, "state");
	const json_t *primary = find_row(status, "role", PRIMARY);
	bool waits = strcmp(state, "refused") == 0 || strcmp(state, "forming") == 0 ||
		     json_is_true(json_object_get(status, "paused"));
	return waits || (strcmp(state, "steady") == 0 && primary &&
			 strcmp(text_of(primary, "state"), "down") != 0);
}

/* ask_manager() when a failover that is under way has ended, or has taken too long. */
static json_t *ask_settled_manager(const struct sandbox *sandbox)
{
	const struct timespec pause = { 0, SETTLE_PAUSE_MS * 1000000L };
	uint64_t end_us = clock_monotonic_us(&clock_system) + (uint64_t)SETTLE_MS * US_PER_MS;
	for (;;) {
		json_t *status = ask_manager(sandbox);
		if (!status || is_settled(status) || clock_monotonic_us(&clock_system) >= end_us) {
			return status;
		}
		json_decref(status);
		(void)nanosleep(&pause, NULL);
	}
}

/* Makes a server's own name of the word `primary`; other names stay. */
static enum err resolve(struct cli *cli, const struct sandbox *sandbox, const char *word,
			const char **ret)
{
	const struct sandbox_server *server = NULL;
	enum err rc = ERR_OK;
	if (strcmp(word, SANDBOX_SERVER_MUSTER) == 0) {
		*ret = word;
		return ERR_OK;
	}
	if (strcmp(word, PRIMARY) != 0) {
		rc = sandbox_state_find_server(sandbox, word, &server, &cli->err);
	} else {
		json_t *status = ask_manager(sandbox);
		const json_t *row = find_row(status, "role", PRIMARY);
		if (!row ||
		    sandbox_state_find_server(sandbox, text_of(row, "name"), &server, NULL)) {
			rc = sandbox_server_find_primary(sandbox, &server, &cli->err);
		}
		json_decref(status);
	}
	if (rc == ERR_OK) {
		*ret = server->name;
	}
	return rc;
}

typedef enum err (*action)(const struct sandbox *sandbox, const char *name, struct err_ctx *err);

static void print_done(struct cli *cli, const struct sandbox *sandbox, const char *name,
		       const char *done)
{
	if (cli->json) {
		json_t *json = json_pack("{s:s, s:s, s:s}", "sandbox", sandbox->name, "server",
					 name, "state", done);
		cli_print_json(cli, json);
		json_decref(json);
	} else {
		buf_printf(&cli->out, "%s: %s\n", name, done);
	}
}

static enum err act(struct cli *cli, const struct args *args, action run, const char *done)
{
	struct sandbox sandbox;
	const char *name = NULL;
	enum err rc = sandbox_state_load(args_word(args, 0), &sandbox, &cli->err);
	if (rc == ERR_OK) {
		rc = resolve(cli, &sandbox, args_word(args, 1), &name);
	}
	if (rc == ERR_OK) {
		rc = run(&sandbox, name, &cli->err);
	}
	if (rc == ERR_OK) {
		print_done(cli, &sandbox, name, done);
	}
	return rc;
}

enum err cmd_sandbox_kill(struct cli *cli, const struct args *args)
{
	return act(cli, args, sandbox_server_kill, "down");
}

enum err cmd_sandbox_stop(struct cli *cli, const struct args *args)
{
	return act(cli, args, sandbox_server_stop, "stopped");
}

enum err cmd_sandbox_cont(struct cli *cli, const struct args *args)
{
	return act(cli, args, sandbox_server_cont, "running");
}

static void say(void *ctx, const char *line)
{
	cli_note(ctx, "%s", line);
}

/* What only this server has would go with its data: `muster run` saves it. */
static enum err save_tail(struct cli *cli, const struct sandbox *sandbox, const char *name,
			  const struct args *args)
{
	struct err_ctx why = { .code = ERR_OK };
	json_t *status = ask_manager(sandbox);
	json_t *saved = NULL;
	bool diverged = text_of(find_row(status, "name", name), "extra")[0] != 0;
	json_decref(status);
	if (!diverged) {
		return ERR_OK;
	}
	json_t *body = json_pack("{s:s, s:s}", "server", name, "action", "export-tail");
	enum err rc = call_manager(sandbox, "POST", "/rejoin", body, SAVE_TIMEOUT_MS, &saved, &why);
	json_decref(body);
	if (rc == ERR_OK) {
		cli_note(cli, "what only %s has is saved: %s", name,
			 text_of(json_object_get(saved, "tail"), "binlog"));
	} else if (!args_has(args, "discard-tail")) {
		rc = err_set(
			&cli->err, ERR_REFUSED,
			"what only '%s' has can't be saved (%s); --discard-tail goes on without it",
			name, err_text(rc, &why));
	} else {
		rc = ERR_OK;
	}
	json_decref(saved);
	return rc;
}

enum err cmd_sandbox_reset(struct cli *cli, const struct args *args)
{
	struct sandbox sandbox;
	const struct sandbox_hooks hooks = { .say = say, .ctx = cli };
	const char *name = NULL;
	enum err rc = sandbox_state_load(args_word(args, 0), &sandbox, &cli->err);
	if (rc == ERR_OK) {
		rc = resolve(cli, &sandbox, args_word(args, 1), &name);
	}
	if (rc == ERR_OK) {
		rc = save_tail(cli, &sandbox, name, args);
	}
	if (rc == ERR_OK) {
		rc = sandbox_server_reset(&sandbox, name, &hooks, &cli->err);
	}
	if (rc == ERR_OK) {
		print_done(cli, &sandbox, name, "running, without data of its own");
	}
	return rc;
}

/* Fills in what the manager says of each server: whether the unacknowledged end of its log is to be taken back, whether
 * its data are being replaced. */
static void plan_starts(const json_t *status, struct sandbox_start *starts, size_t count)
{
	const json_t *primary = find_row(status, "role", PRIMARY);
	const char *executed = text_of(primary, "executed");
	for (size_t i = 0; i < count; i++) {
		const json_t *row = find_row(status, "name", starts[i].name);
		starts[i].rewind = json_is_true(json_object_get(row, "rewind"));
		starts[i].recloning = json_is_true(json_object_get(row, "recloning"));
		starts[i].executed = executed[0] ? executed : NULL;
	}
}

static void print_starts(struct cli *cli, const struct sandbox *sandbox,
			 const struct sandbox_start *starts, size_t count)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < count; i++) {
		const struct sandbox_start *one = &starts[i];
		(void)json_array_append_new(
			rows,
			json_pack("{s:s, s:b, s:b, s:i, s:s}", "server", one->name, "started",
				  (int)one->started, "rewound", (int)(one->started && one->rewind),
				  "taken_back", (int)one->taken_back, "removed", one->removed));
		if (cli->json) {
			continue;
		}
		buf_printf(&cli->out, "%s: %s", one->name,
			   one->started ? "started" : "ran already");
		if (one->taken_back) {
			buf_printf(&cli->out,
				   ", %u transactions that nobody acknowledged are taken back: %s",
				   one->taken_back, one->removed);
		}
		buf_add_char(&cli->out, '\n');
	}
	if (cli->json) {
		json_t *json = json_pack("{s:s, s:o}", "sandbox", sandbox->name, "servers", rows);
		cli_print_json(cli, json);
		json_decref(json);
	} else {
		json_decref(rows);
	}
}

/* `muster run` first: it knows which servers may be rewound. */
static enum err start_planned(struct cli *cli, struct sandbox *sandbox,
			      struct sandbox_start *starts, size_t count, bool with_muster)
{
	const struct sandbox_hooks hooks = { .say = say, .ctx = cli };
	size_t first = with_muster ? 1 : 0;
	enum err rc = ERR_OK;
	if (with_muster) {
		rc = sandbox_server_start(sandbox, starts, 1, &hooks, &cli->err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *status = ask_settled_manager(sandbox);
	plan_starts(status, starts + first, count - first);
	rc = sandbox_server_start(sandbox, starts + first, count - first, &hooks, &cli->err);
	json_decref(status);
	return rc;
}

enum err cmd_sandbox_start(struct cli *cli, const struct args *args)
{
	struct sandbox sandbox;
	struct sandbox_start starts[SANDBOX_SERVERS_MAX + 1] = {
		{ .name = SANDBOX_SERVER_MUSTER }
	};
	const char *word = args_word(args, 1);
	size_t count = 1;
	enum err rc = sandbox_state_load(args_word(args, 0), &sandbox, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (word) {
		const struct sandbox_server *server = NULL;
		if (strcmp(word, SANDBOX_SERVER_MUSTER) != 0) {
			rc = sandbox_state_find_server(&sandbox, word, &server, &cli->err);
			starts[0].name = word;
		}
	} else {
		for (size_t i = 0; i < sandbox.server_count; i++) {
			starts[count++].name = sandbox.servers[i].name;
		}
	}
	if (rc == ERR_OK) {
		bool with_muster = strcmp(starts[0].name, SANDBOX_SERVER_MUSTER) == 0;
		rc = start_planned(cli, &sandbox, starts, count, with_muster);
	}
	if (rc == ERR_OK) {
		print_starts(cli, &sandbox, starts, count);
	}
	return rc;
}
