/* The part of `muster run` that deals with other nodes: identity, the door between nodes, the link to the managers. */
#pragma once

#include <pthread.h>

#include "agent/authority.h"
#include "agent/link.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/config.h"
#include "manager/nodes/nodes.h"

struct door;
struct duty;
struct manager;
struct proxy;
struct store;

struct run_nodes {
	const struct config *config;
	const struct log *log;
	struct authority authority; /* of a manager that takes nodes */
	struct identity identity;
	struct door *door;	      /* NULL: none */
	struct guard *guard;	      /* NULL: none */
	struct caller_address server; /* that it guards */
	struct manager *manager;      /* NULL: none, or none that takes nodes */
	struct duty *duty; /* floating addresses of a node that has a link; set by who runs it */
	bool has_authority;
	pthread_mutex_t mutex; /* guards `link` against the proxy's and the door's threads */
	struct link *link;     /* NULL: none */
};

/* config and log: borrowed. */
void run_nodes_init(struct run_nodes *nodes, const struct config *config, const struct log *log);

/* Before the manager starts: reads the authority, makes this process' own identity, fills what the manager needs to
 * know. Nothing when the configuration names no listen-port. */
MUST_CHECK enum err run_nodes_prepare(struct run_nodes *nodes, struct store *store,
				      struct node_options *ret, struct err_ctx *err);

/* Opens the door of a manager that takes nodes; where there are several managers, the proxy of this process gets its
 * lease from the one that leads, as any other. proxy: NULL when there is none. */
MUST_CHECK enum err run_nodes_open(struct run_nodes *nodes, struct manager *manager,
				   struct proxy *proxy, struct err_ctx *err);

/* Starts door and link of a node without a manager. proxy: NULL when it carries no clients. */
MUST_CHECK enum err run_nodes_join(struct run_nodes *nodes, struct proxy *proxy,
				   struct err_ctx *err);

/* Nobody comes in any more; to be called before the manager stops. */
void run_nodes_close(struct run_nodes *nodes);

/* For the proxy's callbacks. */
void run_nodes_on_proxy_changed(struct run_nodes *nodes);
void run_nodes_on_proxy_trouble(struct run_nodes *nodes, const char *host, uint16_t port);

/* Whether a command of the local socket is given to the manager that leads, as this node's, although there is one in
 * this process: that one may follow. ctx: struct run_nodes. */
bool run_nodes_speaks(void *ctx, const char *method, const json_t *params);

/* A command of the local socket where there is no manager: it is handed on to the leading one. ctx: struct run_nodes. */
MUST_CHECK enum err run_nodes_call(void *ctx, const char *method, json_t *params,
				   uint32_t timeout_ms, json_t **ret, struct err_ctx *err);

/* This node's name: as configured, else the host's. Errors: ERR_CONFIG. */
MUST_CHECK enum err run_nodes_name(const struct config *config, char ret[NODE_NAME_BYTES_MAX],
				   struct err_ctx *err);

/* "host:port, host:port" of [node] managers. Errors: ERR_CONFIG. */
MUST_CHECK enum err run_nodes_managers(const struct config *config,
				       struct caller_address ret[LINK_MANAGERS_MAX],
				       uint32_t *ret_count, struct err_ctx *err);

/* The folder of the identity's files. Errors: ERR_LIMIT. */
MUST_CHECK enum err run_nodes_folder(const struct config *config, char *ret, struct err_ctx *err);
