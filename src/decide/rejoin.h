/* How a server that comes back stands to the primary, and what can be done about it. Pure.
 *
 * Nothing here is decided for the control loop (server_rules.h does that); this is what people are told,
 * and what `muster rejoin` goes by.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gtid/gtid_set.h"

enum rejoin_class {
	REJOIN_NEW,	  /* nothing was ever written there, and the primary has everything still */
	REJOIN_IDENTICAL, /* has exactly what the primary has */
	REJOIN_BEHIND,	  /* lacks what the primary can still send */
	REJOIN_PURGED,	  /* lacks what the primary has no longer in its binary logs */
	REJOIN_AHEAD,	  /* has all that the primary has, and more */
	REJOIN_DIVERGED,  /* has more, and lacks something too */
	REJOIN_OTHER,	  /* the data of another server, or an identity that another one has */
	REJOIN_UNKNOWN,	  /* what it has can't be told by GTID */
	REJOIN_CLASS_COUNT_
};

/* What is known of both. A NULL set: could not be read. */
struct rejoin_facts {
	const struct gtid_set *mine;   /* executed by the server that comes back */
	const struct gtid_set *theirs; /* executed by the primary, read after `mine` */
	const struct gtid_set *purged; /* of that, no longer in the primary's binary logs */
	bool holds_tables;	       /* it has tables of users */
	bool id_taken; /* its server_id or server_uuid is that of another server of the group */
	bool stranger; /* its server_uuid is not the one that this server had before */
	bool remade;   /* it is being made anew: what it says of itself is not to be believed */
};

/* The class; where a fact is missing REJOIN_UNKNOWN, never a better one. */
enum rejoin_class rejoin_classify(const struct rejoin_facts *facts);

const char *rejoin_name(enum rejoin_class class);    /* "behind" */
const char *rejoin_meaning(enum rejoin_class class); /* one sentence for people */
const char *rejoin_remedy(enum rejoin_class class);  /* what can be done, one sentence */

/* The manager brings it back by itself, nothing is lost. */
bool rejoin_is_automatic(enum rejoin_class class);

/* It holds transactions that are lost when its data are replaced. */
bool rejoin_has_tail(enum rejoin_class class);

/* Making it anew from another server's data is a way out. */
bool rejoin_can_reclone(enum rejoin_class class);
