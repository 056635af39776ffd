#include "decide/record.h"

#include <stddef.h>
#include <string.h>

static const char *const policy_names[POLICY_COUNT_] = { "async", "lossless", "bounded" };
static const char *const state_names[GROUP_STATE_COUNT_] = { "forming",	 "steady",  "revoking",
							     "refused",	 "opening", "draining",
							     "freezing", "undoing" };
static const char *const ask_names[ASK_COUNT_] = { "none", "switchover", "failover" };
static const char *const pair_state_names[PAIR_STATE_COUNT_] = { "none", "out",	      "changing",
								 "back", "switching", "following" };
static const char *const pair_ask_names[PAIR_ASK_COUNT_] = { "none", "done", "abort" };

void record_init(struct record *record)
{
	memset(record, 0, sizeof(*record));
	record->primary = SERVER_NONE;
	record->previous = SERVER_NONE;
	record->ask_server = SERVER_NONE;
	record->pair.out = SERVER_NONE;
}

void record_fini(struct record *record)
{
	gtid_set_fini(&record->base);
	gtid_set_fini(&record->pair.change);
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		gtid_set_fini(&record->servers[i].extra);
	}
	record_init(record);
}

static void copy_server(struct record_server *to, const struct record_server *from)
{
	struct gtid_set extra = to->extra;
	*to = *from;
	to->extra = extra;
	gtid_set_copy(&to->extra, &from->extra);
}

/* The servers make it large: only those that there are, or were, are copied. */
void record_copy(struct record *to, const struct record *from)
{
	const size_t head = offsetof(struct record, servers);
	const size_t tail = head + sizeof(from->servers);
	uint32_t count =
		to->server_count > from->server_count ? to->server_count : from->server_count;
	struct gtid_set base = to->base;
	struct gtid_set change = to->pair.change;
	if (to == from) {
		return;
	}
	memcpy(to, from, head);
	memcpy((char *)to + tail, (const char *)from + tail, sizeof(*from) - tail);
	to->base = base;
	to->pair.change = change;
	gtid_set_copy(&to->base, &from->base);
	gtid_set_copy(&to->pair.change, &from->pair.change);
	for (uint32_t i = 0; i < count; i++) {
		copy_server(&to->servers[i], &from->servers[i]);
	}
}

void record_note_failover(struct record *record, uint64_t now_us)
{
	memmove(&record->failovers_us[1], &record->failovers_us[0],
		sizeof(record->failovers_us) - sizeof(record->failovers_us[0]));
	record->failovers_us[0] = (int64_t)now_us;
	record->failover_count += record->failover_count < FAILOVERS_KEPT ? 1 : 0;
	record->cooling = true;
}

void record_forget_failovers(struct record *record)
{
	memset(record->failovers_us, 0, sizeof(record->failovers_us));
	record->failover_count = 0;
	record->cooling = false;
}

uint32_t record_find(const struct record *record, const char *name)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (strcmp(record->servers[i].name, name) == 0) {
			return i;
		}
	}
	return SERVER_NONE;
}

bool record_in_downtime(const struct record *record, uint32_t server)
{
	return record->servers[server].downtime_until_us != 0;
}

bool record_same_dc(const struct record *record, uint32_t a, uint32_t b)
{
	const char *dc = record->servers[a].dc;
	return dc[0] && strcmp(dc, record->servers[b].dc) == 0;
}

bool record_may_rewind(const struct record *record, uint32_t server)
{
	return record->servers[server].may_rewind && record->state == GROUP_STEADY &&
	       record->primary != SERVER_NONE && record->primary != server;
}

bool record_is_void(const struct record *record, const struct observation *seen, uint32_t server)
{
	uint64_t counted_s = record->servers[server].started_s;
	uint64_t started_s = seen->servers[server].status.started_s;
	return counted_s != 0 && started_s != 0 && counted_s != started_s;
}

bool record_follows(const struct record *record, const struct observation *seen, uint32_t server,
		    uint32_t source)
{
	const struct replica_status *replica = &seen->servers[server].status.replica;
	return source != SERVER_NONE && replica->configured &&
	       replica->source_port == record->servers[source].port &&
	       strcmp(replica->source_host, record->servers[source].host) == 0;
}

const char *policy_name(enum policy policy)
{
	return policy_names[policy];
}

const char *group_state_name(enum group_state state)
{
	return state_names[state];
}

const char *ask_name(enum ask ask)
{
	return ask_names[ask];
}

const char *pair_state_name(enum pair_state state)
{
	return pair_state_names[state];
}

const char *pair_ask_name(enum pair_ask ask)
{
	return pair_ask_names[ask];
}
