/* What `muster rejoin` asks for, each a job with a thread of its own: looking at a server that comes back, saving its
 * tail, making it anew. None of it runs in the manager's thread or in a peer's, so it may take as long as it takes.
 *
 * A job changes the record through the manager's thread alone: rejoin_turn() sees what it waits for.
 */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "db/copy/reclone.h"
#include "decide/rejoin.h"
#include "manager/calls/call.h"
#include "os/file.h"
#include "os/thread.h"

enum rejoin_action { REJOIN_PLAN, REJOIN_EXPORT_TAIL, REJOIN_RECLONE, REJOIN_ACTION_COUNT_ };

const char *rejoin_action_name(enum rejoin_action action); /* "plan" */

/* A server as a job knows it: by value, since groups change. */
struct rejoin_place {
	char name[NAME_BYTES_MAX];
	char host[HOST_BYTES_MAX];
	uint16_t port; /* 0: there is none */
};

struct rejoin_identity {
	uint32_t server_id;
	char uuid[SERVER_UUID_BYTES_MAX];
};

struct rejoin_order {
	enum rejoin_action action;
	char group[NAME_BYTES_MAX];
	struct rejoin_place server; /* that comes back */
	struct rejoin_place primary;
	struct rejoin_place donor;
	bool diverged;			  /* on the record, before the job */
	bool remade;			  /* an earlier job was broken off in the middle */
	char uuid[SERVER_UUID_BYTES_MAX]; /* of the server that was here before */
	struct rejoin_identity others[SERVERS_MAX];
	size_t other_count;
	bool discard_tail;
	char folder[FILE_PATH_BYTES_MAX]; /* where a tail goes */
};

/* How far a server that is to be made anew has got, on the record. Each is waited for by the job's thread and brought
 * about by the manager's, or the other way round. */
enum rejoin_gate {
	REJOIN_GATE_NONE,
	REJOIN_GATE_WANTED, /* job: nothing stands in the way, put it on the record */
	REJOIN_GATE_MARKED, /* manager: it is on the record, nobody but the job touches the server */
	REJOIN_GATE_STOPPED, /* job: it receives nothing more */
	REJOIN_GATE_OPEN,    /* manager: no commit depends on it any more, its data may go */
};

struct rejoin {
	struct list list; /* of the group's jobs */
	struct rejoin_order order;
	const struct manager_options *options;
	struct event_log *events;
	struct thread thread;
	struct call *call; /* is answered at the end; NULL: nobody waits */
	atomic_bool cancelled;
	struct clock
		clock; /* for its connections: jumps ahead when it is broken off, so that no wait goes on */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t moved;  /* the gate */
	enum rejoin_gate gate;
	bool destroyed; /* data of the server are gone */
	uint64_t started_us;
	uint64_t copying_us; /* when the copy began; 0: not yet */
	struct reclone_progress progress;
	json_t *tail; /* what was saved; NULL: nothing */
	bool done;
	enum err rc;
	struct err_ctx err;
};

/* Gives the group a job; its thread is started by the next turn, when the call is parked. call: answered at the end;
 * NULL when nobody waits. Manager thread, as all that follows. */
void rejoin_add(struct group *group, const struct manager_core *core,
		const struct rejoin_order *order, struct call *call);

/* The job of the group that changes something (saves, makes anew) and isn't over; NULL when there is none. */
const struct rejoin *rejoin_under_way(const struct group *group);

/* Starts jobs, takes in what they have done, and gives them what they wait for. */
void rejoin_turn(struct group *group, const struct turn_context *context);

/* The newest job that changes something, under way or ended: NULL JSON when there was none. A new reference. */
json_t *rejoin_to_json(const struct group *group);

/* Breaks all jobs off and waits until they have ended. */
void rejoin_stop(struct group *group);
