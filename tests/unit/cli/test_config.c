/* Without these a typing error in the configuration would be ignored or hard to find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/config.h"

static struct config config;

/* NULL takes the variable away. These tests have one thread. */
static void set_variable(const char *name, const char *value)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe) */
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static enum err parse(const char *text, struct err_ctx *err)
{
	return config_parse(str_of(text), "m.cnf", &config, err);
}

static void test_right(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	enum err rc = parse(
		"# comment\n; comment\n\n[muster]\nsocket = /a b/c ; why\n\n  log_level=debug # "
		"why\n"
		"[manager]\r\nprobe-interval-ms=50\r\n[proxy]\nworkers = 4\ngroup =\n[manager]\n"
		"silence-ms = 600000",
		&err);
	assert_string_equal(err.text, "");
	assert_int_equal(rc, ERR_OK);
	assert_string_equal(config.values.muster_socket, "/a b/c");
	assert_string_equal(config.values.muster_log_level, "debug");
	assert_string_equal(config.values.proxy_group, "");
	assert_int_equal(config.values.manager_probe_interval_ms, 50);
	assert_int_equal(config.values.manager_silence_ms, 600000);
	assert_int_equal(config.values.proxy_workers, 4);
	assert_int_equal(config.values.proxy_hold_ms, 30000);
	assert_int_equal(config.lines[CONFIG_manager_probe_interval_ms], 9);
	assert_int_equal(config.lines[CONFIG_proxy_hold_ms], 0);
	assert_string_equal(config.path, "m.cnf");
}

static void test_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "[muster]\nsokcet = /x",
		  "m.cnf: line 2: no key 'sokcet' in [muster]: did you mean 'socket'?" },
		{ "[mustre]\nsocket = /x",
		  "m.cnf: line 2: no section [mustre]: did you mean [muster]?" },
		{ "[mysqld]\nport = 1",
		  "m.cnf: line 2: no section [mysqld]: there are muster, "
		  "node, accounts, address, agent, hooks, manager, proxy, store" },
		{ "socket = /x", "m.cnf: line 1: this key stands before the first [section]" },
		{ "[manager]\n\n\nsilence-ms = soon",
		  "m.cnf: line 4: 'silence-ms' is a whole number from 100 to 600000, not 'soon'" },
		{ "[manager]\nsilence-ms = 99",
		  "m.cnf: line 2: 'silence-ms' is a whole number from 100 to 600000, not '99'" },
		{ "[muster]\nlog-level = loud",
		  "m.cnf: line 2: 'log-level' is one of error|warn|info|debug, not 'loud'" },
		{ "[muster]\nhelp me", "m.cnf: line 2: neither '[section]' nor 'key = value'" },
		{ "[muster\nsocket = /x", "m.cnf: line 1: neither '[section]' nor 'key = value'" },
		{ "[muster]\nsocket = /x\nsocket = /y",
		  "m.cnf: line 3: 'socket' is set already in line 2" },
		{ "[proxy]\nsocket = /x", "m.cnf: line 2: 'socket' belongs to section [muster]" },
		{ "[muster]\nzzzzzzzz = /x",
		  "m.cnf: line 2: no key 'zzzzzzzz' in [muster]: see muster config sample" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err_ctx err = { 0 };
		config.values.proxy_workers = 99;
		assert_int_equal(parse(cases[i].text, &err), ERR_CONFIG);
		assert_string_equal(err.text, cases[i].words);
		assert_int_equal(config.values.proxy_workers, 99);
	}
}

/* A password where none belongs is not repeated in the message. */
static void test_password_is_not_printed(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	assert_int_equal(parse("[accounts]\nmanager-password = s3cret", &err), ERR_CONFIG);
	assert_null(strstr(err.text, "s3cret"));
	assert_non_null(strstr(err.text, "a password stands in a file of its own"));
}

static void test_lines_that_do_not_fit(void **state)
{
	(void)state;
	char text[600];
	struct err_ctx err = { 0 };
	(void)snprintf(text, sizeof(text), "[muster]\nsocket = %0500d", 1);
	assert_int_equal(parse(text, &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "m.cnf: line 2: longer than"));
	assert_int_equal(
		config_parse((struct str){ "[muster]\nsocket = \0x", 20 }, "m.cnf", &config, &err),
		ERR_CONFIG);
	assert_string_equal(err.text, "m.cnf: line 2: a zero byte");
}

/* What `muster config sample` prints is right, and says what holds without it. */
static void test_sample(void **state)
{
	(void)state;
	struct buf sample;
	struct buf open;
	struct err_ctx err = { 0 };
	buf_init(&sample, 65536);
	buf_init(&open, 65536);
	config_sample(&sample);
	struct str rest = buf_str(&sample);
	struct str line;
	while (str_next(&rest, '\n', &line)) {
		bool is_key = str_starts_with(line, STR("#")) && !str_starts_with(line, STR("# "));
		buf_add_str(&open, is_key ? str_slice(line, 1, line.len) : line);
		buf_add_char(&open, '\n');
	}
	enum err rc = config_parse(buf_str(&open), "sample", &config, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(rc, ERR_OK);
	struct config defaults;
	config_init(&defaults);
	assert_memory_equal(&config.values, &defaults.values, sizeof(config.values));
	for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
		assert_int_not_equal(config.lines[i], 0);
	}
	buf_fini(&open);
	buf_fini(&sample);
}

/* Every row: default in range, sorted within its section. */
static void test_table_of_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_key *key = &config_keys[i];
		if (key->kind == CONFIG_NUMBER) {
			assert_in_range(key->default_number, key->min, key->max);
		}
		if (i && strcmp(config_keys[i - 1].section, key->section) == 0) {
			assert_true(strcmp(config_keys[i - 1].name, key->name) < 0);
		}
	}
}

static char warned[512];

static void warn(void *ctx, const char *text)
{
	(void)ctx;
	(void)snprintf(warned, sizeof(warned), "%s", text);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Passwords come from the environment or a file; a file that everybody may read is warned of. */
static void test_secrets(void **state)
{
	(void)state;
	char path[] = "/tmp/muster-secret-XXXXXX";
	char text[256];
	struct err_ctx err = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	write_file(path, "from file \r\nsecond line\n", 0600);
	(void)snprintf(text, sizeof(text), "[accounts]\nmanager-password-file = %s", path);
	assert_int_equal(parse(text, NULL), ERR_OK);
	set_variable("MUSTER_REPLICATION_PASSWORD", "from environment");
	set_variable("MUSTER_MANAGER_PASSWORD", NULL);
	assert_int_equal(config_load_secrets(&config, true, warn, NULL, &err), ERR_OK);
	assert_string_equal(config.manager_password.text, "from file");
	assert_string_equal(config.replication_password.text, "from environment");
	assert_string_equal(warned, "");

	write_file(path, "x", 0644);
	assert_int_equal(config_load_secrets(&config, true, warn, NULL, &err), ERR_OK);
	assert_non_null(strstr(warned, "everybody may read this password"));

	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_load_secrets(&config, true, warn, NULL, &err), ERR_CONFIG);
	(void)snprintf(text, sizeof(text),
		       "m.cnf: line 2: 'manager-password-file': %s: No such file or directory",
		       path);
	assert_string_equal(err.text, text);

	set_variable("MUSTER_REPLICATION_PASSWORD", NULL);
	assert_int_equal(parse("[muster]", NULL), ERR_OK);
	assert_int_equal(config_load_secrets(&config, false, warn, NULL, &err), ERR_OK);
	assert_non_null(strstr(warned, "no password for account 'replication'"));
	set_variable("MUSTER_MANAGER_PASSWORD", "x");
	assert_int_equal(config_load_secrets(&config, true, warn, NULL, &err), ERR_CONFIG);
	assert_string_equal(err.text,
			    "no password for account 'replication': set 'replication-password-file'"
			    " in [accounts] or MUSTER_REPLICATION_PASSWORD");
}

static void test_files(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	assert_int_equal(config_load("/tmp/muster-none.cnf", &config, &err), ERR_CONFIG);
	assert_string_equal(err.text, "/tmp/muster-none.cnf: No such file or directory");
	assert_int_equal(config_load("/tmp", &config, &err), ERR_CONFIG);
	assert_string_equal(err.text, "/tmp: Is a directory");
	set_variable("MUSTER_CONFIG", "/tmp/muster-none-2.cnf");
	assert_int_equal(config_load(NULL, &config, &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "muster-none-2.cnf"));
	set_variable("MUSTER_CONFIG", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_password_is_not_printed),
		cmocka_unit_test(test_lines_that_do_not_fit),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_table_of_keys),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
