/* What is said to a server while its template is built: its accounts and their privileges. */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "sandbox/flavor.h"
#include "sandbox/sandbox_state.h"

/* Appends one statement a line.
 *
 * The manager's account has what a manager needs; the application's all that doesn't let it write to a
 * server that is read-only. root is left with a password, on localhost only.
 * Source: MariaDB Knowledge Base, "GRANT", "Global Privileges"; MySQL manual, "Privileges Provided by
 * MySQL".
 */
void template_sql_accounts(enum flavor flavor,
			   const struct secret passwords[SANDBOX_ACCOUNT_COUNT_], struct buf *sql);
