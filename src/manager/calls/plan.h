/* What the commands that make and change groups ask of the servers first: a plan, checked before anything is
 * changed. Runs in the caller's thread and may block. */
#pragma once

#include <jansson.h>

#include "db/conn.h"
#include "decide/record.h"
#include "manager/calls/call.h"

enum { PLAN_LOOK_TIMEOUT_MS = 3000 };

/* A server as it was found. */
struct plan_look {
	struct conn *conn;
	struct server_status status;
};

void plan_look_fini(struct plan_look *look); /* takes a zeroed one */

/* Reads one server's name, host, port and dc. ERR_USAGE says which is missing or wrong. */
MUST_CHECK enum err plan_read_row(const json_t *row, struct record_server *ret,
				  struct err_ctx *err);

/* Reads `dc` where it is there. ERR_USAGE when it is too long. */
MUST_CHECK enum err plan_read_dc(const json_t *row, struct record_server *ret, struct err_ctx *err);

/* Reads `below` where it is there: the name of a server of the plan, null for the primary. ERR_NOT_FOUND, ERR_USAGE when
 * the server would be below itself. */
MUST_CHECK enum err plan_read_below(const json_t *row, uint32_t server, struct record *plan,
				    struct err_ctx *err);

/* Adds it to the plan. ERR_USAGE when name or address are there already, ERR_LIMIT. */
MUST_CHECK enum err plan_add_row(struct record *plan, const struct record_server *server,
				 struct err_ctx *err);

/* Adds all of the parameters' `servers`. */
MUST_CHECK enum err plan_read_rows(const json_t *params, struct record *plan, struct err_ctx *err);

/* Reads the parameters' `policy` and `max_loss_s` where they are there. ERR_USAGE. */
MUST_CHECK enum err plan_read_policy(const json_t *params, struct record *record,
				     struct err_ctx *err);

/* Reads the parameters' `group` and policy. */
MUST_CHECK enum err plan_read_head(const json_t *params, struct record *plan, struct err_ctx *err);

/* Connects, checks privileges and configuration, reads the status. notes: an array that gets what is worth a warning.
 * ret: zeroed; to be released in any case. Errors: ERR_UNREACHABLE, ERR_PRIVILEGE with the GRANT that helps,
 * ERR_REFUSED with the remedy. */
MUST_CHECK enum err plan_look_at(const struct manager_core *core,
				 const struct record_server *server, struct plan_look *ret,
				 json_t *notes, struct err_ctx *err);

/* ERR_REFUSED unless all speak one dialect and each has an id of its own. looks: [plan->server_count]. */
MUST_CHECK enum err plan_check_pairs(const struct record *plan, const struct plan_look *looks,
				     struct err_ctx *err);

/* The index of the server at that address, SERVER_NONE when there is none. */
uint32_t plan_find_address(const struct record *plan, const char *host, uint16_t port);
