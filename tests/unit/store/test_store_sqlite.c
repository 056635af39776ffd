/* Without these a restart, a power loss or a second muster could lose or mix up the cluster record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/store_sqlite.h"
#include "store_cases.h"

static char folder[64];
static char path[128];

static int folder_make(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-store-XXXXXX");
	if (!mkdtemp(folder)) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/store.db", folder);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	static const char *const suffixes[] = { "", "-wal", "-journal", ".lock" };
	for (size_t i = 0; i < 4; i++) {
		char name[192];
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)unlink(name);
	}
	return rmdir(folder);
}

static struct store *open_store(void)
{
	struct store *store = NULL;
	struct err_ctx err = { 0 };
	enum err rc = store_open_sqlite(path, &store, &err);
	if (rc != ERR_OK) {
		fail_msg("%s", err_text(rc, &err));
	}
	return store;
}

static struct store_change put(const char *key, const char *value)
{
	return (struct store_change){ .key = str_of(key), .value = str_of(value) };
}

static void commit(struct store *store, struct store_change change)
{
	struct err_ctx err = { 0 };
	enum err rc = store_commit(store, &change, 1, &err);
	if (rc != ERR_OK) {
		fail_msg("%s", err_text(rc, &err));
	}
}

struct seen {
	char text[256];
	size_t rows;
	size_t rows_max;
};

static bool see(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct seen *seen = ctx;
	size_t used = strlen(seen->text);
	(void)snprintf(seen->text + used, sizeof(seen->text) - used, "%.*s=%.*s@%d ", STR_ARG(key),
		       STR_ARG(value), (int)version);
	return ++seen->rows < seen->rows_max;
}

/* Two musters on one record would both decide: the second is refused and told who is there. */
static void test_second_process_is_refused(void **state)
{
	(void)state;
	struct store *store = open_store();
	struct store *second = NULL;
	struct err_ctx err = { 0 };
	assert_int_equal(store_open_sqlite(path, &second, &err), ERR_EXISTS);
	char expected[64];
	(void)snprintf(expected, sizeof(expected), "process %d holds", (int)getpid());
	assert_non_null(strstr(err.text, expected));
	(void)store_close(store);
	(void)store_close(open_store());
}

static _Noreturn void commit_until_killed(int told_fd)
{
	struct store *store = NULL;
	if (store_open_sqlite(path, &store, NULL) != ERR_OK) {
		_exit(1);
	}
	for (uint32_t n = 1;; n++) {
		char text[16];
		(void)snprintf(text, sizeof(text), "%u", n);
		const struct store_change changes[] = { put("first", text), put("second", text) };
		if (store_commit(store, changes, 2, NULL) != ERR_OK ||
		    write(told_fd, &n, sizeof(n)) != sizeof(n)) {
			_exit(1);
		}
	}
}

static uint32_t number_at(struct store *store, const char *key)
{
	struct buf got;
	buf_init(&got, 100);
	uint64_t version = 0;
	assert_int_equal(store_get(store, str_of(key), &got, &version, NULL), ERR_OK);
	uint32_t number = 0;
	assert_int_equal(str_parse_u32(buf_str(&got), 0, UINT32_MAX, &number), ERR_OK);
	buf_fini(&got);
	return number;
}

/* kill -9 at any moment: every commit that was reported is there, and none is there by half. */
static void test_kill_loses_nothing(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 10; round++) {
		int told[2];
		assert_int_equal(pipe(told), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			(void)close(told[0]);
			commit_until_killed(told[1]);
		}
		(void)close(told[1]);
		uint32_t last = 0;
		for (uint32_t i = 0; i < 3 + round; i++) {
			assert_int_equal(read(told[0], &last, sizeof(last)), sizeof(last));
		}
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		uint32_t later = 0;
		while (read(told[0], &later, sizeof(later)) == sizeof(later)) {
			last = later;
		}
		(void)close(told[0]);
		struct store *store = open_store();
		uint32_t first = number_at(store, "first");
		assert_true(first == last || first == last + 1);
		assert_int_equal(number_at(store, "second"), first);
		(void)store_close(store);
	}
}

/* Exit status 0 when a full disk is one clear line, keeps what was there, and clears up by itself. */
static int fill_the_disk(void)
{
	struct store *store = NULL;
	struct err_ctx err = { 0 };
	if (store_open_sqlite(path, &store, &err) != ERR_OK) {
		return 10;
	}
	static char big[48 * 1024];
	memset(big, 'x', sizeof(big));
	enum err rc = ERR_OK;
	int stored = 0;
	for (; rc == ERR_OK && stored < 100; stored++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "k%d", stored);
		struct store_change change = { .key = str_of(key), .value = { big, sizeof(big) } };
		rc = store_commit(store, &change, 1, &err);
	}
	if (rc != ERR_IO || strchr(err.text, '\n')) {
		return 11;
	}
	struct seen seen = { .rows_max = 1000 };
	if (store_list(store, STR("k"), see, &seen, &err) != ERR_OK ||
	    seen.rows != (size_t)stored - 1) {
		return 12;
	}
	(void)fprintf(stderr, "full disk: %s\n", err.text);
	(void)store_close(store);
	/* A file limit in place of a small disk is an I/O error to SQLite. */
	return strstr(err.text, "full") || strstr(err.text, "I/O error") ? 0 : 13;
}

static int on_a_small_disk(void)
{
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", folder, "tmpfs", 0, "size=512k") == 0) {
		return fill_the_disk();
	}
	const struct rlimit limit = { 512u << 10, 512u << 10 };
	(void)signal(SIGXFSZ, SIG_IGN);
	return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? fill_the_disk() : 14;
}

static void test_full_disk(void **state)
{
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		_exit(on_a_small_disk());
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void write_bytes(const char *bytes, size_t count)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
	assert_int_equal(close(fd), 0);
}

static void assert_open_fails(enum err expected, const char *words)
{
	struct store *store = NULL;
	struct err_ctx err = { 0 };
	assert_int_equal(store_open_sqlite(path, &store, &err), expected);
	assert_null(store);
	if (!strstr(err.text, words) || !strstr(err.text, path)) {
		fail_msg("'%s' has no '%s'", err.text, words);
	}
}

/* A file that is no store is left alone and named. */
static void test_file_that_is_no_store(void **state)
{
	(void)state;
	static char noise[8192];
	memset(noise, 'n', sizeof(noise));
	write_bytes(noise, sizeof(noise));
	assert_open_fails(ERR_IO, "damaged");
	assert_int_equal(unlink(path), 0);
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_open_fails(ERR_CONFIG, "no store of muster");
}

/* Damage inside the file is found at the start. */
static void test_damaged_page(void **state)
{
	(void)state;
	struct store *store = open_store();
	static char big[20000];
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 5; i++) {
		char key[16];
		(void)snprintf(key, sizeof(key), "k%d", i);
		commit(store,
		       (struct store_change){ .key = str_of(key), .value = { big, sizeof(big) } });
	}
	(void)store_close(store);
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	static const char noise[4096] = "noise";
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 4096), sizeof(noise));
	assert_int_equal(close(fd), 0);
	assert_open_fails(ERR_IO, "damaged");
}

/* An older muster keeps its hands off a newer one's record. */
static void test_newer_schema(void **state)
{
	(void)state;
	(void)store_close(open_store());
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_open_fails(ERR_CONFIG, "newer muster: schema 99");
}

static void test_folder_that_cannot_be_written(void **state)
{
	(void)state;
	char kept[sizeof(path)];
	memcpy(kept, path, sizeof(kept));
	(void)snprintf(path, sizeof(path), "/proc/store.db");
	assert_open_fails(ERR_IO, "cannot create");
	(void)snprintf(path, sizeof(path), "%.60s/none/store.db", folder);
	assert_open_fails(ERR_IO, "No such file or directory");
	memcpy(path, kept, sizeof(path));
}

/* How long a failover waits for its journal: printed, not judged, since disks differ. */
static void test_time_of_one_commit(void **state)
{
	(void)state;
	enum { COMMITS = 50 };
	struct store *store = open_store();
	commit(store, put("warm", "up"));
	struct timespec from;
	struct timespec to;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &from), 0);
	for (int i = 0; i < COMMITS; i++) {
		commit(store, put("group/a", "a journalled step of some thirty bytes"));
	}
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &to), 0);
	double ms =
		(double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	print_message("one commit: %.2f ms\n", ms / COMMITS);
	(void)store_close(store);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, folder_make, folder_remove)

static struct store *open_empty(void)
{
	(void)unlink(path);
	return open_store();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_second_process_is_refused),
		CASE(test_kill_loses_nothing),
		CASE(test_full_disk),
		CASE(test_file_that_is_no_store),
		CASE(test_damaged_page),
		CASE(test_newer_schema),
		CASE(test_folder_that_cannot_be_written),
		CASE(test_time_of_one_commit),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)folder_make(NULL);
	failed += store_cases_run(open_empty, open_store);
	(void)folder_remove(NULL);
	return failed;
}
