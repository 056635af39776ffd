#include "sandbox/flavor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "os/clock_system.h"
#include "os/env.h"
#include "os/process.h"

enum { VERSION_TIMEOUT_S = 20, VERSION_BYTES_MAX_READ = 16384 };

static const char *const names[] = { "any", "mariadb", "mysql" };
static const char *const programs[] = { "", "mariadbd", "mysqld" };

const char *flavor_name(enum flavor flavor)
{
	return names[flavor];
}

enum err flavor_from_name(const char *name, enum flavor *ret, struct err_ctx *err)
{
	for (int i = FLAVOR_MARIADB; i <= FLAVOR_MYSQL; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum flavor)i;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_USAGE, "'%s' is no flavor: mariadb or mysql", name);
}

enum err flavor_parse_version(struct str line, char ret[FLAVOR_WORD_BYTES_MAX])
{
	struct str rest = line;
	struct str word;
	bool next = false;
	while (str_next(&rest, ' ', &word)) {
		if (next && word.len) {
			return str_copy(str_trim(word), ret, FLAVOR_WORD_BYTES_MAX);
		}
		next = next || str_equal(word, STR("Ver"));
	}
	return ERR_PARSE;
}

static enum err ask_version(const char *program, char ret[FLAVOR_WORD_BYTES_MAX],
			    struct err_ctx *err)
{
	char output[] = "/tmp/muster-version-XXXXXX";
	const char *const argv[] = { program, "--no-defaults", "--version", NULL };
	int fd = mkstemp(output);
	if (fd < 0) {
		return err_set(err, ERR_IO, "cannot create a file in /tmp");
	}
	(void)close(fd);
	struct process_options options = { .argv = argv, .output = output };
	uint64_t deadline =
		clock_monotonic_us(&clock_system) + (uint64_t)VERSION_TIMEOUT_S * US_PER_S;
	struct buf text;
	buf_init(&text, VERSION_BYTES_MAX_READ);
	enum err rc = process_run(&options, deadline, err);
	rc = rc ? rc : file_read(output, &text, err);
	if (!rc && flavor_parse_version(buf_str(&text), ret)) {
		rc = err_set(err, ERR_FAILED, "'%s --version' does not name a version", program);
	}
	buf_fini(&text);
	(void)unlink(output);
	return rc;
}

static bool is_program(const char *path)
{
	return access(path, X_OK) == 0;
}

/* FOLDER/bin/NAME, FOLDER/sbin/NAME, FOLDER/NAME. */
static bool find_below(const char *folder, const char *name, char ret[FILE_PATH_BYTES_MAX])
{
	static const char *const places[] = { "bin/", "sbin/", "" };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!file_path(ret, NULL, "%s/%s%s", folder, places[i], name) && is_program(ret)) {
			return true;
		}
	}
	return false;
}

static bool find_in_path(const char *name, char ret[FILE_PATH_BYTES_MAX])
{
	static const char *const usual[] = { "/usr/sbin", "/usr/bin", "/usr/libexec",
					     "/usr/local/sbin", "/usr/local/bin" };
	struct str rest = str_of(env_get("PATH"));
	struct str folder;
	while (str_next(&rest, ':', &folder)) {
		if (folder.len && folder.ptr[0] == '/' &&
		    !file_path(ret, NULL, "%.*s/%s", STR_ARG(folder), name) && is_program(ret)) {
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (!file_path(ret, NULL, "%s/%s", usual[i], name) && is_program(ret)) {
			return true;
		}
	}
	return false;
}

/* Where dev/get-server brings servers. */
static enum err servers_folder(char ret[FILE_PATH_BYTES_MAX])
{
	const char *own = env_get("MUSTER_SERVER_CACHE");
	const char *cache = env_get("XDG_CACHE_HOME");
	const char *home = env_get("HOME");
	if (own && own[0] == '/') {
		return file_path(ret, NULL, "%s", own);
	}
	if (cache && cache[0] == '/') {
		return file_path(ret, NULL, "%s/muster/servers", cache);
	}
	return home ? file_path(ret, NULL, "%s/.cache/muster/servers", home) : ERR_NOT_FOUND;
}

static bool find_brought(enum flavor flavor, char ret[FILE_PATH_BYTES_MAX])
{
	static const char *const mysql[] = { "mysql" };
	static const char *const mariadb[] = { "mariadb-10.11", "mariadb-11.8" };
	const char *const *folders = flavor == FLAVOR_MYSQL ? mysql : mariadb;
	size_t count = flavor == FLAVOR_MYSQL ? 1 : 2;
	char base[FILE_PATH_BYTES_MAX];
	char folder[FILE_PATH_BYTES_MAX];
	if (servers_folder(base)) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!file_path(folder, NULL, "%s/%s", base, folders[i]) &&
		    find_below(folder, programs[flavor], ret)) {
			return true;
		}
	}
	return false;
}

static const char *how_to_get(enum flavor flavor)
{
	return flavor == FLAVOR_MYSQL ? "run 'dev/get-server mysql'"
				      : "install the package mariadb-server-core or run "
					"'dev/get-server mariadb-11.8'";
}

static enum err find_program(enum flavor *flavor, const char *binaries,
			     char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	bool any = *flavor == FLAVOR_ANY;
	bool found;
	if (binaries) {
		bool mariadb = *flavor != FLAVOR_MYSQL;
		found = mariadb && find_below(binaries, programs[FLAVOR_MARIADB], ret);
		if (!found && *flavor != FLAVOR_MARIADB) {
			found = find_below(binaries, programs[FLAVOR_MYSQL], ret);
			*flavor = FLAVOR_MYSQL;
		}
		*flavor = *flavor == FLAVOR_ANY ? FLAVOR_MARIADB : *flavor;
		if (!found) {
			return err_set(err, ERR_NOT_FOUND, "no %s in '%s' or its bin or sbin",
				       any ? "mariadbd or mysqld" : programs[*flavor], binaries);
		}
		return ERR_OK;
	}
	*flavor = any ? FLAVOR_MARIADB : *flavor;
	if (*flavor == FLAVOR_MYSQL) {
		found = find_brought(*flavor, ret) || find_in_path("mysqld", ret);
	} else {
		found = find_in_path("mariadbd", ret) || find_brought(*flavor, ret);
	}
	return found ? ERR_OK
		     : err_set(err, ERR_NOT_FOUND,
			       "no %s found: %s, or name its folder with --binaries",
			       programs[*flavor], how_to_get(*flavor));
}

/* The system tables' SQL lies beside the program: of a package, or of what dev/get-server unpacks. */
static enum err find_scripts(struct flavor_program *found, struct err_ctx *err)
{
	static const char *const places[] = { "../share/mysql", "../share/mariadb",
					      "../root/usr/share/mariadb",
					      "../root/usr/share/mysql" };
	static const char *const prefixes[] = { "mariadb_", "mysql_" };
	const char *slash = strrchr(found->program, '/');
	int folder_bytes = slash ? (int)(slash - found->program) : 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		for (size_t k = 0; k < 2; k++) {
			char file[FILE_PATH_BYTES_MAX];
			enum err rc = file_path(found->scripts, NULL, "%.*s/%s", folder_bytes,
						found->program, places[i]);
			rc = rc ? rc
				: file_path(file, NULL, "%s/%ssystem_tables.sql", found->scripts,
					    prefixes[k]);
			if (!rc && file_exists(file)) {
				return str_copy(str_of(prefixes[k]), found->script_prefix,
						sizeof(found->script_prefix));
			}
		}
	}
	return err_set(err, ERR_NOT_FOUND,
		       "no system_tables.sql beside '%s' (looked in ../share/mysql, "
		       "../share/mariadb, ../root/usr/share)",
		       found->program);
}

static bool makes_tls_key(const struct flavor_program *found)
{
	struct str rest = str_of(found->version);
	struct str major;
	uint32_t number = 0;
	return found->flavor == FLAVOR_MARIADB && str_next(&rest, '.', &major) &&
	       !str_parse_u32(major, 0, UINT32_MAX, &number) && number >= 11;
}

enum err flavor_find(enum flavor wanted, const char *binaries, struct flavor_program *ret,
		     struct err_ctx *err)
{
	struct flavor_program found = { .flavor = wanted };
	char resolved[FILE_PATH_BYTES_MAX];
	enum err rc = find_program(&found.flavor, binaries, resolved, err);
	if (rc) {
		return rc;
	}
	/* Absolute, but links stay: a wrapper finds its folder by its own name. */
	if (resolved[0] == '/') {
		rc = file_path(found.program, err, "%s", resolved);
	} else {
		char here[FILE_PATH_BYTES_MAX];
		if (!getcwd(here, sizeof(here))) {
			return err_set(err, ERR_IO, "the working folder can't be told");
		}
		rc = file_path(found.program, err, "%s/%s", here, resolved);
	}
	rc = rc ? rc : ask_version(found.program, found.version, err);
	if (rc) {
		return rc;
	}
	bool mariadb = str_contains_nocase(str_of(found.version), STR("MariaDB"));
	if (mariadb != (found.flavor == FLAVOR_MARIADB)) {
		return err_set(err, ERR_NOT_FOUND,
			       "'%s' is %s, not %s: %s, or name another folder with --binaries",
			       found.program, mariadb ? "MariaDB" : "MySQL", names[found.flavor],
			       how_to_get(found.flavor));
	}
	found.makes_tls_key = makes_tls_key(&found);
	rc = mariadb ? find_scripts(&found, err) : ERR_OK;
	if (!rc) {
		*ret = found;
	}
	return rc;
}
