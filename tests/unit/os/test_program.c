/* A program of somebody else must neither hold the manager up nor fill its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "os/clock_system.h"
#include "os/process.h"
#include "os/program.h"

enum { OUTPUT_MAX = 64 };

static uint64_t in_ms(unsigned ms)
{
	return clock_monotonic_us(&clock_system) + (uint64_t)ms * US_PER_MS;
}

static void run(const char *script, struct str input, uint64_t deadline_us, int stop_fd,
		struct program_result *ret)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	const char *const env[] = { "ASKED=yes", NULL };
	const struct program_options options = {
		.argv = argv,
		.env = env,
		.input = input,
		.output_bytes_max = OUTPUT_MAX,
		.deadline_us = deadline_us,
		.stop_fd = stop_fd,
	};
	struct err_ctx err = { 0 };
	assert_int_equal(program_run(&options, ret, &err), ERR_OK);
}

static void test_input_output_and_status(void **state)
{
	(void)state;
	struct program_result result;
	run("read line; echo \"got $line $ASKED\"; echo no >&2; exit 7", STR("{\"a\":1}\n"),
	    in_ms(20000), -1, &result);
	assert_int_equal(result.end, PROGRAM_EXITED);
	assert_int_equal(result.number, 7);
	assert_string_equal(buf_text(&result.output), "got {\"a\":1} yes\n");
	assert_string_equal(buf_text(&result.error), "no\n");
	assert_false(result.cut);
	program_result_fini(&result);
}

static void test_input_that_is_not_read_is_no_error(void **state)
{
	(void)state;
	enum { BYTES = 1024 * 1024 };
	char *much = calloc(1, BYTES);
	struct program_result result;
	assert_non_null(much);
	memset(much, 'x', BYTES);
	run("exit 0", (struct str){ much, BYTES }, in_ms(20000), -1, &result);
	assert_int_equal(result.end, PROGRAM_EXITED);
	assert_int_equal(result.number, 0);
	program_result_fini(&result);
	run("wc -c", (struct str){ much, BYTES }, in_ms(20000), -1, &result);
	assert_string_equal(buf_text(&result.output), "1048576\n");
	program_result_fini(&result);
	free(much);
}

static void test_output_is_cut_and_does_not_block_the_program(void **state)
{
	(void)state;
	struct program_result result;
	run("head -c 300000 /dev/zero | tr '\\0' x", STR(""), in_ms(20000), -1, &result);
	assert_int_equal(result.end, PROGRAM_EXITED);
	assert_int_equal(result.output.len, OUTPUT_MAX);
	assert_true(result.cut);
	assert_int_equal(buf_finish(&result.output), ERR_OK);
	program_result_fini(&result);
}

static bool lives(pid_t pid)
{
	struct process_id id;
	return process_identify(pid, &id, NULL) == ERR_OK && process_is_alive(&id);
}

static void test_a_late_one_is_killed_with_its_children(void **state)
{
	(void)state;
	static const char *const scripts[] = {
		"echo begun; sleep 60 & echo $!; wait", /* hangs */
		"yes",					/* prints for ever */
		"trap '' TERM; while :; do :; done",	/* does not listen */
	};
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct program_result result;
		uint64_t begun_us = in_ms(0);
		run(scripts[i], STR(""), in_ms(300), -1, &result);
		assert_int_equal(result.end, PROGRAM_LATE);
		assert_true(in_ms(0) - begun_us < 10 * US_PER_S);
		if (i == 0) {
			struct str rest = buf_str(&result.output);
			struct str line;
			uint32_t child = 0;
			assert_true(str_next(&rest, '\n', &line));
			assert_true(str_equal(line, STR("begun")));
			assert_true(str_next(&rest, '\n', &line));
			assert_int_equal(str_parse_u32(line, 1, INT32_MAX, &child), ERR_OK);
			for (unsigned k = 0; k < 2000 && lives((pid_t)child); k++) {
				usleep(5000);
			}
			assert_false(lives((pid_t)child));
		}
		program_result_fini(&result);
	}
}

static void test_what_stays_in_the_background_is_not_waited_for(void **state)
{
	(void)state;
	struct program_result result;
	uint64_t begun_us = in_ms(0);
	run("sleep 3 & echo done", STR(""), in_ms(20000), -1, &result);
	assert_int_equal(result.end, PROGRAM_EXITED);
	assert_true(in_ms(0) - begun_us < 2 * US_PER_S);
	assert_string_equal(buf_text(&result.output), "done\n");
	program_result_fini(&result);
}

static void test_a_signal_and_a_stop(void **state)
{
	(void)state;
	struct program_result result;
	run("kill -9 $$", STR(""), in_ms(20000), -1, &result);
	assert_int_equal(result.end, PROGRAM_SIGNALED);
	assert_int_equal(result.number, SIGKILL);
	program_result_fini(&result);
	int stop = eventfd(1, EFD_CLOEXEC);
	run("sleep 60", STR(""), in_ms(20000), stop, &result);
	assert_int_equal(result.end, PROGRAM_STOPPED);
	program_result_fini(&result);
	(void)close(stop);
}

static void test_a_missing_program_is_told(void **state)
{
	(void)state;
	const char *const argv[] = { "/no/such/program", NULL };
	const struct program_options options = {
		.argv = argv, .output_bytes_max = 1, .deadline_us = in_ms(1000), .stop_fd = -1
	};
	struct program_result result;
	struct err_ctx err = { 0 };
	assert_int_equal(program_run(&options, &result, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "/no/such/program"));
}

static void test_lines_are_cut_at_blanks(void **state)
{
	(void)state;
	char line[] = "  /bin/x  -a\tb ";
	const char *words[4];
	assert_int_equal(program_split(line, words, 4), ERR_OK);
	assert_string_equal(words[0], "/bin/x");
	assert_string_equal(words[1], "-a");
	assert_string_equal(words[2], "b");
	assert_null(words[3]);
	char empty[] = " ";
	assert_int_equal(program_split(empty, words, 4), ERR_OK);
	assert_null(words[0]);
	char many[] = "a b c d";
	assert_int_equal(program_split(many, words, 4), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input_output_and_status),
		cmocka_unit_test(test_input_that_is_not_read_is_no_error),
		cmocka_unit_test(test_output_is_cut_and_does_not_block_the_program),
		cmocka_unit_test(test_a_late_one_is_killed_with_its_children),
		cmocka_unit_test(test_what_stays_in_the_background_is_not_waited_for),
		cmocka_unit_test(test_a_signal_and_a_stop),
		cmocka_unit_test(test_a_missing_program_is_told),
		cmocka_unit_test(test_lines_are_cut_at_blanks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
