/* Without these a signal could hit a stranger that got the same pid, or servers be left running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/clock_system.h"
#include "os/file.h"
#include "os/process.h"

static uint64_t in_seconds(unsigned seconds)
{
	return clock_monotonic_us(&clock_system) + (uint64_t)seconds * US_PER_S;
}

static void test_run_statuses(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		unsigned timeout_s;
		enum err expected;
		const char *words;
	} rows[] = {
		{ "exit 0", 20, ERR_OK, "" },
		{ "exit 3", 20, ERR_FAILED, "status 3" },
		{ "kill -9 $$", 20, ERR_FAILED, "signal 9" },
		{ "exec sleep 60", 0, ERR_DEADLINE, "too long" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const argv[] = { "sh", "-c", rows[i].script, NULL };
		struct process_options options = { .argv = argv };
		struct err_ctx err = { 0 };
		assert_int_equal(process_run(&options, in_seconds(rows[i].timeout_s), &err),
				 rows[i].expected);
		assert_non_null(strstr(err.text, rows[i].words));
	}
}

static void test_missing_program_is_told(void **state)
{
	(void)state;
	const char *const argv[] = { "/no/such/program", NULL };
	struct process_options options = { .argv = argv };
	struct process_id id = { 0 };
	struct err_ctx err = { 0 };
	assert_int_equal(process_spawn(&options, &id, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "/no/such/program"));
	options.detach = true;
	assert_int_equal(process_spawn(&options, &id, &err), ERR_NOT_FOUND);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_environment_folder_and_output(void **state)
{
	(void)state;
	char path[] = "/tmp/muster-process-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(setenv("MUSTER_TEST_A", "old", 1), 0);
	assert_int_equal(setenv("MUSTER_TEST_C", "c", 1), 0);
	const char *const argv[] = { "sh", "-c",
				     "echo $MUSTER_TEST_A $MUSTER_TEST_B$MUSTER_TEST_C; pwd >&2",
				     NULL };
	const char *const env[] = { "MUSTER_TEST_A=new", "MUSTER_TEST_B=b", "MUSTER_TEST_C", NULL };
	struct process_options options = {
		.argv = argv, .env = env, .output = path, .folder = "/usr"
	};
	struct buf text;
	buf_init(&text, 1000);
	assert_int_equal(process_run(&options, in_seconds(20), NULL), ERR_OK);
	assert_int_equal(file_read(path, &text, NULL), ERR_OK);
	assert_string_equal(buf_text(&text), "new b\n/usr\n");
	buf_fini(&text);
	(void)unlink(path);
}

static void test_detached_is_no_child_and_can_be_waited_for(void **state)
{
	(void)state;
	const char *const argv[] = { "sleep", "60", NULL };
	struct process_options options = { .argv = argv, .detach = true };
	struct process_id id = { 0 };
	assert_int_equal(process_spawn(&options, &id, NULL), ERR_OK);
	assert_true(process_is_alive(&id));
	assert_int_equal(waitpid(id.pid, NULL, WNOHANG), -1);
	assert_int_equal(getsid(id.pid) == getsid(0), 0);
	assert_int_equal(process_wait(&id, 0, NULL, NULL), ERR_DEADLINE);
	assert_int_equal(process_kill(&id, in_seconds(20), NULL), ERR_OK);
	assert_false(process_is_alive(&id));
	assert_int_equal(process_kill(&id, in_seconds(20), NULL), ERR_OK);
}

static void test_stop_and_continue(void **state)
{
	(void)state;
	const char *const argv[] = { "sleep", "60", NULL };
	struct process_options options = { .argv = argv };
	struct process_id id = { 0 };
	int status = 0;
	assert_int_equal(process_spawn(&options, &id, NULL), ERR_OK);
	assert_int_equal(process_signal(&id, SIGSTOP, NULL), ERR_OK);
	assert_int_equal(waitpid(id.pid, &status, WUNTRACED), id.pid);
	assert_true(process_is_stopped(&id));
	assert_true(process_is_alive(&id));
	assert_int_equal(process_signal(&id, SIGCONT, NULL), ERR_OK);
	assert_int_equal(waitpid(id.pid, &status, WCONTINUED), id.pid);
	assert_false(process_is_stopped(&id));
	assert_int_equal(process_kill(&id, in_seconds(20), NULL), ERR_OK);
}

static void test_another_start_time_is_another_process(void **state)
{
	(void)state;
	struct process_id id = { 0 };
	assert_int_equal(process_identify(getpid(), &id, NULL), ERR_OK);
	assert_true(process_is_alive(&id));
	id.start_ticks++;
	assert_false(process_is_alive(&id));
	assert_int_equal(process_signal(&id, SIGKILL, NULL), ERR_NOT_FOUND);
}

static void *outlive(void *ctx)
{
	(void)ctx;
	(void)pause();
	return NULL;
}

/* A server whose last threads still hold its port is taken for one that has ended. */
static void test_the_last_thread_decides(void **state)
{
	(void)state;
	struct process_id id = { 0 };
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, outlive, NULL)) {
			_exit(1);
		}
		pthread_exit(NULL);
	}
	assert_true(pid > 0);
	assert_int_equal(process_identify(pid, &id, NULL), ERR_OK);
	(void)usleep(200 * 1000);
	assert_true(process_is_alive(&id));
	assert_int_equal(process_wait(&id, 0, NULL, NULL), ERR_DEADLINE);
	assert_int_equal(process_kill(&id, in_seconds(20), NULL), ERR_OK);
	assert_false(process_is_alive(&id));
}

static void test_pidfile(void **state)
{
	(void)state;
	char path[] = "/tmp/muster-pidfile-XXXXXX";
	struct process_id id = { 0 };
	struct process_id again = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	(void)close(fd);
	assert_int_equal(process_read_pidfile(path, &again, NULL), ERR_PARSE);
	assert_int_equal(process_identify(getpid(), &id, NULL), ERR_OK);
	assert_int_equal(process_write_pidfile(path, &id, NULL), ERR_OK);
	assert_int_equal(process_read_pidfile(path, &again, NULL), ERR_OK);
	assert_int_equal(again.pid, id.pid);
	assert_int_equal(again.start_ticks, id.start_ticks);
	(void)unlink(path);
	assert_int_equal(process_read_pidfile(path, &again, NULL), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_statuses),
		cmocka_unit_test(test_missing_program_is_told),
		cmocka_unit_test(test_environment_folder_and_output),
		cmocka_unit_test(test_detached_is_no_child_and_can_be_waited_for),
		cmocka_unit_test(test_stop_and_continue),
		cmocka_unit_test(test_another_start_time_is_another_process),
		cmocka_unit_test(test_the_last_thread_decides),
		cmocka_unit_test(test_pidfile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
