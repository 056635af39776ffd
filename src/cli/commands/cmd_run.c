/* muster run: the manager, the proxy and the socket in one process, until SIGTERM or SIGINT. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/duty.h"
#include "api/api.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/commands/run_nodes.h"
#include "cli/commands/store_config.h"
#include "cli/config.h"
#include "cli/output/log_stderr.h"
#include "manager/manager.h"
#include "os/clock_system.h"
#include "proxy/proxy.h"
#include "proxy/tls.h"
#include "store/store_place.h"

const struct option_row options_run[] = {
	{ .name = "log-level",
	  .kind = OPTION_TEXT,
	  .value = "LEVEL",
	  .help = "error, warn, info or debug. Default: as configured." },
	{ 0 },
};

enum { FOLDER_MODE = 0750, END_SECONDS = 10, LISTENERS_MAX = 3 + SERVICES_MAX };

/* Everything that runs, in the order in which it is started; NULL: not there. */
struct node {
	struct config *config;
	struct log log;
	struct store_place place;
	char name[STORE_NODE_BYTES_MAX];
	char address[STORE_ADDRESS_BYTES_MAX];
	struct store *store; /* until the manager has taken it */
	struct tls *tls;
	struct proxy *proxy;
	struct duty *duty;
	struct manager_door door;
	struct manager *manager;
	struct run_nodes nodes;
	struct api *api;
};

static bool is_on(const char *value)
{
	return strcmp(value, "on") == 0;
}

static bool has_manager(const struct node *node)
{
	return is_on(node->config->values.manager_enabled);
}

static void warn(void *ctx, const char *text)
{
	const struct log *log = ctx;
	log_event(log, LOG_WARN, "config.warning", text);
}

/* Makes the last folder of the path where it is missing; those above it are the system's business. */
static enum err make_folder(const char *path, struct err_ctx *err)
{
	if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST) {
		return err_set(err, ERR_IO, "folder '%s' cannot be made: %s", path,
			       strerrordesc_np(errno));
	}
	return ERR_OK;
}

static enum err make_socket_folder(const char *socket_path, struct err_ctx *err)
{
	char folder[CONFIG_TEXT_BYTES_MAX];
	const char *slash = strrchr(socket_path, '/');
	if (!slash || slash == socket_path) {
		return ERR_OK;
	}
	check(str_copy((struct str){ socket_path, (size_t)(slash - socket_path) }, folder,
		       sizeof(folder)) == ERR_OK);
	return make_folder(folder, err);
}

/* A process without a manager has to know of one, and something to do. */
static enum err check_roles(const struct node *node, struct err_ctx *err)
{
	const struct config_values *values = &node->config->values;
	if (values->node_renew_ms > values->node_lease_ms / 3) {
		return err_set(err, ERR_CONFIG, "[node] renew-ms is more than a third of lease-ms");
	}
	if (!has_manager(node) && !values->node_managers[0]) {
		return err_set(err, ERR_CONFIG,
			       "[manager] enabled is off: [node] managers has to name one");
	}
	return ERR_OK;
}

static void no_warning(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

/* Who fences the server of this host logs in as the managers do; no replication is set up from here. */
static enum err load_guard_secret(struct node *node, struct cli *cli)
{
	enum err rc = config_load_secrets(node->config, false, no_warning, NULL, &cli->err);
	if (rc == ERR_OK && !node->config->manager_password.text[0]) {
		rc = err_set(&cli->err, ERR_CONFIG,
			     "[agent] fence is on: the password of account '%.64s' is needed, "
			     "'manager-password-file' in [accounts] or $MUSTER_MANAGER_PASSWORD",
			     node->config->values.accounts_manager_user);
	}
	return rc;
}

static enum err read_config(struct node *node, struct cli *cli, const struct args *args)
{
	const char *level = args_text(args, "log-level");
	enum err rc = config_load(args_text(args, "config"), node->config, &cli->err);
	if (rc != ERR_OK) {
		return rc;
	}
	level = level ? level : node->config->values.muster_log_level;
	node->log = log_stderr(log_stderr_level(level));
	if (strcmp(log_level_name(node->log.level), level) != 0) {
		return err_set(&cli->err, ERR_USAGE,
			       "--log-level: '%s' is none of error, warn, info, debug", level);
	}
	rc = check_roles(node, &cli->err);
	/* Only who talks to servers needs to log in to them. */
	if (rc == ERR_OK && has_manager(node)) {
		return config_load_secrets(node->config, true, warn, &node->log, &cli->err);
	}
	return rc || !is_on(node->config->values.agent_fence) ? rc : load_guard_secret(node, cli);
}

static enum err open_store(struct node *node, struct err_ctx *err)
{
	char writer[STORE_NODE_BYTES_MAX + 16];
	enum err rc = store_config_node(node->config, node->name, node->address, err);
	rc = rc ? rc
		: store_config_place(node->config, store_config_kind(node->config), &node->place,
				     err);
	rc = rc ? rc : store_place_read_password(&node->place, err);
	if (rc == ERR_OK && node->place.kind == STORE_SQLITE) {
		rc = make_folder(node->config->values.muster_data_dir, err);
	}
	(void)snprintf(writer, sizeof(writer), "%s/manager", node->name);
	return rc ? rc : store_place_open(&node->place, writer, &clock_system, &node->store, err);
}

static enum err listener_set(struct proxy_listener *listener, const char *host, uint32_t port,
			     enum proxy_listener_role role, struct err_ctx *err)
{
	listener->port = (uint16_t)port;
	listener->role = role;
	if (str_copy(str_of(host), listener->host, sizeof(listener->host)) != ERR_OK) {
		return err_set(err, ERR_CONFIG, "[proxy] host '%.100s' is too long", host);
	}
	return ERR_OK;
}

/* To the manager of this process, or to those elsewhere. */
static void on_proxy_changed(void *ctx)
{
	struct node *node = ctx;
	run_nodes_on_proxy_changed(&node->nodes);
	manager_on_proxy_changed(&node->door);
}

static void on_proxy_trouble(void *ctx, const char *host, uint16_t port)
{
	struct node *node = ctx;
	run_nodes_on_proxy_trouble(&node->nodes, host, port);
	manager_on_proxy_trouble(&node->door, host, port);
}

static enum err set_service_listeners(const struct config_values *values,
				      struct proxy_listener *listeners, size_t *count,
				      struct err_ctx *err)
{
	struct service_listen services[SERVICES_MAX];
	uint32_t service_count = 0;
	enum err rc =
		service_listen_parse(str_of(values->proxy_services), services, &service_count, err);
	if (rc != ERR_OK) {
		return err_wrap(err, rc, "[proxy] services");
	}
	for (uint32_t i = 0; rc == ERR_OK && i < service_count; i++) {
		struct proxy_listener *listener = &listeners[(*count)++];
		rc = listener_set(listener, values->proxy_host, services[i].port, PROXY_SERVICE,
				  err);
		memcpy(listener->service, services[i].name, sizeof(listener->service));
	}
	return rc;
}

/* How many of the listeners are of the group. */
static size_t group_listeners(const struct config_values *values)
{
	return !values->proxy_group[0] ? 0 : values->proxy_split_port ? 3 : 2;
}

/* Those of the group come first. */
static enum err set_listeners(const struct config_values *values,
			      struct proxy_listener listeners[LISTENERS_MAX], size_t *ret_count,
			      struct err_ctx *err)
{
	enum err rc = ERR_OK;
	*ret_count = group_listeners(values);
	if (values->proxy_group[0]) {
		rc = listener_set(&listeners[0], values->proxy_host, values->proxy_write_port,
				  PROXY_WRITES, err);
		rc = rc ? rc
			: listener_set(&listeners[1], values->proxy_host, values->proxy_read_port,
				       PROXY_READS, err);
	}
	if (!rc && *ret_count == 3) {
		rc = listener_set(&listeners[2], values->proxy_host, values->proxy_split_port,
				  PROXY_SPLIT, err);
	}
	return rc ? rc : set_service_listeners(values, listeners, ret_count, err);
}

static enum err start_tls(struct node *node, struct err_ctx *err)
{
	const struct config_values *values = &node->config->values;
	static const char *const names[] = { "off", "encrypt", "verify-ca", "verify-name" };
	struct tls_options options = { .cert_file = values->proxy_tls_cert_file,
				       .key_file = values->proxy_tls_key_file,
				       .client_ca_file = values->proxy_tls_ca_file,
				       .server_ca_file = values->proxy_server_ca_file };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], values->proxy_server_tls) == 0) {
			options.server = (enum tls_verify)i;
		}
	}
	if (is_on(values->proxy_tls_required) && !options.cert_file[0]) {
		return err_set(err, ERR_CONFIG,
			       "[proxy] tls-required is on, and there is no tls-cert-file: no "
			       "client could log in");
	}
	return tls_new(&options, &node->tls, err);
}

/* No group and no services, no proxy. */
static enum err start_proxy(struct node *node, struct err_ctx *err)
{
	const struct config_values *values = &node->config->values;
	struct proxy_listener listeners[LISTENERS_MAX] = { 0 };
	size_t listener_count = 0;
	enum err rc = set_listeners(values, listeners, &listener_count, err);
	if (rc != ERR_OK || listener_count == 0) {
		return rc;
	}
	rc = start_tls(node, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct proxy_options options = {
		.listeners = listeners,
		.listener_count = listener_count,
		.workers = values->proxy_workers,
		.hold_ms_max = values->proxy_hold_ms,
		.sessions_max = values->proxy_sessions_max,
		.connect_ms_max = values->proxy_connect_timeout_ms,
		.tls = node->tls,
		.tls_required = is_on(values->proxy_tls_required),
		.server_connections_max = values->proxy_server_connections_max,
		.causal_ms_max = values->proxy_causal_wait_ms,
		.check_interval_ms = values->proxy_check_interval_ms,
		.check_timeout_ms = values->proxy_check_timeout_ms,
		.check_rise = values->proxy_check_rise,
		.check_fall = values->proxy_check_fall,
		.clock = &clock_system,
		.log = &node->log,
		.changed = on_proxy_changed,
		.trouble = on_proxy_trouble,
		.ctx = node,
	};
	return proxy_start(&options, &node->proxy, err);
}

static void fill_hooks(const struct config_values *values, struct hook_options *ret)
{
	_Static_assert(sizeof(ret->lines[0]) == sizeof(values->hooks_veto), "one size");
	memcpy(ret->lines[HOOK_VETO_KIND], values->hooks_veto, sizeof(ret->lines[0]));
	memcpy(ret->lines[HOOK_BEFORE_KIND], values->hooks_before, sizeof(ret->lines[0]));
	memcpy(ret->lines[HOOK_AFTER_KIND], values->hooks_after, sizeof(ret->lines[0]));
	ret->timeout_ms[HOOK_VETO_KIND] = values->hooks_veto_timeout_ms;
	ret->timeout_ms[HOOK_BEFORE_KIND] = values->hooks_before_timeout_ms;
	ret->timeout_ms[HOOK_AFTER_KIND] = values->hooks_after_timeout_ms;
	ret->late_is_go = strcmp(values->hooks_on_timeout, "go") == 0;
	ret->veto_again_s = values->hooks_veto_again_s;
}

static void fill_webhooks(const struct config *config, struct webhook_options *ret)
{
	const struct config_values *values = &config->values;
	_Static_assert(sizeof(ret->urls) == sizeof(values->hooks_webhook), "one size");
	memcpy(ret->urls, values->hooks_webhook, sizeof(ret->urls));
	memcpy(ret->events, values->hooks_webhook_events, sizeof(ret->events));
	memcpy(ret->ca_file, values->hooks_webhook_ca_file, sizeof(ret->ca_file));
	ret->secret = config->webhook_secret;
	ret->timeout_ms = values->hooks_webhook_timeout_ms;
	ret->keep_s = values->hooks_webhook_keep_s;
}

static void on_duty_changed(void *ctx)
{
	on_proxy_changed(ctx);
}

/* What this host may do for floating addresses; nothing is done before a manager names one. */
static void start_duty(struct node *node)
{
	const struct config_values *values = &node->config->values;
	const struct duty_options options = {
		.hold = is_on(values->address_hold),
		.holding = { .native = is_on(values->address_native),
			     .check = is_on(values->address_check),
			     .program = values->address_program,
			     .program_limit_us =
				     (uint64_t)values->address_program_timeout_ms * US_PER_MS,
			     .log = &node->log },
		.changed = on_duty_changed,
		.ctx = node,
	};
	node->duty = duty_new(&options);
	node->nodes.duty = node->duty;
}

/* 0: no clients of a group are carried here. */
static uint16_t group_port(const struct node *node, size_t index)
{
	return node->proxy && node->config->values.proxy_group[0] ? proxy_port(node->proxy, index)
								  : 0;
}

static enum err start_manager(struct node *node, struct err_ctx *err)
{
	const struct config_values *values = &node->config->values;
	struct manager_options options = {
		.probe_interval_ms = values->manager_probe_interval_ms,
		.probe_timeout_ms = values->manager_probe_timeout_ms,
		.silence_ms = values->manager_silence_ms,
		.write_probe_interval_ms = values->manager_write_probe_interval_ms,
		.write_probe_timeout_ms = values->manager_write_probe_timeout_ms,
		.write_stall_ms = values->manager_write_stall_ms,
		.step_timeout_ms = values->manager_step_timeout_ms,
		.failover_cooldown_s = values->manager_failover_cooldown_s,
		.parent_return_s = values->manager_parent_return_s,
		.feed_ms = values->manager_feed_ms,
		.failover_max = values->manager_failover_max,
		.failover_window_s = values->manager_failover_window_s,
		.drain_ms = values->manager_drain_ms,
		.freeze_ms = values->manager_freeze_ms,
		.lag_limit_s = values->manager_lag_limit_s,
		.heartbeat_ms = values->manager_heartbeat_ms,
		.net_timeout_s = values->manager_net_timeout_s,
		.store = node->store,
		.data_dir = values->muster_data_dir,
		.place = node->place,
		.node = node->name,
		.address = node->address,
		.lease_ms = values->store_lease_ms,
		.proxy = node->proxy,
		.duty = node->duty,
		.duty_lease_ms = values->node_lease_ms,
		.server = values->agent_server,
		.clock = &clock_system,
		.log = &node->log,
		.door = &node->door,
	};
	fill_hooks(values, &options.hooks);
	fill_webhooks(node->config, &options.webhooks);
	struct manager_accounts *accounts = &options.accounts;
	accounts->manager_password = node->config->manager_password;
	accounts->replication_password = node->config->replication_password;
	options.write_port = group_port(node, 0);
	options.read_port = group_port(node, 1);
	options.split_port = (uint16_t)values->proxy_split_port;
	enum err rc = ERR_OK;
	if (str_copy(str_of(values->accounts_manager_user), accounts->manager_user,
		     sizeof(accounts->manager_user)) != ERR_OK ||
	    str_copy(str_of(values->accounts_replication_user), accounts->replication_user,
		     sizeof(accounts->replication_user)) != ERR_OK ||
	    str_copy(str_of(values->proxy_group), options.proxy_group,
		     sizeof(options.proxy_group)) != ERR_OK) {
		rc = err_set(err, ERR_CONFIG, "a user's or group's name is longer than %d bytes",
			     (int)ROUTE_NAME_BYTES_MAX - 1);
	}
	rc = rc ? rc : hook_check(&options.hooks, err);
	if (rc == ERR_OK) {
		rc = run_nodes_prepare(&node->nodes, node->store, &options.nodes, err);
	}
	if (rc == ERR_OK) {
		rc = manager_start(&options, &node->manager, err);
	}
	if (rc == ERR_OK) {
		node->store = NULL;
	}
	secret_wipe(&options.place.password);
	secret_wipe(&accounts->manager_password);
	secret_wipe(&accounts->replication_password);
	secret_wipe(&options.webhooks.secret);
	return rc;
}

static enum err start_api(struct node *node, struct err_ctx *err)
{
	const struct api_options options = {
		.socket_path = node->config->values.muster_socket,
		.manager = node->manager,
		.call = run_nodes_call,
		.is_for_call = run_nodes_speaks,
		.ctx = &node->nodes,
		.clock = &clock_system,
		.log = &node->log,
	};
	enum err rc = make_socket_folder(options.socket_path, err);
	return rc == ERR_OK ? api_start(&options, &node->api, err) : rc;
}

static enum err start_all(struct node *node, struct cli *cli, const struct args *args)
{
	enum err rc = read_config(node, cli, args);
	if (rc == ERR_OK && has_manager(node)) {
		rc = open_store(node, &cli->err);
	}
	if (rc == ERR_OK) {
		rc = start_proxy(node, &cli->err);
	}
	if (rc == ERR_OK) {
		start_duty(node);
	}
	if (rc == ERR_OK && has_manager(node)) {
		rc = start_manager(node, &cli->err);
		rc = rc ? rc : run_nodes_open(&node->nodes, node->manager, node->proxy, &cli->err);
	} else if (rc == ERR_OK) {
		rc = run_nodes_join(&node->nodes, node->proxy, &cli->err);
	}
	return rc == ERR_OK ? start_api(node, &cli->err) : rc;
}

/* In the opposite order; what was not started is NULL. The manager uses the proxy, and shuts its own door
 * to the proxy's threads before it ends. */
static void stop_all(struct node *node)
{
	node->api = api_stop(node->api);
	run_nodes_close(&node->nodes);
	node->manager = manager_stop(node->manager);
	node->duty = duty_free(node->duty);
	node->proxy = proxy_stop(node->proxy);
	node->tls = tls_free(node->tls);
	node->store = store_close(node->store);
}

/* A call that still waits for a server must not hold up the end for minutes: every step is journalled,
 * so that the next start goes on where this one stops. */
static void on_alarm(int number)
{
	static const char line[] = "muster: not everything ended in time: ended at once\n";
	(void)number;
	ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
	(void)ignored;
	_exit(EXIT_FAILURE);
}

static void limit_the_end(void)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	check(sigaction(SIGALRM, &action, NULL) == 0);
	(void)alarm(END_SECONDS);
}

/* The signals that are waited for by sigwait(); SIGPIPE is ignored. Set before any thread is made, so that all
 * inherit it. */
static void set_signals(sigset_t *ends)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	check(sigaction(SIGPIPE, &ignore, NULL) == 0);
	check(sigemptyset(ends) == 0 && sigaddset(ends, SIGTERM) == 0 &&
	      sigaddset(ends, SIGINT) == 0 && sigaddset(ends, SIGHUP) == 0);
	check(pthread_sigmask(SIG_BLOCK, ends, NULL) == 0);
}

/* SIGHUP: certificates that were renewed. */
static void reload(const struct node *node)
{
	struct err_ctx err = { 0 };
	enum err rc = node->tls ? tls_reload(node->tls, &err) : ERR_OK;
	if (rc) {
		log_event(&node->log, LOG_ERROR, "run.reload.failed", err_text(rc, &err));
	} else {
		log_event(&node->log, LOG_INFO, "run.reloaded", "certificates are read again");
	}
}

/* Waits for the signal that ends the program. */
static int wait_for_end(const struct node *node, const sigset_t *signals)
{
	int which = 0;
	for (;;) {
		check(sigwait(signals, &which) == 0);
		if (which != SIGHUP) {
			return which;
		}
		reload(node);
	}
}

/* Where each service is listened for: a port may have been any free one. */
static void tell_services(const struct node *node)
{
	size_t first = group_listeners(&node->config->values);
	const char *name = NULL;
	for (size_t i = 0; node->proxy && (name = proxy_service(node->proxy, i)); i++) {
		log_event(&node->log, LOG_INFO, "run.service", "listens for clients of a service",
			  LOG_TEXT("service", name),
			  LOG_U64("port", proxy_port(node->proxy, first + i)));
	}
}

enum err cmd_run(struct cli *cli, const struct args *args)
{
	sigset_t ends;
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	struct node node = { .config = config, .door = { .mutex = PTHREAD_MUTEX_INITIALIZER } };
	set_signals(&ends);
	run_nodes_init(&node.nodes, config, &node.log);
	enum err rc = start_all(&node, cli, args);
	if (rc == ERR_OK) {
		log_event(&node.log, LOG_INFO, "run.started", "ready",
			  LOG_TEXT("version", MUSTER_VERSION), LOG_U64("pid", (uint64_t)getpid()),
			  LOG_TEXT("socket", config->values.muster_socket),
			  LOG_U64("write_port", group_port(&node, 0)),
			  LOG_U64("read_port", group_port(&node, 1)));
		tell_services(&node);
		int which = wait_for_end(&node, &ends);
		log_event(&node.log, LOG_INFO, "run.ending", "a signal asked for the end",
			  LOG_U64("signal", (uint64_t)which));
	}
	limit_the_end();
	/* A second signal ends it at once. */
	check(pthread_sigmask(SIG_UNBLOCK, &ends, NULL) == 0);
	stop_all(&node);
	if (rc == ERR_OK) {
		log_event(&node.log, LOG_INFO, "run.ended", "all is stopped");
	}
	secret_wipe(&node.place.password);
	secret_wipe(&config->manager_password);
	secret_wipe(&config->replication_password);
	secret_wipe(&config->webhook_secret);
	return rc;
}
