#include "cli/args.h"

#include <string.h>

#include "base/str.h"

enum { OPTION_NAMES_MAX = 64 };

static const struct option_row *option_find(const struct args_options *options, struct str name,
					    char letter)
{
	for (size_t t = 0; t < options->count; t++) {
		for (const struct option_row *row = options->tables[t]; row->name; row++) {
			if (letter ? row->letter == letter : str_equal(str_of(row->name), name)) {
				return row;
			}
		}
	}
	return NULL;
}

static enum err unknown_option(const struct args_options *options, struct str name,
			       struct err_ctx *err)
{
	const char *names[OPTION_NAMES_MAX];
	size_t count = 0;
	for (size_t t = 0; t < options->count; t++) {
		for (const struct option_row *row = options->tables[t]; row->name; row++) {
			if (count < OPTION_NAMES_MAX) {
				names[count++] = row->name;
			}
		}
	}
	const char *nearest = str_nearest(name, names, count);
	if (nearest) {
		return err_set(err, ERR_USAGE, "no option '--%.*s': did you mean '--%s'?",
			       STR_ARG(name), nearest);
	}
	return err_set(err, ERR_USAGE, "no option '--%.*s': see --help", STR_ARG(name));
}

static enum err value_add(struct args *args, const struct option_row *option, const char *text,
			  struct err_ctx *err)
{
	struct args_value value = { .option = option, .text = text };
	if (option->kind == OPTION_NUMBER &&
	    str_parse_u64(str_of(text), option->min, option->max, &value.number) != ERR_OK) {
		return err_set(err, ERR_USAGE, "--%s: '%s' is no whole number from %llu to %llu",
			       option->name, text, (unsigned long long)option->min,
			       (unsigned long long)option->max);
	}
	if (!option->repeats && args_has(args, option->name)) {
		return err_set(err, ERR_USAGE, "--%s is given twice", option->name);
	}
	if (args->value_count == ARGS_VALUES_MAX) {
		return err_set(err, ERR_USAGE, "more than %d options", (int)ARGS_VALUES_MAX);
	}
	args->values[args->value_count++] = value;
	return ERR_OK;
}

/* One option with its value; *index is left on the last argument that belongs to it. */
static enum err option_take(int argc, char *const *argv, int *index,
			    const struct args_options *options, struct args *args,
			    struct err_ctx *err)
{
	const char *arg = argv[*index];
	const struct option_row *option;
	const char *inline_value = NULL;
	if (arg[1] == '-') {
		inline_value = strchr(arg, '=');
		struct str name =
			inline_value ? (struct str){ arg + 2, (size_t)(inline_value - arg) - 2 }
				     : str_of(arg + 2);
		option = option_find(options, name, 0);
		if (!option) {
			return unknown_option(options, name, err);
		}
	} else {
		option = option_find(options, STR(""), arg[1]);
		if (!option) {
			return err_set(err, ERR_USAGE, "no option '-%c': see --help", arg[1]);
		}
		if (arg[2]) {
			inline_value = arg + 1; /* one before the value, as with '=' */
		}
	}
	if (option->kind == OPTION_FLAG) {
		if (inline_value) {
			return err_set(err, ERR_USAGE, "--%s takes no value", option->name);
		}
		return value_add(args, option, NULL, err);
	}
	if (inline_value) {
		return value_add(args, option, inline_value + 1, err);
	}
	if (*index + 1 >= argc) {
		return err_set(err, ERR_USAGE, "--%s needs a value: --%s %s", option->name,
			       option->name, option->value);
	}
	*index += 1;
	return value_add(args, option, argv[*index], err);
}

enum err args_parse(int argc, char *const *argv, const struct args_options *options,
		    struct args *ret, struct err_ctx *err)
{
	struct args args = { 0 };
	bool options_ended = false;
	for (int i = 0; i < argc; i++) {
		if (!options_ended && strcmp(argv[i], "--") == 0) {
			options_ended = true;
			continue;
		}
		if (!options_ended && argv[i][0] == '-' && argv[i][1]) {
			enum err rc = option_take(argc, argv, &i, options, &args, err);
			if (rc != ERR_OK) {
				return rc;
			}
			continue;
		}
		if (args.word_count == ARGS_WORDS_MAX) {
			return err_set(err, ERR_USAGE, "more than %d arguments",
				       (int)ARGS_WORDS_MAX);
		}
		args.words[args.word_count++] = argv[i];
	}
	*ret = args;
	return ERR_OK;
}

bool args_has(const struct args *args, const char *name)
{
	for (size_t i = 0; i < args->value_count; i++) {
		if (strcmp(args->values[i].option->name, name) == 0) {
			return true;
		}
	}
	return false;
}

const char *args_nth(const struct args *args, const char *name, size_t index)
{
	for (size_t i = 0; i < args->value_count; i++) {
		if (strcmp(args->values[i].option->name, name) == 0 && index-- == 0) {
			return args->values[i].text;
		}
	}
	return NULL;
}

const char *args_text(const struct args *args, const char *name)
{
	return args_nth(args, name, 0);
}

uint64_t args_number(const struct args *args, const char *name, uint64_t fallback)
{
	for (size_t i = 0; i < args->value_count; i++) {
		if (strcmp(args->values[i].option->name, name) == 0) {
			return args->values[i].number;
		}
	}
	return fallback;
}

const char *args_word(const struct args *args, size_t index)
{
	return index < args->word_count ? args->words[index] : NULL;
}
