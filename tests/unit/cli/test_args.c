/* Without these a mistyped command or option would do something else than was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/args.h"
#include "cli/command.h"

static const struct option_row rows[] = {
	{ .name = "follow", .letter = 'f', .kind = OPTION_FLAG, .help = "" },
	{ .name = "to", .kind = OPTION_TEXT, .value = "SERVER", .help = "" },
	{ .name = "weight",
	  .letter = 'w',
	  .kind = OPTION_TEXT,
	  .value = "W",
	  .help = "",
	  .repeats = true },
	{ .name = "timeout", .kind = OPTION_NUMBER, .value = "S", .help = "", .min = 1, .max = 60 },
	{ 0 },
};

static enum err parse(const char *line, struct args *ret, struct err_ctx *err)
{
	static char text[512];
	static char *words[32];
	int count = 0;
	struct args_options options = { { rows }, 1 };
	struct buf copy;
	buf_init_fixed(&copy, text, sizeof(text));
	buf_add_text(&copy, line);
	char *at = text;
	assert_non_null(buf_text(&copy));
	for (char *end; *at && count < 32; at = end) {
		words[count++] = at;
		end = at + strcspn(at, " ");
		if (*end) {
			*end++ = 0;
		}
	}
	return args_parse(count, words, &options, ret, err);
}

static void test_right(void **state)
{
	(void)state;
	struct args args;
	assert_int_equal(parse("a --to s2 b -f --weight=x=1 -w y=2 -wz=3 --timeout 60 -- --to -f",
			       &args, NULL),
			 ERR_OK);
	assert_int_equal(args.word_count, 4);
	assert_string_equal(args_word(&args, 1), "b");
	assert_string_equal(args_word(&args, 2), "--to");
	assert_null(args_word(&args, 4));
	assert_string_equal(args_text(&args, "to"), "s2");
	assert_true(args_has(&args, "follow"));
	assert_string_equal(args_nth(&args, "weight", 0), "x=1");
	assert_string_equal(args_nth(&args, "weight", 1), "y=2");
	assert_string_equal(args_nth(&args, "weight", 2), "z=3");
	assert_null(args_nth(&args, "weight", 3));
	assert_int_equal(args_number(&args, "timeout", 5), 60);
	assert_int_equal(parse("-", &args, NULL), ERR_OK);
	assert_int_equal(args.word_count, 1);
	assert_false(args_has(&args, "follow"));
	assert_int_equal(args_number(&args, "timeout", 5), 5);
	assert_null(args_text(&args, "to"));
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *words;
	} cases[] = {
		{ "--folow", "no option '--folow': did you mean '--follow'?" },
		{ "--zzzzzz", "no option '--zzzzzz': see --help" },
		{ "-x", "no option '-x': see --help" },
		{ "--to", "--to needs a value: --to SERVER" },
		{ "--follow=1", "--follow takes no value" },
		{ "-fx", "--follow takes no value" },
		{ "--to a --to b", "--to is given twice" },
		{ "--timeout 0", "--timeout: '0' is no whole number from 1 to 60" },
		{ "--timeout 61", "--timeout: '61' is no whole number from 1 to 60" },
		{ "--timeout 1s", "--timeout: '1s' is no whole number from 1 to 60" },
		{ "--timeout=", "--timeout: '' is no whole number from 1 to 60" },
		{ "--timeout -1", "--timeout: '-1' is no whole number from 1 to 60" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args args;
		struct err_ctx err = { 0 };
		assert_int_equal(parse(cases[i].line, &args, &err), ERR_USAGE);
		assert_string_equal(err.text, cases[i].words);
	}
}

static void test_commands(void **state)
{
	(void)state;
	static const struct {
		int count;
		const char *words[3];
		const char *found; /* NULL: an error */
		const char *text;
	} cases[] = {
		{ 1, { "status" }, "status", NULL },
		{ 3, { "group", "set", "a" }, "group set", NULL },
		{ 1, { "statsu" }, NULL, "no command 'statsu': did you mean 'status'?" },
		{ 2,
		  { "group", "crate" },
		  NULL,
		  "no command 'group crate': did you mean 'create'?" },
		{ 1,
		  { "group" },
		  NULL,
		  "'group' needs one of: add, adopt, create, list, remove, set, show" },
		{ 2,
		  { "group", "xyzzy" },
		  NULL,
		  "no command 'group xyzzy'; there are: add, adopt" },
		{ 1, { "internal" }, NULL, "'internal' needs one of: " },
		{ 1, { "frobnicate" }, NULL, "no command 'frobnicate'; there are: address, " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct command *command = NULL;
		struct err_ctx err = { 0 };
		int used = 0;
		char *const *words = (char *const *)(uintptr_t)cases[i].words;
		enum err rc = command_find(cases[i].count, words, &command, &used, &err);
		if (cases[i].found) {
			assert_int_equal(rc, ERR_OK);
			assert_string_equal(command->path, cases[i].found);
		} else {
			assert_int_equal(rc, ERR_USAGE);
			assert_non_null(strstr(err.text, cases[i].text));
		}
	}
}

/* The table itself: sorted, complete, and no option hides another. */
static void test_table_of_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *row = &command_rows[i];
		struct args_options options;
		assert_true(i == 0 || strcmp(command_rows[i - 1].path, row->path) < 0);
		assert_true(row->words_min <= row->words_max && row->words_max <= ARGS_WORDS_MAX);
		assert_int_equal(row->summary[strlen(row->summary) - 1], '.');
		command_options(row, &options);
		const char *names[64];
		size_t count = 0;
		for (size_t t = 0; t < options.count; t++) {
			for (const struct option_row *option = options.tables[t]; option->name;
			     option++) {
				assert_true((option->kind == OPTION_FLAG) ==
					    (option->value == NULL));
				assert_non_null(option->help);
				for (size_t n = 0; n < count; n++) {
					assert_string_not_equal(names[n], option->name);
				}
				names[count++] = option->name;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_table_of_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
