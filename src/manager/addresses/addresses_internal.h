/* What the files of the addresses share. */
#pragma once

#include "manager/addresses/addresses.h"
#include "manager/calls/call.h"

/* What the node says of it: "held"; "unknown" when it says nothing. */
const char *addresses_state(const struct managed_node *node, const char *text);

/* Whether that is what it says. */
bool addresses_has_state(const struct managed_node *node, const char *text, const char *state);

/* Whether the record names the node. */
bool addresses_is_holder(const struct managed_address *address, const struct managed_node *node);

/* Whether the node's newest report was made under the orders that are in force. */
bool addresses_has_orders(const struct nodes *nodes, const struct managed_node *node);

/* Whether its orders name the address as one to be held. */
bool addresses_is_told_to_hold(const struct managed_node *node, const char *text);

/* Makes the node's orders those that follow from the decisions. */
void addresses_give_orders(struct addresses *addresses, struct managed_node *node);

const struct group *addresses_group(const struct manager_core *core,
				    const char *name); /* NULL: none */

/* One event about an address: "192.0.2.10/24 MESSAGE". */
void addresses_tell(struct manager_core *core, const struct managed_address *address,
		    enum log_level level, const char *evt, const char *message);

/* The record names another holder. */
void addresses_tell_move(struct manager_core *core, const struct managed_address *address);

/* An event, when its state is another than the one last told. */
void addresses_tell_state(struct manager_core *core, struct managed_address *address,
			  uint64_t now_us);
