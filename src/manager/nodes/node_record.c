#include "manager/nodes/node_record.h"

#include <string.h>

#include "agent/json_read.h"
#include "base/check.h"

static const struct {
	enum node_role role;
	const char *name;
} roles[] = { { NODE_PROXY, "proxy" }, { NODE_AGENT, "agent" }, { NODE_MANAGER, "manager" } };

enum { ROLE_COUNT = sizeof(roles) / sizeof(roles[0]) };

json_t *node_record_roles(uint32_t set)
{
	json_t *list = json_array();
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		if (set & roles[i].role) {
			check(json_array_append_new(list, json_string(roles[i].name)) == 0);
		}
	}
	return list;
}

static uint32_t find_role(struct str name)
{
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		if (str_equal(name, str_of(roles[i].name))) {
			return roles[i].role;
		}
	}
	return 0;
}

enum err node_record_parse_roles(struct str text, uint32_t *ret, struct err_ctx *err)
{
	uint32_t set = 0;
	struct str word;
	while (str_next(&text, ',', &word)) {
		uint32_t role = find_role(str_trim(word));
		if (!role || role == NODE_MANAGER) {
			return err_set(err, ERR_USAGE, "role '%.*s' is none of proxy, agent",
				       STR_ARG(word));
		}
		set |= role;
	}
	if (!set) {
		return err_set(err, ERR_USAGE, "a role is needed: proxy, agent, or both");
	}
	*ret = set;
	return ERR_OK;
}

static json_t *services_json(const struct node_record *record)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < record->service_count; i++) {
		check(json_array_append_new(list, json_string(record->services[i])) == 0);
	}
	return list;
}

json_t *node_record_write(const struct node_record *record)
{
	json_t *json = json_pack(
		"{s:i, s:s, s:s, s:o, s:s, s:i, s:s, s:b, s:b, s:I, s:s, s:s, s:o}", "format",
		NODE_RECORD_FORMAT, "name", record->name, "id", record->id, "roles",
		node_record_roles(record->roles), "host", record->host, "port", (int)record->port,
		"group", record->group, "draining", (int)record->draining, "removed",
		(int)record->removed, "joined_us", (json_int_t)record->joined_us, "server_group",
		record->server_group, "server", record->server, "services", services_json(record));
	check(json);
	return json;
}

static enum err read_services(const json_t *json, struct node_record *ret, struct err_ctx *err)
{
	const json_t *list = json_object_get(json, "services");
	if (!json_is_array(list) || json_array_size(list) > SERVICES_MAX) {
		return err_set(err, ERR_PARSE, "'services' is no list of at most %d",
			       (int)SERVICES_MAX);
	}
	ret->service_count = (uint32_t)json_array_size(list);
	for (uint32_t i = 0; i < ret->service_count; i++) {
		struct str name = str_of(json_string_value(json_array_get(list, i)));
		if (!service_is_name(name) ||
		    str_copy(name, ret->services[i], SERVICE_NAME_BYTES_MAX) != ERR_OK) {
			return err_set(err, ERR_PARSE, "services[%u] is no name", i);
		}
	}
	return ERR_OK;
}

enum err node_record_read(const json_t *json, struct node_record *ret, struct err_ctx *err)
{
	struct node_record record = { 0 };
	uint64_t format = 0;
	uint64_t port = 0;
	size_t i;
	json_t *role;
	enum err rc = json_read_number(json, "format", NODE_RECORD_FORMAT, &format, err);
	rc = rc ? rc : json_read_text(json, "name", record.name, sizeof(record.name), err);
	rc = rc ? rc : json_read_text(json, "id", record.id, sizeof(record.id), err);
	rc = rc ? rc : json_read_text(json, "host", record.host, sizeof(record.host), err);
	rc = rc ? rc : json_read_number(json, "port", UINT16_MAX, &port, err);
	rc = rc ? rc : json_read_text(json, "group", record.group, sizeof(record.group), err);
	rc = rc ? rc : json_read_number(json, "joined_us", INT64_MAX, &record.joined_us, err);
	rc = rc ? rc
		: json_read_text(json, "server_group", record.server_group,
				 sizeof(record.server_group), err);
	rc = rc ? rc : json_read_text(json, "server", record.server, sizeof(record.server), err);
	rc = rc ? rc : read_services(json, &record, err);
	if (rc != ERR_OK) {
		return rc;
	}
	json_array_foreach(json_object_get(json, "roles"), i, role)
	{
		record.roles |= find_role(str_of(json_string_value(role)));
	}
	record.port = (uint16_t)port;
	record.draining = json_is_true(json_object_get(json, "draining"));
	record.removed = json_is_true(json_object_get(json, "removed"));
	*ret = record;
	return ERR_OK;
}
