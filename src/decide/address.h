/* Where a floating address belongs: one node holds it, another only after the first let go. Pure.
 *
 * The record names the holder: the only node that may be told to hold the address. It is changed, and stored, only when the
 * present holder has said that the address is gone from its interfaces, or its lease is over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decide/lease.h"

enum { ADDRESS_TEXT_BYTES_MAX = 80, NODE_NONE = LEASE_NODES_MAX };

enum address_place {
	ADDRESS_AT_PRIMARY, /* on the node beside the group's primary */
	ADDRESS_AT_PROXY,   /* on a node that carries clients */
	ADDRESS_PLACE_COUNT_
};

/* As it is in the record. */
struct address_record {
	char text[ADDRESS_TEXT_BYTES_MAX]; /* "192.0.2.10/24" or "192.0.2.10/24%eth1" */
	enum address_place place;
	bool fail_back;		     /* a better node takes it from one that holds it well */
	char prefer[NAME_BYTES_MAX]; /* the node that is better than all others; empty: none is */
	bool moving; /* ordered: the preferred node takes it once as soon as it can, fail_back or not */
	bool removing; /* nobody is to hold it any more; forgotten when the holder has let go */
	char holder[NAME_BYTES_MAX]; /* empty: none */
};

/* A node as far as addresses matter; index as in the caller's list of nodes. */
struct address_node {
	char name[NAME_BYTES_MAX];
	bool may_hold; /* its lease may not be over: lease_may_hold() */
	bool alive;    /* answers, and is not removed */
	bool draining; /* gets no clients; its database may be the primary all the same */
	bool able;     /* says that it can hold addresses (capabilities, interface) */
	bool beside_primary; /* the server registered there is the primary of the group, or is being made it */
	bool carries;  /* carries clients to the group */
	bool absent;   /* says, since it was told to let go, that the address is gone */
	bool conflict; /* has tried of late, and could not: a stranger has it, or a program failed */
	uint32_t weight; /* preference; the greatest wins, among equals the first */
};

struct address_decision {
	uint32_t hold;	  /* the node to be told to hold it; NODE_NONE: nobody */
	uint32_t release; /* the node to be told to let go; NODE_NONE: nobody */
	bool changed;	  /* record is another: store it before anybody is told */
	const char *why;  /* for people */
};

/* record: taken as it is stored, left as it is to be stored next. A holder that is not among `nodes` counts as gone: a node that
 * is taken out stays in the list until its lease is over. */
void address_decide(struct address_record *record, const struct address_node *nodes, uint32_t count,
		    struct address_decision *ret);

/* Whether the address could be on that node now, conflicts aside. why: what is against it; "" when nothing is. */
bool address_is_fit(const struct address_record *record, const struct address_node *node,
		    const char **ret_why);

const char *address_place_name(enum address_place place); /* "primary" */
