/* What every command handler is given, and the entry of the program.
 *
 * Results go into `out`, which is written to standard output when the handler is done (or at
 * cli_flush()); all else goes to standard error by cli_note(). A handler returns an error with words in
 * `err`, and the exit status comes from err.def.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/output/term.h"

struct args;
struct command;

enum { CLI_OUTPUT_BYTES_MAX = 64 * 1024 * 1024 };

struct cli {
	const struct command *command;
	struct term term;
	bool json;	/* --json */
	bool no_header; /* --no-header */
	bool wide;	/* --wide */
	struct buf out;
	struct err_ctx err;
};

/* Runs the command that argv names; returns the exit status. */
int cli_main(int argc, char **argv);

/* Writes `out` to standard output and empties it. */
MUST_CHECK enum err cli_flush(struct cli *cli);

/* A line on standard error, for people: no result. */
PRINTF_LIKE(2, 3) void cli_note(struct cli *cli, const char *format, ...);

/* Asks before something is done that people must agree to; only for rows with COMMAND_CONFIRM.
 *
 * True with --yes; asks on a terminal; otherwise ERR_REFUSED says that --yes is needed.
 */
MUST_CHECK enum err cli_confirm(struct cli *cli, const struct args *args, const char *question);

/* Appends `value` as indented JSON and a newline to `out`. */
void cli_print_json(struct cli *cli, const json_t *value);
