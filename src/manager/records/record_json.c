#include "manager/records/record_json.h"

#include <string.h>

#include "agent/json_read.h"
#include "base/mem.h"

json_t *gtid_to_json(const struct gtid_set *set)
{
	struct buf text;
	buf_init(&text, GTID_TEXT_BYTES_MAX);
	gtid_set_print(set, &text);
	json_t *json = json_stringn(text.len ? (const char *)text.ptr : "", text.len);
	buf_fini(&text);
	return json;
}

enum err gtid_from_json(const json_t *json, struct gtid_set *ret, struct err_ctx *err)
{
	if (!json_is_string(json)) {
		return err_set(err, ERR_PARSE, "a GTID set must be a string");
	}
	struct str text = { json_string_value(json), json_string_length(json) };
	/* Only MySQL's form has colons. */
	enum gtid_flavor flavor = str_contains(text, STR(":")) ? GTID_MYSQL : GTID_MARIADB;
	return gtid_set_parse(text, flavor, ret, err);
}

struct record_moment record_moment_now(const struct clock *clock)
{
	return (struct record_moment){ .monotonic_us = clock_monotonic_us(clock),
				       .wall_us = clock_wall_us(clock) };
}

/* What lies before the epoch of the wall clock is as old as can be. */
static json_t *time_to_json(int64_t monotonic_us, const struct record_moment *now)
{
	int64_t age_us = (int64_t)now->monotonic_us - monotonic_us;
	int64_t wall_us = (int64_t)now->wall_us - age_us;
	return json_integer(wall_us > 0 ? wall_us : 0);
}

static int64_t time_from_json(const json_t *json, const struct record_moment *now)
{
	int64_t age_us = (int64_t)now->wall_us - json_integer_value(json);
	return (int64_t)now->monotonic_us - (age_us > 0 ? age_us : 0);
}

/* That lies ahead, or did when it was stored. */
static int64_t end_from_json(const json_t *json, const struct record_moment *now)
{
	int64_t left_us = json_integer_value(json) - (int64_t)now->wall_us;
	int64_t end_us = (int64_t)now->monotonic_us + left_us;
	return end_us != 0 ? end_us : 1;
}

static json_t *failovers_to_json(const struct record *record, const struct record_moment *now)
{
	json_t *times = json_array();
	for (uint32_t i = 0; i < record->failover_count; i++) {
		(void)json_array_append_new(times, time_to_json(record->failovers_us[i], now));
	}
	return times;
}

static json_t *downtime_to_json(const struct record_server *server, const struct record_moment *now)
{
	return server->downtime_until_us == 0
		       ? json_null()
		       : json_pack("{s:o, s:s}", "until_us",
				   time_to_json(server->downtime_until_us, now), "why",
				   server->downtime_why);
}

static json_t *server_to_json(const struct record_server *server, const struct record_moment *now)
{
	return json_pack(
		"{s:s, s:s, s:i, s:i, s:b, s:b, s:o, s:b, s:b, s:I, s:b, s:s, s:s, s:o, s:s}",
		"name", server->name, "host", server->host, "port", (int)server->port, "weight",
		(int)server->weight, "never_promote", server->never_promote, "diverged",
		server->diverged, "extra", gtid_to_json(&server->extra), "may_rewind",
		server->may_rewind, "acknowledges", server->acknowledges, "started",
		(json_int_t)server->started_s, "recloning", server->recloning, "uuid", server->uuid,
		"dc", server->dc, "downtime", downtime_to_json(server, now), "parallel_mode",
		server->parallel_mode);
}

/* Servers are named, not numbered, so that the text can be read. */
static json_t *name_to_json(const struct record *record, uint32_t server)
{
	return server < record->server_count ? json_string(record->servers[server].name)
					     : json_null();
}

static json_t *sync_set_to_json(const struct record *record)
{
	json_t *names = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (record_is_member(record, i)) {
			(void)json_array_append_new(names, json_string(record->servers[i].name));
		}
	}
	return names;
}

static json_t *pair_to_json(const struct record *record)
{
	const struct record_pair *pair = &record->pair;
	if (!pair->set) {
		return json_null();
	}
	return json_pack("{s:[o, o], s:i, s:s, s:o, s:s, s:b, s:o, s:i, s:s, s:s, s:i, s:I, s:i}",
			 "masters", name_to_json(record, pair->masters[0]),
			 name_to_json(record, pair->masters[1]), "domain", (int)pair->domain,
			 "state", pair_state_name(pair->state), "out",
			 name_to_json(record, pair->out), "ask", pair_ask_name(pair->ask),
			 "discard", (int)pair->discard, "change", gtid_to_json(&pair->change),
			 "home_domain", (int)pair->home_domain, "what", pair->what, "script",
			 pair->script, "script_done", (int)pair->script_done, "script_mark",
			 (json_int_t)pair->script_mark, "ended", (int)pair->ended);
}

json_t *record_to_json(const struct record *record, const struct record_moment *now)
{
	json_t *servers = json_array();
	for (uint32_t i = 0; i < record->server_count; i++) {
		json_t *server = server_to_json(&record->servers[i], now);
		(void)json_object_set_new(server, "below",
					  name_to_json(record, record_parent(record, i)));
		(void)json_array_append_new(servers, server);
	}
	return json_pack(
		"{s:i, s:s, s:s, s:b, s:I, s:I, s:s, s:o, s:o, s:o, s:i, s:o, s:s, s:o, s:b, s:o, "
		"s:b, s:i, s:b, s:b, s:o, s:o}",
		"format", RECORD_FORMAT, "group", record->group, "policy",
		policy_name(record->policy), "paused", record->paused, "version",
		(json_int_t)record->version, "epoch", (json_int_t)record->epoch, "state",
		group_state_name(record->state), "primary", name_to_json(record, record->primary),
		"previous", name_to_json(record, record->previous), "sync_set",
		sync_set_to_json(record), "acks", (int)record->acks, "base",
		gtid_to_json(&record->base), "ask", ask_name(record->ask), "ask_server",
		name_to_json(record, record->ask_server), "ask_accept_loss",
		record->ask_accept_loss, "failovers_us", failovers_to_json(record, now), "cooling",
		record->cooling, "max_loss_s", (int)record->max_loss_s, "stay_in_dc",
		record->stay_in_dc, "stalled", record->stalled, "servers", servers, "pair",
		pair_to_json(record));
}

/* Not in format 1. */
static enum err read_settings(const json_t *json, const struct record_moment *now,
			      struct record_server *ret, struct err_ctx *err)
{
	const json_t *downtime = json_object_get(json, "downtime");
	enum err rc = ERR_OK;
	if (json_object_get(json, "parallel_mode")) {
		rc = json_read_text(json, "parallel_mode", ret->parallel_mode,
				    sizeof(ret->parallel_mode), err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (json_object_get(json, "dc")) {
		rc = json_read_text(json, "dc", ret->dc, sizeof(ret->dc), err);
	}
	if (rc == ERR_OK && json_is_object(downtime)) {
		rc = json_read_text(downtime, "why", ret->downtime_why, sizeof(ret->downtime_why),
				    err);
		ret->downtime_until_us = end_from_json(json_object_get(downtime, "until_us"), now);
	}
	return rc;
}

static enum err read_server(const json_t *json, const struct record_moment *now,
			    struct record_server *ret, struct err_ctx *err)
{
	uint64_t port = 0;
	uint64_t weight = 0;
	enum err rc = json_read_text(json, "name", ret->name, sizeof(ret->name), err);
	rc = rc ? rc : json_read_text(json, "host", ret->host, sizeof(ret->host), err);
	rc = rc ? rc : json_read_number(json, "port", UINT16_MAX, &port, err);
	rc = rc ? rc : json_read_number(json, "weight", UINT32_MAX, &weight, err);
	rc = rc ? rc : gtid_from_json(json_object_get(json, "extra"), &ret->extra, err);
	rc = rc ? rc : read_settings(json, now, ret, err);
	ret->port = (uint16_t)port;
	ret->weight = (uint32_t)weight;
	ret->never_promote = json_is_true(json_object_get(json, "never_promote"));
	ret->diverged = json_is_true(json_object_get(json, "diverged"));
	ret->may_rewind = json_is_true(json_object_get(json, "may_rewind"));
	ret->acknowledges = json_is_true(json_object_get(json, "acknowledges"));
	ret->recloning = json_is_true(json_object_get(json, "recloning"));
	/* Records of older versions lack both: not known. */
	if (rc == ERR_OK && json_object_get(json, "uuid")) {
		rc = json_read_text(json, "uuid", ret->uuid, sizeof(ret->uuid), err);
	}
	if (rc == ERR_OK && json_object_get(json, "started")) {
		rc = json_read_number(json, "started", INT64_MAX, &ret->started_s, err);
	}
	return rc;
}

static enum err read_server_name(const struct record *record, const json_t *json, const char *key,
				 uint32_t *ret, struct err_ctx *err)
{
	const json_t *value = json_object_get(json, key);
	if (json_is_null(value)) {
		*ret = SERVER_NONE;
		return ERR_OK;
	}
	const char *name = json_string_value(value);
	uint32_t index = name ? record_find(record, name) : SERVER_NONE;
	if (index == SERVER_NONE) {
		return err_set(err, ERR_PARSE, "'%s' names no server of the group", key);
	}
	*ret = index;
	return ERR_OK;
}

static enum err read_sync_set(const json_t *json, struct record *ret, struct err_ctx *err)
{
	size_t i;
	json_t *name;
	json_array_foreach(json_object_get(json, "sync_set"), i, name)
	{
		const char *text = json_string_value(name);
		uint32_t server = text ? record_find(ret, text) : SERVER_NONE;
		if (server == SERVER_NONE) {
			return err_set(err, ERR_PARSE, "'sync_set' names no server of the group");
		}
		ret->sync_set |= 1u << server;
	}
	return ERR_OK;
}

/* Reads the word of `key` as one of `count` names. */
static enum err read_word(const json_t *json, const char *key, const char *(*name)(unsigned),
			  unsigned count, unsigned *ret, struct err_ctx *err)
{
	const char *text = json_string_value(json_object_get(json, key));
	for (unsigned i = 0; text && i < count; i++) {
		if (strcmp(text, name(i)) == 0) {
			*ret = i;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_PARSE, "'%s' is not a word that is known", key);
}

static const char *policy_word(unsigned i)
{
	return policy_name((enum policy)i);
}

static const char *state_word(unsigned i)
{
	return group_state_name((enum group_state)i);
}

static const char *ask_word(unsigned i)
{
	return ask_name((enum ask)i);
}

static const char *pair_state_word(unsigned i)
{
	return pair_state_name((enum pair_state)i);
}

static const char *pair_ask_word(unsigned i)
{
	return pair_ask_name((enum pair_ask)i);
}

static enum err read_master(const struct record *record, const json_t *name, uint32_t *ret,
			    struct err_ctx *err)
{
	*ret = json_is_string(name) ? record_find(record, json_string_value(name)) : SERVER_NONE;
	return *ret == SERVER_NONE
		       ? err_set(err, ERR_PARSE, "'masters' names no server of the group")
		       : ERR_OK;
}

/* Records of older versions have none. */
static enum err read_pair(const json_t *record, struct record *ret, struct err_ctx *err)
{
	struct record_pair *pair = &ret->pair;
	const json_t *json = json_object_get(record, "pair");
	const json_t *masters = json_object_get(json, "masters");
	uint64_t domain = 0;
	uint64_t home = 0;
	uint64_t done = 0;
	uint64_t ended = 0;
	unsigned state = 0;
	unsigned ask = 0;
	if (!json_is_object(json)) {
		return ERR_OK;
	}
	enum err rc = read_master(ret, json_array_get(masters, 0), &pair->masters[0], err);
	rc = rc ? rc : read_master(ret, json_array_get(masters, 1), &pair->masters[1], err);
	rc = rc ? rc : json_read_number(json, "domain", INT32_MAX, &domain, err);
	rc = rc ? rc : json_read_number(json, "home_domain", UINT32_MAX, &home, err);
	rc = rc ? rc : json_read_number(json, "script_done", UINT32_MAX, &done, err);
	rc = rc ? rc : json_read_number(json, "ended", UINT32_MAX, &ended, err);
	rc = rc ? rc : json_read_number(json, "script_mark", INT64_MAX, &pair->script_mark, err);
	rc = rc ? rc : read_word(json, "state", pair_state_word, PAIR_STATE_COUNT_, &state, err);
	rc = rc ? rc : read_word(json, "ask", pair_ask_word, PAIR_ASK_COUNT_, &ask, err);
	rc = rc ? rc : read_server_name(ret, json, "out", &pair->out, err);
	rc = rc ? rc : gtid_from_json(json_object_get(json, "change"), &pair->change, err);
	rc = rc ? rc : json_read_text(json, "what", pair->what, sizeof(pair->what), err);
	rc = rc ? rc : json_read_text(json, "script", pair->script, sizeof(pair->script), err);
	if (rc == ERR_OK && (state != PAIR_NONE) != (pair->out != SERVER_NONE)) {
		rc = err_set(err, ERR_PARSE, "'state' and 'out' contradict each other");
	}
	pair->set = rc == ERR_OK;
	pair->state = (enum pair_state)state;
	pair->ask = (enum pair_ask)ask;
	pair->discard = json_is_true(json_object_get(json, "discard"));
	pair->domain = (uint32_t)domain;
	pair->home_domain = (uint32_t)home;
	pair->script_done = (uint32_t)done;
	pair->ended = (uint32_t)ended;
	return rc ? err_wrap(err, rc, "pair") : ERR_OK;
}

static enum err read_words(const json_t *json, struct record *ret, struct err_ctx *err)
{
	unsigned policy = 0;
	unsigned state = 0;
	unsigned ask = 0;
	enum err rc = read_word(json, "policy", policy_word, POLICY_COUNT_, &policy, err);
	rc = rc ? rc : read_word(json, "state", state_word, GROUP_STATE_COUNT_, &state, err);
	rc = rc ? rc : read_word(json, "ask", ask_word, ASK_COUNT_, &ask, err);
	ret->policy = (enum policy)policy;
	ret->state = (enum group_state)state;
	ret->ask = (enum ask)ask;
	return rc;
}

/* Not in format 1. */
static enum err read_below(const json_t *json, uint32_t server, struct record *ret,
			   struct err_ctx *err)
{
	uint32_t parent = SERVER_NONE;
	if (!json_object_get(json, "below")) {
		return ERR_OK;
	}
	enum err rc = read_server_name(ret, json, "below", &parent, err);
	if (rc == ERR_OK && parent != SERVER_NONE) {
		ret->servers[server].below = parent + 1;
	}
	return rc;
}

static enum err read_servers(const json_t *json, const struct record_moment *now,
			     struct record *ret, struct err_ctx *err)
{
	const json_t *servers = json_object_get(json, "servers");
	if (!json_is_array(servers) || json_array_size(servers) > SERVERS_MAX) {
		return err_set(err, ERR_PARSE, "'servers' is not a list of at most %d",
			       SERVERS_MAX);
	}
	ret->server_count = (uint32_t)json_array_size(servers);
	for (uint32_t i = 0; i < ret->server_count; i++) {
		enum err rc = read_server(json_array_get(servers, i), now, &ret->servers[i], err);
		if (rc != ERR_OK) {
			return err_wrap(err, rc, "servers[%u]", i);
		}
	}
	for (uint32_t i = 0; i < ret->server_count; i++) {
		enum err rc = read_below(json_array_get(servers, i), i, ret, err);
		if (rc != ERR_OK) {
			return err_wrap(err, rc, "servers[%u]", i);
		}
	}
	return ERR_OK;
}

/* Not in format 1. */
static enum err read_failovers(const json_t *json, const struct record_moment *now,
			       struct record *ret, struct err_ctx *err)
{
	size_t i;
	const json_t *time;
	const json_t *times = json_object_get(json, "failovers_us");
	if (json_array_size(times) > FAILOVERS_KEPT) {
		return err_set(err, ERR_PARSE, "'failovers_us' has more than %d times",
			       FAILOVERS_KEPT);
	}
	json_array_foreach(times, i, time)
	{
		if (!json_is_integer(time)) {
			return err_set(err, ERR_PARSE, "'failovers_us' has what is no time");
		}
		ret->failovers_us[i] = time_from_json(time, now);
	}
	ret->failover_count = (uint32_t)json_array_size(times);
	ret->cooling = json_is_true(json_object_get(json, "cooling"));
	ret->stalled = json_is_true(json_object_get(json, "stalled"));
	ret->max_loss_s = (uint32_t)json_integer_value(json_object_get(json, "max_loss_s"));
	return ERR_OK;
}

enum err record_from_json(const json_t *json, const struct record_moment *now, struct record *ret,
			  struct err_ctx *err)
{
	uint64_t format = 0;
	uint64_t acks = 0;
	enum err rc = json_read_number(json, "format", RECORD_FORMAT, &format, err);
	rc = rc ? rc : json_read_text(json, "group", ret->group, sizeof(ret->group), err);
	rc = rc ? rc : read_words(json, ret, err);
	rc = rc ? rc : json_read_number(json, "version", INT64_MAX, &ret->version, err);
	rc = rc ? rc : json_read_number(json, "epoch", INT64_MAX, &ret->epoch, err);
	rc = rc ? rc : json_read_number(json, "acks", SERVERS_MAX, &acks, err);
	rc = rc ? rc : read_servers(json, now, ret, err);
	rc = rc ? rc : read_server_name(ret, json, "primary", &ret->primary, err);
	rc = rc ? rc : read_server_name(ret, json, "previous", &ret->previous, err);
	rc = rc ? rc : read_server_name(ret, json, "ask_server", &ret->ask_server, err);
	rc = rc ? rc : read_sync_set(json, ret, err);
	rc = rc ? rc : gtid_from_json(json_object_get(json, "base"), &ret->base, err);
	rc = rc ? rc : read_failovers(json, now, ret, err);
	rc = rc ? rc : read_pair(json, ret, err);
	ret->acks = (uint32_t)acks;
	ret->stay_in_dc = json_is_true(json_object_get(json, "stay_in_dc"));
	ret->paused = json_is_true(json_object_get(json, "paused"));
	ret->ask_accept_loss = json_is_true(json_object_get(json, "ask_accept_loss"));
	return rc;
}
