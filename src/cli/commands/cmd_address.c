/* muster address: add, list, move, remove, show. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/command.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/request.h"

const struct option_row options_address_add[] = {
	{ .name = "group",
	  .kind = OPTION_TEXT,
	  .value = "GROUP",
	  .help = "Its group. Default: the only one." },
	{ .name = "at",
	  .kind = OPTION_TEXT,
	  .value = "PLACE",
	  .help = "primary: beside the primary, wherever that is. proxy: on a node that carries "
		  "clients." },
	{ .name = "prefer",
	  .kind = OPTION_TEXT,
	  .value = "NODE",
	  .help = "proxy: this node rather than another one." },
	{ .name = "fail-back",
	  .kind = OPTION_TEXT,
	  .value = "on|off",
	  .help = "proxy: on: a better node takes it back as soon as it can. Default: off." },
	{ .name = "dry-run",
	  .kind = OPTION_FLAG,
	  .help = "Only check, and tell which nodes are meant." },
	{ 0 },
};

enum { PATH_BYTES_MAX = 512 };

/* The part of "192.0.2.10/24%eth0" that names it in a path: the IP address. */
static struct str ip_of(const char *word)
{
	size_t bytes = strcspn(word, "/% ");
	return (struct str){ word, bytes };
}

static enum err address_call(struct cli *cli, const struct args *args, const char *http_method,
			     const char *rest, const json_t *body, json_t **ret)
{
	struct request request;
	char text[PATH_BYTES_MAX];
	struct buf path;
	struct str ip = ip_of(args->words[0]);
	buf_init_fixed(&path, text, sizeof(text));
	buf_add_text(&path, "/addresses/");
	client_add_word(&path, ip);
	buf_add_text(&path, rest);
	if (buf_finish(&path) != ERR_OK || !ip.len) {
		return err_set(&cli->err, ERR_USAGE, "'%.100s' is no address", args->words[0]);
	}
	enum err rc = request_open(cli, args, &request);
	return rc ? rc : request_call(&request, http_method, buf_text(&path), body, ret);
}

/* ---------------------------------------------------------------- add */

static enum err add_body(struct cli *cli, const struct args *args, json_t **ret)
{
	const char *at = args_text(args, "at");
	const char *prefer = args_text(args, "prefer");
	const char *back = args_text(args, "fail-back");
	if (!at) {
		return err_set(
			&cli->err, ERR_USAGE,
			"--at is needed: primary, or proxy for an address among the proxies");
	}
	if (back && strcmp(back, "on") != 0 && strcmp(back, "off") != 0) {
		return err_set(&cli->err, ERR_USAGE, "--fail-back: '%.100s' is none of on, off",
			       back);
	}
	*ret = json_pack("{s:s, s:s, s:s, s:b, s:b}", "address", args->words[0], "at", at, "prefer",
			 prefer ? prefer : "", "fail_back", (int)(back && strcmp(back, "on") == 0),
			 "dry_run", args_has(args, "dry-run") ? 1 : 0);
	return *ret ? ERR_OK : err_set(&cli->err, ERR_USAGE, "a word is no UTF-8");
}

static void print_dry(struct cli *cli, const json_t *result)
{
	size_t i;
	const json_t *name;
	buf_printf(&cli->out, "%s: %s:", request_text(result, "address"),
		   request_text(result, "text"));
	json_array_foreach(json_object_get(result, "nodes"), i, name)
	{
		buf_printf(&cli->out, " %s", json_string_value(name));
	}
	buf_add_text(&cli->out, i ? "\n" : " none\n");
}

enum err cmd_address_add(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *body = NULL;
	json_t *result = NULL;
	enum err rc = add_body(cli, args, &body);
	rc = rc ? rc : request_open(cli, args, &request);
	rc = rc ? rc : request_group(&request, args_text(args, "group"));
	rc = rc ? rc : request_group_call(&request, "POST", "/addresses", body, &result);
	json_decref(body);
	if (rc != ERR_OK) {
		return rc;
	}
	if (args_has(args, "dry-run") && !cli->json) {
		view_warnings(cli, result);
		print_dry(cli, result);
		json_decref(result);
	} else {
		view_done(cli, result, "is added", args->words[0]);
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- list, show */

enum err cmd_address_list(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "address", "ADDRESS", TABLE_TEXT, 0 },
		{ "group", "GROUP", TABLE_TEXT, 1 },
		{ "at", "AT", TABLE_TEXT, 1 },
		{ "holder", "HOLDER", TABLE_TEXT, 0 },
		{ "state", "STATE", TABLE_TEXT, 0 },
		{ "interface", "INTERFACE", TABLE_TEXT, 2 },
		{ "prefer", "PREFERS", TABLE_TEXT, 3 },
		{ "why", "WHY", TABLE_TEXT, 4 },
	};
	struct request request;
	char text[PATH_BYTES_MAX];
	struct buf path;
	json_t *list = NULL;
	const char *group = args_word(args, 0);
	buf_init_fixed(&path, text, sizeof(text));
	buf_add_text(&path, "/addresses");
	if (group) {
		buf_add_text(&path, "?group=");
		client_add_word(&path, str_of(group));
	}
	if (buf_finish(&path) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE, "'%.100s' is no group's name", group);
	}
	enum err rc = request_open(cli, args, &request);
	rc = rc ? rc : request_call(&request, "GET", buf_text(&path), NULL, &list);
	if (rc != ERR_OK) {
		return rc;
	}
	view_list(cli, list, "addresses", columns, sizeof(columns) / sizeof(columns[0]));
	json_decref(list);
	return ERR_OK;
}

enum err cmd_address_show(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "node", "NODE", TABLE_TEXT, 0 },
		{ "fit", "FIT", TABLE_TEXT, 0 },
		{ "state", "STATE", TABLE_TEXT, 0 },
		{ "why", "WHY", TABLE_TEXT, 1 },
	};
	json_t *address = NULL;
	enum err rc = address_call(cli, args, "GET", "", NULL, &address);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, address);
	} else {
		const struct table_style style = { cli->term, cli->no_header, cli->wide };
		view_address(cli, address);
		table_print(&style, columns, sizeof(columns) / sizeof(columns[0]),
			    json_object_get(address, "nodes"), &cli->out);
	}
	json_decref(address);
	return ERR_OK;
}

/* ---------------------------------------------------------------- move, remove */

enum err cmd_address_move(struct cli *cli, const struct args *args)
{
	json_t *result = NULL;
	json_t *body = json_pack("{s:s}", "to", args->words[1]);
	if (!body) {
		return err_set(&cli->err, ERR_USAGE, "the node's name is no UTF-8");
	}
	enum err rc = address_call(cli, args, "POST", "/move", body, &result);
	json_decref(body);
	if (rc == ERR_OK) {
		view_done(cli, result, "moves", args->words[0]);
	}
	return rc;
}

enum err cmd_address_remove(struct cli *cli, const struct args *args)
{
	char question[256];
	json_t *result = NULL;
	(void)snprintf(question, sizeof(question),
		       "Clients of %.100s can then reach nobody there. Remove it?", args->words[0]);
	enum err rc = cli_confirm(cli, args, question);
	rc = rc ? rc : address_call(cli, args, "DELETE", "", NULL, &result);
	if (rc == ERR_OK) {
		view_done(cli, result, "is removed", args->words[0]);
	}
	return rc;
}
