#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { USAGE_WIDTH = 44, OPTION_WIDTH = 24 };

static void add_row(struct buf *out, const char *left, size_t width, const char *right)
{
	if (strlen(left) > width) {
		buf_printf(out, "  %s\n  %*s  %s\n", left, (int)width, "", right);
		return;
	}
	buf_printf(out, "  %-*s  %s\n", (int)width, left, right);
}

static void add_command_row(struct buf *out, const struct command *command)
{
	char usage[128];
	(void)snprintf(usage, sizeof(usage), "%s%s%s", command->path,
		       command->arguments[0] ? " " : "", command->arguments);
	add_row(out, usage, USAGE_WIDTH, command->summary);
}

void help_overview(struct buf *out)
{
	buf_add_text(out, "muster keeps MySQL and MariaDB available.\n\n"
			  "usage: muster COMMAND [ARGUMENTS] [OPTIONS]\n\n");
	for (size_t i = 0; i < command_count; i++) {
		if (!(command_rows[i].flags & COMMAND_HIDDEN)) {
			add_command_row(out, &command_rows[i]);
		}
	}
	buf_add_text(
		out,
		"\nmuster COMMAND --help tells more. Results go to standard output, all else to\n"
		"standard error. GROUP may be left out when there is exactly one.\n");
}

static void option_usage(const struct option_row *option, char *usage, size_t usage_bytes)
{
	char letter[8] = "    ";
	if (option->letter) {
		(void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	}
	(void)snprintf(usage, usage_bytes, "%s--%s%s%s", letter, option->name,
		       option->value ? " " : "", option->value ? option->value : "");
}

void help_command(const struct command *command, struct buf *out)
{
	struct args_options options;
	command_options(command, &options);
	buf_printf(out, "usage: muster %s%s%s [OPTIONS]\n\n%s\n\noptions:\n", command->path,
		   command->arguments[0] ? " " : "", command->arguments, command->summary);
	for (size_t t = 0; t < options.count; t++) {
		for (const struct option_row *row = options.tables[t]; row->name; row++) {
			char usage[64];
			option_usage(row, usage, sizeof(usage));
			add_row(out, usage, OPTION_WIDTH, row->help);
		}
	}
}

bool help_family(int count, char *const *words, struct buf *out)
{
	bool found = false;
	for (size_t i = 0; i < command_count; i++) {
		struct str rest = str_of(command_rows[i].path);
		struct str word;
		int matched = 0;
		while (matched < count && str_next(&rest, ' ', &word) &&
		       str_equal(word, str_of(words[matched]))) {
			matched++;
		}
		if (matched == count && !(command_rows[i].flags & COMMAND_HIDDEN)) {
			add_command_row(out, &command_rows[i]);
			found = true;
		}
	}
	return found;
}

static void page_command(const struct command *command, struct buf *out)
{
	struct args_options options;
	command_options(command, &options);
	buf_printf(out, "\n## muster %s\n\n    muster %s%s%s\n\n%s\n\n", command->path,
		   command->path, command->arguments[0] ? " " : "", command->arguments,
		   command->summary);
	buf_add_text(out, "| option | meaning |\n| --- | --- |\n");
	for (size_t t = 0; t < options.count; t++) {
		for (const struct option_row *row = options.tables[t]; row->name; row++) {
			char usage[64];
			option_usage(row, usage, sizeof(usage));
			buf_printf(out, "| `%.*s` | %s%s |\n", STR_ARG(str_trim(str_of(usage))),
				   row->help, row->repeats ? " May be given several times." : "");
		}
	}
}

void help_page(struct buf *out)
{
	buf_add_text(out, "# The command line\n\n"
			  "Made by `muster internal dump-docs cli` from the table of commands; a "
			  "test compares them.\n\n"
			  "Results go to standard output, all else to standard error. GROUP may be "
			  "left out when there\n"
			  "is exactly one group. The exit status tells what happened: see "
			  "[exit-status.md](exit-status.md).\n");
	for (size_t i = 0; i < command_count; i++) {
		if (!(command_rows[i].flags & COMMAND_HIDDEN)) {
			page_command(&command_rows[i], out);
		}
	}
}
