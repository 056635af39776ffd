/* The floating addresses of all groups: what the record says, who is told to hold which, and what the nodes say of it.
 *
 * Who holds an address is decided by decide/address.h; here the nodes' reports become its facts, its decision is stored
 * before anybody is told, and becomes each node's orders. A manager without a link (one process, one store) gives its own
 * host orders itself. Manager thread only.
 */
#pragma once

#include <jansson.h>

#include "base/list.h"
#include "decide/address.h"
#include "manager/nodes/nodes.h"

struct manager_core;

enum { ADDRESSES_MAX = 32, ADDRESS_TRIES_MAX = 8 };

/* A node that could not take an address: others are asked first for a while. */
struct address_try {
	char node[NAME_BYTES_MAX];
	uint64_t until_us;
};

struct managed_address {
	struct list list;
	struct address_record record; /* as it is in the store */
	char group[NAME_BYTES_MAX];
	bool hold;	    /* its holder is told to hold it; else to let it go */
	uint64_t unheld_us; /* nobody is told to hold it since; 0: somebody is */
	bool waits;	    /* for the holder to let go */
	const char *why;    /* of the newest decision; never NULL */
	struct address_try tries[ADDRESS_TRIES_MAX];
	char told[NAME_BYTES_MAX + 128]; /* what the newest event said of its state */
};

struct addresses {
	struct list list;	   /* of struct managed_address, by address */
	struct managed_node *self; /* the host of a manager without a link; NULL: it has one */
};

struct addresses *addresses_new(const struct manager_core *core);
struct addresses *addresses_free(struct addresses *addresses); /* takes NULL, returns NULL */

/* Makes them those of the store. Errors: ERR_IO, ERR_PARSE; those before are kept then. */
MUST_CHECK enum err addresses_load(struct manager_core *core, struct err_ctx *err);

/* Stores one; ERR_OK makes it one of the list. Errors: what the store says. */
MUST_CHECK enum err addresses_put(struct manager_core *core, const char *group,
				  const struct address_record *record, struct err_ctx *err);

/* By its text, or its IP address alone. NULL when there is none. */
struct managed_address *addresses_find(const struct addresses *addresses, const char *text);

/* Decides, stores, gives orders, tells. Returns when to come back at the latest. To be called by who leads. */
uint64_t addresses_turn(struct manager_core *core, uint64_t now_us);

/* The node as decide/address.h wants to see it. */
void addresses_see(struct manager_core *core, const struct managed_address *address,
		   const struct managed_node *node, uint64_t now_us, struct address_node *ret);

/* All nodes that could hold an address, this host's own among them; returns how many. */
uint32_t addresses_nodes(const struct manager_core *core,
			 const struct managed_node *ret[LEASE_NODES_MAX + 1]);

/* What the node's newest report says of an address; NULL: nothing. */
const json_t *addresses_report(const struct managed_node *node, const char *text);

/* Whether the node's newest report is behind its orders: there is news for it. */
bool addresses_is_news(const struct nodes *nodes, const struct managed_node *node);

/* Adds the orders to an answer, if they are news. */
void addresses_add_orders(const struct nodes *nodes, const struct managed_node *node,
			  json_t *answer);

/* Whether the node is on its way to what it was told: it reports often until then. */
bool addresses_is_tense(const struct nodes *nodes, const struct managed_node *node);

/* Whether every address at the group's primary is held there, or nobody there could hold it. */
bool addresses_have_moved(const struct manager_core *core, const char *group);

/* Those of a group, or of all where it is NULL: an array, a new reference. */
json_t *addresses_of_group(struct manager_core *core, const char *group);

/* A new reference. nodes: with what each node could do. */
json_t *addresses_to_json(struct manager_core *core, const struct managed_address *address,
			  bool nodes, uint64_t now_us);
