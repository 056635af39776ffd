/* What the files of the link share. */
#pragma once

#include <pthread.h>

#include "agent/link.h"
#include "decide/lease.h"
#include "os/thread.h"
#include "proxy/proxy.h"

enum {
	LINK_TAG_BYTES_MAX = 64,
	LINK_CIRCLE_MAX = LEASE_NODES_MAX + LINK_MANAGERS_MAX,
	LINK_TROUBLES_MAX = 16,
	LINK_GRACE_MS = 200, /* of an answer, over the time that a report may wait */
};

/* A round may take so many times the time of a search: it is the last chance of a lease. */
enum { ROUND_SEARCHES = 2 };

enum link_standing { LINK_NEW, LINK_LED, LINK_AGREED, LINK_ALONE };

/* One of the circle. */
struct link_member {
	char name[NODE_NAME_BYTES_MAX];
	char id[NODE_ID_BYTES_MAX];
	struct caller_address address;
	bool manager;
};

struct link_trouble {
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
};

struct link {
	struct link_options options;
	struct identity identity;
	struct caller_address managers[LINK_MANAGERS_MAX];
	uint32_t manager_count;
	char group[ROUTE_NAME_BYTES_MAX];
	char host[ROUTE_HOST_BYTES_MAX];
	char server[ROUTE_HOST_BYTES_MAX + 8];
	char folder[1024];
	char incarnation[LINK_TAG_BYTES_MAX];
	struct thread thread;
	struct caller *caller;		       /* the link thread's own */
	struct lease_terms terms;	       /* as the manager said last */
	uint32_t manager_at;		       /* the one that answered last */
	char services_tag[LINK_TAG_BYTES_MAX]; /* of the table that the proxy has */
	bool leaving;			       /* the report says goodbye */
	enum link_standing told;	       /* the log knows of it */

	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t wake;
	bool stopping;
	uint32_t leader_at; /* of the manager that answered the newest report */
	bool changed;	    /* the proxy's status */
	struct lease_holder holder;
	bool leader_answers; /* the newest attempt was answered by a leader */
	bool consent;	     /* the newest round agreed */
	char leader[NODE_NAME_BYTES_MAX];
	uint64_t have_epoch; /* of the newest route */
	uint64_t have_revision;
	struct route route;
	char route_from[LINK_TAG_BYTES_MAX];
	char accounts_tag[LINK_TAG_BYTES_MAX];
	char circle_tag[LINK_TAG_BYTES_MAX];
	bool draining;
	struct link_member circle[LINK_CIRCLE_MAX];
	uint32_t circle_count;
	struct link_trouble troubles[LINK_TROUBLES_MAX];
	uint32_t trouble_count;
};

/* The report of this moment; takes the troubles with it. A new reference. */
json_t *link_message_report(struct link *link);

/* Takes an answer in. ret_good_us: what it is good for, from the sending of the report.
 * Errors: ERR_PROTOCOL: what came is no answer; nothing of it counts then. */
MUST_CHECK enum err link_message_take(struct link *link, const json_t *answer,
				      uint64_t *ret_good_us, struct err_ctx *err);

/* What the report says of services, and what is taken in of an answer. Errors: ERR_PROTOCOL. */
void link_service_report(struct link *link, json_t *report);
MUST_CHECK enum err link_service_take(struct link *link, const json_t *answer, struct err_ctx *err);

/* The time in which somebody who lives answers, when all are asked at once. */
uint32_t link_search_timeout_ms(const struct link *link);

/* Asks the whole circle. true: everybody agreed. */
bool link_round_ask(struct link *link);
