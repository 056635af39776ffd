#include "decide/server_rules.h"

#include <inttypes.h>
#include <stdio.h>

#include "decide/pair.h"
#include "decide/tree.h"

#define UP SERVER_ANSWERS

/* clang-format off */
const struct server_rule server_rules[] = {
	{ 1010, SERVER_DEAD | SERVER_MEMBER | GROUP_COVERED,                        SERVER_ACT_EVICT,   STEP_NONE,                 "no process, and the others hold all that it could have acknowledged" },
	{ 1015, UP | SERVER_MEMBER | SERVER_LEAVES | GROUP_COVERED,                  SERVER_ACT_EVICT,   STEP_NONE,                 "it acknowledges no more, and the others hold all that it acknowledged" },
	{ 1020, UP | SERVER_WRITABLE,                                               SERVER_ACT_NONE,    STEP_FENCE,                "writable, but not the primary of this epoch" },
	{ 1024, SERVER_RECLONING | SERVER_MEMBER | GROUP_COVERED,                   SERVER_ACT_EVICT,   STEP_NONE,                 "it is to be made anew, and the others hold all that it could have acknowledged" },
	{ 1026, SERVER_RECLONING,                                                   SERVER_ACT_NONE,    STEP_NONE,                 "it is being made anew" },
	{ 1030, UP | SERVER_DIVERGED | SERVER_SUBSET,                               SERVER_ACT_RETURN,  STEP_NONE,                 "the primary has all that it has (again)" },
	{ 1040, UP | SERVER_DIVERGED | SERVER_REPLICATING,                          SERVER_ACT_NONE,    STEP_KEEP_OUT,             "diverged: kept out" },
	{ 1045, UP | SERVER_DIVERGED | SERVER_MEMBER | GROUP_COVERED,               SERVER_ACT_EVICT,   STEP_NONE,                 "diverged and kept out, and the others hold all that it could have acknowledged" },
	{ 1050, UP | SERVER_DIVERGED,                                               SERVER_ACT_NONE,    STEP_NONE,                 "diverged: kept out" },
	{ 1060, UP | SERVER_EXTRA,                                                  SERVER_ACT_DIVERGE, STEP_KEEP_OUT,             "it has transactions that the primary lacks" },
	{ 1062, UP | SERVER_REPLICATING | SERVER_WAITS,                             SERVER_ACT_NONE,    STEP_SEMISYNC_SOURCE_OFF,  "a replica must not wait for acknowledgements: its applier could neither go on nor be stopped" },
	{ 1064, UP | SERVER_STRAY | SERVER_SUBSET | SERVER_SETTLED | SERVER_MAY_ACK | GROUP_PROMISED, SERVER_ACT_ADMIT,   STEP_REPOINT,              "not replicating from the primary, which has all that it has: it will acknowledge" },
	{ 1066, UP | SERVER_STOPPED | SERVER_SUBSET | SERVER_SETTLED | SERVER_MAY_ACK | GROUP_PROMISED, SERVER_ACT_ADMIT,   STEP_REPOINT,              "replication from the primary is stopped: it will acknowledge" },
	{ 1070, UP | SERVER_STRAY | SERVER_SUBSET | SERVER_SETTLED,                 SERVER_ACT_NONE,    STEP_REPOINT,              "not replicating from where it should, and the primary has all that it has" },
	{ 1080, UP | SERVER_STOPPED | SERVER_SUBSET | SERVER_SETTLED,               SERVER_ACT_NONE,    STEP_REPOINT,              "its replication is stopped" },
	{ 1100, UP | SERVER_RUNNING | SERVER_MEMBER | GROUP_PROMISED | SERVER_SILENT_ACKS | SERVER_MAY_ACK, SERVER_ACT_NONE, STEP_SEMISYNC_REPLICA_ON, "of the sync set, but does not acknowledge" },
	{ 1105, UP | SERVER_RUNNING | SERVER_MEMBER | SERVER_ACKS | SERVER_LEAVES,   SERVER_ACT_NONE,    STEP_SEMISYNC_REPLICA_OFF, "it is to acknowledge no more, others do" },
	{ 1110, UP | SERVER_RUNNING | SERVER_MEMBER | GROUP_PROMISED,               SERVER_ACT_NONE,    STEP_NONE,                 "replicates and acknowledges" },
	{ 1120, UP | SERVER_RUNNING | SERVER_ACKS | GROUP_PROMISED,                 SERVER_ACT_ADMIT,   STEP_NONE,                 "it acknowledges: it belongs to the sync set" },
	{ 1130, UP | SERVER_RUNNING | SERVER_CAUGHT_UP | SERVER_MAY_ACK | GROUP_PROMISED,            SERVER_ACT_ADMIT,   STEP_NONE,                 "caught up: into the sync set, before it acknowledges" },
	{ 1140, UP | SERVER_RUNNING | SERVER_CAUGHT_UP | SERVER_MAY_ACK | GROUP_ALONE | SERVER_SILENT_ACKS, SERVER_ACT_NONE, STEP_SEMISYNC_REPLICA_ON, "caught up: it shall acknowledge, so that the primary is not alone" },
	{ 1150, UP | SERVER_RUNNING | SERVER_ACKS | GROUP_IS_ASYNC,                 SERVER_ACT_NONE,    STEP_SEMISYNC_REPLICA_OFF, "the policy asks for no acknowledgements" },
	{ 1160, UP | SERVER_RUNNING,                                                SERVER_ACT_NONE,    STEP_NONE,                 "replicates" },
	{ 1170, UP,                                                                 SERVER_ACT_NONE,    STEP_NONE,                 "answers" },
	{ 1180, SERVER_DEAD,                                                        SERVER_ACT_NONE,    STEP_NONE,                 "no process" },
	{ 1190, 0,                                                                  SERVER_ACT_NONE,    STEP_NONE,                 "does not answer" },
};
/* clang-format on */

const uint32_t server_rules_count = sizeof(server_rules) / sizeof(server_rules[0]);

static const char *const names[SERVER_FACT_COUNT_] = {
	"ANSWERS",     "DEAD",	  "WRITABLE",	 "SUBSET",    "EXTRA",	"DIVERGED",
	"STRAY",       "STOPPED", "RUNNING",	 "CAUGHT_UP", "MEMBER", "ACKS",
	"SILENT_ACKS", "WAITS",	  "REPLICATING", "PROMISED",  "ALONE",	"IS_ASYNC",
	"COVERED",     "SETTLED", "RECLONING",	 "MAY_ACK",   "LEAVES",
};

const char *server_fact_name(uint32_t bit_index)
{
	return bit_index < SERVER_FACT_COUNT_ ? names[bit_index] : "?";
}

const struct server_rule *server_rules_match(uint32_t facts)
{
	for (uint32_t i = 0; i + 1 < server_rules_count; i++) {
		if ((facts & server_rules[i].need) == server_rules[i].need) {
			return &server_rules[i];
		}
	}
	return &server_rules[server_rules_count - 1];
}

bool server_facts_is_dead(const struct observation *seen, uint32_t server)
{
	const struct observation_server *one = &seen->servers[server];
	return one->reach == REACH_NOBODY_LISTENS && one->misses >= 2 &&
	       one->contact_us >= seen->started_us;
}

bool server_facts_caught_up(const struct observation *seen, uint32_t server, uint32_t primary,
			    uint64_t since_us)
{
	const struct observation_server *one = &seen->servers[server];
	const struct observation_server *source = &seen->servers[primary];
	if (one->status_us > source->status_end_us && source->status_us > since_us) {
		return gtid_set_contains(&one->status.received, &source->status.executed);
	}
	return source->older.begun_us > since_us && one->status_us > source->older.ended_us &&
	       gtid_set_contains(&one->status.received, &source->older.executed);
}

/* A commit that waits for its acknowledgement may have been applied by a replica, while MySQL does not count it as executed
 * where it waits. What such a replica has too much is of the primary's own numbering. */
static bool is_waited_for(const struct server_status *source, const struct gtid_set *executed)
{
	if (source->semisync.source_wait_sessions == 0 || !source->server_uuid[0]) {
		return false;
	}
	char text[SERVER_UUID_BYTES_MAX + 32];
	struct gtid_set own;
	gtid_set_init(&own);
	(void)snprintf(text, sizeof(text), "%s:1-%" PRIi64, source->server_uuid, INT64_MAX - 1);
	bool waited_for = gtid_set_parse(str_of(text), GTID_MYSQL, &own, NULL) == ERR_OK;
	gtid_set_add(&own, &source->executed);
	waited_for = waited_for && gtid_set_contains(&own, executed);
	gtid_set_fini(&own);
	return waited_for;
}

enum server_order server_facts_compare(const struct record *record, const struct observation *seen,
				       uint32_t server, uint32_t primary)
{
	const struct observation_server *one = &seen->servers[server];
	const struct observation_server *source = &seen->servers[primary];
	const struct gtid_set *executed = NULL;
	if (source->status_us > one->status_end_us) {
		executed = &one->status.executed;
	} else if (one->older.begun_us != 0 && source->status_us > one->older.ended_us) {
		executed = &one->older.executed;
	} else {
		return SERVER_ORDER_UNKNOWN;
	}
	if (!gtid_set_contains(&source->status.executed, executed) &&
	    !pair_explains(record, server, executed, &source->status.executed)) {
		return is_waited_for(&source->status, executed) ? SERVER_ORDER_UNKNOWN
								: SERVER_ORDER_EXTRA;
	}
	/* While it could be written to, it may have committed more after the older reading: a primary that was just
	 * fenced lets go what waited for an acknowledgement. */
	bool of_now = executed == &one->status.executed;
	return of_now || one->older.read_only ? SERVER_ORDER_SUBSET : SERVER_ORDER_UNKNOWN;
}

static bool acknowledges(const struct record *record, const struct observation *seen,
			 uint32_t server)
{
	return observation_answers(seen, server) &&
	       seen->servers[server].status.semisync.replica_active &&
	       record_follows(record, seen, server, record->primary);
}

/* Some other member, alive, that has received what the primary had since then, when `server` could acknowledge
 * nothing any more. */
static bool is_covered(const struct record *record, const struct observation *seen, uint32_t server,
		       uint64_t since_us)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != server && record_is_member(record, i) && acknowledges(record, seen, i) &&
		    server_facts_caught_up(seen, i, record->primary, since_us)) {
			return true;
		}
	}
	return false;
}

static uint32_t group_facts(const struct record *record)
{
	if (record->policy != POLICY_LOSSLESS) {
		return GROUP_IS_ASYNC;
	}
	return record->acks > 0 ? GROUP_PROMISED : GROUP_ALONE;
}

bool server_facts_is_network(uint32_t number)
{
	return number >= 2002 && number <= 2013;
}

static uint32_t stream_facts(const struct record *record, const struct observation *seen,
			     uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	const struct replica_status *replica = &status->replica;
	uint32_t set = 0;
	bool runs = replica->io != IO_NO || replica->sql_running;
	if (replica->configured && runs) {
		set |= SERVER_REPLICATING;
	}
	/* Somebody stopped it, or works on it: it stays as it is. */
	if (record_in_downtime(record, server) &&
	    (!replica->configured || replica->io == IO_NO || !replica->sql_running)) {
		return set;
	}
	if (!record_follows(record, seen, server, tree_source(record, server)) ||
	    !replica->gtid_position) {
		return set | SERVER_STRAY;
	}
	if (replica->io == IO_YES && replica->sql_running) {
		set |= SERVER_RUNNING;
		set |= acknowledges(record, seen, server) ? SERVER_ACKS : SERVER_SILENT_ACKS;
	}
	bool io_stopped = replica->io == IO_NO &&
			  (replica->io_errno == 0 || server_facts_is_network(replica->io_errno));
	io_stopped = io_stopped || (replica->io == IO_NO && pair_can_go_on(record, seen, server));
	bool sql_stopped = !replica->sql_running && replica->sql_errno == 0;
	if (io_stopped || sql_stopped) {
		set |= SERVER_STOPPED;
	}
	return set;
}

/* What it is to do about acknowledgements. */
static uint32_t acknowledgement_facts(const struct record *record, const struct observation *seen,
				      uint32_t server)
{
	/* Who is kept out or made anew has rows of its own. */
	if (record->servers[server].diverged || record->servers[server].recloning) {
		return 0;
	}
	if (tree_may_acknowledge(record, seen, server)) {
		return SERVER_MAY_ACK;
	}
	for (uint32_t i = 0; i < record->server_count; i++) {
		if (i != server && record_is_member(record, i) && acknowledges(record, seen, i) &&
		    tree_may_acknowledge(record, seen, i)) {
			return SERVER_LEAVES;
		}
	}
	return 0;
}

uint32_t server_facts_find(const struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint32_t server, uint64_t now_us)
{
	const struct observation_server *one = &seen->servers[server];
	const struct observation_server *source = &seen->servers[record->primary];
	uint32_t set = group_facts(record);
	set |= record_is_member(record, server) ? SERVER_MEMBER : 0;
	set |= record->servers[server].diverged ? SERVER_DIVERGED : 0;
	if (server_facts_is_dead(seen, server)) {
		set |= SERVER_DEAD;
		set |= observation_answers(seen, record->primary) &&
				       is_covered(record, seen, server, one->refused_since_us)
			       ? GROUP_COVERED
			       : 0;
	}
	set |= record->servers[server].recloning ? SERVER_RECLONING : 0;
	if (record->idle_since_us[server] != 0 && observation_answers(seen, record->primary) &&
	    is_covered(record, seen, server, record->idle_since_us[server])) {
		set |= GROUP_COVERED;
	}
	if (!observation_answers(seen, server)) {
		return set;
	}
	set |= SERVER_ANSWERS;
	set |= one->status.read_only ? 0 : SERVER_WRITABLE;
	set |= one->status.semisync.source_enabled ? SERVER_WAITS : 0;
	set |= stream_facts(record, seen, server);
	set |= acknowledgement_facts(record, seen, server);
	if (!observation_answers(seen, record->primary)) {
		return set;
	}
	enum server_order order = server_facts_compare(record, seen, server, record->primary);
	/* While a new primary is made nothing moves on either side, so the order of the readings doesn't matter. */
	if (record->state == GROUP_OPENING) {
		const struct gtid_set *executed = &one->status.executed;
		bool subset = gtid_set_contains(&source->status.executed, executed) ||
			      pair_explains(record, server, executed, &source->status.executed);
		order = subset ? SERVER_ORDER_SUBSET : SERVER_ORDER_UNKNOWN;
	}
	set |= order == SERVER_ORDER_SUBSET ? SERVER_SUBSET : 0;
	bool settled = !one->status.replica.sql_running ||
		       gtid_set_contains(&one->status.executed, &one->status.received) ||
		       gtid_set_contains(&source->status.executed, &one->status.received);
	set |= settled ? SERVER_SETTLED : 0;
	if (order == SERVER_ORDER_EXTRA && record->extra_since_us[server] != 0 &&
	    now_us - record->extra_since_us[server] >= options->extra_us) {
		set |= SERVER_EXTRA;
	}
	set |= server_facts_caught_up(seen, server, record->primary, 0) ? SERVER_CAUGHT_UP : 0;
	return set;
}
