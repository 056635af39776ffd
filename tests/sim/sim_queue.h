/* What is going to happen, in order of time; of equal times, in the order of being put in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_event_kind {
	EV_FAULT,     /* a: index of the fault */
	EV_FAULT_END, /* a: index of the fault */
	EV_KILL,      /* a: host of a server or manager: its process dies */
	EV_CALM,      /* all faults are over */
	EV_JUDGE,     /* the calm phase: is all well again? */
	EV_FINAL,     /* clients have stopped and replication is at rest: the last look */
	EV_RESTART,   /* a: server; b: wait for a word about its log's tail until then (0: no) */
	EV_MANAGER_START, /* a: manager */
	EV_NODE_START,	  /* a: node */
	EV_CLIENT,	  /* a: node: its clients write */
	EV_OP_ARRIVE,	  /* at a server. a: op */
	EV_OP_COMMIT,	  /* a: op: the statement is through, it commits */
	EV_OP_ANSWER,	  /* at a node. a: op; b: enum sim_op_state */
	EV_OP_PATIENCE,	  /* at a node. a: op: it has waited long enough */
	EV_STREAM_DIAL,	  /* a: replica; b: stream number */
	EV_STREAM_DATA, /* at a replica. a: replica; b: stream number; c: transaction | position << 16 */
	EV_STREAM_ACK,	    /* at a source. a: replica; b: stream number; c: position */
	EV_STREAM_CLOSED,   /* at a source. a: replica; b: stream number */
	EV_STREAM_BROKEN,   /* at a replica. a: replica; b: stream number */
	EV_STREAM_BEAT,	    /* at a source. a: replica; b: stream number */
	EV_STREAM_PATIENCE, /* at a replica. a: replica; b: stream number */
	EV_STREAM_PUMP, /* at a source. a: replica; b: stream number: send what could not be sent */
	EV_APPLY,	/* a: replica; b: number of its applier's run */
	EV_CONTACT,	/* at a manager. a: server */
	EV_CONTACT_ARRIVE, /* at a server. a: manager; b: contact number; c: server */
	EV_SIGHTING,	   /* at a manager. a: server; b: contact number; c: enum reach */
	EV_CONTACT_LATE,   /* at a manager. a: server; b: contact number */
	EV_STEP_SEND,	   /* the kernel of a manager's host. a: task */
	EV_STEP_PHASE,	   /* at a server. a: task */
	EV_STEP_ANSWER,	   /* at a manager. a: task */
	EV_STEP_LATE,	   /* at a manager. a: task */
	EV_TURN,	   /* at a manager; b: number of the timer */
	EV_LEAD, /* at a manager: its part in the election of the leader; b: number of the timer */
	EV_STORE_ARRIVE,  /* at the store. a: request */
	EV_STORE_ANSWER,  /* at a manager. a: request */
	EV_STORE_LATE,	  /* at a manager. a: request */
	EV_REPORT,	  /* at a node: time for a report; b: number of the timer */
	EV_REPORT_ARRIVE, /* at a manager. a: node; b: number of the report */
	EV_REPORT_ANSWER, /* at a node. a: manager; b: number of the report; c: good for so long in us; 0: it does not lead */
	EV_REPORT_LATE, /* at a node. b: number of the report */
	EV_ROUTE,	/* at a node. a: manager: a new route */
	EV_ASK,	    /* at one of the circle. a: node that asks; b: number of the round; c: asked */
	EV_CONSENT, /* at a node. b: number of the round; c: who | answer << 8 */
	EV_ROUND_LATE, /* at a node. b: number of the round */
	EV_LEASE_END,  /* at a node: does its lease still hold? b: number of the timer */
	EV_COUNT_
};

struct sim_event {
	uint64_t key; /* when, and below that the order of being put in */
	uint8_t kind;
	uint8_t host; /* whose process handles it; SIM_NOBODY: the world itself */
	uint16_t a;
	uint32_t b;
	uint32_t c;
	uint32_t life; /* of that process when this was put in: another one drops it */
};

enum { SIM_ORDER_BITS = 24, SIM_QUEUE_BUCKETS = 65 };

struct sim_queue_bucket {
	struct sim_event *events;
	uint32_t count;
	uint32_t cap;
};

/* A radix heap, as nothing is put in for a time that is past: bucket i has the events whose key differs from that of the
 * newest that came out in bit i - 1, and in none above; within a bucket they lie as they came. */
struct sim_queue {
	struct sim_queue_bucket buckets[SIM_QUEUE_BUCKETS];
	uint64_t filled; /* bit i: bucket i + 1 isn't empty */
	uint64_t newest; /* key of the newest that came out */
	uint32_t order;
};

static inline uint64_t sim_event_at_us(const struct sim_event *event)
{
	return event->key >> SIM_ORDER_BITS;
}

/* Puts an event in, whose key is not set yet; it comes out at at_us. */
void sim_queue_put(struct sim_queue *queue, struct sim_event event, uint64_t at_us);

/* Puts an event that was taken out back in, for a later time; those of one time keep the order of their first putting in. */
void sim_queue_put_back(struct sim_queue *queue, struct sim_event event, uint64_t at_us);

/* Takes the earliest out; false when there is none. */
bool sim_queue_take(struct sim_queue *queue, struct sim_event *ret);

/* Forgets what is in it. */
void sim_queue_clear(struct sim_queue *queue);

/* Releases the memory; what was in it is forgotten. */
void sim_queue_fini(struct sim_queue *queue);
