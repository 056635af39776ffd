/* Without these a crash could leave half a password file, or a wrong path cost somebody's data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock_system.h"
#include "os/file.h"

static char folder[FILE_PATH_BYTES_MAX];

static int folder_make(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-file-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	char marker[FILE_PATH_BYTES_MAX];
	if (file_path(marker, NULL, "%s/.marker", folder) ||
	    file_write(marker, 0600, STR(""), NULL)) {
		return -1;
	}
	return file_remove_tree(folder, folder, ".marker", NULL) ? -1 : 0;
}

static const char *in_folder(const char *name)
{
	static char paths[4][FILE_PATH_BYTES_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];
	assert_int_equal(file_path(path, NULL, "%s/%s", folder, name), ERR_OK);
	return path;
}

static void assert_content(const char *path, const char *expected)
{
	struct buf content;
	buf_init(&content, 100000);
	assert_int_equal(file_read(path, &content, NULL), ERR_OK);
	assert_string_equal(buf_text(&content), expected);
	buf_fini(&content);
}

static void test_write_replaces(void **state)
{
	(void)state;
	struct stat status;
	const char *path = in_folder("a");
	assert_int_equal(file_write(path, 0600, STR("first"), NULL), ERR_OK);
	assert_int_equal(file_write(path, 0640, STR("second"), NULL), ERR_OK);
	assert_content(path, "second");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
}

static void test_read_errors(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	struct buf content;
	const char *path = in_folder("big");
	buf_init(&content, 4);
	assert_int_equal(file_read(in_folder("none"), &content, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "none"));
	assert_int_equal(file_write(path, 0600, STR("12345"), NULL), ERR_OK);
	assert_int_equal(file_read(path, &content, &err), ERR_LIMIT);
	buf_fini(&content);
	assert_int_equal(file_write(in_folder("no/such/folder"), 0600, STR(""), &err), ERR_IO);
}

static void test_make_folders(void **state)
{
	(void)state;
	struct stat status;
	const char *path = in_folder("x/y/z");
	assert_int_equal(file_make_folders(path, 0700, NULL), ERR_OK);
	assert_int_equal(file_make_folders(path, 0700, NULL), ERR_OK);
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	assert_int_equal(file_write(in_folder("x/file"), 0600, STR(""), NULL), ERR_OK);
	assert_int_equal(file_make_folders(in_folder("x/file"), 0700, NULL), ERR_IO);
	assert_int_equal(file_make_folders(in_folder("x/file/y"), 0700, NULL), ERR_IO);
}

static void test_remove_tree_refuses(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	const char *root = in_folder("root");
	assert_int_equal(file_make_folders(in_folder("root/a"), 0700, NULL), ERR_OK);
	assert_int_equal(file_make_folders(in_folder("rootless"), 0700, NULL), ERR_OK);
	assert_int_equal(file_remove_tree(root, root, ".marker", &err), ERR_REFUSED);
	assert_int_equal(file_write(in_folder("root/.marker"), 0600, STR(""), NULL), ERR_OK);
	root = in_folder("root");
	assert_int_equal(file_remove_tree(in_folder("rootless"), root, ".marker", &err),
			 ERR_REFUSED);
	assert_int_equal(file_remove_tree(in_folder("root/../rootless"), root, ".marker", &err),
			 ERR_REFUSED);
	assert_true(file_exists(in_folder("rootless")));
	assert_true(file_exists(in_folder("root/a")));
}

static void test_remove_tree(void **state)
{
	(void)state;
	char root[FILE_PATH_BYTES_MAX];
	assert_int_equal(file_path(root, NULL, "%s/root", folder), ERR_OK);
	assert_int_equal(file_make_folders(in_folder("root/a/b"), 0700, NULL), ERR_OK);
	assert_int_equal(file_make_folders(in_folder("kept"), 0700, NULL), ERR_OK);
	assert_int_equal(file_write(in_folder("root/a/b/c"), 0600, STR("x"), NULL), ERR_OK);
	assert_int_equal(file_write(in_folder("root/.marker"), 0600, STR(""), NULL), ERR_OK);
	assert_int_equal(symlink(in_folder("kept"), in_folder("root/a/link")), 0);
	assert_int_equal(file_remove_tree(in_folder("root/a"), root, ".marker", NULL), ERR_OK);
	assert_false(file_exists(in_folder("root/a")));
	assert_true(file_exists(in_folder("root/.marker")));
	assert_true(file_exists(in_folder("kept")));
	assert_int_equal(file_remove_tree(root, root, ".marker", NULL), ERR_OK);
	assert_false(file_exists(root));
	assert_int_equal(file_remove_tree(root, root, ".marker", NULL), ERR_OK);
}

static void test_copy_tree(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	struct stat status;
	assert_int_equal(file_make_folders(in_folder("from/sub"), 0750, NULL), ERR_OK);
	assert_int_equal(file_write(in_folder("from/sub/f"), 0640, STR("content"), NULL), ERR_OK);
	assert_int_equal(file_copy_tree(in_folder("from"), in_folder("to"), &err), ERR_OK);
	assert_content(in_folder("to/sub/f"), "content");
	assert_int_equal(stat(in_folder("to/sub"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0750);
	assert_int_equal(file_copy_tree(in_folder("none"), in_folder("to2"), &err), ERR_IO);
}

static void test_lock_excludes_and_ends_with_its_holder(void **state)
{
	(void)state;
	int fd = -1;
	int pipe_fds[2];
	char byte;
	const char *path = in_folder("lock");
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int held;
		if (file_lock(path, 0, &held, NULL) || write(pipe_fds[1], "x", 1) != 1) {
			_exit(1);
		}
		for (;;) {
			(void)pause();
		}
	}
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	struct err_ctx err = { 0 };
	assert_int_equal(file_lock(path, 0, &fd, &err), ERR_DEADLINE);
	assert_int_equal(kill(child, SIGKILL), 0);
	uint64_t deadline = clock_monotonic_us(&clock_system) + (uint64_t)10 * US_PER_S;
	assert_int_equal(file_lock(path, deadline, &fd, &err), ERR_OK);
	(void)close(fd);
	(void)waitpid(child, NULL, 0);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

static void test_path_limit(void **state)
{
	(void)state;
	char path[FILE_PATH_BYTES_MAX] = "before";
	assert_int_equal(file_path(path, NULL, "%2000d", 1), ERR_LIMIT);
	assert_string_equal(path, "before");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_replaces),
		cmocka_unit_test(test_read_errors),
		cmocka_unit_test(test_make_folders),
		cmocka_unit_test(test_remove_tree_refuses),
		cmocka_unit_test(test_remove_tree),
		cmocka_unit_test(test_copy_tree),
		cmocka_unit_test(test_lock_excludes_and_ends_with_its_holder),
		cmocka_unit_test(test_path_limit),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
