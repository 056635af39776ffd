#include "sandbox/sandbox_view.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/instance.h"
#include "sandbox/node.h"

enum { SERVERS_TEXT_BYTES_MAX = 1024, PORT_TEXT_BYTES = 8 };

static json_t *describe_process(enum instance_state state, const struct process_id *id)
{
	json_t *pid = state == INSTANCE_DOWN ? json_null() : json_integer(id->pid);
	return json_pack("{s:s, s:o}", "state", instance_state_name(state), "pid", pid);
}

static json_t *describe_server(const struct sandbox *sandbox, const struct sandbox_server *server,
			       enum instance_state state, const struct process_id *id)
{
	char socket[FILE_PATH_BYTES_MAX] = "";
	json_t *json = describe_process(state, id);
	(void)json_object_set_new(json, "name", json_string(server->name));
	(void)json_object_set_new(json, "host", json_string("127.0.0.1"));
	(void)json_object_set_new(json, "port", json_integer(server->port));
	(void)json_object_set_new(json, "server_id", json_integer(server->server_id));
	if (!sandbox_state_socket(sandbox, server, socket, NULL)) {
		(void)json_object_set_new(json, "socket", json_string(socket));
	}
	(void)json_object_set_new(json, "folder",
				  json_sprintf("%s/%s", sandbox->root, server->name));
	return json;
}

json_t *sandbox_view_describe(const struct sandbox *sandbox)
{
	char socket[FILE_PATH_BYTES_MAX] = "";
	struct process_id id = { 0 };
	json_t *servers = json_array();
	size_t running = 0;
	for (size_t i = 0; i < sandbox->server_count; i++) {
		const struct sandbox_server *server = &sandbox->servers[i];
		enum instance_state state = instance_look(sandbox, server, &id);
		running += state == INSTANCE_RUNNING;
		(void)json_array_append_new(servers, describe_server(sandbox, server, state, &id));
	}
	enum instance_state node = node_look(sandbox, &id);
	json_t *muster = describe_process(node, &id);
	const char *state = "partial";
	if (running == sandbox->server_count && node == INSTANCE_RUNNING) {
		state = "up";
	} else if (running == 0 && node == INSTANCE_DOWN) {
		state = "down";
	}
	if (sandbox_state_socket(sandbox, NULL, socket, NULL)) {
		socket[0] = '\0';
	}
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:o, s:o}",
		"name", sandbox->name, "state", state, "flavor", sandbox->flavor, "version",
		sandbox->version, "policy", sandbox->policy, "running", (int)running, "folder",
		sandbox->root, "socket", socket, "host", "127.0.0.1", "write_port",
		(int)sandbox->write_port, "read_port", (int)sandbox->read_port, "split_port",
		(int)sandbox->split_port, "user", sandbox_state_account_user(SANDBOX_APPLICATION),
		"muster", muster, "servers", servers);
}

enum err sandbox_view_list(json_t **ret, struct err_ctx *err)
{
	json_t *names = NULL;
	enum err rc = sandbox_state_names(&names, err);
	if (rc) {
		return rc;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct sandbox sandbox;
		struct err_ctx why = { 0 };
		json_t *row;
		rc = sandbox_state_load(name, &sandbox, &why);
		if (rc) {
			row = json_pack("{s:s, s:s, s:s}", "name", name, "state", "damaged",
					"error", err_text(rc, &why));
		} else {
			row = sandbox_view_describe(&sandbox);
		}
		(void)json_array_append_new(list, row);
	}
	json_decref(names);
	*ret = list;
	return ERR_OK;
}

static void print_servers(const struct sandbox *sandbox, struct buf *out)
{
	for (size_t i = 0; i < sandbox->server_count; i++) {
		buf_printf(out, "%s%s=127.0.0.1:%u", i ? " " : "", sandbox->servers[i].name,
			   (unsigned)sandbox->servers[i].port);
	}
}

enum err sandbox_view_env(const struct sandbox *sandbox, json_t **ret, struct err_ctx *err)
{
	char socket[FILE_PATH_BYTES_MAX];
	char servers_memory[SERVERS_TEXT_BYTES_MAX];
	struct secret password;
	struct buf servers;
	enum err rc = sandbox_state_socket(sandbox, NULL, socket, err);
	rc = rc ? rc : sandbox_state_read_password(sandbox, SANDBOX_APPLICATION, &password, err);
	if (rc) {
		return rc;
	}
	buf_init_fixed(&servers, servers_memory, sizeof(servers_memory));
	print_servers(sandbox, &servers);
	*ret = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:s}", "MUSTER_SOCKET", socket,
			 "MUSTER_GROUP", sandbox->name, "MUSTER_HOST", "127.0.0.1",
			 "MUSTER_WRITE_PORT", json_sprintf("%u", (unsigned)sandbox->write_port),
			 "MUSTER_READ_PORT", json_sprintf("%u", (unsigned)sandbox->read_port),
			 "MUSTER_SPLIT_PORT", json_sprintf("%u", (unsigned)sandbox->split_port),
			 "MUSTER_USER", sandbox_state_account_user(SANDBOX_APPLICATION),
			 "MUSTER_PASSWORD", password.text, "MUSTER_SERVERS", buf_text(&servers));
	secret_wipe(&password);
	return *ret ? ERR_OK : err_set(err, ERR_FAILED, "a path is not UTF-8");
}

/* Source: POSIX, Shell Command Language, 2.2.2 Single-Quotes: nothing is special between them, and a
 * quote itself stands outside. */
static void add_quoted(struct buf *out, const char *text)
{
	buf_add_char(out, '\'');
	for (const char *at = text; *at; at++) {
		if (*at == '\'') {
			buf_add_text(out, "'\\''");
		} else {
			buf_add_char(out, *at);
		}
	}
	buf_add_char(out, '\'');
}

void sandbox_view_shell(const json_t *variables, struct buf *out)
{
	/* jansson's iterator wants a pointer that isn't const, and changes nothing. */
	union {
		const json_t *in;
		json_t *out;
	} object = { .in = variables };
	const char *name;
	json_t *value;
	json_object_foreach(object.out, name, value)
	{
		buf_printf(out, "%s=", name);
		add_quoted(out, json_string_value(value));
		buf_add_char(out, '\n');
	}
}
