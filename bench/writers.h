/* N clients, a thread each, that write rows through one address and note what they were told. */
#pragma once

#include <mysql.h>

#include "options.h"

/* A connection as the options say, or NULL: then err has the server's words. mysql_close() it. */
MYSQL *writers_connect(const struct options *options, const char *database, struct err_ctx *err);

/* Makes the database and an empty table `ledger` in it. Its key is not the id, so that a write that
 * was done twice is two rows.
 *
 * Errors: ERR_UNREACHABLE, ERR_SERVER. */
MUST_CHECK enum err writers_prepare(const struct options *options, struct err_ctx *err);

/* Writes until the time is over or SIGINT or SIGTERM comes; prints one JSON object. Must be called
 * before any other thread is started: it blocks the signals for all of them.
 *
 * Errors: ERR_IO when the ledger cannot be written. Errors of the servers are results, not errors. */
MUST_CHECK enum err writers_run(const struct options *options, struct err_ctx *err);
