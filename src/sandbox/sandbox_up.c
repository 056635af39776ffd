#include "sandbox/sandbox_up.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "os/clock_system.h"
#include "os/net_port.h"
#include "sandbox/instance.h"
#include "sandbox/node.h"
#include "sandbox/option_file.h"
#include "sandbox/sandbox_down.h"
#include "sandbox/template.h"

enum {
	PORTS_AVOIDED_MAX = 2000,
	SAY_BYTES_MAX = 512,
	MUSTER_CONFIG_BYTES_MAX = 65536,
	LOCK_TIMEOUT_S = 20,
	TEMPLATE_TIMEOUT_S = 120,
	READY_TIMEOUT_S = 60,
	GROUP_TIMEOUT_S = 30,
	HEALTHY_TIMEOUT_S = 20,
	PORT_WRITE = 0, /* places in the set of held ports; the servers' follow */
	PORT_READ = 1,
	PORT_SPLIT = 2,
	PORT_FIRST_SERVER = 3,
};

/* One sandbox_up() at work. */
struct making {
	const struct sandbox_up_options *options;
	struct sandbox sandbox;
	struct net_port_set ports;
	struct instance_patience patience;
	int lock;   /* of the sandbox; -1: not held */
	bool owned; /* the folder is ours: to be removed on failure */
};

void sandbox_up_say(const struct sandbox_hooks *hooks, const char *format, ...)
{
	char line[SAY_BYTES_MAX];
	va_list args;
	if (!hooks || !hooks->say) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	hooks->say(hooks->ctx, line);
}

static uint64_t in_seconds(unsigned seconds)
{
	return clock_monotonic_us(&clock_system) + (uint64_t)seconds * US_PER_S;
}

static bool never_over(void *ctx)
{
	(void)ctx;
	return false;
}

/* Ports of all sandboxes: their servers may be down just now. */
static size_t ports_in_use(uint16_t *ports, size_t max)
{
	json_t *names = NULL;
	size_t count = 0;
	if (sandbox_state_names(&names, NULL)) {
		return 0;
	}
	for (size_t i = 0; i < json_array_size(names); i++) {
		struct sandbox other;
		if (sandbox_state_load(json_string_value(json_array_get(names, i)), &other, NULL) ||
		    count + SANDBOX_SERVERS_MAX + PORT_FIRST_SERVER > max) {
			continue;
		}
		ports[count++] = other.write_port;
		ports[count++] = other.read_port;
		ports[count++] = other.split_port;
		for (size_t k = 0; k < other.server_count; k++) {
			ports[count++] = other.servers[k].port;
		}
	}
	json_decref(names);
	return count;
}

static enum err choose_ports(struct making *making, struct err_ctx *err)
{
	uint16_t avoid[PORTS_AVOIDED_MAX];
	struct sandbox *sandbox = &making->sandbox;
	size_t avoid_count = ports_in_use(avoid, PORTS_AVOIDED_MAX);
	size_t count = making->options->servers;
	enum err rc =
		net_port_hold(PORT_FIRST_SERVER + count, avoid, avoid_count, &making->ports, err);
	if (rc) {
		return rc;
	}
	sandbox->write_port = making->ports.ports[PORT_WRITE];
	sandbox->read_port = making->ports.ports[PORT_READ];
	sandbox->split_port = making->ports.ports[PORT_SPLIT];
	sandbox->server_count = count;
	for (size_t i = 0; i < count; i++) {
		struct sandbox_server *server = &sandbox->servers[i];
		server->server_id = (uint32_t)i + 1;
		server->port = making->ports.ports[PORT_FIRST_SERVER + i];
		(void)snprintf(server->name, sizeof(server->name), "db%u", server->server_id);
	}
	return ERR_OK;
}

static enum err write_marker(const char *folder, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(path, err, "%s/" SANDBOX_MARKER, folder);
	return rc ? rc
		  : file_write(path, 0600,
			       STR("A sandbox of muster: 'muster sandbox down' removes it.\n"),
			       err);
}

/* Paths of Unix sockets are short (108 bytes with the NUL): a deep folder needs another one for them. */
static enum err choose_socket_folder(struct sandbox *sandbox, struct err_ctx *err)
{
	char longest[FILE_PATH_BYTES_MAX];
	char folder[] = "/tmp/muster-XXXXXX";
	enum err rc = sandbox_state_socket(sandbox, NULL, longest, err);
	if (rc || strlen(longest) < sizeof(((struct sockaddr_un *)0)->sun_path)) {
		return rc;
	}
	if (!mkdtemp(folder)) {
		return err_set(err, ERR_IO, "cannot make a folder for sockets in /tmp");
	}
	rc = write_marker(folder, err);
	return rc ? rc : file_path(sandbox->sockets, err, "%s", folder);
}

static enum err check_absent(const struct sandbox *sandbox, struct err_ctx *err)
{
	char marker[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_path(sandbox, marker, err, "%s", SANDBOX_MARKER);
	if (rc) {
		return rc;
	}
	if (file_exists(marker)) {
		return err_set(err, ERR_EXISTS,
			       "sandbox '%s' is there already; 'muster sandbox down %s' removes it",
			       sandbox->name, sandbox->name);
	}
	if (file_exists(sandbox->root)) {
		return err_set(err, ERR_EXISTS, "'%s' is in the way and is no sandbox",
			       sandbox->root);
	}
	return ERR_OK;
}

/* Makes the folder with marker, ports and sandbox.json, so that from here on no other sandbox takes the
 * name or the ports. Under the base folder's lock. */
static enum err claim(struct making *making, struct err_ctx *err)
{
	struct sandbox *sandbox = &making->sandbox;
	char lock_path[FILE_PATH_BYTES_MAX];
	enum err rc = check_absent(sandbox, err);
	rc = rc ? rc : file_make_folders(sandbox->root, 0700, err);
	if (rc) {
		return rc;
	}
	making->owned = true;
	rc = write_marker(sandbox->root, err);
	rc = rc ? rc : sandbox_state_path(sandbox, lock_path, err, ".lock");
	rc = rc ? rc : file_lock(lock_path, 0, &making->lock, err);
	rc = rc ? rc : choose_socket_folder(sandbox, err);
	rc = rc ? rc : choose_ports(making, err);
	return rc ? rc : sandbox_state_save(sandbox, err);
}

static enum err claim_locked(struct making *making, struct err_ctx *err)
{
	char base[FILE_PATH_BYTES_MAX];
	char lock_path[FILE_PATH_BYTES_MAX];
	int lock = -1;
	enum err rc = sandbox_state_base(base, err);
	rc = rc ? rc : file_make_folders(base, 0700, err);
	rc = rc ? rc : file_path(lock_path, err, "%s/.lock", base);
	rc = rc ? rc : file_lock(lock_path, in_seconds(LOCK_TIMEOUT_S), &lock, err);
	if (rc) {
		return rc;
	}
	rc = claim(making, err);
	(void)close(lock);
	return rc;
}

static enum err copy_from_template(const struct sandbox *sandbox, const char *name,
				   struct err_ctx *err)
{
	char from[FILE_PATH_BYTES_MAX];
	char to[FILE_PATH_BYTES_MAX];
	enum err rc = file_path(from, err, "%s/%s", sandbox->template_folder, name);
	rc = rc ? rc : sandbox_state_path(sandbox, to, err, "%s", name);
	if (rc || !file_exists(from)) {
		return rc;
	}
	return file_copy_tree(from, to, err);
}

static enum err write_muster_config(const struct sandbox *sandbox, const char *add_config,
				    struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	struct buf text;
	buf_init(&text, MUSTER_CONFIG_BYTES_MAX);
	enum err rc = sandbox_state_path(sandbox, path, err, "store");
	rc = rc ? rc : file_make_folders(path, 0700, err);
	rc = rc ? rc : option_file_muster(sandbox, &text, err);
	if (!rc && add_config) {
		buf_add_char(&text, '\n');
		rc = file_read(add_config, &text, err);
	}
	rc = rc ? rc : sandbox_state_path(sandbox, path, err, "muster.cnf");
	rc = rc ? rc : file_write(path, 0600, buf_str(&text), err);
	buf_fini(&text);
	return rc;
}

/* `muster run` and the servers come up side by side. */
static enum err start_all(struct making *making, struct err_ctx *err)
{
	const struct sandbox *sandbox = &making->sandbox;
	enum err rc = copy_from_template(sandbox, "secrets", err);
	rc = rc ? rc : copy_from_template(sandbox, "ssl", err);
	rc = rc ? rc : write_muster_config(sandbox, making->options->add_config, err);
	if (rc) {
		return rc;
	}
	net_port_let_go(&making->ports, PORT_WRITE);
	net_port_let_go(&making->ports, PORT_READ);
	net_port_let_go(&making->ports, PORT_SPLIT);
	rc = node_start(sandbox, err);
	for (size_t i = 0; i < sandbox->server_count && !rc; i++) {
		rc = instance_make(sandbox, &sandbox->servers[i], err);
		net_port_let_go(&making->ports, PORT_FIRST_SERVER + i);
		rc = rc ? rc : instance_start(sandbox, &sandbox->servers[i], NULL, err);
	}
	for (size_t i = 0; i < sandbox->server_count && !rc; i++) {
		rc = instance_wait_ready(sandbox, &sandbox->servers[i], in_seconds(READY_TIMEOUT_S),
					 &making->patience, err);
	}
	return rc;
}

static enum err make_group(struct making *making, struct err_ctx *err)
{
	const struct sandbox *sandbox = &making->sandbox;
	struct node_wait wait = { in_seconds(GROUP_TIMEOUT_S), &making->patience };
	enum err rc = node_wait_ready(sandbox, &wait, err);
	rc = rc ? rc : node_create_group(sandbox, &wait, err);
	if (!rc && sandbox->pair) {
		rc = node_make_pair(sandbox, &wait, err);
	}
	wait.deadline_us = in_seconds(HEALTHY_TIMEOUT_S);
	return rc ? rc : node_wait_healthy(sandbox, &wait, err);
}

static enum err find_parts(struct making *making, struct err_ctx *err)
{
	const struct sandbox_up_options *options = making->options;
	struct sandbox *sandbox = &making->sandbox;
	struct flavor_program program;
	struct template template;
	enum err rc = flavor_find(options->flavor, options->binaries, &program, err);
	rc = rc ? rc : template_prepare(&program, in_seconds(TEMPLATE_TIMEOUT_S), &template, err);
	if (rc) {
		return rc;
	}
	if (template.built) {
		sandbox_up_say(&options->hooks, "made a template for %s %s",
			       flavor_name(program.flavor), program.version);
	}
	rc = file_path(sandbox->program, err, "%s", program.program);
	rc = rc ? rc : file_path(sandbox->template_folder, err, "%s", template.folder);
	rc = rc ? rc : file_path(sandbox->muster, err, "%s", options->muster);
	(void)snprintf(sandbox->flavor, sizeof(sandbox->flavor), "%s", flavor_name(program.flavor));
	(void)snprintf(sandbox->version, sizeof(sandbox->version), "%s", program.version);
	(void)snprintf(sandbox->template_id, sizeof(sandbox->template_id), "%s", template.id);
	(void)snprintf(sandbox->policy, sizeof(sandbox->policy), "%s",
		       options->async ? "async" : "lossless");
	sandbox->pair = options->pair;
	return rc;
}

static enum err make(struct making *making, struct err_ctx *err)
{
	const struct sandbox_hooks *hooks = &making->options->hooks;
	const struct sandbox *sandbox = &making->sandbox;
	enum err rc = sandbox_state_init(making->options->name, &making->sandbox, err);
	rc = rc ? rc : check_absent(sandbox, err);
	rc = rc ? rc : find_parts(making, err);
	rc = rc ? rc : claim_locked(making, err);
	if (rc) {
		return rc;
	}
	rc = start_all(making, err);
	if (rc) {
		return rc;
	}
	sandbox_up_say(hooks, "%zu servers run %s %s", sandbox->server_count, sandbox->flavor,
		       sandbox->version);
	rc = make_group(making, err);
	if (rc) {
		return rc;
	}
	sandbox_up_say(hooks, "group '%s' is healthy, policy %s", sandbox->name, sandbox->policy);
	return ERR_OK;
}

enum err sandbox_up(const struct sandbox_up_options *options, struct sandbox *ret,
		    struct err_ctx *err)
{
	const struct sandbox_hooks *hooks = &options->hooks;
	struct making making = {
		.options = options,
		.patience = { hooks->is_cancelled ? hooks->is_cancelled : never_over, hooks->ctx },
		.lock = -1,
	};
	if (options->servers < 1 || options->servers > SANDBOX_SERVERS_MAX) {
		return err_set(err, ERR_USAGE, "a sandbox has 1 to %d servers",
			       SANDBOX_SERVERS_MAX);
	}
	if (options->pair && options->servers < 2) {
		return err_set(err, ERR_USAGE, "a pair is of two servers at least");
	}
	enum err rc = make(&making, err);
	net_port_let_go_all(&making.ports);
	if (rc && making.owned) {
		/* The first failure is what a person must know; what clearing up says comes second. */
		struct err_ctx second = { 0 };
		if (sandbox_down_processes(&making.sandbox, &second) ||
		    (!options->keep && sandbox_down_folder(&making.sandbox, &second))) {
			sandbox_up_say(hooks, "left behind: %s", err_text(second.code, &second));
		}
	}
	if (making.lock >= 0) {
		(void)close(making.lock);
	}
	if (!rc) {
		*ret = making.sandbox;
	}
	return rc;
}
