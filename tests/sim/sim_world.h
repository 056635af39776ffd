/* The simulated world: plain data of everything that is in it, and the loop that lets time pass.
 *
 * True time runs in microseconds from 0. Each host has its own clock (offset and speed). A host's process may be
 * down, or paused: what should have happened in it meanwhile happens when it goes on.
 */
#pragma once

#include <stdio.h>

#include "decide/decide.h"
#include "decide/leadership.h"
#include "decide/lease.h"
#include "sim_queue.h"
#include "sim_random.h"

enum {
	SIM_SERVERS_MAX = 5,
	SIM_MANAGERS_MAX = 3,
	SIM_NODES_MAX = 2,
	SIM_TXNS_MAX = 1024,
	SIM_TXN_WORDS = SIM_TXNS_MAX / 64,
	SIM_OPS_MAX = 1024,
	SIM_TASKS_MAX = 64,
	SIM_REQUESTS_MAX = 32,
	SIM_FAULTS_MAX = 24,
	SIM_EPOCHS_MAX = 64,
	/* Hosts, by number. */
	SIM_HOST_MANAGER = SIM_SERVERS_MAX,
	SIM_HOST_NODE = SIM_HOST_MANAGER + SIM_MANAGERS_MAX,
	SIM_HOST_STORE = SIM_HOST_NODE + SIM_NODES_MAX,
	SIM_HOSTS = SIM_HOST_STORE + 1,
	SIM_NOBODY = 255,
	SIM_OP_NONE = 0xffff,
};

#define SIM_MS 1000u

/* ---------------------------------------------------------------- clients' writes */

enum sim_op_state { OP_HELD, OP_SENT, OP_ACKED, OP_REFUSED, OP_UNKNOWN };

/* One write of a client: a number that is written once. */
struct sim_op {
	enum sim_op_state state;
	uint8_t node;
	uint8_t server;
	bool dropped; /* the node has closed the connection: no answer gets through */
	bool killed;  /* the server has ended the session */
	uint16_t txn; /* SIM_TXNS_MAX: none */
	uint32_t server_life;
	uint64_t epoch; /* of the route that it was sent by */
};

struct sim_txn {
	uint16_t origin; /* server_id, or number of the UUID */
	uint16_t op;
	uint32_t seq;
};

/* ---------------------------------------------------------------- servers */

/* A replica's connection, as its source sees it. */
struct sim_dump {
	bool alive;
	bool acks;
	bool pumping; /* something waits for the network */
	uint32_t number;
	uint32_t next;	  /* position in the source's log to be sent next */
	uint32_t acked;	  /* everything before this position */
	uint64_t last_us; /* when the newest message arrives */
};

struct sim_stream {
	bool configured;
	bool gtid_position;
	uint32_t source;
	enum io_state io;
	bool sql;
	bool acks;	       /* of the connection in force */
	uint32_t number;       /* of the connection: grows */
	uint32_t apply_number; /* of the applier's run: grows */
	bool applying;
	uint32_t io_errno;
	uint32_t sql_errno;
	uint64_t heard_us;
	uint64_t ticks;
};

struct sim_server {
	uint16_t server_id;
	bool read_only;
	bool read_only_asked; /* waits for its lock: nothing new begins */
	bool waits_for_acks;
	bool acknowledges; /* the replica's flag */
	bool autostart;	   /* replication starts with the server */
	bool stalled;	   /* commits hang: the disk is full */
	bool slow;	   /* applies slowly */
	bool delayed;	   /* applies what it receives a second later, on purpose */
	uint64_t started_us;
	uint16_t log[SIM_TXNS_MAX];
	uint32_t log_count;
	uint32_t engine_count;	     /* of the log: committed in the engine */
	uint32_t durable_count;	     /* of the log: committed there even if the process dies */
	uint32_t file_first;	     /* first position in the newest file of the log */
	uint64_t has[SIM_TXN_WORDS]; /* bit: the transaction is in the log */
	uint16_t relay[SIM_TXNS_MAX * 2];
	uint64_t relay_us[SIM_TXNS_MAX * 2]; /* when it was received */
	uint32_t relay_first;
	uint32_t relay_count; /* end of what is received; relay_first: of what is applied */
	struct gtid_set executed;
	struct gtid_set received;
	/* MariaDB: the position that a stream is asked from, and what was received last. */
	uint16_t slave_origin;
	uint32_t slave_seq;
	uint16_t io_origin;
	uint32_t io_seq;
	struct sim_stream stream;
	struct sim_dump dumps[SIM_SERVERS_MAX];
};

/* ---------------------------------------------------------------- managers */

struct sim_task {
	bool used;
	bool given_up; /* by the manager: its connection is closed */
	bool outlives; /* the network may deliver it after that */
	enum step step;
	uint8_t manager;
	uint8_t server;
	uint32_t manager_life;
	uint64_t stage;
	uint64_t epoch;
	uint64_t started_us;  /* by the manager's clock */
	uint64_t deadline_us; /* true time */
	uint32_t source;
	bool acknowledge;
	bool wait_for_acks;
	bool handed;
	struct gtid_set set;
	uint32_t phase;
	uint64_t phase_since_us;
	uint32_t server_life; /* 0: has not arrived */
	uint32_t tries;
	enum err rc;
	bool has_status;
	uint64_t status_us; /* by the manager's clock */
	struct server_status status;
};

struct sim_member {
	bool running;
	uint16_t task;
	uint32_t journaled;
	uint64_t retry_us;
	uint32_t failures;
	/* The watcher. */
	uint32_t contact; /* number of the newest */
	bool connected;
	uint64_t begun_us; /* by the manager's clock */
	uint32_t misses;
	uint64_t answered_us;
	uint64_t stream_us;
	uint64_t ticks;
	bool ticks_known;
	struct server_status status; /* of the contact under way */
	bool stalled;		     /* what its write probe found */
};

/* What follows a commit that is under way. */
struct sim_commit {
	bool open;
	uint32_t request; /* its serial */
	bool dirty;
	uint32_t starting[SIM_SERVERS_MAX];
	enum step steps[SIM_SERVERS_MAX];
	uint32_t sources[SIM_SERVERS_MAX];
	uint32_t acknowledge; /* bit i: server i from then on */
};

struct sim_route {
	uint64_t epoch;
	uint64_t revision;
	bool open;   /* writes go to the primary */
	bool drains; /* what is open goes on */
	uint32_t primary;
};

struct sim_manager {
	bool has_record; /* it was read, and this one leads */
	struct record record;
	struct observation seen;
	struct decision decision;
	struct sim_member members[SIM_SERVERS_MAX];
	bool unstored;
	struct sim_commit commit;
	struct sim_route route;
	uint64_t route_version;
	uint32_t route_count;
	uint64_t turned_us;
	uint64_t tense_until_us;
	uint32_t interval_us;
	bool healthy;
	uint64_t healthy_since_us; /* true time */
	uint32_t turn_number;
	/* Its part in the election of the leader. */
	struct leadership leadership;
	uint32_t lead_number;
	bool asking_store;
	struct lease_node nodes[SIM_NODES_MAX];
	struct lease_memory agreed; /* to nodes that asked whether they may go on */
	uint64_t answering_us;	    /* since when it can be asked */
};

/* ---------------------------------------------------------------- store */

enum sim_request_kind { REQUEST_READ, REQUEST_CLAIM, REQUEST_RENEW, REQUEST_LOAD, REQUEST_COMMIT };

struct sim_request {
	uint32_t serial; /* of the use of this place: events of an earlier use are dropped */
	bool travels;	 /* on its way to the store */
	bool awaited;	 /* the manager waits for the answer */
	enum sim_request_kind kind;
	uint8_t manager;
	uint32_t manager_life;
	uint64_t begun_us; /* by the manager's clock */
	uint64_t term_version;
	uint64_t beat_version;
	uint64_t record_version; /* the record's key, as the writer knows it */
	bool dirty;
	struct record record;
	uint32_t journal[SIM_SERVERS_MAX];
	/* The answer. */
	bool done;
	bool mine;
};

struct sim_store {
	bool down;
	bool slow;
	uint32_t lose_answers;		   /* per mille */
	uint32_t newest[SIM_MANAGERS_MAX]; /* serial of the newest write of each */
	uint64_t versions;		   /* grows with each write */
	uint64_t writes;		   /* of the record */
	uint64_t term_version;
	uint64_t beat_version;
	uint8_t term_manager;
	uint32_t term_life;
	uint64_t record_version;
	struct record record;
	uint32_t journal[SIM_SERVERS_MAX];
};

/* ---------------------------------------------------------------- nodes */

struct sim_node {
	struct sim_route route;
	struct lease_holder lease;
	uint32_t report;    /* number of the newest */
	uint64_t report_us; /* when it was sent, by the node's clock */
	uint32_t report_timer;
	bool report_answered; /* by a leader */
	uint32_t leader;      /* where the next report goes */
	uint32_t round;	      /* of questions: number of the newest */
	uint64_t round_us;
	enum lease_answer answers[SIM_MANAGERS_MAX + SIM_NODES_MAX];
	uint32_t lease_timer;
	uint32_t burst; /* writes left of the present burst */
};

/* ---------------------------------------------------------------- faults */

enum sim_fault_kind {
	FAULT_KILL,	   /* a server's process; it is started again after the duration */
	FAULT_PAUSE,	   /* a server's process, or that of any host */
	FAULT_CUT,	   /* nothing gets from a to b, nor back */
	FAULT_CUT_ONE_WAY, /* nothing gets from a to b */
	FAULT_ISOLATE,	   /* nothing gets to a nor away */
	FAULT_SPLIT,	   /* b: bits of the hosts on one side */
	FAULT_DELAY,	   /* everything to and from a is late */
	FAULT_LOSS,	   /* packets from a are lost and sent again */
	FAULT_SLOW_APPLY,  /* a server */
	FAULT_STALL,	   /* a server's disk */
	FAULT_MANAGER,	   /* a manager's process dies and is started again */
	FAULT_NODE,
	FAULT_STORE, /* answers nothing */
	FAULT_STORE_SLOW,
	FAULT_STORE_LOSES,    /* what was asked is done, the answer is lost */
	FAULT_ASK_SWITCHOVER, /* b: server, or SERVER_NONE */
	FAULT_ASK_FAILOVER,
	FAULT_ASK_PAUSE,    /* no automatic failover */
	FAULT_ASK_DOWNTIME, /* a server; b: its replication is stopped for that */
	/* From then on armed: the next time that step a ends on a server, the server's process dies, or (b) that of the
	 * manager that asked for it; it is started again soon. */
	FAULT_KILL_AT_STEP,
	FAULT_COUNT_
};

struct sim_fault {
	enum sim_fault_kind kind;
	uint64_t at_us;
	uint64_t for_us;
	uint32_t a;
	uint32_t b;
	bool left_out; /* by the shrinker */
	bool armed;    /* FAULT_KILL_AT_STEP: its step has not ended yet */
};

/* ---------------------------------------------------------------- the whole */

struct sim_process {
	bool up;
	uint32_t life;
	uint64_t paused_until_us; /* 0: runs */
	uint64_t offset_us;	  /* of its clock */
	int32_t speed_ppm;
};

/* What the checks remember. */
struct sim_ledger {
	uint64_t acked[SIM_TXN_WORDS];
	uint64_t acked_us[SIM_TXNS_MAX];
	uint32_t acked_count;
	uint32_t acked_in_calm;
	uint32_t lost_count; /* async: acknowledged, and not on the primary that was opened */
	uint64_t reported[SIM_TXN_WORDS]; /* named as extra on the record */
	uint32_t primary_of[SIM_EPOCHS_MAX];
	uint64_t opened_epoch;
	uint32_t opened;
	uint64_t trouble_us
		[SIM_SERVERS_MAX]; /* when something last was wrong with a server or its links */
	uint32_t failovers;
	uint32_t switchovers;
	uint64_t failover_us; /* when the newest automatic one was put on the record */
	bool healthy_since;
	uint64_t
		quiet_since_us; /* nothing is under way on a server, as the judge saw it; 0: not looked */
	uint64_t writes_at_rest; /* of the record, when the clients stopped */
	uint32_t steps;		 /* that were begun */
	uint32_t steps_at_rest;
	uint32_t asked; /* bits of enum ask that a person may have caused */
};

/* How the servers, managers and nodes of a run are set up: follows from the seed. */
struct sim_setup {
	uint32_t servers;
	uint32_t managers;
	uint32_t nodes;
	enum gtid_flavor flavor;
	enum policy policy;
	struct decide_options options;
	struct lease_terms lease;
	struct leadership_terms leadership;
	uint64_t probe_timeout_us;
	uint64_t probe_interval_us;
	uint64_t heartbeat_us;
	uint64_t net_timeout_us;
	uint64_t dial_us;
	uint64_t step_timeout_us;
	uint64_t hold_us;
	uint64_t calm_us; /* when it begins */
	uint64_t end_us;  /* it must be well by then */
	uint32_t
		late_per_mille; /* statements that are delivered long after who sent them gave up */
};

struct sim_world {
	uint64_t now_us;
	uint64_t seed;
	struct sim_random random;
	struct sim_queue queue;
	struct sim_setup setup;
	struct sim_process processes[SIM_HOSTS];
	uint8_t cuts[SIM_HOSTS][SIM_HOSTS];
	uint8_t delays[SIM_HOSTS];
	uint8_t losses[SIM_HOSTS];
	struct sim_server servers[SIM_SERVERS_MAX];
	struct sim_manager managers[SIM_MANAGERS_MAX];
	struct sim_node nodes[SIM_NODES_MAX];
	struct sim_store store;
	struct sim_task tasks[SIM_TASKS_MAX];
	struct sim_request requests[SIM_REQUESTS_MAX];
	uint32_t request_serials;
	struct sim_txn txns[SIM_TXNS_MAX];
	uint32_t txn_count;
	struct sim_op ops[SIM_OPS_MAX];
	uint32_t op_count;
	uint32_t server_ids;
	struct sim_fault faults[SIM_FAULTS_MAX];
	uint32_t fault_count;
	struct sim_ledger ledger;
	bool calm;
	bool stopped; /* clients write no more */
	bool over;
	uint64_t over_us; /* true time of the end */
	bool failed;
	char failure[400];
	FILE *story; /* NULL: none is told */
	uint64_t events;
	uint32_t repaired; /* servers that a person rebuilt */
};

/* Everything that follows from the seed: setup, faults, the first events. left_out: bit i: without fault i. The memory of an
 * earlier run is used again. */
void sim_world_begin(struct sim_world *world, uint64_t seed, uint32_t left_out);

/* Lets time pass until the run is over or an invariant is broken. */
void sim_world_run(struct sim_world *world);

/* Releases all memory of the world. */
void sim_world_fini(struct sim_world *world);

/* Puts an event into the process of `host` after `delay_us`. */
void sim_world_later(struct sim_world *world, uint64_t delay_us, uint32_t host,
		     enum sim_event_kind kind, uint32_t a, uint32_t b, uint32_t c);

/* The time on the clock of `host`. */
uint64_t sim_world_clock(const struct sim_world *world, uint32_t host);

/* How long it takes in true time until the clock of `host` shows clock_us; at least 0. */
uint64_t sim_world_until(const struct sim_world *world, uint32_t host, uint64_t clock_us);

static inline bool sim_world_runs(const struct sim_world *world, uint32_t host)
{
	return world->processes[host].up;
}

static inline bool sim_world_answers(const struct sim_world *world, uint32_t host)
{
	const struct sim_process *process = &world->processes[host];
	return process->up && process->paused_until_us <= world->now_us;
}
