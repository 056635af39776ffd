#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/json_text.h"
#include "base/check.h"
#include "base/str.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/help.h"

enum { ANSWER_BYTES_MAX = 16 };

enum err cli_flush(struct cli *cli)
{
	if (buf_finish(&cli->out) != ERR_OK) {
		return err_set(&cli->err, ERR_LIMIT, "the output is longer than %d bytes",
			       (int)CLI_OUTPUT_BYTES_MAX);
	}
	size_t written = 0;
	while (written < cli->out.len) {
		ssize_t count =
			write(STDOUT_FILENO, cli->out.ptr + written, cli->out.len - written);
		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count < 0) {
			return err_set(&cli->err, ERR_IO, "standard output cannot be written: %s",
				       strerrordesc_np(errno));
		}
		written += (size_t)count;
	}
	buf_clear(&cli->out);
	return ERR_OK;
}

void cli_note(struct cli *cli, const char *format, ...)
{
	(void)cli;
	char text[ERR_TEXT_BYTES_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fprintf(stderr, "%s\n", text);
}

enum err cli_confirm(struct cli *cli, const struct args *args, const char *question)
{
	check(cli->command->flags & COMMAND_CONFIRM);
	if (args_has(args, "yes")) {
		return ERR_OK;
	}
	if (!cli->term.asks) {
		return err_set(&cli->err, ERR_REFUSED, "%s Nothing is changed without --yes.",
			       question);
	}
	enum err rc = cli_flush(cli);
	if (rc != ERR_OK) {
		return rc;
	}
	char answer[ANSWER_BYTES_MAX] = "";
	(void)fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(answer, sizeof(answer), stdin) || !str_starts_with(str_of(answer), STR("y"))) {
		return err_set(&cli->err, ERR_REFUSED, "not confirmed: nothing was changed");
	}
	return ERR_OK;
}

void cli_print_json(struct cli *cli, const json_t *value)
{
	json_text_add(&cli->out, value, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
	buf_add_char(&cli->out, '\n');
}

static enum err apply_output_options(struct cli *cli, const struct args *args)
{
	static const char *const names[] = { "auto", "always", "never" };
	static const enum term_color_choice choices[] = { TERM_COLOR_AUTO, TERM_COLOR_ALWAYS,
							  TERM_COLOR_NEVER };
	const char *color = args_text(args, "color");
	size_t choice = 0;
	if (color) {
		while (choice < 3 && strcmp(color, names[choice]) != 0) {
			choice++;
		}
		if (choice == 3) {
			return err_set(&cli->err, ERR_USAGE,
				       "--color: '%s' is none of auto, always, never", color);
		}
	}
	term_detect(choices[choice], &cli->term);
	cli->json = args_has(args, "json");
	cli->no_header = args_has(args, "no-header");
	cli->wide = args_has(args, "wide");
	return ERR_OK;
}

static enum err run_command(struct cli *cli, int argc, char *const *argv)
{
	int used = 0;
	enum err rc = command_find(argc, argv, &cli->command, &used, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct args_options options;
	struct args args;
	command_options(cli->command, &options);
	rc = args_parse(argc - used, argv + used, &options, &args, &cli->err);
	if (rc != ERR_OK) {
		return err_wrap(&cli->err, rc, "%s", cli->command->path);
	}
	if (args_has(&args, "help")) {
		help_command(cli->command, &cli->out);
		return ERR_OK;
	}
	rc = command_check_words(cli->command, &args, &cli->err);
	if (rc == ERR_OK) {
		rc = apply_output_options(cli, &args);
	}
	return rc == ERR_OK ? cli->command->handler(cli, &args) : rc;
}

/* `muster group --help`: the commands of a family. */
static bool is_family_help(int argc, char *const *argv)
{
	return argc >= 2 &&
	       (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0);
}

static enum err dispatch(struct cli *cli, int argc, char **argv)
{
	if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
		help_overview(&cli->out);
		return ERR_OK;
	}
	if (strcmp(argv[0], "--version") == 0) {
		buf_add_text(&cli->out, "muster " MUSTER_VERSION "\n");
		return ERR_OK;
	}
	if (argv[0][0] == '-') {
		return err_set(
			&cli->err, ERR_USAGE,
			"'%s': options stand behind the command, as in: muster status --json",
			argv[0]);
	}
	const struct command *command = NULL;
	int used = 0;
	if (is_family_help(argc, argv) &&
	    command_find(argc - 1, argv, &command, &used, NULL) != ERR_OK &&
	    help_family(argc - 1, argv, &cli->out)) {
		return ERR_OK;
	}
	return run_command(cli, argc, argv);
}

int cli_main(int argc, char **argv)
{
	struct cli cli = { 0 };
	buf_init(&cli.out, CLI_OUTPUT_BYTES_MAX);
	term_detect(TERM_COLOR_AUTO, &cli.term);
	enum err rc = dispatch(&cli, argc > 0 ? argc - 1 : 0, argv + 1);
	/* What is there already is printed even when the end failed. */
	struct err_ctx kept = cli.err;
	enum err flush_rc = cli_flush(&cli);
	if (rc == ERR_OK) {
		rc = flush_rc;
	} else {
		cli.err = kept;
	}
	if (rc != ERR_OK) {
		(void)fprintf(stderr, "muster: %s\n", err_text(rc, &cli.err));
	}
	buf_fini(&cli.out);
	return err_exit_status(rc);
}
