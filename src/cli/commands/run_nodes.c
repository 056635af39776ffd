#include "cli/commands/run_nodes.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/guard.h"
#include "agent/join_token.h"
#include "api/door.h"
#include "base/check.h"
#include "base/mem.h"
#include "manager/manager.h"
#include "manager/nodes/authority_store.h"
#include "os/clock_system.h"
#include "os/file.h"

enum { CALL_TIMEOUT_MS = 30000, CALL_TIMEOUT_MS_MAX = 600000 };

/* What a node may ask a manager for on behalf of who sits at it. */
static const char *const node_methods[] = {
	"address.list",	      "address.show",	   "group.list",
	"group.show",	      "group.status",	   "node.list",
	"node.show",	      "server.deregister", "server.register",
	"service.deregister", "service.list",	   "service.register",
	"service.show",	      "version",
};

enum err run_nodes_name(const struct config *config, char ret[NODE_NAME_BYTES_MAX],
			struct err_ctx *err)
{
	char host[256] = "";
	const char *name = config->values.node_name;
	if (!name[0] && gethostname(host, sizeof(host) - 1) == 0) {
		name = host;
	}
	enum err rc = identity_check_name(str_of(name), err);
	if (rc != ERR_OK) {
		return err_wrap(err, ERR_CONFIG, "[node] name");
	}
	return str_copy(str_of(name), ret, NODE_NAME_BYTES_MAX);
}

enum err run_nodes_managers(const struct config *config,
			    struct caller_address ret[LINK_MANAGERS_MAX], uint32_t *ret_count,
			    struct err_ctx *err)
{
	struct str rest = str_of(config->values.node_managers);
	struct str word;
	uint32_t count = 0;
	while (str_next(&rest, ',', &word)) {
		if (count == LINK_MANAGERS_MAX) {
			return err_set(err, ERR_CONFIG, "[node] managers: more than %d",
				       (int)LINK_MANAGERS_MAX);
		}
		if (caller_parse_address(word, &ret[count], err) != ERR_OK) {
			return err_wrap(err, ERR_CONFIG, "[node] managers");
		}
		count++;
	}
	*ret_count = count;
	return ERR_OK;
}

enum err run_nodes_folder(const struct config *config, char *ret, struct err_ctx *err)
{
	return file_path(ret, err, "%s/node", config->values.muster_data_dir);
}

void run_nodes_init(struct run_nodes *nodes, const struct config *config, const struct log *log)
{
	*nodes = (struct run_nodes){ .config = config, .log = log };
	check(pthread_mutex_init(&nodes->mutex, NULL) == 0);
}

/* ---------------------------------------------------------------- the door's calls */

static enum err call_manager(struct run_nodes *nodes, const char *method, json_t *params,
			     uint64_t timeout_ms, json_t **ret, struct err_ctx *err)
{
	if (!nodes->manager) {
		return err_set(err, ERR_UNREACHABLE, "there is no manager here");
	}
	uint64_t deadline_us = clock_monotonic_us(&clock_system) + timeout_ms * US_PER_MS;
	return manager_call(nodes->manager, method, params, deadline_us, ret, err);
}

static enum err report(struct run_nodes *nodes, json_t *params, json_t **ret, struct err_ctx *err)
{
	if (!nodes->manager) {
		return err_set(err, ERR_UNREACHABLE, "there is no manager here");
	}
	uint64_t deadline_us =
		clock_monotonic_us(&clock_system) + (uint64_t)CALL_TIMEOUT_MS * US_PER_MS;
	return manager_report(nodes->manager, params, deadline_us, ret, err);
}

static void set_text(json_t *json, const char *key, const char *text)
{
	check(json_object_set_new(json, key, json_string(text)) == 0);
}

/* A command of somebody at the node: those that a node may give. */
static enum err run_command(struct run_nodes *nodes, const struct identity_facts *peer,
			    const json_t *params, json_t **ret, struct err_ctx *err)
{
	const char *method = json_string_value(json_object_get(params, "method"));
	json_int_t timeout_ms = json_integer_value(json_object_get(params, "timeout_ms"));
	json_t *inner = json_deep_copy(json_object_get(params, "params"));
	bool known = false;
	for (size_t i = 0; i < sizeof(node_methods) / sizeof(node_methods[0]); i++) {
		known = known || (method && strcmp(method, node_methods[i]) == 0);
	}
	if (!known || !json_is_object(inner)) {
		json_decref(inner);
		return err_set(err, ERR_PRIVILEGE,
			       "a node may not ask for '%.64s': do this on a manager's host",
			       method ? method : "?");
	}
	if (timeout_ms < 1 || timeout_ms > CALL_TIMEOUT_MS_MAX) {
		timeout_ms = CALL_TIMEOUT_MS;
	}
	set_text(inner, "by_node", peer->name);
	set_text(inner, "by_node_id", peer->id);
	enum err rc = call_manager(nodes, method, inner, (uint64_t)timeout_ms, ret, err);
	json_decref(inner);
	return rc;
}

/* Manager and link of this process both have to agree. */
static enum err consent(struct run_nodes *nodes, const struct identity_facts *peer, json_t *params,
			json_t **ret, struct err_ctx *err)
{
	json_t *answer = NULL;
	enum err rc =
		nodes->manager ? manager_consent(nodes->manager, params, &answer, err) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	(void)pthread_mutex_lock(&nodes->mutex);
	bool linked = nodes->link != NULL;
	if (linked && (!answer || json_is_true(json_object_get(answer, "agrees")))) {
		json_decref(answer);
		answer = NULL;
		rc = link_consent(nodes->link, peer, params, &answer, err);
	}
	(void)pthread_mutex_unlock(&nodes->mutex);
	if (rc == ERR_OK && !answer) {
		rc = err_set(err, ERR_UNREACHABLE, "this node is only starting");
	}
	*ret = answer;
	return rc;
}

static enum err on_door(void *ctx, enum door_path path, const struct identity_facts *peer,
			const char *from, json_t *params, json_t **ret, struct err_ctx *err)
{
	struct run_nodes *nodes = ctx;
	if (peer) {
		set_text(params, "node", peer->name);
		set_text(params, "node_id", peer->id);
	}
	set_text(params, "from", from);
	switch (path) {
	case DOOR_AUTHORITY:
		return call_manager(nodes, "node.authority", params, CALL_TIMEOUT_MS, ret, err);
	case DOOR_JOIN:
		return call_manager(nodes, "node.join", params, CALL_TIMEOUT_MS, ret, err);
	case DOOR_RENEW:
		return call_manager(nodes, "node.renew", params, CALL_TIMEOUT_MS, ret, err);
	case DOOR_REPORT:
		return report(nodes, params, ret, err);
	case DOOR_CONSENT:
		return consent(nodes, peer, params, ret, err);
	case DOOR_CALL:
		return run_command(nodes, peer, params, ret, err);
	case DOOR_PATH_COUNT_:
		break;
	}
	return err_set(err, ERR_NOT_FOUND, "there is nothing here");
}

static enum err open_door(struct run_nodes *nodes, struct err_ctx *err)
{
	const struct config_values *values = &nodes->config->values;
	const struct door_options options = {
		.host = values->node_listen_host,
		.port = (uint16_t)values->node_listen_port,
		.identity = &nodes->identity,
		.clock = &clock_system,
		.log = nodes->log,
		.handler = on_door,
		.ctx = nodes,
	};
	return door_start(&options, &nodes->door, err);
}

/* ---------------------------------------------------------------- a manager */

/* Where others reach this node: as it says, else where it listens when that is one address, else "". */
static const char *own_host(const struct config_values *values)
{
	const char *host = values->node_host[0] ? values->node_host : values->node_listen_host;
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ? "" : host;
}

/* The same, but never empty. */
static enum err manager_host(const struct config_values *values, char ret[HOST_BYTES_MAX],
			     struct err_ctx *err)
{
	const char *host = own_host(values);
	if (!host[0] && gethostname(ret, HOST_BYTES_MAX - 1) == 0) {
		return ERR_OK;
	}
	return str_copy(str_of(host), ret, HOST_BYTES_MAX) == ERR_OK
		       ? ERR_OK
		       : err_set(err, ERR_CONFIG, "[node] host is too long");
}

/* This process is a node like others: the record says so, with the number in the certificate of this start. */
static enum err store_own_record(const struct run_nodes *nodes, const struct node_options *options,
				 struct store *store, struct err_ctx *err)
{
	const struct config_values *values = &nodes->config->values;
	struct node_record record = { .roles = NODE_PROXY | NODE_AGENT | NODE_MANAGER,
				      .port = options->port,
				      .joined_us = clock_wall_us(&clock_system) };
	check(str_copy(str_of(options->name), record.name, sizeof(record.name)) == ERR_OK &&
	      str_copy(str_of(options->id), record.id, sizeof(record.id)) == ERR_OK &&
	      str_copy(str_of(options->host), record.host, sizeof(record.host)) == ERR_OK);
	if (str_copy(str_of(values->proxy_group), record.group, sizeof(record.group)) != ERR_OK) {
		return err_set(err, ERR_CONFIG, "[proxy] group is too long");
	}
	return nodes_store_own(store, &record, err);
}

enum err run_nodes_prepare(struct run_nodes *nodes, struct store *store, struct node_options *ret,
			   struct err_ctx *err)
{
	const struct config_values *values = &nodes->config->values;
	if (values->node_listen_port == 0) {
		return ERR_OK;
	}
	struct node_options options = {
		.authority = &nodes->authority,
		.port = (uint16_t)values->node_listen_port,
		.lease_ms = values->node_lease_ms,
		.renew_ms = values->node_renew_ms,
		.certificate_days = values->node_certificate_days,
		.linked = values->node_managers[0] != 0,
	};
	uint64_t wall_us = clock_wall_us(&clock_system);
	join_token_node_id(options.id);
	enum err rc = run_nodes_name(nodes->config, options.name, err);
	rc = rc ? rc : manager_host(values, options.host, err);
	rc = rc ? rc : authority_store_load(store, wall_us, &nodes->authority, err);
	if (rc != ERR_OK) {
		return rc;
	}
	/* Made anew with each start: it needs no file and no renewal for years. */
	const struct authority_subject subject = { .name = options.name,
						   .id = options.id,
						   .manager = true,
						   .days = 5 * 365,
						   .wall_us = wall_us };
	rc = authority_issue(&nodes->authority, &subject, &nodes->identity, err);
	if (rc == ERR_OK) {
		nodes->has_authority = true;
		*ret = options;
	}
	return rc || !options.linked ? rc : store_own_record(nodes, &options, store, err);
}

/* ---------------------------------------------------------------- a node without a manager */

static void on_renewed(void *ctx, const struct identity *identity)
{
	struct run_nodes *nodes = ctx;
	struct err_ctx err = { 0 };
	enum err rc = nodes->door ? door_set_identity(nodes->door, identity, &err) : ERR_OK;
	if (rc != ERR_OK) {
		log_event(nodes->log, LOG_ERROR, "door.failed", err_text(rc, &err));
	}
}

/* The server of this host is fenced when the lease is over. */
static enum err start_guard(struct run_nodes *nodes, struct err_ctx *err)
{
	const struct config_values *values = &nodes->config->values;
	if (strcmp(values->agent_fence, "on") != 0) {
		return ERR_OK;
	}
	if (!values->agent_server[0]) {
		return err_set(err, ERR_CONFIG, "[agent] fence is on: server has to name it");
	}
	if (caller_parse_address(str_of(values->agent_server), &nodes->server, err) != ERR_OK) {
		return err_wrap(err, ERR_CONFIG, "[agent] server");
	}
	const struct guard_options options = {
		.host = nodes->server.host,
		.port = nodes->server.port,
		.socket_path = values->agent_socket,
		.user = values->accounts_manager_user,
		.password = &nodes->config->manager_password,
		.lease_ms = values->node_lease_ms,
		.fence_ms = values->agent_fence_ms,
		.clock = &clock_system,
		.log = nodes->log,
	};
	return guard_start(&options, &nodes->guard, err);
}

static enum err start_link(struct run_nodes *nodes, struct proxy *proxy, struct err_ctx *err)
{
	const struct config_values *values = &nodes->config->values;
	char folder[FILE_PATH_BYTES_MAX];
	struct caller_address managers[LINK_MANAGERS_MAX];
	struct link_options options = {
		.identity = &nodes->identity,
		.folder = folder,
		.managers = managers,
		.beside_manager = nodes->manager != NULL,
		.proxy = proxy,
		.duty = nodes->duty,
		.group = values->proxy_group,
		.server = values->agent_server,
		.host = own_host(values),
		.port = (uint16_t)values->node_listen_port,
		.lease_ms = values->node_lease_ms,
		.renew_ms = values->node_renew_ms,
		.clock = &clock_system,
		.log = nodes->log,
		.renewed = on_renewed,
		.ctx = nodes,
	};
	enum err rc = start_guard(nodes, err);
	options.guard = nodes->guard;
	rc = rc ? rc : run_nodes_folder(nodes->config, folder, err);
	rc = rc ? rc : run_nodes_managers(nodes->config, managers, &options.manager_count, err);
	if (rc != ERR_OK) {
		return rc;
	}
	(void)pthread_mutex_lock(&nodes->mutex);
	rc = link_start(&options, &nodes->link, err);
	(void)pthread_mutex_unlock(&nodes->mutex);
	return rc;
}

enum err run_nodes_open(struct run_nodes *nodes, struct manager *manager, struct proxy *proxy,
			struct err_ctx *err)
{
	const struct config_values *values = &nodes->config->values;
	if (strcmp(values->agent_fence, "on") == 0 &&
	    (!nodes->has_authority || !values->node_managers[0])) {
		return err_set(
			err, ERR_CONFIG,
			"[agent] fence is on: [node] managers and listen-port are needed, for "
			"a manager alone has no lease that could end");
	}
	if (!nodes->has_authority) {
		return ERR_OK;
	}
	nodes->manager = manager;
	enum err rc = open_door(nodes, err);
	if (rc == ERR_OK) {
		manager_on_door_open(manager);
	}
	return rc || !nodes->config->values.node_managers[0] ? rc : start_link(nodes, proxy, err);
}

enum err run_nodes_join(struct run_nodes *nodes, struct proxy *proxy, struct err_ctx *err)
{
	char folder[FILE_PATH_BYTES_MAX];
	if (nodes->config->values.node_listen_port == 0) {
		return err_set(err, ERR_CONFIG,
			       "[node] listen-port is needed: the other nodes ask this one when no "
			       "manager answers");
	}
	enum err rc = run_nodes_folder(nodes->config, folder, err);
	rc = rc ? rc : identity_load(folder, &nodes->identity, err);
	rc = rc ? rc : open_door(nodes, err);
	return rc ? rc : start_link(nodes, proxy, err);
}

void run_nodes_on_proxy_changed(struct run_nodes *nodes)
{
	(void)pthread_mutex_lock(&nodes->mutex);
	if (nodes->link) {
		link_on_proxy_changed(nodes->link);
	}
	(void)pthread_mutex_unlock(&nodes->mutex);
}

void run_nodes_on_proxy_trouble(struct run_nodes *nodes, const char *host, uint16_t port)
{
	(void)pthread_mutex_lock(&nodes->mutex);
	if (nodes->link) {
		link_on_proxy_trouble(nodes->link, host, port);
	}
	(void)pthread_mutex_unlock(&nodes->mutex);
}

bool run_nodes_speaks(void *ctx, const char *method, const json_t *params)
{
	static const struct {
		const char *method;
		bool own; /* only when it is about this host itself: others are a person's commands */
	} rows[] = { { "service.deregister", true },
		     { "service.list", false },
		     { "service.register", true },
		     { "service.show", false } };
	const struct run_nodes *nodes = ctx;
	for (size_t i = 0; nodes->link && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(method, rows[i].method) == 0) {
			return !rows[i].own || json_is_true(json_object_get(params, "own"));
		}
	}
	return false;
}

enum err run_nodes_call(void *ctx, const char *method, json_t *params, uint32_t timeout_ms,
			json_t **ret, struct err_ctx *err)
{
	struct run_nodes *nodes = ctx;
	return nodes->link ? link_call(nodes->link, method, params, timeout_ms, ret, err)
			   : err_set(err, ERR_UNREACHABLE, "there is no manager here");
}

void run_nodes_close(struct run_nodes *nodes)
{
	/* The door's calls use the link under the mutex. It ends first: its goodbye may go to the manager of this very
	 * process. */
	(void)pthread_mutex_lock(&nodes->mutex);
	struct link *link = TAKE(nodes->link);
	(void)pthread_mutex_unlock(&nodes->mutex);
	(void)link_stop(link);
	nodes->guard = guard_stop(nodes->guard);
	nodes->door = door_stop(nodes->door);
	identity_wipe(&nodes->identity);
	explicit_bzero(nodes->authority.key, sizeof(nodes->authority.key));
}
