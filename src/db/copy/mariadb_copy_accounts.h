/* Accounts, roles and privileges of a MariaDB server, as rows of its grant tables. */
#pragma once

#include <stddef.h>

#include "db/copy/reclone_internal.h"

enum { COPY_GRANT_TABLES = 8 };

/* Statements that make another server's grant tables equal; NULL where there is nothing to do. */
struct copy_accounts {
	char *put[COPY_GRANT_TABLES];
	char *drop[COPY_GRANT_TABLES];
};
/* Releases the statements; takes a zeroed one. */
void copy_accounts_fini(struct copy_accounts *accounts);

/* ret: zeroed. */
MUST_CHECK enum err copy_accounts_read(const struct reclone_options *options, struct conn *donor,
				       struct copy_accounts *ret, struct err_ctx *err);

/* Puts what is there first and drops the others then: at no time an account is missing that both have. */
MUST_CHECK enum err copy_accounts_make(const struct reclone_options *options, struct conn *server,
				       const struct copy_accounts *accounts, struct err_ctx *err);
