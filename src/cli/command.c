#include "cli/command.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

const struct option_row options_none[] = { { 0 } };

static const struct option_row options_every[] = {
	{ .name = "help", .letter = 'h', .kind = OPTION_FLAG, .help = "Show this help." },
	{ 0 },
};

static const struct option_row options_output[] = {
	{ .name = "json", .kind = OPTION_FLAG, .help = "Print JSON; its fields are stable." },
	{ .name = "wide", .kind = OPTION_FLAG, .help = "Print every column in full." },
	{ .name = "no-header", .kind = OPTION_FLAG, .help = "Print tables without their header." },
	{ .name = "color",
	  .kind = OPTION_TEXT,
	  .value = "WHEN",
	  .help = "Use colours: auto, always, never. Default: auto." },
	{ 0 },
};

static const struct option_row options_client[] = {
	{ .name = "socket",
	  .kind = OPTION_TEXT,
	  .value = "FILE",
	  .help = "Socket of `muster run`. Default: $MUSTER_SOCKET, then the configuration." },
	{ .name = "timeout",
	  .kind = OPTION_NUMBER,
	  .value = "SECONDS",
	  .help = "Give up after so long. Default: 30; `wait` 60.",
	  .min = 1,
	  .max = 86400 },
	{ 0 },
};

static const struct option_row options_config[] = {
	{ .name = "config",
	  .kind = OPTION_TEXT,
	  .value = "FILE",
	  .help = "Configuration file. Default: $MUSTER_CONFIG, ~/.config/muster/muster.cnf, "
		  "/etc/muster/muster.cnf." },
	{ 0 },
};

static const struct option_row options_confirm[] = {
	{ .name = "yes", .letter = 'y', .kind = OPTION_FLAG, .help = "Do it without asking." },
	{ 0 },
};

const struct command command_rows[] = {
#define X(path, arguments, words_min, words_max, flags, options, handler, summary) \
	{ path, arguments, words_min, words_max, flags, options, handler, summary },
#include "cli/commands/commands.def"
#undef X
};
const size_t command_count = sizeof(command_rows) / sizeof(command_rows[0]);

enum { COMMANDS_MAX = 64, COMMAND_WORDS_MAX = 3 };

/* How many words of `path` argv begins with; *ret_all when that is all of them. */
static int words_matched(struct str path, int argc, char *const *argv, bool *ret_all)
{
	int matched = 0;
	struct str word;
	*ret_all = false;
	while (str_next(&path, ' ', &word)) {
		if (matched == argc || !str_equal(word, str_of(argv[matched]))) {
			return matched;
		}
		matched++;
	}
	*ret_all = true;
	return matched;
}

/* The word number `index` of a path, empty when it has fewer. */
static struct str path_word(const char *path, int index)
{
	struct str rest = str_of(path);
	struct str word = STR("");
	for (int i = 0; i <= index; i++) {
		if (!str_next(&rest, ' ', &word)) {
			return STR("");
		}
	}
	return word;
}

/* The first `depth` words of argv are the beginning of several commands; says which. */
static enum err say_continuations(int depth, int argc, char *const *argv, struct err_ctx *err)
{
	char list[512];
	struct buf text;
	char words[COMMANDS_MAX][32];
	const char *nearest_of[COMMANDS_MAX];
	size_t count = 0;
	buf_init_fixed(&text, list, sizeof(list));
	for (size_t i = 0; i < command_count && count < COMMANDS_MAX; i++) {
		bool all;
		struct str word = path_word(command_rows[i].path, depth);
		if ((command_rows[i].flags & COMMAND_HIDDEN) || word.len == 0 ||
		    words_matched(str_of(command_rows[i].path), depth, argv, &all) < depth ||
		    (count && str_equal(word, str_of(nearest_of[count - 1]))) ||
		    str_copy(word, words[count], sizeof(words[count])) != ERR_OK) {
			continue;
		}
		nearest_of[count] = words[count];
		buf_printf(&text, "%s%s", count ? ", " : "", words[count]);
		count++;
	}
	if (depth >= argc) {
		return err_set(err, ERR_USAGE, "'%s' needs one of: %s", argv[depth - 1],
			       buf_text(&text));
	}
	const char *nearest = str_nearest(str_of(argv[depth]), nearest_of, count);
	if (nearest) {
		return err_set(err, ERR_USAGE, "no command '%s%s%s': did you mean '%s'?",
			       depth ? argv[depth - 1] : "", depth ? " " : "", argv[depth],
			       nearest);
	}
	return err_set(err, ERR_USAGE, "no command '%s%s%s'; there are: %s",
		       depth ? argv[depth - 1] : "", depth ? " " : "", argv[depth],
		       buf_text(&text));
}

enum err command_find(int argc, char *const *argv, const struct command **ret, int *ret_used,
		      struct err_ctx *err)
{
	const struct command *found = NULL;
	int used = 0;
	int deepest = 0;
	for (size_t i = 0; i < command_count; i++) {
		bool all;
		int matched = words_matched(str_of(command_rows[i].path), argc, argv, &all);
		deepest = matched > deepest ? matched : deepest;
		if (all && matched > used) {
			found = &command_rows[i];
			used = matched;
		}
	}
	if (!found) {
		return say_continuations(deepest, argc, argv, err);
	}
	*ret = found;
	*ret_used = used;
	return ERR_OK;
}

void command_options(const struct command *command, struct args_options *ret)
{
	*ret = (struct args_options){ 0 };
	ret->tables[ret->count++] = command->options;
	if (command->flags & COMMAND_CONFIRM) {
		ret->tables[ret->count++] = options_confirm;
	}
	if (command->flags & COMMAND_OUTPUT) {
		ret->tables[ret->count++] = options_output;
	}
	if (command->flags & COMMAND_CLIENT) {
		ret->tables[ret->count++] = options_client;
	}
	if (command->flags & COMMAND_CONFIG) {
		ret->tables[ret->count++] = options_config;
	}
	ret->tables[ret->count++] = options_every;
}

enum err command_check_words(const struct command *command, const struct args *args,
			     struct err_ctx *err)
{
	if (args->word_count < command->words_min) {
		return err_set(err, ERR_USAGE, "%s: too few arguments: muster %s %s", command->path,
			       command->path, command->arguments);
	}
	if (args->word_count > command->words_max) {
		return err_set(err, ERR_USAGE, "%s: '%s' is one argument too many: muster %s%s%s",
			       command->path, args->words[command->words_max], command->path,
			       command->arguments[0] ? " " : "", command->arguments);
	}
	return ERR_OK;
}
