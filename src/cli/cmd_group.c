/* muster group: add, create, list, remove, set, show. */
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/request.h"
#include "cli/server_word.h"
#include "cli/table.h"
#include "cli/view.h"

#define OPTION_MAX_LOSS \
	{ \
		.name = "max-loss-s", .kind = OPTION_TEXT, .value = "N", \
		.help = "bounded: a failover may lose the commits of the last N seconds." \
	}

const struct option_row options_group_create[] = {
	{ .name = "policy",
	  .kind = OPTION_TEXT,
	  .value = "POLICY",
	  .help = "lossless (no acknowledged commit is lost), bounded or async. Default: "
		  "lossless." },
	OPTION_MAX_LOSS,
	{ 0 },
};

const struct option_row options_group_set[] = {
	{ .name = "policy",
	  .kind = OPTION_TEXT,
	  .value = "POLICY",
	  .help = "lossless, bounded or async." },
	OPTION_MAX_LOSS,
	{ .name = "weight",
	  .kind = OPTION_TEXT,
	  .value = "SERVER=N",
	  .help = "Share of the readers that a server gets; 0: none.",
	  .repeats = true },
	{ .name = "never-promote",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "Never make this server the primary.",
	  .repeats = true },
	{ .name = "may-promote",
	  .kind = OPTION_TEXT,
	  .value = "SERVER",
	  .help = "Allow this server to become the primary again.",
	  .repeats = true },
	{ 0 },
};

enum { WEIGHT_MAX = 1000, MAX_LOSS_S_MAX = 86400 };

/* Prints the result as JSON, or `line` for people, and lets go of it. */
static void finish(struct cli *cli, json_t *result, const char *verb, const char *what)
{
	const char *text = request_text(result, "text");
	view_warnings(cli, result);
	if (cli->json) {
		cli_print_json(cli, result);
	} else if (text[0]) {
		buf_printf(&cli->out, "%s: %s\n", what, text);
	} else {
		buf_printf(&cli->out, "%s %s\n", what, verb);
	}
	json_decref(result);
}

/* Puts policy and max_loss_s into the body of a call, as far as they are given. */
static enum err add_policy(struct cli *cli, const struct args *args, json_t *body)
{
	const char *policy = args_text(args, "policy");
	const char *max_loss = args_text(args, "max-loss-s");
	uint32_t max_loss_s = 0;
	if (policy && strcmp(policy, "lossless") != 0 && strcmp(policy, "bounded") != 0 &&
	    strcmp(policy, "async") != 0) {
		return err_set(&cli->err, ERR_USAGE,
			       "--policy: '%s' is none of lossless, bounded, async", policy);
	}
	if (max_loss && str_parse_u32(str_of(max_loss), 1, MAX_LOSS_S_MAX, &max_loss_s) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE, "--max-loss-s: '%s' is no number from 1 to %d",
			       max_loss, (int)MAX_LOSS_S_MAX);
	}
	if (policy) {
		check(json_object_set_new(body, "policy", json_string(policy)) == 0);
	}
	if (max_loss) {
		check(json_object_set_new(body, "max_loss_s", json_integer(max_loss_s)) == 0);
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
	rc = add_policy(cli, args, body);
	rc = rc ? rc : request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_call(&request, "POST", "/groups", body, &result);
	}
	json_decref(body);
	if (rc == ERR_OK) {
		finish(cli, result, "is created", args->words[0]);
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
	json_t *body = json_pack("{s:o}", "servers", servers);
	rc = request_open(cli, args, &request);
	if (rc == ERR_OK) {
		rc = request_group(&request, named ? args->words[0] : NULL);
	}
	if (rc == ERR_OK) {
		rc = request_group_call(&request, "POST", "/servers", body, &result);
	}
	json_decref(body);
	if (rc == ERR_OK) {
		finish(cli, result, "is changed", request.group);
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
		rc = request_group_call(&request, "DELETE", buf_text(&rest), NULL, &result);
	}
	if (rc == ERR_OK) {
		finish(cli, result, "is changed", request.group);
	}
	return rc;
}

static enum err add_weight(struct cli *cli, const char *word, json_t *servers)
{
	struct str rest = str_of(word);
	struct str name = STR("");
	uint32_t weight = 0;
	if (!str_next(&rest, '=', &name) || name.len == 0 ||
	    str_parse_u32(rest, 0, WEIGHT_MAX, &weight) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE,
			       "--weight: '%s' is no SERVER=N, N from 0 to %d", word,
			       (int)WEIGHT_MAX);
	}
	json_t *server =
		json_pack("{s:s%, s:i}", "name", name.ptr, name.len, "weight", (int)weight);
	return server && json_array_append_new(servers, server) == 0
		       ? ERR_OK
		       : err_set(&cli->err, ERR_USAGE, "--weight: the name is no valid UTF-8");
}

static enum err add_promotable(struct cli *cli, const struct args *args, const char *option,
			       bool never, json_t *servers)
{
	const char *name;
	for (size_t i = 0; (name = args_nth(args, option, i)) != NULL; i++) {
		json_t *server =
			json_pack("{s:s, s:b}", "name", name, "never_promote", never ? 1 : 0);
		if (!server || json_array_append_new(servers, server) != 0) {
			return err_set(&cli->err, ERR_USAGE, "--%s: the name is no valid UTF-8",
				       option);
		}
	}
	return ERR_OK;
}

/* What is to be set, as the body of the call; a new reference. */
static enum err settings_of(struct cli *cli, const struct args *args, json_t **ret)
{
	const char *weight;
	if (args->value_count == 0) {
		return err_set(&cli->err, ERR_USAGE, "group set: nothing to set: see --help");
	}
	json_t *body = json_object();
	json_t *servers = json_array();
	enum err rc = add_policy(cli, args, body);
	for (size_t i = 0; rc == ERR_OK && (weight = args_nth(args, "weight", i)) != NULL; i++) {
		rc = add_weight(cli, weight, servers);
	}
	if (rc == ERR_OK) {
		rc = add_promotable(cli, args, "never-promote", true, servers);
	}
	if (rc == ERR_OK) {
		rc = add_promotable(cli, args, "may-promote", false, servers);
	}
	if (json_array_size(servers)) {
		check(json_object_set(body, "servers", servers) == 0);
	}
	if (rc == ERR_OK && json_object_size(body) == 0) {
		rc = err_set(&cli->err, ERR_USAGE, "group set: nothing to set: see --help");
	}
	json_decref(servers);
	if (rc != ERR_OK) {
		json_decref(body);
		return rc;
	}
	*ret = body;
	return ERR_OK;
}

enum err cmd_group_set(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *body = NULL;
	json_t *result = NULL;
	enum err rc = settings_of(cli, args, &body);
	if (rc == ERR_OK) {
		rc = request_open(cli, args, &request);
	}
	if (rc == ERR_OK) {
		rc = request_group(&request, args_word(args, 0));
	}
	if (rc == ERR_OK) {
		rc = request_group_call(&request, "PATCH", "", body, &result);
	}
	json_decref(body);
	if (rc == ERR_OK) {
		finish(cli, result, "is changed", request.group);
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
	if (cli->json) {
		cli_print_json(cli, list);
	} else {
		const struct table_style style = { cli->term, cli->no_header, cli->wide };
		table_print(&style, columns, sizeof(columns) / sizeof(columns[0]),
			    json_object_get(list, "groups"), &cli->out);
	}
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
	};
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	buf_printf(&cli->out, "group %s: policy %s, epoch %" JSON_INTEGER_FORMAT "\n",
		   request_text(group, "group"), request_text(group, "policy"),
		   json_integer_value(json_object_get(group, "epoch")));
	table_print(&style, columns, sizeof(columns) / sizeof(columns[0]),
		    json_object_get(group, "servers"), &cli->out);
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
