/* The certificate authority in the store: one key, made when it is first needed. */
#pragma once

#include "agent/authority.h"

struct store;

/* Reads it, or makes it. Two that make it at once end with the same one. To be called before the manager's thread has
 * the store. Errors: ERR_IO, ERR_PARSE, what else the store says. */
MUST_CHECK enum err authority_store_load(struct store *store, uint64_t wall_us,
					 struct authority *ret, struct err_ctx *err);
