#include "sandbox/sandbox_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/env.h"

enum { STATE_JSON_BYTES_MAX = 65536, PASSWORD_FILE_BYTES_MAX = 1024 };

static const struct {
	const char *user;
	const char *file;
} accounts[SANDBOX_ACCOUNT_COUNT_] = {
	[SANDBOX_MANAGER] = { "muster", "manager.password" },
	[SANDBOX_REPLICATION] = { "muster_repl", "replication.password" },
	[SANDBOX_APPLICATION] = { "app", "app.password" },
	[SANDBOX_ROOT] = { "root", "root.password" },
};

const char *sandbox_state_account_user(enum sandbox_state_account account)
{
	return accounts[account].user;
}

const char *sandbox_state_account_file(enum sandbox_state_account account)
{
	return accounts[account].file;
}

static enum err check_name(const char *name, struct err_ctx *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strlen(name);
	if (len == 0 || len >= SANDBOX_NAME_BYTES_MAX || strspn(name, letters) != len ||
	    strchr("-_", name[0])) {
		return err_set(err, ERR_USAGE,
			       "'%s' is no name for a sandbox: 1 to 32 of a-z 0-9 - _, the first a "
			       "letter or digit",
			       name);
	}
	return ERR_OK;
}

enum err sandbox_state_base(char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	const char *own = env_get("MUSTER_SANDBOX_DIR");
	const char *state = env_get("XDG_STATE_HOME");
	const char *home = env_get("HOME");
	if (own && own[0]) {
		if (own[0] != '/') {
			return err_set(err, ERR_CONFIG,
				       "MUSTER_SANDBOX_DIR '%s' is not an absolute path", own);
		}
		return file_path(ret, err, "%s", own);
	}
	if (state && state[0] == '/') {
		return file_path(ret, err, "%s/muster/sandbox", state);
	}
	if (home && home[0] == '/') {
		return file_path(ret, err, "%s/.local/state/muster/sandbox", home);
	}
	return err_set(
		err, ERR_CONFIG,
		"no folder for sandboxes: set MUSTER_SANDBOX_DIR or HOME to an absolute path");
}

enum err sandbox_state_init(const char *name, struct sandbox *ret, struct err_ctx *err)
{
	struct sandbox sandbox = { .server_count = 0 };
	char base[FILE_PATH_BYTES_MAX];
	enum err rc = check_name(name, err);
	rc = rc ? rc : sandbox_state_base(base, err);
	rc = rc ? rc : file_path(sandbox.root, err, "%s/%s", base, name);
	rc = rc ? rc : file_path(sandbox.sockets, err, "%s", sandbox.root);
	rc = rc ? rc : str_copy(str_of(name), sandbox.name, sizeof(sandbox.name));
	if (!rc) {
		*ret = sandbox;
	}
	return rc;
}

enum err sandbox_state_path(const struct sandbox *sandbox, char ret[FILE_PATH_BYTES_MAX],
			    struct err_ctx *err, const char *format, ...)
{
	char name[FILE_PATH_BYTES_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	return file_path(ret, err, "%s/%s", sandbox->root, name);
}

enum err sandbox_state_socket(const struct sandbox *sandbox, const struct sandbox_server *server,
			      char ret[FILE_PATH_BYTES_MAX], struct err_ctx *err)
{
	return file_path(ret, err, "%s/%s.sock", sandbox->sockets,
			 server ? server->name : "muster");
}

static enum err copy_text(const json_t *json, const char *key, char *to, size_t to_bytes)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? str_copy(str_of(text), to, to_bytes) : ERR_PARSE;
}

static enum err copy_port(const json_t *json, const char *key, uint16_t *ret)
{
	json_int_t port = json_integer_value(json_object_get(json, key));
	if (port < 1 || port > UINT16_MAX) {
		return ERR_PARSE;
	}
	*ret = (uint16_t)port;
	return ERR_OK;
}

static enum err read_servers(const json_t *json, struct sandbox *sandbox)
{
	size_t count = json_array_size(json);
	if (count < 1 || count > SANDBOX_SERVERS_MAX) {
		return ERR_PARSE;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *row = json_array_get(json, i);
		struct sandbox_server *server = &sandbox->servers[i];
		enum err rc = copy_text(row, "name", server->name, sizeof(server->name));
		rc = rc ? rc : copy_port(row, "port", &server->port);
		if (rc) {
			return rc;
		}
		json_int_t server_id = json_integer_value(json_object_get(row, "server_id"));
		if (server_id < 1 || server_id > INT32_MAX) {
			return ERR_PARSE;
		}
		server->server_id = (uint32_t)server_id;
	}
	sandbox->server_count = count;
	return ERR_OK;
}

static enum err read_json(const json_t *json, struct sandbox *sandbox)
{
	const struct {
		const char *key;
		char *to;
		size_t bytes;
	} texts[] = {
		{ "sockets", sandbox->sockets, sizeof(sandbox->sockets) },
		{ "flavor", sandbox->flavor, sizeof(sandbox->flavor) },
		{ "version", sandbox->version, sizeof(sandbox->version) },
		{ "policy", sandbox->policy, sizeof(sandbox->policy) },
		{ "program", sandbox->program, sizeof(sandbox->program) },
		{ "template", sandbox->template_folder, sizeof(sandbox->template_folder) },
		{ "template_id", sandbox->template_id, sizeof(sandbox->template_id) },
		{ "muster", sandbox->muster, sizeof(sandbox->muster) },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		enum err rc = copy_text(json, texts[i].key, texts[i].to, texts[i].bytes);
		if (rc) {
			return rc;
		}
	}
	enum err rc = copy_port(json, "write_port", &sandbox->write_port);
	rc = rc ? rc : copy_port(json, "read_port", &sandbox->read_port);
	rc = rc ? rc : copy_port(json, "split_port", &sandbox->split_port);
	sandbox->pair = json_is_true(json_object_get(json, "pair"));
	return rc ? rc : read_servers(json_object_get(json, "servers"), sandbox);
}

enum err sandbox_state_load(const char *name, struct sandbox *ret, struct err_ctx *err)
{
	struct sandbox sandbox;
	char path[FILE_PATH_BYTES_MAX];
	enum err rc = sandbox_state_init(name, &sandbox, err);
	rc = rc ? rc : sandbox_state_path(&sandbox, path, err, "%s", SANDBOX_MARKER);
	if (rc) {
		return rc;
	}
	if (!file_exists(path)) {
		return err_set(err, ERR_NOT_FOUND,
			       "no sandbox '%s'; 'muster sandbox list' shows those that are there",
			       name);
	}
	struct buf text;
	buf_init(&text, STATE_JSON_BYTES_MAX);
	rc = sandbox_state_path(&sandbox, path, err, "sandbox.json");
	rc = rc ? rc : file_read(path, &text, err);
	if (!rc) {
		json_t *json = json_loadb(buf_text(&text), text.len, 0, NULL);
		rc = json ? read_json(json, &sandbox) : ERR_PARSE;
		json_decref(json);
		if (rc) {
			rc = err_set(
				err, ERR_PARSE,
				"'%s' is damaged; 'muster sandbox down %s' removes what is left",
				path, name);
		}
	}
	buf_fini(&text);
	if (!rc) {
		*ret = sandbox;
	}
	return rc;
}

enum err sandbox_state_save(const struct sandbox *sandbox, struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	json_t *servers = json_array();
	for (size_t i = 0; i < sandbox->server_count; i++) {
		const struct sandbox_server *server = &sandbox->servers[i];
		(void)json_array_append_new(
			servers, json_pack("{s:s, s:i, s:i}", "name", server->name, "port",
					   (int)server->port, "server_id", (int)server->server_id));
	}
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:o}", "name",
		sandbox->name, "sockets", sandbox->sockets, "flavor", sandbox->flavor, "version",
		sandbox->version, "policy", sandbox->policy, "program", sandbox->program,
		"template", sandbox->template_folder, "template_id", sandbox->template_id, "muster",
		sandbox->muster, "pair", (int)sandbox->pair, "write_port", (int)sandbox->write_port,
		"read_port", (int)sandbox->read_port, "split_port", (int)sandbox->split_port,
		"servers", servers);
	char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	if (!text) {
		return err_set(err, ERR_FAILED,
			       "sandbox '%s' can't be written as JSON: a path in "
			       "it is not UTF-8",
			       sandbox->name);
	}
	enum err rc = sandbox_state_path(sandbox, path, err, "sandbox.json");
	rc = rc ? rc : file_write(path, 0600, str_of(text), err);
	mem_free(text);
	return rc;
}

void sandbox_state_renumber(struct sandbox *sandbox, const char *name)
{
	/* Whoever has the highest keeps it or gets a higher one: so it was never given before. */
	uint32_t highest = 0;
	for (size_t i = 0; i < sandbox->server_count; i++) {
		uint32_t server_id = sandbox->servers[i].server_id;
		highest = server_id > highest ? server_id : highest;
	}
	for (size_t i = 0; i < sandbox->server_count; i++) {
		if (strcmp(sandbox->servers[i].name, name) == 0) {
			sandbox->servers[i].server_id = highest + 1;
		}
	}
}

enum err sandbox_state_names(json_t **ret, struct err_ctx *err)
{
	char base[FILE_PATH_BYTES_MAX];
	struct dirent **entries = NULL;
	enum err rc = sandbox_state_base(base, err);
	if (rc) {
		return rc;
	}
	int count = scandir(base, &entries, NULL, alphasort);
	if (count < 0 && errno != ENOENT) {
		return err_set(err, ERR_IO, "cannot read '%s': %s", base, strerrordesc_np(errno));
	}
	json_t *json = json_array();
	for (int i = 0; i < count; i++) {
		char marker[FILE_PATH_BYTES_MAX];
		const char *name = entries[i]->d_name;
		if (!check_name(name, NULL) &&
		    !file_path(marker, NULL, "%s/%s/%s", base, name, SANDBOX_MARKER) &&
		    file_exists(marker)) {
			(void)json_array_append_new(json, json_string(name));
		}
		mem_free(entries[i]);
	}
	mem_free(entries);
	*ret = json;
	return ERR_OK;
}

enum err sandbox_state_find_server(const struct sandbox *sandbox, const char *name,
				   const struct sandbox_server **ret, struct err_ctx *err)
{
	const char *names[SANDBOX_SERVERS_MAX];
	for (size_t i = 0; i < sandbox->server_count; i++) {
		names[i] = sandbox->servers[i].name;
		if (strcmp(names[i], name) == 0) {
			*ret = &sandbox->servers[i];
			return ERR_OK;
		}
	}
	const char *nearest = str_nearest(str_of(name), names, sandbox->server_count);
	return err_set(err, ERR_NOT_FOUND, "sandbox '%s' has no server '%s'%s%s%s", sandbox->name,
		       name, nearest ? "; did you mean '" : "; it has db1 to ",
		       nearest ? nearest : names[sandbox->server_count - 1], nearest ? "'?" : "");
}

enum err sandbox_state_read_password(const struct sandbox *sandbox,
				     enum sandbox_state_account account, struct secret *ret,
				     struct err_ctx *err)
{
	char path[FILE_PATH_BYTES_MAX];
	struct buf text;
	buf_init(&text, PASSWORD_FILE_BYTES_MAX);
	enum err rc = sandbox_state_path(sandbox, path, err, "secrets/%s",
					 sandbox_state_account_file(account));
	rc = rc ? rc : file_read(path, &text, err);
	rc = rc ? rc : secret_set(ret, str_trim(buf_str(&text)));
	if (text.ptr) {
		explicit_bzero(text.ptr, text.len);
	}
	buf_fini(&text);
	return rc;
}
