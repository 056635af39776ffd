/* Without these a server that was killed as it took over a copy could never be started again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "os/file.h"
#include "sandbox/broken_copy.h"

static char folder[64];

static int folder_make(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-copy-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	char path[FILE_PATH_BYTES_MAX];
	if (file_path(path, NULL, "%s/.marker", folder) || file_write(path, 0600, STR(""), NULL)) {
		return -1;
	}
	return file_remove_tree(folder, folder, ".marker", NULL) ? -1 : 0;
}

static void put(const char *name, struct str content)
{
	char path[FILE_PATH_BYTES_MAX];
	assert_int_equal(file_path(path, NULL, "%s/%s", folder, name), ERR_OK);
	assert_int_equal(file_write(path, 0600, content, NULL), ERR_OK);
}

static bool has(const char *name)
{
	char path[FILE_PATH_BYTES_MAX];
	assert_int_equal(file_path(path, NULL, "%s/%s", folder, name), ERR_OK);
	return file_exists(path);
}

static void test_an_index_that_names_what_is_gone_is_removed(void **state)
{
	(void)state;
	bool mended = false;
	put("binlog.000001", STR("x"));
	put("binlog.index", STR("./binlog.000001\n./binlog.000002\n"));
	assert_int_equal(broken_copy_mend(folder, &mended, NULL), ERR_OK);
	assert_true(mended);
	assert_false(has("binlog.index"));
	assert_true(has("binlog.000001"));
}

static void test_a_whole_index_stays(void **state)
{
	(void)state;
	bool mended = true;
	char absolute[FILE_PATH_BYTES_MAX];
	assert_int_equal(file_path(absolute, NULL, "./binlog.000001\n%s/binlog.000001\n\n", folder),
			 ERR_OK);
	put("binlog.000001", STR("x"));
	put("binlog.index", str_of(absolute));
	assert_int_equal(broken_copy_mend(folder, &mended, NULL), ERR_OK);
	assert_false(mended);
	assert_true(has("binlog.index"));
}

static void test_without_an_index_nothing_is_to_be_mended(void **state)
{
	(void)state;
	bool mended = true;
	assert_int_equal(broken_copy_mend(folder, &mended, NULL), ERR_OK);
	assert_false(mended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_index_that_names_what_is_gone_is_removed,
						folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_a_whole_index_stays, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(test_without_an_index_nothing_is_to_be_mended,
						folder_make, folder_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
