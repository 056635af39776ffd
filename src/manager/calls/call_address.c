/* address.add, address.list, address.move, address.remove, address.show: what people do about floating addresses. */
#include <stdio.h>
#include <string.h>

#include "agent/address.h"
#include "base/check.h"
#include "manager/addresses/address_record.h"
#include "manager/addresses/addresses.h"
#include "manager/addresses/addresses_internal.h"
#include "manager/calls/call.h"

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

static uint64_t now_of(const struct manager_core *core)
{
	return clock_monotonic_us(core->options.clock);
}

/* ---------------------------------------------------------------- reading */

json_t *addresses_of_group(struct manager_core *core, const char *group)
{
	json_t *list = json_array();
	LIST_EACH (&core->addresses->list, at) {
		const struct managed_address *one = LIST_ENTRY(at, struct managed_address, list);
		if (!group || strcmp(one->group, group) == 0) {
			check(json_array_append_new(list, addresses_to_json(core, one, false,
									    now_of(core))) == 0);
		}
	}
	return list;
}

enum err call_address_list(struct manager_core *core, struct call *call, json_t **ret,
			   struct err_ctx *err)
{
	const char *group = text_of(call->params, "group");
	if (group[0] && !addresses_group(core, group)) {
		return err_set(err, ERR_NOT_FOUND, "there is no group '%.64s'", group);
	}
	*ret = json_pack("{s:o}", "addresses", addresses_of_group(core, group[0] ? group : NULL));
	return ERR_OK;
}

static enum err find(struct manager_core *core, const struct call *call,
		     struct managed_address **ret, struct err_ctx *err)
{
	const char *text = text_of(call->params, "address");
	struct address address;
	if (address_record_parse(str_of(text), &address, err) != ERR_OK) {
		(void)!err_wrap(err, ERR_USAGE, "address");
		return ERR_USAGE;
	}
	*ret = addresses_find(core->addresses, text);
	if (!*ret) {
		(void)!err_set(err, ERR_NOT_FOUND, "'%.64s' is no floating address here", text);
		return ERR_NOT_FOUND;
	}
	return ERR_OK;
}

enum err call_address_show(struct manager_core *core, struct call *call, json_t **ret,
			   struct err_ctx *err)
{
	struct managed_address *address = NULL;
	enum err rc = find(core, call, &address, err);
	if (rc == ERR_OK) {
		*ret = addresses_to_json(core, address, true, now_of(core));
	}
	return rc;
}

/* ---------------------------------------------------------------- adding */

static enum err check_node(struct manager_core *core, const char *name,
			   const struct managed_node **ret, struct err_ctx *err)
{
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	uint32_t count = addresses_nodes(core, nodes);
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(nodes[i]->record.name, name) == 0) {
			*ret = nodes[i];
			return ERR_OK;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "there is no node '%.64s'", name);
}

/* Where a server or a node is reached is theirs for good. */
static enum err check_stranger(struct manager_core *core, const struct address *address,
			       struct err_ctx *err)
{
	char ip[ADDRESS_IP_BYTES_MAX];
	address_print_ip(address, ip);
	LIST_EACH (&core->groups, at) {
		const struct record *record = &LIST_ENTRY(at, struct group, list)->record;
		for (uint32_t i = 0; i < record->server_count; i++) {
			if (strcmp(record->servers[i].host, ip) == 0) {
				return err_set(err, ERR_REFUSED,
					       "%s is the address of server '%s' of group '%s': a "
					       "floating address is one more",
					       ip, record->servers[i].name, record->group);
			}
		}
	}
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	uint32_t count = addresses_nodes(core, nodes);
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(nodes[i]->record.host, ip) == 0) {
			return err_set(err, ERR_REFUSED,
				       "%s is the address of node '%s': a floating address is one "
				       "more",
				       ip, nodes[i]->record.name);
		}
	}
	return ERR_OK;
}

static enum err read_new(struct manager_core *core, const json_t *params,
			 struct address_record *ret, struct err_ctx *err)
{
	struct address address;
	const char *prefer = text_of(params, "prefer");
	const struct managed_node *node = NULL;
	const struct managed_address *other = NULL;
	if (address_parse(str_of(text_of(params, "address")), &address, err) != ERR_OK) {
		return err_wrap(err, ERR_USAGE, "address");
	}
	address_print(&address, ret->text);
	enum err rc = address_record_parse_place(str_of(text_of(params, "at")), &ret->place, err);
	if (rc != ERR_OK) {
		return err_wrap(err, rc, "at");
	}
	if (prefer[0] && ret->place == ADDRESS_AT_PRIMARY) {
		return err_set(err, ERR_USAGE,
			       "prefer: an address at the primary follows it, wherever it is");
	}
	rc = prefer[0] ? check_node(core, prefer, &node, err) : ERR_OK;
	rc = rc ? rc : check_stranger(core, &address, err);
	if (rc != ERR_OK) {
		return rc;
	}
	other = addresses_find(core->addresses, ret->text);
	if (other) {
		return err_set(err, ERR_EXISTS, "'%s' is a floating address of group '%s' already",
			       other->record.text, other->group);
	}
	ret->fail_back = json_is_true(json_object_get(params, "fail_back"));
	/* Whoever can hold it first does, until the preferred node says that it can, too. */
	ret->moving = prefer[0] != 0;
	return str_copy(str_of(prefer), ret->prefer, sizeof(ret->prefer));
}

static json_t *name_concerned(struct manager_core *core, const char *group,
			      const struct address_record *record)
{
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	uint32_t count = addresses_nodes(core, nodes);
	json_t *names = json_array();
	for (uint32_t i = 0; i < count; i++) {
		const struct node_record *node = &nodes[i]->record;
		const char *of =
			record->place == ADDRESS_AT_PRIMARY ? node->server_group : node->group;
		if (!node->removed && strcmp(of, group) == 0) {
			check(json_array_append_new(names, json_string(node->name)) == 0);
		}
	}
	return names;
}

/* Nobody could hold it as things are. */
static void warn(json_t *result, const struct address_record *record, const json_t *names)
{
	if (json_array_size(names) == 0) {
		const char *text =
			record->place == ADDRESS_AT_PRIMARY
				? "no node has a server of this group registered on it: "
				  "[agent] server in its configuration, or `muster "
				  "register` there"
				: "no node carries clients to this group: [proxy] group in "
				  "its configuration";
		check(json_object_set_new(result, "warnings", json_pack("[s]", text)) == 0);
	}
}

enum err call_address_add(struct manager_core *core, struct call *call, json_t **ret,
			  struct err_ctx *err)
{
	struct group *group = NULL;
	struct address_record record = { 0 };
	uint32_t count = 0;
	enum err rc = call_group(core, call->params, &group, err);
	rc = rc ? rc : read_new(core, call->params, &record, err);
	LIST_EACH (&core->addresses->list, at) {
		count++;
	}
	if (rc == ERR_OK && count >= ADDRESSES_MAX) {
		rc = err_set(err, ERR_LIMIT, "there are %d floating addresses already",
			     (int)ADDRESSES_MAX);
	}
	bool dry = call_is_dry(call);
	if (rc == ERR_OK && !dry) {
		rc = addresses_put(core, group->record.group, &record, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *names = name_concerned(core, group->record.group, &record);
	*ret = json_pack("{s:s, s:s, s:s, s:b, s:o, s:s}", "address", record.text, "group",
			 group->record.group, "at", address_place_name(record.place), "dry_run",
			 (int)dry, "nodes", names, "text",
			 dry ? "would be on the record, and with one of these nodes"
			     : "is on the record; a node is told to hold it");
	check(*ret);
	warn(*ret, &record, names);
	if (!dry) {
		addresses_tell(core, addresses_find(core->addresses, record.text), LOG_INFO,
			       "address.added",
			       record.place == ADDRESS_AT_PRIMARY ? "is to be at the primary"
								  : "is to be at a proxy");
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- changing */

static enum err change(struct manager_core *core, const struct managed_address *address,
		       const struct address_record *next, const char *text, json_t **ret,
		       struct err_ctx *err)
{
	enum err rc = addresses_put(core, address->group, next, err);
	if (rc == ERR_OK) {
		*ret = json_pack("{s:s, s:s, s:s}", "address", next->text, "group", address->group,
				 "text", text);
	}
	return rc;
}

enum err call_address_remove(struct manager_core *core, struct call *call, json_t **ret,
			     struct err_ctx *err)
{
	struct managed_address *address = NULL;
	enum err rc = find(core, call, &address, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct address_record next = address->record;
	next.removing = true;
	return change(core, address, &next,
		      next.holder[0] ? "is let go by its holder, and forgotten then"
				     : "is forgotten",
		      ret, err);
}

enum err call_address_move(struct manager_core *core, struct call *call, json_t **ret,
			   struct err_ctx *err)
{
	struct managed_address *address = NULL;
	const struct managed_node *node = NULL;
	struct address_node seen;
	const char *to = text_of(call->params, "to");
	const char *why = "";
	enum err rc = find(core, call, &address, err);
	if (rc == ERR_OK) {
		rc = check_node(core, to, &node, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (address->record.place == ADDRESS_AT_PRIMARY) {
		return err_set(err, ERR_REFUSED,
			       "%s is at the primary and moves with it: `muster switchover`",
			       address->record.text);
	}
	addresses_see(core, address, node, now_of(core), &seen);
	if (!address_is_fit(&address->record, &seen, &why)) {
		const char *said = text_of(addresses_report(node, address->record.text), "why");
		return err_set(err, ERR_REFUSED, "node '%s' can't take it: %s", node->record.name,
			       !seen.able && said[0] ? said : why);
	}
	struct address_record next = address->record;
	next.moving = strcmp(next.holder, to) != 0;
	check(str_copy(str_of(node->record.name), next.prefer, sizeof(next.prefer)) == ERR_OK);
	return change(core, address, &next,
		      next.moving ? "moves as soon as its holder has let go" : "is there already",
		      ret, err);
}
