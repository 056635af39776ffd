#include "manager/beside.h"

#include <string.h>

#include "agent/caller.h"

bool beside_find(const struct manager_core *core, const char *text, const struct group **ret_group,
		 const char **ret_server)
{
	struct caller_address address;
	if (!text[0] || caller_parse_address(str_of(text), &address, NULL) != ERR_OK) {
		return false;
	}
	LIST_EACH (&core->groups, at) {
		const struct group *group = LIST_ENTRY(at, struct group, list);
		for (uint32_t i = 0; i < group->record.server_count; i++) {
			const struct record_server *server = &group->record.servers[i];
			if (server->port == address.port &&
			    strcmp(server->host, address.host) == 0) {
				*ret_group = group;
				*ret_server = server->name;
				return true;
			}
		}
	}
	return false;
}

/* Between two primaries there is none: the address is to be gone from the old one when the new one is made. */
static bool has_primary(enum group_state state)
{
	switch (state) {
	case GROUP_STEADY:
	case GROUP_OPENING:
	case GROUP_DRAINING:
	case GROUP_FREEZING:
	case GROUP_UNDOING:
		return true;
	case GROUP_FORMING:
	case GROUP_REVOKING:
	case GROUP_REFUSED:
	case GROUP_STATE_COUNT_:
		break;
	}
	return false;
}

bool beside_primary(const struct group *group, const struct node_record *node)
{
	const struct record *record = &group->record;
	return record->primary != SERVER_NONE && has_primary(record->state) &&
	       strcmp(node->server_group, record->group) == 0 &&
	       strcmp(node->server, record->servers[record->primary].name) == 0;
}
