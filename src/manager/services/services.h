/* The services as the leading manager knows them: what the store says, and what the proxies report of their back ends.
 * Manager thread only.
 *
 * A back end takes new connections while its node has a lease, nobody has drained or deregistered it, and the proxies'
 * checks succeed: the first is decided here and told to the proxies, the last by each proxy for itself.
 */
#pragma once

#include "base/list.h"
#include "manager/nodes/nodes.h"
#include "manager/services/service_record.h"

struct manager_core;

struct managed_service {
	struct list list;
	struct service_record record; /* as it is in the store, but for `told` */
};

struct services {
	bool leads;
	struct list list;	     /* of struct managed_service */
	struct service_table *table; /* that the proxies are to have */
	json_t *json;		     /* the same */
	uint64_t version;	     /* grows with each change of it */
	uint64_t due_us;
};

/* How one back end stands at this moment. */
struct service_sight {
	enum service_state state;
	char why[192];		 /* it is not in the balance, or not in all; "" when it is */
	uint32_t connections;	 /* at the proxies that have the newest table in force */
	uint32_t unknown;	 /* proxies that may send clients there for all that is known */
	char unknown_names[128]; /* of those */
};

struct services *services_new(void);
struct services *services_free(struct services *services); /* takes NULL, returns NULL */

/* From now on this manager leads: the record is read. Nothing when it leads already. Errors: ERR_IO, ERR_PARSE. */
MUST_CHECK enum err services_lead(struct services *services, struct store *store,
				  struct err_ctx *err);
void services_follow(struct services *services);

struct managed_service *services_find(const struct services *services,
				      const char *name); /* NULL: none */
uint32_t services_count(const struct services *services);

/* Puts a record into the store, and then in place; one without back ends is removed. Errors: what the store says. */
MUST_CHECK enum err services_put(struct services *services, struct store *store,
				 const struct service_record *record, struct err_ctx *err);

/* How a back end of the record stands, by its node's lease, people's word and what the proxies report. */
void services_see(const struct manager_core *core, const struct service_record *record,
		  const struct service_entry *entry, struct service_sight *ret);

/* Tells what has changed, drops what has left, publishes. Returns when to come back. */
uint64_t services_turn(struct manager_core *core, uint64_t now_us);

/* The tag of the newest table, as nodes get it. */
void services_tag(const struct manager_core *core, char ret[NODE_TAG_BYTES_MAX]);

/* Whether a node's proxy has to be told; and that, into the answer to its report. */
bool services_are_news(const struct manager_core *core, const struct managed_node *node);
void services_add(const struct manager_core *core, const struct managed_node *node, json_t *answer);

/* Takes the names that a node's proxy listens for into its record. Errors: ERR_USAGE. */
MUST_CHECK enum err services_take_names(const json_t *report, struct node_record *ret,
					struct err_ctx *err);

const char *service_state_name(enum service_state state); /* "up" */
