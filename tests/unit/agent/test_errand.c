/* Somebody's program must not hold an address, or this process, up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/errand.h"
#include "base/clock.h"

enum { WAIT_MS = 5000 };

static int done_fd = -1;

static struct errand *start(const char *command, bool hold, unsigned limit_ms)
{
	struct errand *errand = NULL;
	struct err_ctx err = { 0 };
	struct errand_options options = { .command = command,
					  .hold = hold,
					  .interface = "eth0",
					  .limit_us = limit_ms * (uint64_t)US_PER_MS,
					  .done_fd = done_fd };
	assert_int_equal(address_parse(STR("192.0.2.10/24"), &options.address, &err), ERR_OK);
	assert_int_equal(errand_start(&options, &errand, &err), ERR_OK);
	return errand;
}

static enum err finish(struct errand *errand, char words[ERRAND_WORDS_BYTES_MAX])
{
	struct pollfd polled = { .fd = done_fd, .events = POLLIN };
	eventfd_t drained;
	enum err rc = ERR_COUNT_;
	assert_int_equal(poll(&polled, 1, WAIT_MS), 1);
	assert_int_equal(eventfd_read(done_fd, &drained), 0);
	assert_true(errand_ended(errand, &rc, words));
	assert_null(errand_free(errand));
	return rc;
}

/* A script in a file of its own, since a command has no quotes. */
static const char *script(const char *text)
{
	static char command[64];
	(void)snprintf(command, sizeof(command), "/tmp/muster-test-errand-%d", (int)getpid());
	FILE *file = fopen(command, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(command, sizeof(command), "sh /tmp/muster-test-errand-%d", (int)getpid());
	return command;
}

static void test_words(void **state)
{
	char words[ERRAND_WORDS_BYTES_MAX];
	(void)state;
	assert_int_equal(finish(start("echo", true, 5000), words), ERR_OK);
	assert_string_equal(words, "hold 192.0.2.10 eth0");
	const char *command = script("echo $@ $MUSTER_ADDRESS >&2; printf 'a\\tb\\n\\n'; exit 3\n");
	assert_int_equal(finish(start(command, false, 5000), words), ERR_FAILED);
	assert_string_equal(words,
			    "'sh' ended with status 3: release 192.0.2.10 eth0 192.0.2.10/24");
	command = script("printf 'one\\ntwo\\033\\n\\n'; exit 1\n");
	assert_int_equal(finish(start(command, false, 5000), words), ERR_FAILED);
	assert_string_equal(words, "'sh' ended with status 1: two?");
	command = script("head -c 100000 /dev/zero | tr '\\0' x; exit 1\n");
	assert_int_equal(finish(start(command, false, 5000), words), ERR_FAILED);
	assert_int_equal(strlen(words), ERRAND_WORDS_BYTES_MAX - 1);
	command = script("kill -15 $$\n");
	assert_int_equal(finish(start(command, true, 5000), words), ERR_FAILED);
	assert_string_equal(words, "'sh' was ended by signal 15");
	assert_int_equal(finish(start("/nowhere/mover", true, 5000), words), ERR_NOT_FOUND);
	assert_non_null(strstr(words, "/nowhere/mover"));
}

static void test_too_long(void **state)
{
	char words[ERRAND_WORDS_BYTES_MAX];
	(void)state;
	const char *command = script("echo waiting; sleep 50\n");
	assert_int_equal(finish(start(command, true, 200), words), ERR_DEADLINE);
	assert_string_equal(words, "'sh' took longer than 200 ms: killed: waiting");
}

static void test_stopped(void **state)
{
	char words[ERRAND_WORDS_BYTES_MAX];
	enum err rc;
	(void)state;
	const char *command = script("sleep 50\n");
	struct errand *errand = start(command, true, 60000);
	assert_false(errand_ended(errand, &rc, words));
	errand_stop(errand);
	assert_int_equal(finish(errand, words), ERR_FAILED);
	assert_non_null(strstr(words, "is to be released"));
	/* Freed while it runs: killed. */
	assert_null(errand_free(start(command, true, 60000)));
	assert_null(errand_free(NULL));
}

static void test_bad_command(void **state)
{
	struct errand *errand = NULL;
	struct err_ctx err = { 0 };
	char long_one[ERRAND_COMMAND_BYTES_MAX + 1];
	struct errand_options options = { .command = "  ", .interface = "-", .done_fd = done_fd };
	(void)state;
	assert_int_equal(errand_start(&options, &errand, &err), ERR_CONFIG);
	options.command = "a b c d e f g h i j k l m n o p";
	assert_int_equal(errand_start(&options, &errand, &err), ERR_LIMIT);
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = 0;
	options.command = long_one;
	assert_int_equal(errand_start(&options, &errand, &err), ERR_LIMIT);
	assert_null(errand);
}

static int setup(void **state)
{
	(void)state;
	done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return done_fd < 0;
}

static int teardown(void **state)
{
	char path[64];
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/muster-test-errand-%d", (int)getpid());
	(void)unlink(path);
	return close(done_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_bad_command),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
