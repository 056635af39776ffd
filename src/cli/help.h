/* Help, made from the tables of commands and options. */
#pragma once

#include "base/buf.h"
#include "cli/command.h"

/* What `muster` alone prints: a few lines and all commands. */
void help_overview(struct buf *out);

/* One command: usage, summary, options. */
void help_command(const struct command *command, struct buf *out);

/* The commands whose path begins with the `count` words; false when there are none. */
bool help_family(int count, char *const *words, struct buf *out);

/* docs/cli.md. */
void help_page(struct buf *out);
