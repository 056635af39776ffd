/* Whether this manager leads or follows, and what follows from that. Manager thread only, but where it is said.
 *
 * On a SQLite file the only process is the leader. On etcd a thread of its own takes part in the election; the leader's
 * commits carry its term, and a follower reads the record whenever it has changed, so that it can go on at once.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>

#include "manager/leader.h"
#include "store/store_place.h"
#include "store/store_watch.h"

struct manager_core;

enum { MOVE_ID_BYTES_MAX = 33 };

/* To another store: see move.h. */
struct move {
	struct store_place to;
	char id[MOVE_ID_BYTES_MAX];
	struct store *store; /* of `to`; NULL: not open */
};

struct role {
	struct leader *leader; /* NULL: nobody else can lead */
	struct store_watch *watch;
	void (*wake)(void *ctx);
	void *ctx;
	pthread_mutex_t *mutex; /* guards `leader`, `left`, and where the store is */
	bool left;		/* the record has left the store: `move` says where to */
	struct move move;
	bool left_checked; /* whether others have ended their move was looked after */
	atomic_bool stale; /* the store has changed since it was read. Set from any thread */
	bool leading;
	uint64_t term;			  /* while it leads on a shared store */
	uint64_t read_us;		  /* when the record was read last; 0: never */
	uint64_t read_wall_us;		  /* the same moment, for people */
	uint64_t retry_us;		  /* after a failure: not before */
	char trouble[ERR_TEXT_BYTES_MAX]; /* of the last reading, "" when it went well */
};

/* Takes part from now on; with SQLite the record is read at once.
 * wake: called with `ctx` from other threads when role_turn() should be called soon. */
MUST_CHECK enum err role_start(struct manager_core *core, void (*wake)(void *ctx), void *ctx,
			       struct err_ctx *err);

/* Takes part no longer. */
void role_stop(struct manager_core *core);

/* Begins to lead, ends it, or follows, as it has to be now. True when it leads. */
bool role_turn(struct manager_core *core);

/* Where the store is now, password included. Any thread. */
void role_place(const struct manager_core *core, struct store_place *ret);

/* The record has left the store: the next turns end the move, and go on with the new one. Takes move->store. */
void role_leave(struct manager_core *core, struct move *move);

/* The begin of the newest beat that this leader's right rests upon; where nobody else can lead: now_us. 0: it doesn't lead.
 * Any thread. */
uint64_t role_beat_us(const struct manager_core *core, uint64_t now_us);

/* When the newest beat of an earlier leader was seen, for one that leads now; where nobody else can lead: now_us. */
uint64_t role_former_us(const struct manager_core *core, uint64_t now_us);

/* Whether a step may be begun at this moment. Any thread. */
bool role_may_act(const struct manager_core *core);

/* ERR_OK when commands that change something are taken here; else ERR_REFUSED with the words where to go. */
MUST_CHECK enum err role_check(struct manager_core *core, struct err_ctx *err);

/* Who leads, for status: a new reference. */
json_t *role_to_json(struct manager_core *core);
