/* The table of services as JSON: what the link carries down to a node's proxy. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "proxy/service/service.h"

json_t *service_json_write(const struct service_table *table); /* a new reference */

/* ret: written on success only. Errors: ERR_PARSE (what is wrong with which field). */
MUST_CHECK enum err service_json_read(const json_t *json, struct service_table *ret,
				      struct err_ctx *err);

/* One back end, as it stands in the table and in the record. */
json_t *service_json_write_backend(const struct service_backend *backend); /* a new reference */
MUST_CHECK enum err service_json_read_backend(const json_t *json, struct service_backend *ret,
					      struct err_ctx *err);
