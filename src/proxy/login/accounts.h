/* The accounts that the servers know: an immutable snapshot for log-ins, shared by all workers.
 *
 * Built once by its owner (new, add, seal), then only read; reference-counted, so that a log-in that
 * is under way keeps the snapshot it began with. Holds what the server stores of a password, never
 * the password.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct accounts;

enum {
	ACCOUNTS_MAX = 100000,
	ACCOUNT_FIELD_BYTES_MAX = 1024, /* each of user, host, plugin, authentication string */
	ACCOUNTS_VERSION_BYTES_MAX = 64,
	ACCOUNTS_PLUGIN_BYTES_MAX = 64,
};

/* What the greeting to clients says: learnt from the servers behind it. */
struct accounts_facts {
	char server_version
		[ACCOUNTS_VERSION_BYTES_MAX];		/* as the servers' own greeting prints it */
	char default_plugin[ACCOUNTS_PLUGIN_BYTES_MAX]; /* "mysql_native_password" ... */
	uint32_t capabilities; /* low 32 bits that every server of the group has */
	uint8_t charset;       /* the greeting's collation byte */
	bool mariadb;
};

struct account {
	struct str user; /* empty: anonymous */
	struct str host; /* the pattern */
	struct str plugin;
	struct str auth; /* as the server stores it; bytes, not text */
	bool locked;
};

/* An empty snapshot. Never NULL. The owner has one reference. */
struct accounts *accounts_new(const struct accounts_facts *facts);

/* Copies one row. Errors: ERR_LIMIT when a field or the count is over its limit, ERR_USAGE when the
 * snapshot is sealed already, ERR_NOMEM. */
MUST_CHECK enum err accounts_add(struct accounts *accounts, const struct account *account,
				 struct err_ctx *err);

/* Brings the rows into the servers' matching order; from here on the snapshot is read only. */
void accounts_seal(struct accounts *accounts);

/* What the greeting is to say; lives as long as the snapshot. */
const struct accounts_facts *accounts_get_facts(const struct accounts *accounts);
/* The number of rows. */
size_t accounts_count(const struct accounts *accounts);

/* Row number `index` (below the count) in the matching order; lives as long as the snapshot. */
const struct account *accounts_get(const struct accounts *accounts, size_t index);

/* The row that a server would use for `user` from `address` (an IP address as text, without the
 * ::ffff: of a mapped one), or NULL. Names in host patterns match only "localhost", and that for
 * loopback addresses: the servers' reverse look-ups are not repeated here.
 * The result lives as long as the snapshot.
 * Source: MySQL manual, "Access Control, Stage 1: Connection Verification". */
const struct account *accounts_find(const struct accounts *accounts, struct str user,
				    struct str address);

/* Whether the host pattern of an account admits `address`. */
bool accounts_host_matches(struct str pattern, struct str address);

struct accounts *accounts_ref(struct accounts *accounts);   /* returns its argument; takes NULL */
struct accounts *accounts_unref(struct accounts *accounts); /* takes NULL, returns NULL */
