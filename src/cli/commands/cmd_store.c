/* muster store: show, migrate. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/commands/store_config.h"
#include "cli/output/table.h"
#include "cli/request.h"

const struct option_row options_store_migrate[] = {
	{ .name = "to",
	  .kind = OPTION_TEXT,
	  .value = "STORE",
	  .help = "`etcd`: as [store] of the configuration describes it, whatever its `kind` says. "
		  "`sqlite`: muster.db in the data-dir of the configuration. "
		  "`sqlite:/FOLDER/muster.db`: that file." },
	{ 0 },
};

static const struct table_column member_columns[] = {
	/* clang-format off */
	{ "url", "MEMBER", TABLE_TEXT, 0 },
	{ "role", "ROLE", TABLE_TEXT, 0 },
	{ "version", "VERSION", TABLE_TEXT, 2 },
	{ "revision", "REVISION", TABLE_NUMBER, 3 },
	{ "bytes", "BYTES", TABLE_NUMBER, 1 },
	{ "problem", "PROBLEM", TABLE_TEXT, 0 },
	/* clang-format on */
};

static void add_leader(struct cli *cli, const json_t *all)
{
	struct buf *out = &cli->out;
	const char *leader = request_text(all, "leader");
	const char *trouble = request_text(all, "trouble");
	const char *moved_to = request_text(all, "moved_to");
	bool leads = json_is_true(json_object_get(all, "leads"));
	buf_printf(out, "store: %s\n", request_text(all, "store"));
	if (leads) {
		buf_printf(out, "leader: %s, which answers here, term %" JSON_INTEGER_FORMAT "\n",
			   leader, json_integer_value(json_object_get(all, "term")));
	} else {
		buf_printf(out,
			   "leader: %s at %s, term %" JSON_INTEGER_FORMAT "; %s answers here\n",
			   leader[0] ? leader : "none", request_text(all, "leader_address"),
			   json_integer_value(json_object_get(all, "term")),
			   request_text(all, "node"));
	}
	if (trouble[0]) {
		buf_printf(out, "trouble: %s\n", trouble);
	}
	if (moved_to[0]) {
		buf_printf(out, "moved to: %s\n", moved_to);
	}
}

enum err cmd_store_show(struct cli *cli, const struct args *args)
{
	struct request request;
	json_t *all = NULL;
	enum err rc = request_open(cli, args, &request);
	rc = rc ? rc : request_call(&request, "GET", "/store", NULL, &all);
	if (rc != ERR_OK) {
		return rc;
	}
	const json_t *members = json_object_get(all, "members");
	const struct table_style style = { cli->term, cli->no_header, cli->wide };
	if (cli->json) {
		cli_print_json(cli, all);
	} else {
		add_leader(cli, all);
		if (json_array_size(members)) {
			table_print(&style, member_columns,
				    sizeof(member_columns) / sizeof(member_columns[0]), members,
				    &cli->out);
		}
	}
	json_decref(all);
	return ERR_OK;
}

/* The file is called so, that a later start finds it in its data-dir. */
static enum err set_path(const char *path, struct store_place *place, struct err_ctx *err)
{
	struct str text = str_of(path);
	if (!str_starts_with(text, STR("/")) || !str_ends_with(text, STR("/muster.db")) ||
	    str_copy(text, place->path, sizeof(place->path)) != ERR_OK) {
		return err_set(err, ERR_USAGE,
			       "--to: sqlite:/FOLDER/muster.db is needed, FOLDER being the "
			       "data-dir of the next start");
	}
	return ERR_OK;
}

static enum err find_target(struct cli *cli, const struct args *args, struct store_place *ret)
{
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	const char *to = args_text(args, "to");
	struct str word = str_of(to);
	bool file = str_starts_with(word, STR("sqlite:"));
	bool etcd = strcmp(to ? to : "", "etcd") == 0;
	if (!etcd && !file && strcmp(to ? to : "", "sqlite") != 0) {
		return err_set(&cli->err, ERR_USAGE,
			       "--to: one of etcd, sqlite, sqlite:/FOLDER/muster.db is needed");
	}
	enum err rc = config_load(args_text(args, "config"), config, &cli->err);
	rc = rc ? rc : store_config_place(config, etcd ? STORE_ETCD : STORE_SQLITE, ret, &cli->err);
	return rc || !file ? rc : set_path(to + sizeof("sqlite:") - 1, ret, &cli->err);
}

static void print_moved(struct cli *cli, const json_t *result, const struct store_place *to)
{
	struct buf *out = &cli->out;
	buf_printf(out, "moved from %s to %s\n", request_text(result, "from"),
		   request_text(result, "to"));
	if (!json_is_true(json_object_get(result, "ended"))) {
		buf_add_text(out, "the new store could not be put in force yet; that is tried "
				  "again: see muster store show\n");
	}
	if (to->kind == STORE_ETCD) {
		buf_printf(out,
			   "before the next start of muster run: [store] kind = etcd, "
			   "endpoints = %s\n",
			   to->endpoints);
	} else {
		buf_printf(out,
			   "before the next start of muster run: [store] kind = sqlite, [muster] "
			   "data-dir = %.*s\n",
			   (int)(strlen(to->path) - sizeof("/muster.db") + 1), to->path);
	}
}

enum err cmd_store_migrate(struct cli *cli, const struct args *args)
{
	struct request request;
	struct store_place to;
	json_t *result = NULL;
	enum err rc = find_target(cli, args, &to);
	rc = rc ? rc : request_open(cli, args, &request);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *body = json_pack("{s:o}", "to", store_place_to_json(&to));
	rc = request_call(&request, "POST", "/store/migrate", body, &result);
	json_decref(body);
	if (rc == ERR_OK && cli->json) {
		cli_print_json(cli, result);
	} else if (rc == ERR_OK) {
		print_moved(cli, result, &to);
	}
	json_decref(result);
	return rc;
}
