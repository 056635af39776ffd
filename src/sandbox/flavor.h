/* Where a flavour's server program is, which version it is, and what comes with it. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "os/file.h"

enum { FLAVOR_WORD_BYTES_MAX = 64 };

enum flavor { FLAVOR_ANY, FLAVOR_MARIADB, FLAVOR_MYSQL };

struct flavor_program {
	enum flavor flavor;		     /* never FLAVOR_ANY */
	char program[FILE_PATH_BYTES_MAX];   /* absolute */
	char version[FLAVOR_WORD_BYTES_MAX]; /* "10.11.19-MariaDB-0+deb12u1" */
	char scripts[FILE_PATH_BYTES_MAX];   /* MariaDB: folder of the system tables' SQL */
	char script_prefix[16];		     /* MariaDB: "mysql_" or "mariadb_" */
	bool makes_tls_key; /* makes an RSA key at each start unless it is given one */
};

const char *flavor_name(enum flavor flavor); /* "mariadb"; "any" */

/* Errors: ERR_USAGE with the nearest name. */
MUST_CHECK enum err flavor_from_name(const char *name, enum flavor *ret, struct err_ctx *err);

/* Finds the server program and asks it for its version.
 *
 * wanted:   FLAVOR_ANY takes what `binaries` has, MariaDB first; without binaries it is MariaDB.
 * binaries: folder with the programs in it or in its bin or sbin; NULL: PATH and the usual places, for
 *           MySQL first where dev/get-server puts it ($MUSTER_SERVER_CACHE or ~/.cache/muster/servers).
 * Errors:   ERR_NOT_FOUND, one line that says where was looked and how to get it; ERR_FAILED when the
 *           program doesn't run.
 */
MUST_CHECK enum err flavor_find(enum flavor wanted, const char *binaries,
				struct flavor_program *ret, struct err_ctx *err);

/* The version in what `PROGRAM --version` prints. Errors: ERR_PARSE. */
MUST_CHECK enum err flavor_parse_version(struct str line, char ret[FLAVOR_WORD_BYTES_MAX]);
