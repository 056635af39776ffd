/* What people are told about floating addresses: events, and how each stands. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "manager/addresses/addresses_internal.h"

enum {
	EVENT_BYTES_MAX = 512,
	UNHELD_S = 4, /* longer than a move that waits for a lease */
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

void addresses_tell(struct manager_core *core, const struct managed_address *address,
		    enum log_level level, const char *evt, const char *message)
{
	char text[EVENT_BYTES_MAX];
	const struct group *group = addresses_group(core, address->group);
	(void)snprintf(text, sizeof(text), "%s %s", address->record.text, message);
	const struct event event = { .level = level,
				     .evt = evt,
				     .group = address->group,
				     .epoch = group ? group->record.epoch : 0,
				     .message = text };
	event_log_add(core->events, &event);
}

void addresses_tell_move(struct manager_core *core, const struct managed_address *address)
{
	char text[EVENT_BYTES_MAX];
	(void)snprintf(text, sizeof(text), "goes to node %s: %s", address->record.holder,
		       address->why);
	addresses_tell(core, address, LOG_INFO, "address.moved", text);
}

static const struct managed_node *find_holder(const struct manager_core *core,
					      const struct managed_address *address)
{
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	uint32_t count = addresses_nodes(core, nodes);
	for (uint32_t i = 0; i < count; i++) {
		if (address->record.holder[0] && addresses_is_holder(address, nodes[i])) {
			return nodes[i];
		}
	}
	return NULL;
}

/* States on the way to another one are not told. */
static const struct state_words {
	const char *state;
	enum log_level level;
	const char *evt;
	const char *words; /* the node's name follows */
} told_states[] = {
	{ "held", LOG_INFO, "address.held", "is held by node" },
	{ "conflict", LOG_WARN, "address.conflict", "is somebody else's: not taken by node" },
	{ "failed", LOG_WARN, "address.failed", "can't be taken by node" },
};

static const struct state_words *find_words(const char *state)
{
	for (size_t i = 0; i < sizeof(told_states) / sizeof(told_states[0]); i++) {
		if (strcmp(told_states[i].state, state) == 0) {
			return &told_states[i];
		}
	}
	return NULL;
}

static void tell_once(struct manager_core *core, struct managed_address *address,
		      enum log_level level, const char *evt, struct buf *words)
{
	const char *text = buf_text(words);
	if (strcmp(address->told, text) != 0) {
		(void)snprintf(address->told, sizeof(address->told), "%s", text);
		addresses_tell(core, address, level, evt, text);
	}
}

/* What its holder says of it. */
static void tell_report(struct manager_core *core, struct managed_address *address,
			const struct managed_node *node, const struct state_words *row)
{
	char text[sizeof(address->told)];
	struct buf words;
	const json_t *one = addresses_report(node, address->record.text);
	const char *rival = text_of(one, "rival");
	const char *why = text_of(one, "why");
	bool contested = json_is_true(json_object_get(one, "contested"));
	buf_init_fixed(&words, text, sizeof(text));
	buf_printf(&words, "%s %s", row->words, node->record.name);
	if (contested) {
		buf_printf(&words, ", and %.20s says that he has it, too", rival);
	} else if (rival[0]) {
		buf_printf(&words, " (%.20s has it)", rival);
	} else if (row->level != LOG_INFO && why[0]) {
		buf_printf(&words, ": %.100s", why);
	}
	tell_once(core, address, contested ? LOG_WARN : row->level,
		  contested ? "address.contested" : row->evt, &words);
}

void addresses_tell_state(struct manager_core *core, struct managed_address *address,
			  uint64_t now_us)
{
	const struct managed_node *holder = find_holder(core, address);
	const struct state_words *row =
		holder ? find_words(addresses_state(holder, address->record.text)) : NULL;
	bool resting = address->hold || address->record.removing;
	address->unheld_us = resting ? 0 : address->unheld_us ? address->unheld_us : now_us;
	if (row && address->hold) {
		tell_report(core, address, holder, row);
	} else if (!resting && now_us >= address->unheld_us + (uint64_t)UNHELD_S * US_PER_S) {
		char text[sizeof(address->told)];
		struct buf words;
		buf_init_fixed(&words, text, sizeof(text));
		buf_printf(&words, "is not held: %s", address->why);
		tell_once(core, address, LOG_WARN, "address.unheld", &words);
	}
}

/* ---------------------------------------------------------------- JSON */

static json_t *node_json(struct manager_core *core, const struct managed_address *address,
			 const struct managed_node *node, uint64_t now_us)
{
	struct address_node seen;
	const char *why = "";
	const json_t *one = addresses_report(node, address->record.text);
	addresses_see(core, address, node, now_us, &seen);
	bool fit = address_is_fit(&address->record, &seen, &why);
	const char *said = text_of(one, "why");
	json_t *json =
		json_pack("{s:s, s:b, s:s, s:b, s:s, s:b}", "node", node->record.name, "fit",
			  (int)fit, "why", !seen.able && said[0] ? said : why, "able",
			  (int)seen.able, "state", addresses_state(node, address->record.text),
			  "may_hold", (int)(seen.may_hold && !seen.absent));
	check(json);
	return json;
}

static json_t *nodes_json(struct manager_core *core, const struct managed_address *address,
			  uint64_t now_us)
{
	const struct managed_node *nodes[LEASE_NODES_MAX + 1];
	uint32_t count = addresses_nodes(core, nodes);
	json_t *list = json_array();
	for (uint32_t i = 0; i < count; i++) {
		check(json_array_append_new(list, node_json(core, address, nodes[i], now_us)) == 0);
	}
	return list;
}

/* A manager that doesn't lead knows the record alone. */
static const char *state_of(const struct manager_core *core, const struct managed_address *address,
			    const struct managed_node *holder)
{
	if (!core->role.leading) {
		return address->record.holder[0] ? "given" : "nobody";
	}
	if (!address->record.holder[0]) {
		return "nobody";
	}
	const char *state = holder ? addresses_state(holder, address->record.text) : "unknown";
	return address->hold || strcmp(state, "held") != 0 ? state : "releasing";
}

json_t *addresses_to_json(struct manager_core *core, const struct managed_address *address,
			  bool nodes, uint64_t now_us)
{
	const struct address_record *record = &address->record;
	const struct managed_node *holder = core->role.leading ? find_holder(core, address) : NULL;
	const json_t *one = holder ? addresses_report(holder, record->text) : NULL;
	const char *said = text_of(one, "why");
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:b, s:s, s:s?, s:s, s:s, s:s, s:b, s:s, s:b}", "address",
		record->text, "group", address->group, "at", address_place_name(record->place),
		"fail_back", (int)record->fail_back, "prefer", record->prefer, "holder",
		record->holder[0] ? record->holder : NULL, "state", state_of(core, address, holder),
		"interface", text_of(one, "interface"), "rival", text_of(one, "rival"), "contested",
		(int)json_is_true(json_object_get(one, "contested")), "why",
		said[0] ? said : address->why, "removing", (int)record->removing);
	check(json);
	if (nodes) {
		check(json_object_set_new(json, "nodes", nodes_json(core, address, now_us)) == 0);
	}
	return json;
}
