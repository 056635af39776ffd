/* Routes and accounts as JSON: what the link carries down to a node's proxy. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "proxy/login/accounts.h"
#include "proxy/routing/route.h"

json_t *route_json_write(const struct route *route); /* a new reference */

/* Errors: ERR_PARSE (what is wrong with which field). */
MUST_CHECK enum err route_json_read(const json_t *json, struct route *ret, struct err_ctx *err);

/* Accounts; bytes of the servers' own as hexadecimal digits. A new reference. */
json_t *route_json_write_accounts(const struct accounts *accounts);

/* ret: a sealed snapshot. Errors: ERR_PARSE, ERR_LIMIT. */
MUST_CHECK enum err route_json_read_accounts(const json_t *json, struct accounts **ret,
					     struct err_ctx *err);
