/* muster group: add, create, list, remove, show. */
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/commands/group_option.h"
#include "cli/commands/server_word.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/output/view_course.h"
#include "cli/request.h"

const struct option_row options_group_create[] = {
	{ .name = "policy",
	  .kind = OPTION_TEXT,
	  .value = "POLICY",
	  .help = "lossless (no acknowledged commit is lost), bounded or async. Default: "
		  "lossless." },
	GROUP_OPTION_MAX_LOSS,
	{ 0 },
};

const struct option_row options_group_remove[] = { OPTION_DRY_RUN, { 0 } };

const struct option_row options_group_add[] = {
	OPTION_DRY_RUN,
	{ .name = "below",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "Replicate from this server of the group and not from the primary." },
	{ .name = "dc",
	  .kind = OPTION_TEXT,
	  .value = "NAME",
	  .help = "Their data centre; the primary's is preferred in a failover." },
	{ 0 },
};

/* What the options say of each of the servers. */
static enum err add_settings(struct cli *cli, const struct args *args, json_t *servers)
{
	const char *dc = args_text(args, "dc");
	const char *below = args_text(args, "below");
	size_t i;
	json_t *server;
	json_array_foreach(servers, i, server)
	{
		if (dc && json_object_set_new(server, "dc", json_string(dc)) != 0) {
			return err_set(&cli->err, ERR_USAGE, "--dc: no valid UTF-8");
		}
		if (below && json_object_set_new(server, "below", json_string(below)) != 0) {
			return err_set(&cli->err, ERR_USAGE, "--below: no valid UTF-8");
		}
	}
	return ERR_OK;
}

/* The words from `first` on as a list of servers; a new reference. */
static enum err servers_of(struct cli *cli, const struct args *args, size_t first, json_t **ret)
{
	json_t *servers = json_array();
	enum err rc = ERR_OK;
	for (size_t i = first; rc == ERR_OK && i < args->word_count; i++) {
		json_t *server = NULL;
		rc = server_word_parse(args->words[i], true, &server, &cli->err);
		if (rc == ERR_OK) {
			check(json_array_append_new(servers, server) == 0);
		}
	}
	if (rc != ERR_OK) {
		json_decref(servers);
		return rc;
	}
	*ret = servers;
	return ERR_OK;
}

enum err cmd_group_create(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *servers = NULL;
	json_t *result = NULL;
	enum err rc = servers_of(cli, args, 1, &servers);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *body = json_pack("{s:s, s:s, s:o}", "group", args->words[0], "policy", "lossless",
				 "servers", servers);
	if (!body) {
		json_decref(servers);
		return err_set(&cli->err, ERR_USAGE, "a name is no valid UTF-8");
	}
	rc = group_option_policy(cli, args, body);
	rc = rc ? rc : request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_call(&request, "POST", "/groups", body, &result);
	}
	json_decref(body);
	if (rc == ERR_OK) {
		view_done(cli, result, "is created", args->words[0]);
	}
	return rc;
}

enum err cmd_group_add(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *servers = NULL;
	json_t *result = NULL;
	bool named = strchr(args->words[0], '=') == NULL;
	if (named && args->word_count == 1) {
		return err_set(&cli->err, ERR_USAGE, "'%s' is no SERVER=HOST:PORT", args->words[0]);
	}
	enum err rc = servers_of(cli, args, named ? 1 : 0, &servers);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *body = json_pack("{s:o, s:b}", "servers", servers, "dry_run",
				 args_has(args, "dry-run") ? 1 : 0);
	rc = add_settings(cli, args, servers);
	rc = rc ? rc : request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_group(&request, named ? args->words[0] : NULL);
	}
	if (rc == ERR_OK) {
		rc = request_group_call(&request, "POST", "/servers", body, &result);
	}
	json_decref(body);
	if (rc == ERR_OK) {
		view_done(cli, result, "is changed", request.group);
	}
	return rc;
}

enum err cmd_group_remove(struct cli *cli, const struct args *args)
{
	struct request request;
	char text[1024];
	struct buf rest;
	json_t *result = NULL;
	const char *server = args_word(args, args->word_count - 1);
	enum err rc = request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_group(&request, args->word_count == 2 ? args->words[0] : NULL);
	}
	buf_init_fixed(&rest, text, sizeof(text));
	buf_add_text(&rest, "/servers/");
	client_add_word(&rest, str_of(server));
	if (rc == ERR_OK && (!server[0] || buf_finish(&rest) != ERR_OK)) {
		rc = err_set(&cli->err, ERR_USAGE, "'%.100s' is no server's name", server);
	}
	if (rc == ERR_OK) {
		json_t *body = json_pack("{s:b}", "dry_run", args_has(args, "dry-run") ? 1 : 0);
		rc = request_group_call(&request, "DELETE", buf_text(&rest), body, &result);
		json_decref(body);
	}
	if (rc == ERR_OK) {
		view_done(cli, result, "is changed", request.group);
	}
	return rc;
}

enum err cmd_group_list(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "group", "GROUP", TABLE_TEXT, 0 },	 { "policy", "POLICY", TABLE_TEXT, 2 },
		{ "epoch", "EPOCH", TABLE_NUMBER, 3 },	 { "state", "STATE", TABLE_TEXT, 1 },
		{ "primary", "PRIMARY", TABLE_TEXT, 0 },
	};
	struct request request;
	json_t *list = NULL;
	enum err rc = request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_call(&request, "GET", "/groups", NULL, &list);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	view_list(cli, list, "groups", columns, sizeof(columns) / sizeof(columns[0]));
	json_decref(list);
	return ERR_OK;
}

static void print_group(struct cli *cli, const json_t *group)
{
	static const struct table_column columns[] = {
		{ "name", "SERVER", TABLE_TEXT, 0 },
		{ "host", "HOST", TABLE_TEXT, 0 },
		{ "port", "PORT", TABLE_NUMBER, 0 },
		{ "weight", "WEIGHT", TABLE_NUMBER, 1 },
		{ "never_promote", "NEVER PROMOTE", TABLE_TEXT, 1 },
		{ "below", "BELOW", TABLE_TEXT, 2 },
		{ "dc", "DC", TABLE_TEXT, 3 },
	};
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	size_t i;
	const json_t *address;
	buf_printf(&cli->out, "group %s: policy %s, epoch %" JSON_INTEGER_FORMAT "\n",
		   request_text(group, "group"), request_text(group, "policy"),
		   json_integer_value(json_object_get(group, "epoch")));
	table_print(&style, columns, sizeof(columns) / sizeof(columns[0]),
		    json_object_get(group, "servers"), &cli->out);
	json_array_foreach(json_object_get(group, "addresses"), i, address)
	{
		view_address(cli, address);
	}
}

enum err cmd_group_show(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *group = NULL;
	enum err rc = request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_group(&request, args_word(args, 0));
	}
	if (rc == ERR_OK) {
		rc = request_group_call(&request, "GET", "", NULL, &group);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, group);
	} else {
		print_group(cli, group);
	}
	json_decref(group);
	return ERR_OK;
}
