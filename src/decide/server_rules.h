/* What is to be done with each server of a group that has a primary: a second table. First match wins. */
#pragma once

#include "decide/observation.h"
#include "decide/options.h"
#include "decide/record.h"

enum server_fact {
	SERVER_ANSWERS = 1u << 0,
	SERVER_DEAD = 1u << 1, /* no process: it can acknowledge nothing */
	SERVER_WRITABLE = 1u << 2,
	SERVER_SUBSET = 1u << 3, /* the primary has all that it has */
	SERVER_EXTRA = 1u << 4,	 /* it has what the primary lacks, for long enough to be believed */
	SERVER_DIVERGED = 1u << 5, /* on the record as such */
	SERVER_STRAY =
		1u << 6, /* replicates from where it should not, or not by GTID, or not at all */
	SERVER_STOPPED =
		1u << 7, /* follows whom it should, but a thread is stopped without an error */
	SERVER_RUNNING = 1u << 8, /* follows whom it should, both threads run */
	SERVER_CAUGHT_UP =
		1u << 9,	  /* received all that the primary had when it was last looked at */
	SERVER_MEMBER = 1u << 10, /* of the sync set */
	SERVER_ACKS = 1u << 11,	  /* its stream acknowledges to the primary */
	SERVER_SILENT_ACKS = 1u << 12, /* its stream does not acknowledge */
	SERVER_WAITS = 1u << 13, /* it would wait for acknowledgements though it is a replica */
	SERVER_REPLICATING = 1u << 14, /* some replication thread runs */
	GROUP_PROMISED = 1u << 15,     /* lossless, and acks > 0 is on the record */
	GROUP_ALONE = 1u << 16,	       /* lossless, and acks = 0 is on the record */
	GROUP_IS_ASYNC = 1u << 17,     /* async or bounded: nobody acknowledges */
	GROUP_COVERED =
		1u << 18, /* another member has received all, since this one died or fell silent */
	/* Nothing is being applied that the primary lacks: a change of source drops nothing that anybody misses. */
	SERVER_SETTLED = 1u << 19,
	SERVER_RECLONING = 1u << 20, /* its data are being replaced */
	SERVER_MAY_ACK =
		1u << 21, /* it may acknowledge: a direct replica without delay that stays one */
	SERVER_LEAVES = 1u << 22, /* it is to acknowledge no more, and another member does */
	SERVER_FACT_COUNT_ = 23
};

/* What a row changes in the record, for that server. */
enum server_act {
	SERVER_ACT_NONE,
	SERVER_ACT_ADMIT,   /* into the sync set */
	SERVER_ACT_EVICT,   /* out of the sync set */
	SERVER_ACT_DIVERGE, /* mark it diverged, with the list of what is too much */
	SERVER_ACT_RETURN,  /* no longer diverged */
	SERVER_ACT_COUNT_
};

struct server_rule {
	uint32_t id;
	uint32_t need;
	enum server_act act;
	enum step step;
	const char *why;
};

extern const struct server_rule server_rules[];
extern const uint32_t server_rules_count;

/* Whether the server has received what the primary had at a reading that had ended before the server's own began, and that
 * began after since_us. */
bool server_facts_caught_up(const struct observation *seen, uint32_t server, uint32_t primary,
			    uint64_t since_us);

/* What a server has, against what the primary has that was read after it. What a pair's change explains is not too
 * much. */
enum server_order { SERVER_ORDER_UNKNOWN, SERVER_ORDER_SUBSET, SERVER_ORDER_EXTRA };
enum server_order server_facts_compare(const struct record *record, const struct observation *seen,
				       uint32_t server, uint32_t primary);

/* Its process is gone: twice in a row nobody listened. */
bool server_facts_is_dead(const struct observation *seen, uint32_t server);

/* Whether a receiver's error says that it gave up dialling: 2002 to 2013 are the client library's numbers for that. */
bool server_facts_is_network(uint32_t number);

/* What is proven about one server: bits of enum server_fact. */
uint32_t server_facts_find(const struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint32_t server, uint64_t now_us);

/* Never NULL: the last row needs nothing. */
const struct server_rule *server_rules_match(uint32_t facts);

/* The name of one bit ("CAUGHT_UP"). */
const char *server_fact_name(uint32_t bit_index);
