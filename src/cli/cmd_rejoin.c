/* muster rejoin. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/request.h"

const struct option_row options_rejoin[] = {
	{ .name = "plan",
	  .kind = OPTION_FLAG,
	  .help = "Say how it stands, what each way would do and cost, and change nothing. The "
		  "default." },
	{ .name = "export-tail",
	  .kind = OPTION_FLAG,
	  .help = "Save the transactions that the primary lacks: as a binary log and as text." },
	{ .name = "to",
	  .kind = OPTION_TEXT,
	  .value = "DIR",
	  .help = "With --export-tail: where to, on the host of `muster run`. Default: "
		  "tails/GROUP in its data-dir." },
	{ 0 },
};

static const char *action_of(const struct args *args)
{
	return args_has(args, "export-tail") ? "export-tail" : "plan";
}

/* The working directory counts on the host of this command, which is that of `muster run`: a Unix socket leads there. */
static enum err add_folder(struct cli *cli, const struct args *args, json_t *body)
{
	char path[PATH_MAX];
	const char *to = args_text(args, "to");
	if (!to) {
		return ERR_OK;
	}
	if (to[0] == '/') {
		(void)snprintf(path, sizeof(path), "%s", to);
	} else {
		char folder[PATH_MAX];
		if (!getcwd(folder, sizeof(folder))) {
			return err_set(&cli->err, ERR_IO, "the working directory can't be read");
		}
		if (snprintf(path, sizeof(path), "%s/%s", folder, to) >= (int)sizeof(path)) {
			return err_set(&cli->err, ERR_USAGE, "--to: the path is too long");
		}
	}
	if (json_object_set_new(body, "to", json_string(path)) != 0) {
		return err_set(&cli->err, ERR_USAGE, "--to: the path is no valid UTF-8");
	}
	return ERR_OK;
}

static enum err check_options(struct cli *cli, const struct args *args)
{
	if (args_has(args, "plan") && args_has(args, "export-tail")) {
		return err_set(&cli->err, ERR_USAGE, "--plan and --export-tail: choose one");
	}
	if (args_has(args, "to") && !args_has(args, "export-tail")) {
		return err_set(&cli->err, ERR_USAGE, "--to goes with --export-tail");
	}
	return ERR_OK;
}

static void print_plan(struct cli *cli, const json_t *plan)
{
	struct buf *out = &cli->out;
	size_t index;
	const json_t *way;
	const char *extra = request_text(plan, "extra");
	buf_printf(out, "%s: %s\n  %s\n", request_text(plan, "server"), request_text(plan, "class"),
		   request_text(plan, "meaning"));
	if (json_is_true(json_object_get(plan, "another_server"))) {
		buf_add_text(out, "  It is another server than the one that was here before.\n");
	}
	if (json_is_true(json_object_get(plan, "unfinished"))) {
		buf_add_text(out, "  It was being made anew, and that was broken off.\n");
	}
	if (extra[0]) {
		buf_printf(out,
			   "  too much: %" JSON_INTEGER_FORMAT
			   " transactions that %s lacks:\n    %s\n",
			   json_integer_value(json_object_get(plan, "extra_count")),
			   request_text(plan, "primary"), extra);
	}
	buf_printf(out, "  lacking: %" JSON_INTEGER_FORMAT " transactions of %s\n  %s\n",
		   json_integer_value(json_object_get(plan, "missing_count")),
		   request_text(plan, "primary"), request_text(plan, "remedy"));
	json_array_foreach(json_object_get(plan, "ways"), index, way)
	{
		buf_printf(out, "  %s: %s\n", request_text(way, "way"), request_text(way, "text"));
	}
}

static void print_tail(struct cli *cli, const json_t *tail)
{
	const char *missing = request_text(tail, "missing");
	buf_printf(&cli->out,
		   "%" JSON_INTEGER_FORMAT " transactions, %" JSON_INTEGER_FORMAT
		   " bytes\n  %s\n  %s\n",
		   json_integer_value(json_object_get(tail, "transactions")),
		   json_integer_value(json_object_get(tail, "bytes")), request_text(tail, "binlog"),
		   request_text(tail, "story"));
	if (missing[0]) {
		buf_printf(&cli->out, "  no longer in its binary logs, not saved: %s\n", missing);
	}
}

static enum err run(struct request *request, const char *action, json_t *body)
{
	json_t *result = NULL;
	struct cli *cli = request->cli;
	enum err rc = request_group_call(request, "POST", "/rejoin", body, &result);
	if (rc == ERR_OK && cli->json) {
		cli_print_json(cli, result);
	} else if (rc == ERR_OK && strcmp(action, "plan") == 0) {
		print_plan(cli, result);
	} else if (rc == ERR_OK) {
		print_tail(cli, json_object_get(result, "tail"));
	}
	json_decref(result);
	return rc;
}

enum err cmd_rejoin(struct cli *cli, const struct args *args)
{
	struct request request;
	const char *server = args_word(args, args->word_count - 1);
	const char *action = action_of(args);
	enum err rc = check_options(cli, args);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *body = json_pack("{s:s, s:s}", "server", server, "action", action);
	if (!body) {
		return err_set(&cli->err, ERR_USAGE, "the server's name is no valid UTF-8");
	}
	rc = add_folder(cli, args, body);
	rc = rc ? rc : request_open(cli, args, &request);
	rc = rc ? rc : request_group(&request, args->word_count > 1 ? args_word(args, 0) : NULL);
	rc = rc ? rc : run(&request, action, body);
	json_decref(body);
	return rc;
}
