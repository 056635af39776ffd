/* muster pair: set, unset, show, maintain. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/commands/pair_script.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/output/view_course.h"
#include "cli/request.h"
#include "os/file.h"

enum { PASSWORD_FILE_BYTES_MAX = 4096 };

const struct option_row options_pair_set[] = {
	{ .name = "domain",
	  .kind = OPTION_NUMBER,
	  .value = "N",
	  .help = "MariaDB: the GTID domain that changes are written in, one that nothing else "
		  "uses. Default: 1000.",
	  .min = 1,
	  .max = INT32_MAX },
	{ 0 },
};

const struct option_row options_pair_maintain[] = {
	OPTION_DRY_RUN,
	{ .name = "sql",
	  .kind = OPTION_TEXT,
	  .value = "FILE",
	  .help = "Run the statements of this file on the passive side, and go on to the end. '-': "
		  "standard input." },
	{ .name = "statement",
	  .letter = 'e',
	  .kind = OPTION_TEXT,
	  .value = "SQL",
	  .help = "As --sql, with the statements themselves." },
	{ .name = "user",
	  .letter = 'u',
	  .kind = OPTION_TEXT,
	  .value = "USER",
	  .help = "Who runs them: an account that may write on a read-only server. Default: "
		  "root." },
	{ .name = "password-file",
	  .kind = OPTION_TEXT,
	  .value = "FILE",
	  .help = "Its password, the first line of this file. Default: none." },
	{ .name = "server-socket",
	  .kind = OPTION_TEXT,
	  .value = "PATH",
	  .help = "Unix socket of the passive server, where it is on this host. Default: its "
		  "address." },
	{ .name = "what",
	  .kind = OPTION_TEXT,
	  .value = "TEXT",
	  .help = "For people: what is changed; in status and events." },
	{ .name = "done",
	  .kind = OPTION_FLAG,
	  .help = "The change is complete: bring the side back and let it take over." },
	{ .name = "abort",
	  .kind = OPTION_FLAG,
	  .help = "Call it off: possible as long as nothing was changed." },
	{ .name = "discard",
	  .kind = OPTION_FLAG,
	  .help = "With --abort: although something was changed. The side then has too much and "
		  "has to be made anew." },
	{ 0 },
};

static enum err open_for_group(struct cli *cli, const struct args *args, size_t words,
			       struct request *ret)
{
	enum err rc = request_open(cli, args, ret);
	return rc ? rc : request_group(ret, args->word_count > words ? args->words[0] : NULL);
}

/* ---------------------------------------------------------------- set, unset, show */

enum err cmd_pair_set(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *result = NULL;
	size_t first = args->word_count - 2;
	json_t *body =
		json_pack("{s:[s, s]}", "masters", args->words[first], args->words[first + 1]);
	if (!body) {
		return err_set(&cli->err, ERR_USAGE, "a name is no valid UTF-8");
	}
	if (args_has(args, "domain")) {
		check(json_object_set_new(
			      body, "domain",
			      json_integer((json_int_t)args_number(args, "domain", 0))) == 0);
	}
	enum err rc = open_for_group(cli, args, 2, &request);
	rc = rc ? rc : request_group_call(&request, "POST", "/pair", body, &result);
	json_decref(body);
	if (rc == ERR_OK) {
		view_done(cli, result, "is a pair", request.group);
	}
	return rc;
}

enum err cmd_pair_unset(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *result = NULL;
	enum err rc = open_for_group(cli, args, 0, &request);
	rc = rc ? rc : request_group_call(&request, "DELETE", "/pair", NULL, &result);
	if (rc == ERR_OK) {
		view_done(cli, result, "is no pair any more", request.group);
	}
	return rc;
}

static void add_names(struct buf *out, const json_t *names)
{
	size_t index;
	const json_t *name;
	json_array_foreach(names, index, name)
	{
		const char *text = json_string_value(name);
		buf_printf(out, "%s%s", index ? ", " : "", text ? text : "?");
	}
}

static void print_pair(struct cli *cli, const json_t *show)
{
	struct buf *out = &cli->out;
	const json_t *pair = json_object_get(show, "pair");
	const char *missing = request_text(pair, "missing");
	const char *change = request_text(pair, "change");
	const char *ended = request_text(pair, "ended");
	size_t index;
	const json_t *side;
	if (!json_is_object(pair)) {
		buf_printf(out, "%s is no pair: muster pair set makes it one\n",
			   request_text(show, "group"));
		return;
	}
	json_array_foreach(json_object_get(pair, "sides"), index, side)
	{
		const json_t *replicas = json_object_get(side, "replicas");
		bool active = json_is_true(json_object_get(side, "active"));
		buf_printf(out, "%s: %s%s", active ? "active" : "passive",
			   request_text(side, "master"),
			   json_array_size(replicas) ? ", below it " : "");
		add_names(out, replicas);
		buf_add_char(out, '\n');
	}
	buf_printf(out, "change: %s: %s%s%s\n", request_text(pair, "state"),
		   request_text(pair, "text"), missing[0] ? ": " : "", missing);
	if (request_text(pair, "out")[0]) {
		buf_printf(out, "  %s, changed so far: %s\n", request_text(pair, "out"),
			   change[0] ? change : "nothing");
	}
	if (json_array_size(json_object_get(pair, "lacking"))) {
		buf_add_text(out, "  without it still: ");
		add_names(out, json_object_get(pair, "lacking"));
		buf_add_char(out, '\n');
	}
	if (ended[0]) {
		buf_printf(out, "  the newest one ended so: %s\n", ended);
	}
	view_warnings(cli, pair);
}

static enum err show(struct cli *cli, const json_t *result)
{
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		print_pair(cli, result);
	}
	return ERR_OK;
}

enum err cmd_pair_show(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *result = NULL;
	enum err rc = open_for_group(cli, args, 0, &request);
	rc = rc ? rc : request_group_call(&request, "GET", "/pair", NULL, &result);
	rc = rc ? rc : show(cli, result);
	json_decref(result);
	return rc;
}

/* ---------------------------------------------------------------- maintain */

static enum err check_options(struct cli *cli, const struct args *args)
{
	bool script = args_has(args, "sql") || args_has(args, "statement");
	if (args_has(args, "sql") + args_has(args, "statement") + args_has(args, "done") +
		    args_has(args, "abort") >
	    1) {
		return err_set(&cli->err, ERR_USAGE,
			       "--sql, --statement, --done and --abort: choose one");
	}
	if (args_has(args, "discard") && !args_has(args, "abort")) {
		return err_set(&cli->err, ERR_USAGE, "--discard goes with --abort");
	}
	static const char *const of_script[] = { "user", "password-file", "server-socket" };
	for (size_t i = 0; i < 3; i++) {
		if (args_has(args, of_script[i]) && !script) {
			return err_set(&cli->err, ERR_USAGE, "--%s goes with --sql or --statement",
				       of_script[i]);
		}
	}
	return ERR_OK;
}

static enum err read_password(struct cli *cli, const char *path, struct secret *ret)
{
	struct buf text;
	struct str line = STR("");
	if (!path) {
		return ERR_OK;
	}
	buf_init(&text, PASSWORD_FILE_BYTES_MAX);
	enum err rc = file_read(path, &text, &cli->err);
	if (rc == ERR_OK) {
		struct str rest = buf_str(&text);
		(void)str_next(&rest, '\n', &line);
		rc = secret_set(ret, str_trim(line));
	}
	if (text.ptr) {
		explicit_bzero(text.ptr, text.cap);
	}
	buf_fini(&text);
	return rc ? err_wrap(&cli->err, rc, "--password-file '%s'", path) : ERR_OK;
}

static enum err ask_for(struct request *request, const struct args *args, const char *action)
{
	json_t *result = NULL;
	const char *what = args_text(args, "what");
	bool dry_run = args_has(args, "dry-run");
	json_t *body = json_pack("{s:s, s:s*, s:b, s:b}", "action", action, "what", what, "discard",
				 args_has(args, "discard") ? 1 : 0, "dry_run", dry_run ? 1 : 0);
	if (!body) {
		return err_set(&request->cli->err, ERR_USAGE, "--what: no valid UTF-8");
	}
	enum err rc = request_group_call(request, "POST", "/pair/maintain", body, &result);
	json_decref(body);
	if (rc == ERR_OK && dry_run) {
		view_done(request->cli, result, "", request->group);
		return ERR_OK;
	}
	if (rc == ERR_OK) {
		view_warnings(request->cli, result);
	}
	json_decref(result);
	return rc;
}

static bool is_state(const json_t *pair, const char *state)
{
	return strcmp(request_text(pair, "state"), state) == 0;
}

static bool is_over(const json_t *pair)
{
	return !json_is_object(pair) || is_state(pair, "none");
}

static bool is_open_or_past(const json_t *pair)
{
	bool coming = is_state(pair, "out") || is_state(pair, "changing");
	return !coming || json_is_true(json_object_get(pair, "open"));
}

/* To the end, whatever it is: done, or given up with the reason. */
static enum err follow(struct request *request, bool expect_completed)
{
	json_t *result = NULL;
	enum err rc = pair_script_wait(request, is_over, &result);
	if (rc != ERR_OK) {
		return rc;
	}
	const json_t *pair = json_object_get(result, "pair");
	const char *ended = request_text(pair, "ended");
	bool completed = json_is_true(json_object_get(pair, "completed"));
	if (request->cli->json) {
		cli_print_json(request->cli, result);
	} else {
		buf_printf(&request->cli->out, "%s: %s\n", request->group, ended);
	}
	rc = completed || !expect_completed
		     ? ERR_OK
		     : err_set(&request->cli->err, ERR_FAILED,
			       "the change was not carried through: %s", ended);
	json_decref(result);
	return rc;
}

static enum err tell_person(struct request *request, const json_t *result)
{
	const json_t *pair = json_object_get(result, "pair");
	struct buf *out = &request->cli->out;
	if (request->cli->json) {
		cli_print_json(request->cli, result);
		return ERR_OK;
	}
	buf_printf(out,
		   "%s (%s:%" JSON_INTEGER_FORMAT
		   ") is out: change it now, with an account that may write on a read-only "
		   "server\n",
		   request_text(pair, "out"), request_text(pair, "host"),
		   json_integer_value(json_object_get(pair, "port")));
	buf_printf(out,
		   "then: muster pair maintain %s --done    or, as long as nothing is changed: "
		   "--abort\n",
		   request->group);
	return ERR_OK;
}

static enum err run_script(struct request *request, const struct args *args)
{
	struct cli *cli = request->cli;
	CLEANUP(mem_freep) struct pair_script *script = mem_need(sizeof(*script));
	json_t *result = NULL;
	const char *user = args_text(args, "user");
	script->user = user ? user : "root";
	script->socket_path = args_text(args, "server-socket");
	enum err rc = pair_script_read(args_text(args, "sql"), args_text(args, "statement"), script,
				       &cli->err);
	rc = rc ? rc : read_password(cli, args_text(args, "password-file"), &script->password);
	rc = rc ? rc : pair_script_wait(request, is_open_or_past, &result);
	const json_t *pair = json_object_get(result, "pair");
	if (rc == ERR_OK && is_state(pair, "changing")) {
		rc = pair_script_run(request, script, pair);
		rc = rc ? rc : ask_for(request, args, "done");
	}
	json_decref(result);
	pair_script_fini(script);
	return rc ? rc : follow(request, true);
}

/* The statements are read before anything is begun: a file that is not there must not take a side out. */
static enum err check_script(struct cli *cli, const struct args *args)
{
	const char *path = args_text(args, "sql");
	if ((!path && !args_has(args, "statement")) || (path && strcmp(path, "-") == 0)) {
		return ERR_OK;
	}
	CLEANUP(mem_freep) struct pair_script *script = mem_need(sizeof(*script));
	enum err rc = pair_script_read(path, args_text(args, "statement"), script, &cli->err);
	rc = rc ? rc : read_password(cli, args_text(args, "password-file"), &script->password);
	pair_script_fini(script);
	return rc;
}

/* Takes the side out, unless that has been done by a run before. */
static enum err begin(struct request *request, const struct args *args)
{
	json_t *result = NULL;
	enum err rc = request_group_call(request, "GET", "/pair", NULL, &result);
	const json_t *pair = json_object_get(result, "pair");
	bool under_way = json_is_object(pair) && !is_state(pair, "none");
	if (rc == ERR_OK && args_has(args, "dry-run")) {
		rc = ask_for(request, args, "begin");
	} else if (rc == ERR_OK && under_way) {
		cli_note(request->cli, "a change is under way already, going on with it");
	} else if (rc == ERR_OK) {
		cli_note(request->cli,
			 "%s leaves sync set and readers, is changed, comes back and becomes the "
			 "primary; the others get the change from it",
			 request_text(pair, "passive"));
		rc = cli_confirm(request->cli, args, "Begin?");
		rc = rc ? rc : ask_for(request, args, "begin");
	}
	json_decref(result);
	return rc;
}

static enum err maintain(struct request *request, const struct args *args)
{
	struct cli *cli = request->cli;
	bool script = args_has(args, "sql") || args_has(args, "statement");
	bool dry_run = args_has(args, "dry-run");
	json_t *result = NULL;
	enum err rc = ERR_OK;
	if (args_has(args, "abort")) {
		rc = dry_run ? ERR_OK : cli_confirm(cli, args, "Call the change off?");
		rc = rc ? rc : ask_for(request, args, "abort");
		return rc || dry_run ? rc : follow(request, false);
	}
	if (args_has(args, "done")) {
		rc = dry_run ? ERR_OK
			     : cli_confirm(cli, args, "Bring the side back, and switch the roles?");
		rc = rc ? rc : ask_for(request, args, "done");
		return rc || dry_run ? rc : follow(request, true);
	}
	rc = check_script(cli, args);
	rc = rc ? rc : begin(request, args);
	if (rc != ERR_OK || dry_run) {
		return rc;
	}
	if (script) {
		return run_script(request, args);
	}
	rc = pair_script_wait(request, is_open_or_past, &result);
	if (rc == ERR_OK && !is_state(json_object_get(result, "pair"), "changing")) {
		json_decref(result);
		return follow(request, true);
	}
	rc = rc ? rc : tell_person(request, result);
	json_decref(result);
	return rc;
}

enum err cmd_pair_maintain(struct cli *cli, const struct args *args)
{
	struct request request;
	enum err rc = check_options(cli, args);
	rc = rc ? rc : open_for_group(cli, args, 0, &request);
	return rc ? rc : maintain(&request, args);
}
