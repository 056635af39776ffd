/* muster rejoin. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/request.h"

enum { FOLLOW_MS = 250 };

const struct option_row options_rejoin[] = {
	{ .name = "plan",
	  .kind = OPTION_FLAG,
	  .help = "Say how it stands, what each way would do and cost, and change nothing. The "
		  "default." },
	{ .name = "export-tail",
	  .kind = OPTION_FLAG,
	  .help = "Save the transactions that the primary lacks: as a binary log and as text." },
	{ .name = "reclone",
	  .kind = OPTION_FLAG,
	  .help = "Make it anew as a replica: its data are destroyed and another server's copied. "
		  "What only it has is saved first." },
	{ .name = "donor",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "With --reclone: whose data. Default: a replica that is not behind, else the "
		  "primary." },
	{ .name = "discard-tail",
	  .kind = OPTION_FLAG,
	  .help = "With --reclone: go on when what only it has can't be saved." },
	{ .name = "to",
	  .kind = OPTION_TEXT,
	  .value = "DIR",
	  .help = "With --export-tail: where to, on the host of `muster run`. Default: "
		  "tails/GROUP in its data-dir." },
	{ 0 },
};

static const char *action_of(const struct args *args)
{
	if (args_has(args, "reclone")) {
		return "reclone";
	}
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
	if (args_has(args, "plan") + args_has(args, "export-tail") + args_has(args, "reclone") >
	    1) {
		return err_set(&cli->err, ERR_USAGE,
			       "--plan, --export-tail and --reclone: choose one");
	}
	if ((args_has(args, "donor") || args_has(args, "discard-tail")) &&
	    !args_has(args, "reclone")) {
		return err_set(&cli->err, ERR_USAGE, "--%s goes with --reclone",
			       args_has(args, "donor") ? "donor" : "discard-tail");
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

/* ---------------------------------------------------------------- making it anew */

/* Shows what would happen, on standard error since it is no result, and asks. */
static enum err agree(struct request *request, const struct args *args, const char *server,
		      const char *donor)
{
	json_t *plan = NULL;
	json_t *body =
		json_pack("{s:s, s:s, s:s?}", "server", server, "action", "plan", "donor", donor);
	enum err rc = request_group_call(request, "POST", "/rejoin", body, &plan);
	json_decref(body);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *extra = request_text(plan, "extra");
	cli_note(request->cli, "%s is %s. %s", server, request_text(plan, "class"),
		 request_text(plan, "meaning"));
	if (extra[0]) {
		cli_note(request->cli, "only %s has: %s", server, extra);
	}
	cli_note(request->cli,
		 "all data of %s are destroyed, and %" JSON_INTEGER_FORMAT
		 " tables (%" JSON_INTEGER_FORMAT " MiB) copied from %s",
		 server, json_integer_value(json_object_get(plan, "tables")),
		 json_integer_value(json_object_get(plan, "bytes")) >> 20,
		 request_text(plan, "donor"));
	json_decref(plan);
	return cli_confirm(request->cli, args, "Destroy its data and make it anew?");
}

static void note_progress(struct cli *cli, const json_t *job, char *last, size_t last_bytes)
{
	char line[512];
	(void)snprintf(line, sizeof(line), "%s", request_text(job, "doing"));
	json_int_t tables = json_integer_value(json_object_get(job, "tables"));
	json_int_t bytes = json_integer_value(json_object_get(job, "bytes"));
	if (bytes > 0 || tables > 0) {
		(void)snprintf(line, sizeof(line),
			       "%s %s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
			       " tables, %" JSON_INTEGER_FORMAT " rows, %" JSON_INTEGER_FORMAT
			       " MiB, %.1f MiB/s",
			       request_text(job, "doing"), request_text(job, "what"),
			       json_integer_value(json_object_get(job, "tables_done")), tables,
			       json_integer_value(json_object_get(job, "rows")), bytes >> 20,
			       (double)json_integer_value(json_object_get(job, "bytes_per_s")) /
				       (1024 * 1024));
	}
	if (strcmp(line, last) != 0) {
		cli_note(cli, "%s", line);
		(void)snprintf(last, last_bytes, "%s", line);
	}
}

/* Follows the job to its end; it goes on without this command, too. */
static enum err follow(struct request *request, json_t **ret)
{
	char last[512] = "";
	for (;;) {
		json_t *status = NULL;
		const struct timespec pause = { 0, (long)FOLLOW_MS * 1000000 };
		enum err rc = request_group_call(request, "GET", "/status", NULL, &status);
		if (rc != ERR_OK) {
			return rc;
		}
		json_t *job = json_incref(json_object_get(status, "rejoin"));
		json_decref(status);
		note_progress(request->cli, job, last, sizeof(last));
		if (strcmp(request_text(job, "state"), "running") != 0) {
			*ret = job;
			return ERR_OK;
		}
		json_decref(job);
		(void)nanosleep(&pause, NULL);
	}
}

static enum err print_end(struct cli *cli, const json_t *job)
{
	const json_t *tail = json_object_get(job, "tail");
	bool done = strcmp(request_text(job, "state"), "done") == 0;
	if (cli->json && done) {
		cli_print_json(cli, job);
	} else if (done) {
		buf_printf(&cli->out, "%s has the data of %s, after %.1f s\n",
			   request_text(job, "server"), request_text(job, "donor"),
			   json_number_value(json_object_get(job, "seconds")));
		if (json_is_object(tail)) {
			buf_add_text(&cli->out, "what only it had: ");
			print_tail(cli, tail);
		}
	}
	return done ? ERR_OK
		    : err_set(&cli->err, err_from_name(request_text(job, "error")), "%s",
			      request_text(job, "error_text"));
}

static enum err reclone(struct request *request, const struct args *args, const char *server,
			json_t *body)
{
	const char *donor = args_text(args, "donor");
	json_t *started = NULL;
	json_t *job = NULL;
	enum err rc = ERR_OK;
	if (donor && json_object_set_new(body, "donor", json_string(donor)) != 0) {
		rc = err_set(&request->cli->err, ERR_USAGE, "--donor: the name is no valid UTF-8");
	}
	(void)json_object_set_new(body, "discard_tail",
				  json_boolean(args_has(args, "discard-tail")));
	rc = rc ? rc : agree(request, args, server, donor);
	rc = rc ? rc : request_group_call(request, "POST", "/rejoin", body, &started);
	rc = rc ? rc : follow(request, &job);
	rc = rc ? rc : print_end(request->cli, job);
	json_decref(started);
	json_decref(job);
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
	if (rc == ERR_OK) {
		rc = strcmp(action, "reclone") == 0 ? reclone(&request, args, server, body)
						    : run(&request, action, body);
	}
	json_decref(body);
	return rc;
}
