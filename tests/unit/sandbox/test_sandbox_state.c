/* Without these a sandbox could be lost sight of, or a folder that is none be removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "sandbox/sandbox_down.h"
#include "sandbox/sandbox_state.h"

static char base[64];

static int base_make(void **state)
{
	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/muster-state-XXXXXX");
	return mkdtemp(base) && setenv("MUSTER_SANDBOX_DIR", base, 1) == 0 ? 0 : -1;
}

static int base_remove(void **state)
{
	(void)state;
	char path[FILE_PATH_BYTES_MAX];
	if (file_path(path, NULL, "%s/.marker", base) || file_write(path, 0600, STR(""), NULL)) {
		return -1;
	}
	return file_remove_tree(base, base, ".marker", NULL) ? -1 : 0;
}

static void make(const char *name, bool marker, struct sandbox *ret)
{
	char path[FILE_PATH_BYTES_MAX];
	assert_int_equal(sandbox_state_init(name, ret, NULL), ERR_OK);
	assert_int_equal(file_make_folders(ret->root, 0700, NULL), ERR_OK);
	if (marker) {
		assert_int_equal(sandbox_state_path(ret, path, NULL, "%s", SANDBOX_MARKER), ERR_OK);
		assert_int_equal(file_write(path, 0600, STR(""), NULL), ERR_OK);
	}
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum err rc;
	} rows[] = {
		{ "a", ERR_OK },
		{ "main", ERR_OK },
		{ "0-_9", ERR_OK },
		{ "abcdefghijklmnopqrstuvwxyz012345", ERR_OK },
		{ "abcdefghijklmnopqrstuvwxyz0123456", ERR_USAGE },
		{ "", ERR_USAGE },
		{ "-a", ERR_USAGE },
		{ "_a", ERR_USAGE },
		{ "A", ERR_USAGE },
		{ "..", ERR_USAGE },
		{ "a/b", ERR_USAGE },
		{ "a b", ERR_USAGE },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sandbox sandbox;
		struct err_ctx err = { 0 };
		assert_int_equal(sandbox_state_init(rows[i].name, &sandbox, &err), rows[i].rc);
	}
}

static void test_base_folder(void **state)
{
	(void)state;
	char path[FILE_PATH_BYTES_MAX];
	assert_int_equal(setenv("HOME", "/home/x", 1), 0);
	assert_int_equal(unsetenv("MUSTER_SANDBOX_DIR"), 0);
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_int_equal(sandbox_state_base(path, NULL), ERR_OK);
	assert_string_equal(path, "/home/x/.local/state/muster/sandbox");
	assert_int_equal(setenv("XDG_STATE_HOME", "/state", 1), 0);
	assert_int_equal(sandbox_state_base(path, NULL), ERR_OK);
	assert_string_equal(path, "/state/muster/sandbox");
	assert_int_equal(setenv("MUSTER_SANDBOX_DIR", "relative", 1), 0);
	assert_int_equal(sandbox_state_base(path, NULL), ERR_CONFIG);
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(unsetenv("MUSTER_SANDBOX_DIR"), 0);
	assert_int_equal(sandbox_state_base(path, NULL), ERR_CONFIG);
	assert_int_equal(setenv("MUSTER_SANDBOX_DIR", base, 1), 0);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct sandbox sandbox;
	struct sandbox again;
	const struct sandbox_server *server = NULL;
	struct err_ctx err = { 0 };
	make("round", true, &sandbox);
	(void)snprintf(sandbox.flavor, sizeof(sandbox.flavor), "mysql");
	(void)snprintf(sandbox.policy, sizeof(sandbox.policy), "async");
	(void)snprintf(sandbox.program, sizeof(sandbox.program), "/a \"b\"/mysqld");
	sandbox.write_port = 10001;
	sandbox.read_port = 65535;
	sandbox.split_port = 10004;
	sandbox.server_count = 2;
	sandbox.servers[0] = (struct sandbox_server){ "db1", 1, 10002 };
	sandbox.servers[1] = (struct sandbox_server){ "db2", 2, 10003 };
	assert_int_equal(sandbox_state_save(&sandbox, NULL), ERR_OK);
	assert_int_equal(sandbox_state_load("round", &again, &err), ERR_OK);
	assert_string_equal(again.program, sandbox.program);
	assert_string_equal(again.policy, "async");
	assert_int_equal(again.read_port, 65535);
	assert_int_equal(again.split_port, 10004);
	assert_int_equal(again.server_count, 2);
	assert_int_equal(again.servers[1].server_id, 2);
	assert_int_equal(again.servers[1].port, 10003);
	sandbox_state_renumber(&again, "db1");
	sandbox_state_renumber(&again, "db2");
	sandbox_state_renumber(&again, "db2");
	assert_int_equal(again.servers[0].server_id, 3);
	assert_int_equal(again.servers[1].server_id, 5);
	assert_int_equal(sandbox_state_find_server(&again, "db2", &server, &err), ERR_OK);
	assert_ptr_equal(server, &again.servers[1]);
	assert_int_equal(sandbox_state_find_server(&again, "db7", &server, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "db"));
}

static void test_damaged_is_told_and_can_be_removed(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "{", "[]", "{\"servers\": []}", "{\"flavor\": 3}",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sandbox sandbox;
		char path[FILE_PATH_BYTES_MAX];
		struct err_ctx err = { 0 };
		make("damaged", true, &sandbox);
		assert_int_equal(sandbox_state_path(&sandbox, path, NULL, "sandbox.json"), ERR_OK);
		assert_int_equal(file_write(path, 0600, str_of(texts[i]), NULL), ERR_OK);
		assert_int_equal(sandbox_state_load("damaged", &sandbox, &err), ERR_PARSE);
		assert_non_null(strstr(err.text, "muster sandbox down damaged"));
		assert_int_equal(sandbox_down("damaged", &err), ERR_OK);
		assert_false(file_exists(sandbox.root));
		assert_int_equal(sandbox_down("damaged", &err), ERR_NOT_FOUND);
	}
}

static void test_half_made_can_be_removed(void **state)
{
	(void)state;
	struct sandbox sandbox;
	struct err_ctx err = { 0 };
	make("half", true, &sandbox);
	assert_int_equal(sandbox_down("half", &err), ERR_OK);
	assert_false(file_exists(sandbox.root));
}

static void test_no_marker_is_no_sandbox(void **state)
{
	(void)state;
	struct sandbox sandbox;
	struct err_ctx err = { 0 };
	make("none", false, &sandbox);
	assert_int_equal(sandbox_state_load("none", &sandbox, &err), ERR_NOT_FOUND);
	assert_int_equal(sandbox_down("none", &err), ERR_NOT_FOUND);
	assert_true(file_exists(sandbox.root));
}

static void test_list_is_sorted(void **state)
{
	(void)state;
	struct sandbox sandbox;
	json_t *names = NULL;
	make("zz", true, &sandbox);
	make("aa", true, &sandbox);
	make("mm", false, &sandbox);
	assert_int_equal(sandbox_state_names(&names, NULL), ERR_OK);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "aa");
	assert_string_equal(json_string_value(json_array_get(names, json_array_size(names) - 1)),
			    "zz");
	json_decref(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_base_folder),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damaged_is_told_and_can_be_removed),
		cmocka_unit_test(test_half_made_can_be_removed),
		cmocka_unit_test(test_no_marker_is_no_sandbox),
		cmocka_unit_test(test_list_is_sorted),
	};
	return cmocka_run_group_tests(tests, base_make, base_remove);
}
