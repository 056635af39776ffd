/* muster group adopt. */
#include "base/check.h"
#include "cli/command.h"
#include "cli/commands/server_word.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/request.h"

const struct option_row options_group_adopt[] = {
	{ .name = "dry-run",
	  .kind = OPTION_FLAG,
	  .help = "Only tell what was found and what would be changed." },
	{ .name = "policy",
	  .kind = OPTION_TEXT,
	  .value = "POLICY",
	  .help = "lossless or async. Default: lossless." },
	{ 0 },
};

/* What the manager found and would change, for people. */
static void print_plan(struct cli *cli, const json_t *plan)
{
	static const struct table_column columns[] = {
		{ "name", "SERVER", TABLE_TEXT, 0 },	 { "host", "HOST", TABLE_TEXT, 0 },
		{ "port", "PORT", TABLE_NUMBER, 0 },	 { "role", "ROLE", TABLE_TEXT, 1 },
		{ "below", "BELOW", TABLE_TEXT, 1 },	 { "version", "VERSION", TABLE_TEXT, 2 },
		{ "problem", "PROBLEM", TABLE_TEXT, 3 },
	};
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	const json_t *changes = json_object_get(plan, "changes");
	size_t index;
	const json_t *change;
	table_print(&style, columns, sizeof(columns) / sizeof(columns[0]),
		    json_object_get(plan, "servers"), &cli->out);
	if (json_array_size(changes) == 0) {
		buf_add_text(&cli->out, "nothing on the servers would be changed\n");
	}
	json_array_foreach(changes, index, change)
	{
		buf_printf(&cli->out, "would change: %s\n",
			   json_string_value(change) ? json_string_value(change) : "?");
	}
}

static enum err call(struct request *request, json_t *body, bool dry_run, json_t **ret)
{
	check(json_object_set_new(body, "dry_run", json_boolean(dry_run)) == 0);
	return request_group_call(request, "POST", "/adopt", body, ret);
}

static enum err adopt(struct cli *cli, const struct args *args, struct request *request,
		      json_t *body)
{
	json_t *plan = NULL;
	json_t *result = NULL;
	bool dry_run = args_has(args, "dry-run");
	enum err rc = call(request, body, true, &plan);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json && dry_run) {
		cli_print_json(cli, plan);
	} else if (!cli->json) {
		print_plan(cli, plan);
	}
	view_warnings(cli, plan);
	json_decref(plan);
	if (dry_run) {
		return ERR_OK;
	}
	rc = cli_confirm(cli, args, "Adopt this group?");
	if (rc == ERR_OK) {
		rc = call(request, body, false, &result);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s is adopted\n", request->group);
	}
	json_decref(result);
	return ERR_OK;
}

enum err cmd_group_adopt(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *body = NULL;
	const char *policy = args_text(args, "policy");
	enum err rc = server_word_parse(args->words[1], false, &body, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (policy && json_object_set_new(body, "policy", json_string(policy)) != 0) {
		rc = err_set(&cli->err, ERR_USAGE, "--policy: no valid UTF-8");
	}
	if (rc == ERR_OK) {
		rc = request_open(cli, args, &request);
	}
	if (rc == ERR_OK) {
		rc = request_group(&request, args->words[0]);
	}
	if (rc == ERR_OK) {
		rc = adopt(cli, args, &request, body);
	}
	json_decref(body);
	return rc;
}
