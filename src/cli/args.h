/* The command line of one command, taken apart by its declared options.
 *
 * Long options as --name VALUE or --name=VALUE, short ones as -f or -o VALUE; `--` ends the options.
 * A wrong word is one line with the nearest valid one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { ARGS_WORDS_MAX = 64, ARGS_VALUES_MAX = 64 };

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

/* One option; a table of them ends with a row without a name. */
struct option_row {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	const char *value; /* how help calls the value: "SECONDS"; NULL for a flag */
	const char *help;
	bool repeats;
	uint64_t min; /* of a number */
	uint64_t max;
};

struct args_value {
	const struct option_row *option;
	const char *text; /* NULL for a flag */
	uint64_t number;
};

struct args {
	const char *words[ARGS_WORDS_MAX]; /* what is no option; borrowed from argv */
	size_t word_count;
	struct args_value values[ARGS_VALUES_MAX];
	size_t value_count;
};

enum { ARGS_TABLES_MAX = 8 };

/* The tables that are valid for one command: its own, and those of its flags. */
struct args_options {
	const struct option_row *tables[ARGS_TABLES_MAX];
	size_t count;
};

/* Errors: ERR_USAGE, one line for people. */
MUST_CHECK enum err args_parse(int argc, char *const *argv, const struct args_options *options,
			       struct args *ret, struct err_ctx *err);

/* Whether the option was given. */
bool args_has(const struct args *args, const char *name);

/* The last value of an option that takes one; NULL when it was not given. */
const char *args_text(const struct args *args, const char *name);

/* The value number `index` of an option that repeats; NULL behind the last one. */
const char *args_nth(const struct args *args, const char *name, size_t index);

/* The value of a number option, `fallback` when it was not given. */
uint64_t args_number(const struct args *args, const char *name, uint64_t fallback);

/* The word number `index`, or NULL. */
const char *args_word(const struct args *args, size_t index);
