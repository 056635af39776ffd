/* muster config: check, show, sample. */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/output/table.h"

static void warn(void *ctx, const char *text)
{
	cli_note(ctx, "warning: %s", text);
}

enum err cmd_config_check(struct cli *cli, const struct args *args)
{
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	const char *path = args_word(args, 0);
	enum err rc = config_load(path ? path : args_text(args, "config"), config, &cli->err);
	if (rc == ERR_OK) {
		rc = config_load_secrets(config, false, warn, cli, &cli->err);
	}
	secret_wipe(&config->manager_password);
	secret_wipe(&config->replication_password);
	if (rc == ERR_OK) {
		buf_printf(&cli->out, "%s: right\n",
			   config->path[0] ? config->path : "no file, the defaults");
	}
	return rc;
}

enum err cmd_config_sample(struct cli *cli, const struct args *args)
{
	(void)args;
	config_sample(&cli->out);
	return ERR_OK;
}

static json_t *show_row(const struct config *config, enum config_index index)
{
	const struct config_key *key = &config_keys[index];
	struct buf value;
	char source[32] = "default";
	buf_init(&value, CONFIG_TEXT_BYTES_MAX + 1);
	config_value_text(config, index, &value);
	if (config->lines[index]) {
		(void)snprintf(source, sizeof(source), "line %u", config->lines[index]);
	}
	json_t *row =
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "section", key->section, "key", key->name,
			  "value", buf_text(&value), "unit", key->unit, "source", source);
	check(row);
	buf_fini(&value);
	return row;
}

enum err cmd_config_show(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "section", "SECTION", TABLE_TEXT, 0 }, { "key", "KEY", TABLE_TEXT, 0 },
		{ "value", "VALUE", TABLE_LONG, 0 },	 { "unit", "UNIT", TABLE_TEXT, 2 },
		{ "source", "SOURCE", TABLE_TEXT, 1 },
	};
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	enum err rc = config_load(args_text(args, "config"), config, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *rows = json_array();
	for (enum config_index i = 0; i < CONFIG_KEY_COUNT_; i++) {
		check(json_array_append_new(rows, show_row(config, i)) == 0);
	}
	if (cli->json) {
		json_t *all = json_pack("{s:s, s:O}", "file", config->path, "keys", rows);
		cli_print_json(cli, all);
		json_decref(all);
	} else {
		const struct table_style style = { cli->term, cli->no_header, cli->wide };
		table_print(&style, columns, sizeof(columns) / sizeof(columns[0]), rows, &cli->out);
	}
	json_decref(rows);
	return ERR_OK;
}
