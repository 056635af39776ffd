/* muster store show. */
#include "cli/command.h"
#include "cli/request.h"
#include "cli/table.h"

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
