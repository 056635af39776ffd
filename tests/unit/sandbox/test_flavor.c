/* Without these a sandbox could be made with another vendor's server, or of a version misread. */
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

#include "os/file.h"
#include "sandbox/flavor.h"

static char folder[64];

static int folder_make(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/muster-flavor-XXXXXX");
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

static void put(const char *name, mode_t mode, const char *content)
{
	char path[FILE_PATH_BYTES_MAX];
	assert_int_equal(file_path(path, NULL, "%s/%s", folder, name), ERR_OK);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(file_make_folders(path, 0700, NULL), ERR_OK);
	*slash = '/';
	assert_int_equal(file_write(path, mode, str_of(content), NULL), ERR_OK);
}

static const char *below(const char *name)
{
	static char path[FILE_PATH_BYTES_MAX];
	assert_int_equal(file_path(path, NULL, "%s/%s", folder, name), ERR_OK);
	return path;
}

static void test_versions(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum err rc;
		const char *version;
	} rows[] = {
		{ "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n", ERR_OK,
		  "9.7.4-2" },
		{ "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu", ERR_OK,
		  "10.11.19-MariaDB-0+deb12u1" },
		{ "mariadbd from 11.8", ERR_PARSE, NULL },
		{ "Ver", ERR_PARSE, NULL },
		{ "", ERR_PARSE, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char version[FLAVOR_WORD_BYTES_MAX];
		assert_int_equal(flavor_parse_version(str_of(rows[i].line), version), rows[i].rc);
		if (rows[i].version) {
			assert_string_equal(version, rows[i].version);
		}
	}
}

static void test_names(void **state)
{
	(void)state;
	struct err_ctx err = { 0 };
	enum flavor flavor = FLAVOR_ANY;
	assert_int_equal(flavor_from_name("mysql", &flavor, &err), ERR_OK);
	assert_int_equal(flavor, FLAVOR_MYSQL);
	assert_int_equal(flavor_from_name("any", &flavor, &err), ERR_USAGE);
	assert_int_equal(flavor_from_name("", &flavor, &err), ERR_USAGE);
}

static void test_found_by_folder(void **state)
{
	(void)state;
	struct flavor_program found;
	struct err_ctx err = { 0 };
	put("a/bin/mariadbd", 0755, "#!/bin/sh\necho mariadbd  Ver 11.8.6-MariaDB for x\n");
	put("a/share/mysql/mariadb_system_tables.sql", 0644, "");
	put("b/mysqld", 0755, "#!/bin/sh\necho mysqld  Ver 9.7.4-2 for x\n");
	assert_int_equal(flavor_find(FLAVOR_ANY, below("a"), &found, &err), ERR_OK);
	assert_int_equal(found.flavor, FLAVOR_MARIADB);
	assert_string_equal(found.script_prefix, "mariadb_");
	assert_true(found.makes_tls_key);
	assert_int_equal(flavor_find(FLAVOR_ANY, below("a/bin"), &found, &err), ERR_OK);
	assert_int_equal(flavor_find(FLAVOR_ANY, below("b"), &found, &err), ERR_OK);
	assert_int_equal(found.flavor, FLAVOR_MYSQL);
	assert_string_equal(found.version, "9.7.4-2");
	assert_int_equal(flavor_find(FLAVOR_MARIADB, below("b"), &found, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "mariadbd"));
}

static void test_refused(void **state)
{
	(void)state;
	struct flavor_program found;
	struct err_ctx err = { 0 };
	put("c/bin/mysqld", 0755, "#!/bin/sh\necho mysqld  Ver 10.11.19-MariaDB for x\n");
	put("d/bin/mariadbd", 0755, "#!/bin/sh\nexit 1\n");
	put("e/bin/mariadbd", 0755, "#!/bin/sh\necho mariadbd  Ver 10.11.19-MariaDB for x\n");
	assert_int_equal(flavor_find(FLAVOR_MYSQL, below("none"), &found, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "none"));
	assert_int_equal(flavor_find(FLAVOR_MYSQL, below("c"), &found, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "MariaDB"));
	assert_int_equal(flavor_find(FLAVOR_MARIADB, below("d"), &found, &err), ERR_FAILED);
	assert_int_equal(flavor_find(FLAVOR_MARIADB, below("e"), &found, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "system_tables.sql"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_found_by_folder),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
