/* From the configuration to the store and the node that it describes. */
#pragma once

#include "cli/config.h"
#include "store/store_place.h"

enum { STORE_NODE_BYTES_MAX = 128, STORE_ADDRESS_BYTES_MAX = 256 };

/* Where the store of a kind is as configured, whichever kind is; the password is not read yet. Errors: ERR_CONFIG. */
MUST_CHECK enum err store_config_place(const struct config *config, enum store_kind kind,
				       struct store_place *ret, struct err_ctx *err);

/* The kind that is configured. */
enum store_kind store_config_kind(const struct config *config);

/* The node's name and address: as configured, else the host's name, and its socket. Errors: ERR_CONFIG. */
MUST_CHECK enum err store_config_node(const struct config *config,
				      char ret_name[STORE_NODE_BYTES_MAX],
				      char ret_address[STORE_ADDRESS_BYTES_MAX],
				      struct err_ctx *err);
