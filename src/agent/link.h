/* A node's link to the managers: reports up, routes and instructions down, and by that its lease.
 *
 * One thread asks the leading manager again and again (the long poll); when no leader answers, it asks the whole
 * circle whether it may go on (decide/lease.h). The proxy stops by itself at the end of its lease.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/caller.h"
#include "base/clock.h"
#include "base/log.h"

struct duty;
struct guard;
struct link;
struct proxy;
struct proxy_backend;

enum { LINK_MANAGERS_MAX = 16 };

struct link_options {
	const struct identity *identity;       /* copied */
	const char *folder;		       /* of the identity's files, for renewals */
	const struct caller_address *managers; /* [manager_count], copied */
	uint32_t manager_count;		       /* at least 1 */
	bool beside_manager; /* a manager runs in this very process: it is asked like others */
	struct proxy *proxy; /* NULL: carries no clients; outlives the link */
	struct duty *duty;   /* NULL: no floating addresses; the link's thread uses it alone */
	struct guard *guard; /* of this host's server; NULL: none */
	const char *group;   /* that the proxy carries; "" */
	const char *server;  /* of this host, as its group names it: "host:port"; "": not told */
	const char *host;    /* where others reach this node; "": as the manager sees it */
	uint16_t port;	     /* of its door; 0: it has none */
	uint32_t lease_ms;   /* until a manager says otherwise */
	uint32_t renew_ms;
	const struct clock *clock;
	const struct log *log;
	/* A new certificate is in force. Called from the link's thread. May be NULL. */
	void (*renewed)(void *ctx, const struct identity *identity);
	void *ctx;
};

/* Starts the thread; the proxy has no lease until a manager gives one. Errors: ERR_NOMEM. */
MUST_CHECK enum err link_start(const struct link_options *options, struct link **ret,
			       struct err_ctx *err);
/* Lets the addresses go and says goodbye first, where a leading manager answers. Takes NULL, returns NULL. */
struct link *link_stop(struct link *link);

/* For the proxy's callbacks; any thread. */
void link_on_proxy_changed(struct link *link);
void link_on_proxy_trouble(struct link *link, const char *host, uint16_t port);

/* Another node asks whether it may go on: {"agrees": bool, "why": ...}. Any thread. Errors: ERR_PRIVILEGE when it is
 * not of the circle. */
MUST_CHECK enum err link_consent(struct link *link, const struct identity_facts *peer,
				 const json_t *params, json_t **ret, struct err_ctx *err);

/* Hands a command on to the leading manager, as this node. Any thread; blocks.
 * Errors: ERR_UNREACHABLE when no manager answers, and the manager's. */
MUST_CHECK enum err link_call(struct link *link, const char *method, const json_t *params,
			      uint32_t timeout_ms, json_t **ret, struct err_ctx *err);

/* One back end as a report tells it; a new reference. */
json_t *link_service_row(const struct proxy_backend *backend);

/* What this node knows of its own standing; a new reference. Any thread. */
json_t *link_to_json(struct link *link);
