#include "agent/route_json.h"

#include <string.h>

#include "agent/json_read.h"
#include "base/check.h"

static const char *const writes_names[] = {
	[ROUTE_OPEN] = "open", [ROUTE_DRAIN] = "drain", [ROUTE_HOLD] = "hold"
};
enum { WRITES_COUNT = sizeof(writes_names) / sizeof(writes_names[0]) };

json_t *route_json_write(const struct route *route)
{
	json_t *servers = json_array();
	for (uint32_t i = 0; i < route->server_count; i++) {
		const struct route_server *server = &route->servers[i];
		json_t *one =
			json_pack("{s:s, s:s, s:i, s:I, s:b}", "name", server->name, "host",
				  server->host, "port", (int)server->port, "weight",
				  (json_int_t)server->weight, "reads", (int)server->serves_reads);
		check(json_array_append_new(servers, one) == 0);
	}
	json_t *json = json_pack("{s:s, s:I, s:I, s:s, s:I, s:o}", "group", route->group, "epoch",
				 (json_int_t)route->epoch, "revision", (json_int_t)route->revision,
				 "writes", writes_names[route->writes], "primary",
				 (json_int_t)(route->primary < route->server_count
						      ? (json_int_t)route->primary
						      : -1),
				 "servers", servers);
	check(json);
	return json;
}

static enum err read_server(const json_t *json, struct route_server *ret, struct err_ctx *err)
{
	uint64_t port = 0;
	uint64_t weight = 0;
	enum err rc = json_read_text(json, "name", ret->name, sizeof(ret->name), err);
	rc = rc ? rc : json_read_text(json, "host", ret->host, sizeof(ret->host), err);
	rc = rc ? rc : json_read_number(json, "port", UINT16_MAX, &port, err);
	rc = rc ? rc : json_read_number(json, "weight", UINT32_MAX, &weight, err);
	ret->port = (uint16_t)port;
	ret->weight = (uint32_t)weight;
	ret->serves_reads = json_is_true(json_object_get(json, "reads"));
	return rc;
}

static enum err read_writes(const json_t *json, enum route_writes *ret, struct err_ctx *err)
{
	const char *text = json_string_value(json_object_get(json, "writes"));
	for (unsigned i = 0; text && i < WRITES_COUNT; i++) {
		if (strcmp(text, writes_names[i]) == 0) {
			*ret = (enum route_writes)i;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_PARSE, "'writes' is none of open, drain, hold");
}

enum err route_json_read(const json_t *json, struct route *ret, struct err_ctx *err)
{
	struct route route = { 0 };
	const json_t *servers = json_object_get(json, "servers");
	const json_t *primary = json_object_get(json, "primary");
	enum err rc = json_read_text(json, "group", route.group, sizeof(route.group), err);
	rc = rc ? rc : json_read_number(json, "epoch", INT64_MAX, &route.epoch, err);
	rc = rc ? rc : json_read_number(json, "revision", INT64_MAX, &route.revision, err);
	rc = rc ? rc : read_writes(json, &route.writes, err);
	if (rc == ERR_OK &&
	    (!json_is_array(servers) || json_array_size(servers) > ROUTE_SERVERS_MAX)) {
		rc = err_set(err, ERR_PARSE, "'servers' is no list of at most %d",
			     (int)ROUTE_SERVERS_MAX);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	route.server_count = (uint32_t)json_array_size(servers);
	for (uint32_t i = 0; i < route.server_count && rc == ERR_OK; i++) {
		rc = read_server(json_array_get(servers, i), &route.servers[i], err);
	}
	if (rc == ERR_OK && !json_is_integer(primary)) {
		rc = err_set(err, ERR_PARSE, "'primary' is no number");
	}
	if (rc != ERR_OK) {
		return rc;
	}
	json_int_t index = json_integer_value(primary);
	route.primary = index >= 0 && index < (json_int_t)route.server_count
				? (uint32_t)index
				: (uint32_t)ROUTE_SERVERS_MAX;
	*ret = route;
	return ERR_OK;
}

/* ---------------------------------------------------------------- accounts */

enum { FIELD_COUNT = 4 };

static json_t *hex_json(struct str bytes)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * ACCOUNT_FIELD_BYTES_MAX];
	check(bytes.len <= ACCOUNT_FIELD_BYTES_MAX);
	for (size_t i = 0; i < bytes.len; i++) {
		text[i * 2] = digits[(uint8_t)bytes.ptr[i] >> 4];
		text[i * 2 + 1] = digits[(uint8_t)bytes.ptr[i] & 15];
	}
	return json_stringn(text, bytes.len * 2);
}

json_t *route_json_write_accounts(const struct accounts *accounts)
{
	const struct accounts_facts *facts = accounts_get_facts(accounts);
	json_t *rows = json_array();
	for (size_t i = 0; i < accounts_count(accounts); i++) {
		const struct account *row = accounts_get(accounts, i);
		json_t *one =
			json_pack("[o, o, o, o, b]", hex_json(row->user), hex_json(row->host),
				  hex_json(row->plugin), hex_json(row->auth), (int)row->locked);
		check(one && json_array_append_new(rows, one) == 0);
	}
	json_t *json = json_pack("{s:o, s:o, s:I, s:i, s:b, s:o}", "version",
				 hex_json(str_of(facts->server_version)), "plugin",
				 hex_json(str_of(facts->default_plugin)), "capabilities",
				 (json_int_t)facts->capabilities, "charset", (int)facts->charset,
				 "mariadb", (int)facts->mariadb, "rows", rows);
	check(json);
	return json;
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ret: a view of `memory`. */
static bool read_hex(const json_t *json, char memory[ACCOUNT_FIELD_BYTES_MAX], struct str *ret)
{
	const char *text = json_string_value(json);
	size_t count = json_string_length(json);
	if (!text || count % 2 || count > 2 * (size_t)ACCOUNT_FIELD_BYTES_MAX) {
		return false;
	}
	for (size_t i = 0; i < count; i += 2) {
		int high = digit_of(text[i]);
		int low = digit_of(text[i + 1]);
		if (high < 0 || low < 0) {
			return false;
		}
		memory[i / 2] = (char)(high * 16 + low);
	}
	*ret = (struct str){ memory, count / 2 };
	return true;
}

static enum err read_account(const json_t *json, struct accounts *to, struct err_ctx *err)
{
	char memory[FIELD_COUNT][ACCOUNT_FIELD_BYTES_MAX];
	struct str fields[FIELD_COUNT];
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (!read_hex(json_array_get(json, i), memory[i], &fields[i])) {
			return err_set(err, ERR_PARSE, "an account's field is malformed");
		}
	}
	const struct account account = { .user = fields[0],
					 .host = fields[1],
					 .plugin = fields[2],
					 .auth = fields[3],
					 .locked =
						 json_is_true(json_array_get(json, FIELD_COUNT)) };
	return accounts_add(to, &account, err);
}

/* What a server says of itself may be any bytes. */
static enum err read_bytes(const json_t *json, const char *key, char *to, size_t bytes,
			   struct err_ctx *err)
{
	char memory[ACCOUNT_FIELD_BYTES_MAX];
	struct str text;
	if (!read_hex(json_object_get(json, key), memory, &text) ||
	    str_copy(text, to, bytes) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'%s' is missing or too long", key);
	}
	return ERR_OK;
}

static enum err read_facts(const json_t *json, struct accounts_facts *ret, struct err_ctx *err)
{
	uint64_t capabilities = 0;
	uint64_t charset = 0;
	enum err rc =
		read_bytes(json, "version", ret->server_version, sizeof(ret->server_version), err);
	rc = rc ? rc
		: read_bytes(json, "plugin", ret->default_plugin, sizeof(ret->default_plugin), err);
	rc = rc ? rc : json_read_number(json, "capabilities", UINT32_MAX, &capabilities, err);
	rc = rc ? rc : json_read_number(json, "charset", UINT8_MAX, &charset, err);
	ret->capabilities = (uint32_t)capabilities;
	ret->charset = (uint8_t)charset;
	ret->mariadb = json_is_true(json_object_get(json, "mariadb"));
	return rc;
}

enum err route_json_read_accounts(const json_t *json, struct accounts **ret, struct err_ctx *err)
{
	struct accounts_facts facts = { 0 };
	const json_t *rows = json_object_get(json, "rows");
	enum err rc = read_facts(json, &facts, err);
	if (rc == ERR_OK && !json_is_array(rows)) {
		rc = err_set(err, ERR_PARSE, "'rows' is no list");
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct accounts *accounts = accounts_new(&facts);
	for (size_t i = 0; i < json_array_size(rows) && rc == ERR_OK; i++) {
		rc = read_account(json_array_get(rows, i), accounts, err);
	}
	if (rc != ERR_OK) {
		(void)accounts_unref(accounts);
		return rc;
	}
	accounts_seal(accounts);
	*ret = accounts;
	return ERR_OK;
}
