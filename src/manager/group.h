/* One group as the manager holds it: the record, what is seen, and what is under way. Manager thread only. */
#pragma once

#include <jansson.h>

#include "base/list.h"
#include "decide/decide.h"
#include "decide/verdict.h"
#include "manager/hooks/hooks.h"
#include "manager/manager.h"
#include "manager/nodes/nodes.h"
#include "manager/peers/peer.h"
#include "manager/records/event_log.h"
#include "manager/records/report.h"
#include "proxy/proxy.h"

struct manager_core;

/* One server of the group. */
struct member {
	struct peer *peer;
	bool running; /* a step is under way */
	enum step step;
	uint32_t journaled;		    /* bit STEP_x: on the journal for the present stage */
	uint64_t retry_us;		    /* after a failure: not before */
	uint32_t failures;		    /* in a row */
	uint64_t trouble_us;		    /* first sign that something is wrong, 0: nothing is */
	enum reach told;		    /* the last one that an event told of */
	enum pulse_role pulse;		    /* what the heartbeat row is to it ... */
	uint64_t pulse_epoch;		    /* ... in this epoch */
	enum verdict verdict;		    /* the newest */
	uint64_t verdict_us;		    /* since when */
	enum verdict verdict_told;	    /* the last one that an event told of */
	char words[SERVER_ERROR_BYTES_MAX]; /* of the newest failure of a contact or step */
};

/* A caller that waits for what it asked for to be done or given up. */
struct waiter {
	struct list list;
	uint64_t report_id; /* the report must be newer */
	void *call;	    /* struct call, of manager.c */
};

struct group {
	struct list list;     /* of the manager's groups */
	struct record record; /* as it is in the store */
	struct observation seen;
	struct member members[SERVERS_MAX];
	struct decide_options options;
	uint64_t beat_interval_us; /* between two heartbeats */
	struct decision decision;  /* the newest */
	struct report report;
	json_t *old_report;	   /* of before this process; NULL: none */
	uint64_t loaded_report_id; /* its id: `report` counts on from there */
	struct hooks *hooks;	   /* NULL: none is configured */
	struct list waiters;
	struct list goodbyes;	  /* of servers that left it */
	struct list rejoins;	  /* jobs: struct rejoin, of rejoin.h */
	json_t *rejoin_ended;	  /* the newest one that has ended; NULL: none */
	struct route route;	  /* the newest published */
	uint64_t route_version;	  /* the record's version that it was made from */
	uint64_t route_count;	  /* published for that version */
	uint64_t beat_written_us; /* newest heartbeat acknowledged by the primary, by its clock */
	uint64_t beat_us;	  /* when, by ours; 0: none yet */
	bool listed;		  /* while the store is read: it is in it */
	bool healthy_told;
	bool held_told;		  /* that the primary is gone and no failover may start */
	bool unstored;		  /* the record is ahead of the store, which can't be written */
	uint64_t tense_until_us;  /* statuses are read often until then */
	uint64_t accounts_us;	  /* when the accounts were last asked for */
	uint64_t gave_up_version; /* of the record when `gave_up` was said */
	char gave_up[512];
};

/* What a turn needs of the manager. */
struct turn_context {
	const struct manager_core *core;
	const struct manager_options *options;
	struct event_log *events;
	const struct hook_door *hooks;
	struct leader *leader; /* NULL: nobody else can lead */
	struct nodes *nodes;   /* NULL: there are none */
	uint64_t now_us;
};

/* An empty group with its peers started. on: callbacks and accounts as in peer_options (host and port are
 * filled in). */
struct group *group_new(const struct record *record, const struct manager_options *options,
			const struct peer_options *on, uint64_t now_us);

/* Ends the peers, waits for their threads, and releases. Takes NULL, returns NULL. */
struct group *group_free(struct group *group);

/* Starts and ends peers so that there is one per server of `record`, and takes the record over. */
void group_set_servers(struct group *group, const struct record *record,
		       const struct manager_options *options, const struct peer_options *on,
		       uint64_t now_us);

/* Whatever was under way is begun again from the record, as after a restart; what is seen of the servers stays. */
void group_begin_anew(struct group *group, uint64_t now_us);

/* The index of the server that `peer` watches, SERVER_NONE when it is of another group. */
uint32_t group_find_peer(const struct group *group, const struct peer *peer);

/* Takes in what was seen or done; both take ownership of their last argument. */
void group_take_sighting(struct group *group, const struct turn_context *context, uint32_t server,
			 struct sighting *sighting);
void group_take_outcome(struct group *group, const struct turn_context *context, uint32_t server,
			struct outcome *outcome);

/* Observe, decide, store, act, publish, once. ret_next_us: when to come back at the latest. */
void group_turn(struct group *group, const struct turn_context *context, uint64_t *ret_next_us);

/* What is left of a turn when another manager decides: the local proxy follows the record. */
void group_follow(struct group *group, const struct turn_context *context);

/* Stores the record as it is to be; ERR_OK makes it the group's. Used by commands that change it. */
MUST_CHECK enum err group_store(struct group *group, const struct turn_context *context,
				const struct record *next, struct err_ctx *err);

/* Stores the report (with the record as it is). */
MUST_CHECK enum err group_store_report(struct group *group, const struct turn_context *context,
				       struct err_ctx *err);

/* One event of this group. server: its index, SERVER_NONE when it is about none. rule: the row that
 * decided, 0 for none. */
void group_tell(struct group *group, const struct turn_context *context, enum log_level level,
		const char *evt, uint32_t server, uint32_t rule, uint64_t duration_us,
		const char *message);
