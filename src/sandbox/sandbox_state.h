/* What a sandbox is made of, and where it lies: NAME/ below the base folder, with sandbox.json in it.
 *
 * The base folder is $MUSTER_SANDBOX_DIR, or $XDG_STATE_HOME/muster/sandbox, or
 * ~/.local/state/muster/sandbox. A folder is a sandbox when it bears the marker file: nothing else is
 * ever removed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "os/file.h"
#include "os/process.h"

enum {
	SANDBOX_NAME_BYTES_MAX = 33,
	SANDBOX_SERVERS_MAX = 9,
	SANDBOX_SERVER_NAME_BYTES_MAX = 16,
	SANDBOX_WORD_BYTES_MAX = 64,
};

#define SANDBOX_MARKER ".muster-sandbox"

enum sandbox_state_account {
	SANDBOX_MANAGER,
	SANDBOX_REPLICATION,
	SANDBOX_APPLICATION,
	SANDBOX_ROOT, /* through the Unix socket only; for people and tests */
	SANDBOX_ACCOUNT_COUNT_
};

struct sandbox_server {
	char name[SANDBOX_SERVER_NAME_BYTES_MAX];
	uint32_t server_id; /* see sandbox_state_renumber() */
	uint16_t port;
};

struct sandbox {
	char name[SANDBOX_NAME_BYTES_MAX]; /* of the group too */
	char root[FILE_PATH_BYTES_MAX];	   /* its folder */
	char sockets
		[FILE_PATH_BYTES_MAX]; /* folder of the Unix sockets: root, or a short one in /tmp */
	char flavor[SANDBOX_WORD_BYTES_MAX];	   /* "mariadb", "mysql" */
	char version[SANDBOX_WORD_BYTES_MAX];	   /* of the servers */
	char policy[SANDBOX_WORD_BYTES_MAX];	   /* "lossless", "async" */
	char program[FILE_PATH_BYTES_MAX];	   /* the server's */
	char template_folder[FILE_PATH_BYTES_MAX]; /* that the data directories are copies of */
	char template_id[SANDBOX_WORD_BYTES_MAX];
	char muster[FILE_PATH_BYTES_MAX]; /* the program that `muster run` is */
	bool pair; /* db1 and db2 are a pair, the others are below them in turn */
	uint16_t write_port;
	uint16_t read_port;
	uint16_t split_port;
	struct sandbox_server servers[SANDBOX_SERVERS_MAX];
	size_t server_count;
};

const char *sandbox_state_account_user(enum sandbox_state_account account); /* "muster" */
const char *sandbox_state_account_file(enum sandbox_state_account account); /* "manager.password" */

/* Fills name, root and sockets of a sandbox that needn't exist.
 * Errors: ERR_USAGE when the name isn't one: 1 to 32 of a-z 0-9 - _, first no - or _. */
MUST_CHECK enum err sandbox_state_init(const char *name, struct sandbox *ret, struct err_ctx *err);

/* The base folder. Errors: ERR_CONFIG when neither of the variables nor HOME is set. */
MUST_CHECK enum err sandbox_state_base(char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err);

/* Errors: ERR_NOT_FOUND (no sandbox of that name), ERR_PARSE, ERR_IO, ERR_USAGE. */
MUST_CHECK enum err sandbox_state_load(const char *name, struct sandbox *ret, struct err_ctx *err);

/* Writes sandbox.json. Errors: ERR_IO. */
MUST_CHECK enum err sandbox_state_save(const struct sandbox *sandbox, struct err_ctx *err);

/* Gives a server a server_id that no server of the sandbox has or had.
 *
 * For one that must fetch again what it wrote itself before: a replica takes nothing that bears its own
 * server_id, and says nothing of it. The caller saves the state and rewrites the option file.
 * Source: MySQL manual, "replicate-same-server-id"; MariaDB is the same, unless semi-sync is on.
 */
void sandbox_state_renumber(struct sandbox *sandbox, const char *name);

/* The names of all folders with a marker, sorted; *ret is an array of strings, a new reference. */
MUST_CHECK enum err sandbox_state_names(json_t **ret, struct err_ctx *err);

/* The server of that name. Errors: ERR_NOT_FOUND, which names the nearest one. */
MUST_CHECK enum err sandbox_state_find_server(const struct sandbox *sandbox, const char *name,
					      const struct sandbox_server **ret,
					      struct err_ctx *err);

/* A path in a sandbox's folder. `name` may be a server's file: "db1/my.cnf". */
PRINTF_LIKE(4, 5)
MUST_CHECK enum err sandbox_state_path(const struct sandbox *sandbox, char ret[FILE_PATH_BYTES_MAX],
				       struct err_ctx *err, const char *format, ...);

/* Unix socket of a server; of `muster run` when server is NULL. */
MUST_CHECK enum err sandbox_state_socket(const struct sandbox *sandbox,
					 const struct sandbox_server *server,
					 char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err);

/* Reads a password. Errors: ERR_IO, ERR_NOT_FOUND. */
MUST_CHECK enum err sandbox_state_read_password(const struct sandbox *sandbox,
						enum sandbox_state_account account,
						struct secret *ret, struct err_ctx *err);
