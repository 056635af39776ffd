/* The table of commands (commands.def), and the finding of one in it.
 *
 * A row adds the command everywhere: dispatch, help, docs/cli.md. Its handler stands in cmd_<name>.c,
 * together with its table of options.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cli/args.h"
#include "cli/cli.h"

enum command_flag {
	COMMAND_OUTPUT = 1u << 0,  /* has results: --json, --wide, --no-header, --color */
	COMMAND_CLIENT = 1u << 1,  /* talks to `muster run`: --socket, --timeout */
	COMMAND_CONFIG = 1u << 2,  /* reads the configuration: --config */
	COMMAND_CONFIRM = 1u << 3, /* changes what people must agree to: --yes; see cli_confirm() */
	COMMAND_HIDDEN = 1u << 4,  /* not in help */
};

typedef enum err (*command_handler)(struct cli *cli, const struct args *args);

struct command {
	const char *path;      /* words, separated by one blank */
	const char *arguments; /* as help shows them: "[GROUP] SERVER" */
	uint32_t words_min;
	uint32_t words_max;
	uint32_t flags; /* enum command_flag */
	const struct option_row *options;
	command_handler handler;
	const char *summary;
};

extern const struct command command_rows[]; /* sorted by path */
extern const size_t command_count;

extern const struct option_row options_none[];

#define X(path, arguments, words_min, words_max, flags, options, handler, summary) \
	extern const struct option_row options[]; \
	enum err handler(struct cli *cli, const struct args *args);
#include "cli/commands/commands.def"
#undef X

/* Finds the command that argv (without the program's name) begins with.
 *
 * ret_used: how many arguments its path took.
 * Errors:   ERR_USAGE with the nearest command, or with those that `argv` is the beginning of.
 */
MUST_CHECK enum err command_find(int argc, char *const *argv, const struct command **ret,
				 int *ret_used, struct err_ctx *err);

/* All options that the command takes. */
void command_options(const struct command *command, struct args_options *ret);

/* ERR_USAGE when the count of words doesn't fit the row. */
MUST_CHECK enum err command_check_words(const struct command *command, const struct args *args,
					struct err_ctx *err);
