/* The nodes as the leading manager knows them: what the store says of them, and what their newest report said.
 * Manager thread only. */
#pragma once

#include <jansson.h>

#include "agent/authority.h"
#include "base/list.h"
#include "base/log.h"
#include "decide/lease.h"
#include "manager/nodes/node_record.h"
#include "proxy/login/accounts.h"
#include "proxy/routing/route.h"

struct call;
struct consent;
struct event_log;
struct group;
struct manager_core;
struct store;

enum { NODE_VERSION_BYTES_MAX = 32, NODE_TAG_BYTES_MAX = 64 };

/* What a manager needs to deal with nodes; none of it is there when it doesn't. */
struct node_options {
	const struct authority *authority; /* NULL: no nodes; outlives the manager */
	char name[NODE_NAME_BYTES_MAX];	   /* this node's own */
	char id[NODE_ID_BYTES_MAX];
	char host[HOST_BYTES_MAX]; /* where it answers other nodes */
	uint16_t port;
	uint32_t lease_ms;
	uint32_t renew_ms;
	uint32_t certificate_days;
	bool linked; /* this process' own proxy is told by its link, as that of any other node */
};

/* What a node's proxy has in force, as its newest report says. */
struct node_proxy {
	uint64_t epoch;
	uint64_t revision;
	uint64_t have_epoch; /* has received; in force soon */
	uint64_t have_revision;
	bool held;
	uint32_t transactions_open;
	uint32_t statements_held;
	uint32_t sessions;
};

struct managed_node {
	struct list list;
	struct node_record record;   /* as it is in the store */
	uint64_t answered_us;	     /* its newest report; 0: none since this manager leads */
	uint64_t reported_us;	     /* when it came; the node has sent it before */
	uint64_t reported_before_us; /* the report before: only who gets answers sends another */
	uint64_t until_us;	     /* what was granted it since this manager leads ends then */
	struct node_proxy proxy;
	char route_from[NODE_TAG_BYTES_MAX]; /* the manager whose route it has */
	char accounts_have[NODE_TAG_BYTES_MAX];
	char circle_have[NODE_TAG_BYTES_MAX];
	bool draining_have;
	bool gone;			      /* it said goodbye, and has not reported since */
	json_t *report;			      /* the newest, for people; NULL: none */
	char incarnation[NODE_TAG_BYTES_MAX]; /* of its process */
	char incarnation_before
		[NODE_TAG_BYTES_MAX]; /* of the process before: it says nothing any more */
	json_t *orders; /* about addresses: manager/addresses/addresses.h; NULL: none yet */
	uint64_t
		orders_version; /* grows with each change; 0: none was given since this manager leads */
	struct call *waiting; /* its report that waits for news, NULL: none */
	uint64_t waiting_due_us;
	uint64_t waiting_beat_us; /* the leader's newest when it came */
};

struct nodes {
	struct node_options options;
	struct lease_terms terms;
	bool leads;
	uint64_t
		former_us; /* while it leads: no earlier leader has granted anything by a younger beat */
	struct consent *consent;
	char incarnation
		[NODE_TAG_BYTES_MAX]; /* of this manager's process: marks what it hands out */
	uint64_t circle_version;
	struct list list;     /* of struct managed_node */
	struct list accounts; /* by group */
};

/* `consent` lives until nodes_free(). */
struct nodes *nodes_new(const struct node_options *options);
struct nodes *nodes_free(struct nodes *nodes); /* nobody may wait any more */

/* From now on this manager leads: the store's nodes are read, and each is taken to have been granted a lease by the former
 * leader's newest beat. Nothing happens when it leads already. Errors: ERR_IO, ERR_PARSE; it is to be tried again then. */
MUST_CHECK enum err nodes_lead(struct nodes *nodes, struct store *store, uint64_t former_us,
			       struct err_ctx *err);

/* Grants the node what the report that it sent last is good for, in whole milliseconds. beat_us: lease_grant(). */
uint32_t nodes_grant_ms(struct nodes *nodes, struct managed_node *node, uint64_t beat_us,
			uint64_t now_us);

/* It leads no longer; nobody may wait any more. */
void nodes_follow(struct nodes *nodes);

/* Writes the record of this very process, keeping what people have set of an earlier one of this name. To be called
 * before the manager's thread has the store. */
MUST_CHECK enum err nodes_store_own(struct store *store, const struct node_record *record,
				    struct err_ctx *err);

/* Reads one node's record anew: it may have been changed by the node itself. Errors: ERR_NOT_FOUND, ERR_IO, ERR_PARSE. */
MUST_CHECK enum err nodes_read(struct nodes *nodes, struct store *store, const char *name,
			       struct err_ctx *err);

struct managed_node *nodes_find(const struct nodes *nodes,
				const char *name); /* NULL: there is none */

/* The node on which the server is registered, `but` aside. NULL: none. */
const struct managed_node *nodes_find_owner(const struct nodes *nodes, const char *group,
					    const char *server, const struct managed_node *but);

/* Puts a record into the store, and then in place; a new one becomes a node. remove_key: one more key that goes with
 * it, or NULL. Errors: what the store says, ERR_LIMIT. */
MUST_CHECK enum err nodes_put(struct nodes *nodes, struct store *store,
			      const struct node_record *record, const char *remove_key,
			      struct err_ctx *err);

/* Whether any node carries clients to the group, or may still do so. */
bool nodes_carry(const struct nodes *nodes, const char *group, uint64_t now_us);

/* All nodes that carry clients to the group, and the local proxy where it does, as one. local: NULL when it doesn't. */
void nodes_see_routes(const struct nodes *nodes, const struct group *group,
		      const struct lease_node *local, uint64_t now_us,
		      struct observation_routes *ret);

/* Takes the accounts of a group for the nodes; borrowed. */
void nodes_set_accounts(struct nodes *nodes, const char *group, const struct accounts *accounts);

/* The revision that a route of this epoch and record version must exceed, because an earlier manager has handed it
 * out; 0: none. */
uint64_t nodes_revision_floor(const struct nodes *nodes, const struct group *group);

/* Read sessions on a server of the group, at all nodes that carry clients to it; one more for each that may carry some
 * and does not have the newest route. */
uint32_t nodes_count_reads(const struct nodes *nodes, const struct group *group, uint32_t server,
			   uint64_t now_us);

/* Whether a server is registered on a node that is draining. */
bool nodes_drain_server(const struct nodes *nodes, const char *group, const char *server);

/* The members of the circle (decide/lease.h) and its tag. A new reference. */
json_t *nodes_circle_json(const struct nodes *nodes);
void nodes_circle_tag(const struct nodes *nodes, char ret[NODE_TAG_BYTES_MAX]);

/* The accounts of a group and their tag; ret: a new reference, NULL when they aren't known yet. */
void nodes_get_accounts(const struct nodes *nodes, const char *group,
			char ret_tag[NODE_TAG_BYTES_MAX], json_t **ret);

/* Whether the node's lease may not be over. */
bool nodes_may_hold(const struct nodes *nodes, const struct managed_node *node, uint64_t now_us);

/* The same for an address that it was told to hold: where nobody asks before it takes it, the kernel's second counts, too
 * (docs/decisions/0008-kernel-lifetimes.md). */
bool nodes_may_hold_address(const struct nodes *nodes, const struct managed_node *node,
			    uint64_t now_us);

/* Removed nodes whose lease is over are forgotten, in the store too. */
void nodes_forget(struct nodes *nodes, struct store *store, const struct log *log, uint64_t now_us);
