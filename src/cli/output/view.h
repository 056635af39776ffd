/* How groups, their servers and the reports of failovers look for people. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"
#include "cli/output/table.h"

/* A list: all of `list` as JSON, or the rows under `key` as a table. */
void view_list(struct cli *cli, const json_t *list, const char *key,
	       const struct table_column *columns, size_t count);

/* The whole of a group.status result. */
void view_status(struct cli *cli, const json_t *status);

/* A line about a floating address: where it belongs, who holds it. */
void view_address(struct cli *cli, const json_t *address);

/* One line of a pair: which side takes writes, and what is done about the other. Nothing when there is none. */
void view_pair(struct cli *cli, const json_t *pair);

/* A failover's or switchover's report: who, phases in ms, loss. */
void view_change(struct cli *cli, const json_t *report);

/* The "warnings" of a result, on standard error. */
void view_warnings(struct cli *cli, const json_t *result);

/* Prints the result of a change as JSON, or one line for people: `what`, and the result's text or `verb`. Takes the
 * result over. */
void view_done(struct cli *cli, json_t *result, const char *verb, const char *what);
