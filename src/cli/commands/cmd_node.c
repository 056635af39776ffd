/* muster node: drain, join, list, remove, show, token. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/caller.h"
#include "agent/join_token.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/commands/run_nodes.h"
#include "cli/output/table.h"
#include "cli/output/view.h"
#include "cli/request.h"
#include "os/env.h"
#include "os/file.h"

const struct option_row options_node_drain[] = {
	{ .name = "undo", .kind = OPTION_FLAG, .help = "Let the node take part again." },
	{ 0 },
};

const struct option_row options_node_join[] = {
	{ .name = "manager",
	  .kind = OPTION_TEXT,
	  .value = "HOST:PORT",
	  .help = "A manager. Default: the first of [node] managers." },
	{ .name = "token-file",
	  .kind = OPTION_TEXT,
	  .value = "FILE",
	  .help = "File with the join token. Default: $MUSTER_JOIN_TOKEN." },
	{ 0 },
};

const struct option_row options_node_token[] = {
	{ .name = "ttl",
	  .kind = OPTION_TEXT,
	  .value = "TIME",
	  .help = "How long it works: 90s, 30m, 12h, 2d. Default: 1h." },
	{ .name = "role",
	  .kind = OPTION_TEXT,
	  .value = "ROLES",
	  .help = "What the node may be: proxy, agent, or both. Default: proxy,agent." },
	{ 0 },
};

enum { JOIN_TIMEOUT_MS = 15000, TOKEN_FILE_BYTES_MAX = 4096, PATH_BYTES_MAX = 512 };

static enum err print(struct cli *cli, json_t *result, const char *field)
{
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s\n", request_text(result, field));
	}
	json_decref(result);
	return ERR_OK;
}

static enum err node_call(struct cli *cli, const struct args *args, const char *http_method,
			  const char *rest, const json_t *body, json_t **ret)
{
	struct request request;
	char text[PATH_BYTES_MAX];
	struct buf path;
	const char *name = args_word(args, 0);
	buf_init_fixed(&path, text, sizeof(text));
	buf_add_text(&path, "/nodes");
	if (name) {
		buf_add_char(&path, '/');
		client_add_word(&path, str_of(name));
	}
	buf_add_text(&path, rest);
	if (buf_finish(&path) != ERR_OK || (name && !name[0])) {
		return err_set(&cli->err, ERR_USAGE, "'%.100s' is no node's name", name);
	}
	enum err rc = request_open(cli, args, &request);
	return rc ? rc : request_call(&request, http_method, buf_text(&path), body, ret);
}

/* ---------------------------------------------------------------- token */

/* "90s", "30m", "12h", "2d"; a number alone is seconds. */
static enum err parse_time(struct cli *cli, const char *text, uint64_t *ret)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	struct str word = str_of(text);
	uint64_t unit_s = 1;
	uint64_t number = 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (word.len && word.ptr[word.len - 1] == units[i].letter) {
			unit_s = units[i].seconds;
			word.len--;
			break;
		}
	}
	if (str_parse_u64(word, 1, UINT32_MAX, &number) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE, "--ttl: '%s' is no time like 90s, 30m, 12h",
			       text);
	}
	*ret = number * unit_s;
	return ERR_OK;
}

enum err cmd_node_token(struct cli *cli, const struct args *args)
{
	const char *ttl = args_text(args, "ttl");
	const char *role = args_text(args, "role");
	uint64_t ttl_s = 0;
	json_t *result = NULL;
	enum err rc = ttl ? parse_time(cli, ttl, &ttl_s) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *body = json_object();
	if (ttl) {
		check(json_object_set_new(body, "ttl_s", json_integer((json_int_t)ttl_s)) == 0);
	}
	if (role) {
		json_t *value = json_string(role);
		check(json_object_set_new(body, "roles", value ? value : json_string("?")) == 0);
	}
	rc = node_call(cli, args, "POST", "/token", body, &result);
	json_decref(body);
	return rc ? rc : print(cli, result, "token");
}

/* ---------------------------------------------------------------- join */

static enum err read_token(struct cli *cli, const struct args *args, struct join_token *ret)
{
	const char *path = args_text(args, "token-file");
	const char *given = env_get("MUSTER_JOIN_TOKEN");
	struct buf text;
	if (!path && !given) {
		return err_set(
			&cli->err, ERR_USAGE,
			"a join token is needed: --token-file or $MUSTER_JOIN_TOKEN; `muster "
			"node token` on a manager makes one");
	}
	buf_init(&text, TOKEN_FILE_BYTES_MAX);
	enum err rc = path ? file_read(path, &text, &cli->err) : ERR_OK;
	rc = rc ? rc : join_token_parse(path ? buf_str(&text) : str_of(given), ret, &cli->err);
	if (text.len) {
		explicit_bzero(text.ptr, text.len);
	}
	buf_fini(&text);
	return rc;
}

/* The authority's certificate, known by the fingerprint in the token. */
static enum err fetch_authority(struct cli *cli, const struct caller_address *manager,
				const struct join_token *token, struct identity *identity)
{
	char fingerprint[NODE_FINGERPRINT_BYTES_MAX];
	json_t *answer = NULL;
	struct caller *caller = caller_new(NULL, NULL);
	enum err rc = caller_call(caller, manager, "authority", NULL, JOIN_TIMEOUT_MS, &answer,
				  NULL, &cli->err);
	(void)caller_free(caller);
	const char *certificate = json_string_value(json_object_get(answer, "certificate"));
	if (rc == ERR_OK && (!certificate || str_copy(str_of(certificate), identity->authority,
						      sizeof(identity->authority)) != ERR_OK)) {
		rc = err_set(&cli->err, ERR_PROTOCOL, "%s:%u is no manager", manager->host,
			     (unsigned)manager->port);
	}
	json_decref(answer);
	rc = rc ? rc : identity_fingerprint(str_of(identity->authority), fingerprint, &cli->err);
	if (rc == ERR_OK && strcmp(fingerprint, token->fingerprint) != 0) {
		rc = err_set(&cli->err, ERR_PRIVILEGE,
			     "%s:%u is not one of the managers that made this token: nothing was "
			     "sent to it",
			     manager->host, (unsigned)manager->port);
	}
	return rc;
}

static enum err fetch_certificate(struct cli *cli, const struct caller_address *manager,
				  const struct join_token *token, const char *name,
				  struct identity *identity)
{
	struct buf request;
	json_t *answer = NULL;
	json_t *body = NULL;
	buf_init(&request, IDENTITY_PEM_BYTES_MAX);
	struct caller *caller = caller_new(NULL, identity->authority);
	enum err rc = identity_make_key(identity->key, &cli->err);
	rc = rc ? rc : identity_request(identity->key, &request, &cli->err);
	if (rc == ERR_OK) {
		body = json_pack("{s:s, s:s, s:s, s:s}", "name", name, "token", token->id, "secret",
				 token->secret, "request", buf_text(&request));
		check(body);
		rc = caller_call(caller, manager, "join", body, JOIN_TIMEOUT_MS, &answer, NULL,
				 &cli->err);
	}
	const char *certificate = json_string_value(json_object_get(answer, "certificate"));
	if (rc == ERR_OK && (!certificate || str_copy(str_of(certificate), identity->certificate,
						      sizeof(identity->certificate)) != ERR_OK)) {
		rc = err_set(&cli->err, ERR_PROTOCOL, "the manager sent no certificate");
	}
	rc = rc ? rc
		: identity_read_pem(str_of(identity->certificate), &identity->facts, &cli->err);
	json_decref(body);
	json_decref(answer);
	buf_fini(&request);
	(void)caller_free(caller);
	return rc;
}

static enum err find_manager(struct cli *cli, const struct args *args, const struct config *config,
			     struct caller_address *ret)
{
	struct caller_address managers[LINK_MANAGERS_MAX];
	uint32_t count = 0;
	const char *word = args_text(args, "manager");
	if (word) {
		enum err rc = caller_parse_address(str_of(word), ret, &cli->err);
		return rc ? err_wrap(&cli->err, rc, "--manager") : ERR_OK;
	}
	enum err rc = run_nodes_managers(config, managers, &count, &cli->err);
	if (rc == ERR_OK && count == 0) {
		rc = err_set(&cli->err, ERR_USAGE,
			     "--manager HOST:PORT is needed, or [node] managers in the "
			     "configuration");
	}
	if (rc == ERR_OK) {
		*ret = managers[0];
	}
	return rc;
}

static enum err join(struct cli *cli, const struct args *args, const struct config *config,
		     struct identity *identity)
{
	char folder[FILE_PATH_BYTES_MAX];
	char name[NODE_NAME_BYTES_MAX];
	struct join_token token;
	struct caller_address manager;
	enum err rc = find_manager(cli, args, config, &manager);
	rc = rc ? rc : run_nodes_name(config, name, &cli->err);
	rc = rc ? rc : run_nodes_folder(config, folder, &cli->err);
	rc = rc ? rc : read_token(cli, args, &token);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = fetch_authority(cli, &manager, &token, identity);
	rc = rc ? rc : fetch_certificate(cli, &manager, &token, name, identity);
	rc = rc ? rc : identity_store(folder, identity, &cli->err);
	explicit_bzero(&token, sizeof(token));
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *result = json_pack("{s:s, s:s}", "node", name, "folder", folder);
	check(result);
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s has joined; its certificate is in %s\n", name, folder);
	}
	json_decref(result);
	return ERR_OK;
}

enum err cmd_node_join(struct cli *cli, const struct args *args)
{
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	struct identity identity = { 0 };
	enum err rc = config_load(args_text(args, "config"), config, &cli->err);
	rc = rc ? rc : join(cli, args, config, &identity);
	identity_wipe(&identity);
	return rc;
}

/* ---------------------------------------------------------------- list, show */

enum err cmd_node_list(struct cli *cli, const struct args *args)
{
	static const struct table_column columns[] = {
		{ "node", "NODE", TABLE_TEXT, 0 },
		{ "state", "STATE", TABLE_TEXT, 0 },
		{ "host", "HOST", TABLE_TEXT, 1 },
		{ "port", "PORT", TABLE_NUMBER, 2 },
		{ "group", "CARRIES", TABLE_TEXT, 0 },
		{ "epoch", "EPOCH", TABLE_NUMBER, 3 },
		{ "server", "SERVER", TABLE_TEXT, 1 },
		{ "sessions", "SESSIONS", TABLE_NUMBER, 2 },
		{ "version", "VERSION", TABLE_TEXT, 4 },
	};
	json_t *list = NULL;
	enum err rc = node_call(cli, args, "GET", "", NULL, &list);
	if (rc != ERR_OK) {
		return rc;
	}
	view_list(cli, list, "nodes", columns, sizeof(columns) / sizeof(columns[0]));
	json_decref(list);
	return ERR_OK;
}

static void print_guard(struct cli *cli, const json_t *guard)
{
	json_int_t fenced = json_integer_value(json_object_get(guard, "fenced"));
	const char *words = request_text(guard, "words");
	if (json_is_object(guard)) {
		buf_printf(&cli->out,
			   "fences its server when its lease is over; done %" JSON_INTEGER_FORMAT
			   " times%s%s\n",
			   fenced, words[0] ? ", " : "", words);
	}
}

static void print_addresses(struct cli *cli, const json_t *addresses)
{
	size_t i;
	const json_t *one;
	if (!json_is_object(addresses)) {
		return;
	}
	bool able = json_is_true(json_object_get(addresses, "able"));
	buf_printf(&cli->out, "floating addresses: able: %s%s%s\n", able ? "yes" : "no",
		   able ? "" : ", ", able ? "" : request_text(addresses, "why"));
	json_array_foreach(json_object_get(addresses, "list"), i, one)
	{
		const char *why = request_text(one, "why");
		buf_printf(&cli->out, "address %s: %s%s%s\n", request_text(one, "address"),
			   request_text(one, "state"), why[0] ? ", " : "", why);
	}
}

static void print_node(struct cli *cli, const json_t *node)
{
	const json_t *services = json_object_get(node, "services");
	const char *group = request_text(node, "group");
	const char *server = request_text(node, "server");
	buf_printf(&cli->out, "node %s: %s, at %s:%" JSON_INTEGER_FORMAT "\n",
		   request_text(node, "node"), request_text(node, "state"),
		   request_text(node, "host"), json_integer_value(json_object_get(node, "port")));
	if (group[0]) {
		buf_printf(&cli->out,
			   "carries group %s: epoch %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
			   " sessions\n",
			   group, json_integer_value(json_object_get(node, "epoch")),
			   json_integer_value(json_object_get(node, "sessions")));
	}
	if (server[0]) {
		buf_printf(&cli->out, "server %s of group %s\n", server,
			   request_text(node, "server_group"));
	}
	print_guard(cli, json_object_get(node, "guard"));
	print_addresses(cli, json_object_get(node, "addresses"));
	for (size_t i = 0; i < json_array_size(services); i++) {
		buf_printf(&cli->out, "%s%s%s", i ? ", " : "carries the services ",
			   json_string_value(json_array_get(services, i)),
			   i + 1 == json_array_size(services) ? "\n" : "");
	}
}

enum err cmd_node_show(struct cli *cli, const struct args *args)
{
	json_t *node = NULL;
	enum err rc = node_call(cli, args, "GET", "", NULL, &node);
	if (rc != ERR_OK) {
		return rc;
	}
	if (cli->json) {
		cli_print_json(cli, node);
	} else {
		print_node(cli, node);
	}
	json_decref(node);
	return ERR_OK;
}

/* ---------------------------------------------------------------- drain, remove */

static enum err print_change(struct cli *cli, json_t *result)
{
	if (cli->json) {
		cli_print_json(cli, result);
	} else {
		buf_printf(&cli->out, "%s: %s\n", request_text(result, "node"),
			   request_text(result, "text"));
	}
	json_decref(result);
	return ERR_OK;
}

enum err cmd_node_drain(struct cli *cli, const struct args *args)
{
	json_t *result = NULL;
	json_t *body = json_pack("{s:b}", "undo", args_has(args, "undo") ? 1 : 0);
	enum err rc = node_call(cli, args, "POST", "/drain", body, &result);
	json_decref(body);
	return rc ? rc : print_change(cli, result);
}

enum err cmd_node_remove(struct cli *cli, const struct args *args)
{
	char question[256];
	json_t *result = NULL;
	(void)snprintf(question, sizeof(question),
		       "Node '%.64s' can then only come back with a new join token. Remove it?",
		       args->words[0]);
	enum err rc = cli_confirm(cli, args, question);
	rc = rc ? rc : node_call(cli, args, "DELETE", "", NULL, &result);
	return rc ? rc : print_change(cli, result);
}
