/* muster help, muster internal dump-docs. */
#include <string.h>

#include "api/route_table.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/help.h"

enum err cmd_help(struct cli *cli, const struct args *args)
{
	const struct command *command = NULL;
	int used = 0;
	int count = (int)args->word_count;
	char *const *words = (char *const *)(uintptr_t)args->words;
	if (count == 0) {
		help_overview(&cli->out);
		return ERR_OK;
	}
	enum err rc = command_find(count, words, &command, &used, &cli->err);
	if (rc == ERR_OK) {
		help_command(command, &cli->out);
		return ERR_OK;
	}
	return help_family(count, words, &cli->out) ? ERR_OK : rc;
}

/* docs/exit-status.md. */
static void exit_status_page(struct buf *out)
{
	buf_add_text(
		out,
		"# Exit status and errors\n\n"
		"Made by `muster internal dump-docs exit-status` from `src/base/err.def`; a test"
		" compares them.\n\n"
		"| exit status | HTTP status | name | worth trying again | meaning |\n"
		"| --- | --- | --- | --- | --- |\n");
	for (int status = 0; status <= 6; status++) {
		for (enum err code = 0; code < ERR_COUNT_; code++) {
			if (err_exit_status(code) == status) {
				buf_printf(out, "| %d | %u | %s | %s | %s |\n", status,
					   err_http_status(code), err_name(code),
					   err_is_retryable(code) ? "yes" : "no",
					   err_text(code, NULL));
			}
		}
	}
}

enum err cmd_internal_dump_docs(struct cli *cli, const struct args *args)
{
	static const struct {
		const char *name;
		void (*print)(struct buf *out);
	} pages[] = {
		{ "api", route_page },
		{ "cli", help_page },
		{ "config", config_page },
		{ "exit-status", exit_status_page },
	};
	const char *name = args_word(args, 0);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(pages[i].name, name) == 0) {
			pages[i].print(&cli->out);
			return ERR_OK;
		}
	}
	return err_set(&cli->err, ERR_USAGE,
		       "no page '%s': there are api, cli, config, exit-status", name);
}
