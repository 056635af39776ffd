/* store.show: where the record is, who leads, and how what holds it is doing. store.migrate: to another store. */
#include <stdio.h>
#include <string.h>

#include "manager/calls/call.h"
#include "manager/move.h"
#include "manager/records/text_json.h"

static json_t *member_json(const struct store_etcd_member *member)
{
	return json_pack(
		"{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "url", member->url, "answers",
		(int)member->answers, "role",
		member->answers ? json_string(member->is_leader	   ? "leader"
					      : member->has_leader ? "follower"
								   : "no leader")
				: json_null(),
		"version", member->answers ? json_string(member->version) : json_null(), "revision",
		member->answers ? json_integer((json_int_t)member->revision) : json_null(), "bytes",
		member->answers ? json_integer((json_int_t)member->bytes) : json_null(), "problem",
		member->words[0] ? text_to_json(str_of(member->words)) : json_null());
}

/* Asking the members may take as long as each of them needs. */
enum err call_store_show_prepare(const struct manager_core *core, struct call *call,
				 struct err_ctx *err)
{
	struct store_place place;
	struct store_etcd_member members[STORE_ETCD_ENDPOINTS_MAX];
	size_t count = 0;
	role_place(core, &place);
	call->notes = json_array();
	enum err rc = ERR_OK;
	if (place.kind == STORE_ETCD) {
		const struct store_etcd_options etcd =
			store_place_etcd(&place, core->options.clock);
		rc = store_etcd_look(&etcd, members, &count, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < count; i++) {
		(void)json_array_append_new(call->notes, member_json(&members[i]));
	}
	secret_wipe(&place.password);
	return rc;
}

enum err call_store_show(struct manager_core *core, struct call *call, json_t **ret,
			 struct err_ctx *err)
{
	(void)err;
	json_t *json = role_to_json(core);
	(void)json_object_set_new(
		json, "kind",
		json_string(core->options.place.kind == STORE_SQLITE ? "sqlite" : "etcd"));
	(void)json_object_set(json, "members", call->notes);
	*ret = json;
	return ERR_OK;
}

/* Blocks the manager's thread for as long as the copy takes: nothing is decided in the middle of a move. */
enum err call_store_migrate(struct manager_core *core, struct call *call, json_t **ret,
			    struct err_ctx *err)
{
	struct store_place to;
	char from[STORE_TEXT_BYTES_MAX];
	enum err rc = store_place_from_json(json_object_get(call->params, "to"), &to, err);
	if (rc != ERR_OK) {
		return rc;
	}
	(void)snprintf(from, sizeof(from), "%s", store_text(core->options.store));
	rc = move_begin(core, &to, err);
	if (rc != ERR_OK) {
		return rc;
	}
	/* The end of the move, and the new store; what can't be done now is tried again by the turns that follow. */
	(void)role_turn(core);
	char text[STORE_TEXT_BYTES_MAX];
	store_place_text(&to, text, sizeof(text));
	*ret = json_pack("{s:s, s:s, s:b}", "from", from, "to", text, "ended",
			 (int)!core->role.left);
	return ERR_OK;
}
