/* Compares what the clients were told with what a server has. */
#pragma once

#include "options.h"

/* Reads the whole table from the server that the options name and prints one JSON object: how many
 * acknowledged rows are lost or doubled, how many refused ones are there all the same, how many of
 * unknown outcome are there or not, how many rows nobody wrote.
 *
 * Errors: ERR_FAILED when anything is lost, doubled, there in spite of its error, or foreign;
 *         ERR_UNREACHABLE, ERR_SERVER, ERR_IO, ERR_PARSE. */
MUST_CHECK enum err verify_run(const struct options *options, struct err_ctx *err);
