/* What is known of the servers at one moment: facts with their age, no opinion.
 *
 * Filled by db/ (status) and manager/ (reach, ages), read by decide/. Plain data but for the GTID sets,
 * which the holder of an observation owns. All times are monotonic microseconds of one observer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decide/step.h"
#include "gtid/gtid_set.h"

enum {
	SERVERS_MAX = 16,     /* servers of one group */
	NAME_BYTES_MAX = 64,  /* of a server or group, with the NUL */
	HOST_BYTES_MAX = 256, /* of a host name or address, with the NUL */
	SERVER_UUID_BYTES_MAX = 40,
	VERSION_BYTES_MAX = 64,
	SERVER_ERROR_BYTES_MAX = 256,
	PARALLEL_MODE_BYTES_MAX = 16, /* MariaDB slave_parallel_mode, with the NUL */
	HOOK_WORDS_BYTES_MAX = 192,   /* why a hook said no, with the NUL */
};

/* What the newest contact proved about the server's process. An error number is a fact about liveness:
 * shared reference of evidence in docs/evidence.md; db/health/evidence.h maps errors to these. */
enum reach {
	REACH_UNKNOWN,	      /* no contact tried yet */
	REACH_ANSWERS,	      /* answered a query */
	REACH_REFUSES_US,     /* alive: answered with an error packet (1040, 1045, 1130, ...) */
	REACH_NOBODY_LISTENS, /* connection refused: no process, the host lives */
	REACH_SILENT,	      /* no answer to the connect, or no route */
	REACH_HUNG,	      /* connected or connectable, and then silence */
	REACH_NAME,	      /* the name could not be resolved: evidence of nothing */
	REACH_COUNT_
};

enum io_state { IO_NO, IO_CONNECTING, IO_YES };

/* The replication stream into one server. */
struct replica_status {
	bool configured; /* it has a source set; all below is zero otherwise */
	char source_host[HOST_BYTES_MAX];
	uint16_t source_port;
	enum io_state io;   /* the thread that receives */
	bool sql_running;   /* the thread that applies */
	bool gtid_position; /* MariaDB Using_Gtid=Slave_Pos, MySQL Auto_Position=1 */
	bool filtered;	    /* any replication filter is set */
	uint32_t delay_s;   /* configured delay (SQL_Delay) */
	bool lag_known;
	uint32_t lag_s; /* as the server says; only a hint */
	uint32_t io_errno;
	uint32_t sql_errno;
	char io_error[SERVER_ERROR_BYTES_MAX];
	char sql_error[SERVER_ERROR_BYTES_MAX];
	/* Grows whenever anything (event or heartbeat) came from the source: a stream that lives. */
	uint64_t received_ticks;
};

struct semisync_status {
	bool available;	     /* built in or plugin loaded */
	bool source_enabled; /* waits for acknowledgements when it is a primary */
	bool source_active;  /* ..._status = ON: not degraded to asynchronous */
	uint64_t source_timeout_ms;
	uint32_t source_clients;       /* replicas that acknowledge, as the primary counts them */
	uint32_t source_wait_count;    /* acknowledgements a commit needs; MariaDB: 1 */
	bool source_after_sync;	       /* wait point AFTER_SYNC */
	uint32_t source_wait_sessions; /* sessions waiting now */
	bool replica_enabled;
	bool replica_active; /* the stream in force acknowledges */
};

/* What one server said of itself, read in one go. */
struct server_status {
	enum gtid_flavor flavor;
	char version[VERSION_BYTES_MAX]; /* "10.11.19-MariaDB", "9.7.4" */
	uint32_t version_number;	 /* 101119, 90704: major * 10000 + minor * 100 + patch */
	uint32_t server_id;
	char server_uuid[SERVER_UUID_BYTES_MAX]; /* MySQL; empty on MariaDB */
	bool read_only;				 /* nobody but privileged accounts may write */
	bool log_bin;
	bool log_replica_updates;
	bool gtid_on;		 /* GTIDs are written (MariaDB: always) */
	bool gtid_strict;	 /* MariaDB gtid_strict_mode; MySQL enforce_gtid_consistency=ON */
	uint32_t auto_increment; /* auto_increment_increment; 0: not known */
	uint32_t auto_increment_offset;
	uint32_t gtid_domain; /* MariaDB: in which new sessions write */
	bool admins_write;    /* MySQL: read_only without super_read_only */
	/* MariaDB: transactions of different domains may overtake each other; "" when they can't. */
	char parallel_mode[PARALLEL_MODE_BYTES_MAX];
	uint64_t uptime_s;
	uint64_t started_s;    /* when its process began, by its own clock, exact; 0: not known */
	uint32_t sessions;     /* client connections: Threads_connected */
	uint32_t sessions_max; /* max_connections; 0: not known */
	/* Everything in its own binary log (MySQL gtid_executed; MariaDB gtid_binlog_state united with
	 * gtid_slave_pos). */
	struct gtid_set executed;
	/* executed united with what its relay log holds (MySQL Retrieved_Gtid_Set, MariaDB Gtid_IO_Pos). */
	struct gtid_set received;
	struct replica_status replica;
	struct semisync_status semisync;
};

/* What a server had at an earlier reading. Two servers are compared only where one reading had ended before the
 * other one began: whoever was read later has all that came from the other. */
struct observation_older {
	uint64_t begun_us; /* 0: there is none */
	uint64_t ended_us;
	bool read_only; /* it wrote nothing of its own from then on, as long as it stayed so */
	struct gtid_set executed;
};

/* What keeps a write from being through, as far as the server's own words tell. */
enum write_trouble {
	WRITE_THROUGH,	   /* nothing: the newest one is committed, or none was asked for */
	WRITE_UNEXPLAINED, /* it isn't through, and nothing says why */
	WRITE_LOCKED,	   /* a lock on all of the server: FLUSH TABLES WITH READ LOCK, a backup */
	WRITE_QUEUED,	   /* a lock on the row or table of the probe alone */
	WRITE_UNACKNOWLEDGED, /* semi-sync: no replica has acknowledged it */
	WRITE_DISK_FULL,
	WRITE_DISK_STALLED, /* it hangs in the commit, and nothing else holds it up */
	WRITE_READ_ONLY,    /* the server is read-only */
	WRITE_REFUSED,	    /* an error of another kind: a privilege, a damaged table */
	WRITE_TROUBLE_COUNT_
};

/* What the write probe found: one row of the server's own table, committed like any client's. */
struct observation_write {
	enum write_trouble trouble;
	uint64_t
		since_us; /* the oldest write that isn't through was begun then; 0: none is overdue */
	uint64_t late_us; /* when it was overdue */
	uint64_t seen_us; /* when the probe last told */
	uint64_t took_us; /* the newest one that went through took so long */
	char words
		[SERVER_ERROR_BYTES_MAX]; /* who holds it up, or the server's error; may be empty */
};

/* One server as the manager sees it. */
struct observation_server {
	enum reach reach;
	uint32_t refused_errno; /* the server's number while reach is REACH_REFUSES_US; 0: none */
	uint32_t misses;	/* contacts in a row that were not answered by a query result */
	uint64_t contact_us;	/* when the newest contact was begun; 0: never */
	uint64_t answered_us;	/* when it last answered a query; 0: never */
	uint64_t
		refused_since_us; /* nobody listens since; 0 unless reach is REACH_NOBODY_LISTENS */
	uint64_t status_us; /* when the newest `status` was asked for; 0: never, status is void */
	uint64_t status_end_us; /* when its answer had come */
	uint64_t stream_us;	/* when received_ticks was last seen to grow; 0: never */
	uint64_t moved_us; /* when its received transactions were last seen to grow; 0: never */
	uint32_t applied_per_s; /* transactions, while there was something to apply; 0: not known */
	bool lag_known;
	uint64_t
		lag_us; /* behind the primary, end to end: by the age of the heartbeat row it has */
	struct observation_write write;
	uint32_t steps_done;	/* bit STEP_x: carried out in the record's present stage */
	uint32_t steps_running; /* bit STEP_x: under way, begun in whichever stage */
	struct server_status status;
	struct observation_older older; /* of the reading before `status` */
};

/* What the nodes that route say: all of them together. */
struct observation_routes {
	uint64_t epoch;		    /* lowest epoch that all have put in force */
	uint64_t revision;	    /* lowest revision within that epoch */
	bool held;		    /* at that revision: no node lets a new transaction through */
	uint32_t transactions_open; /* client transactions still running on the old primary */
};

/* What a hook (a program of the people who run this) says before something is done. */
enum hook_answer {
	HOOK_GO,   /* nothing stands in the way: none is configured, or it said go */
	HOOK_OPEN, /* it hasn't answered yet; it has a time limit */
	HOOK_VETO, /* it said no */
	HOOK_ANSWER_COUNT_
};

struct observation_hook {
	enum hook_answer answer;
	char words[HOOK_WORDS_BYTES_MAX]; /* of a veto */
};

struct observation_hooks {
	struct observation_hook failover; /* before an automatic one begins */
	struct observation_hook switchover;
	bool before_runs; /* what has to end before a new primary opens is at work; it has a time limit */
};

/* What the primary had at an earlier moment: a server that has it has all that was committed before that. */
enum { OBSERVATION_MARKS_MAX = 8 };
struct observation_mark {
	uint64_t begun_us;
	struct gtid_set executed;
};

struct observation {
	uint64_t
		started_us; /* since when the observer has watched without a gap; older evidence is void */
	struct observation_server servers[SERVERS_MAX]; /* same index as record.servers */
	uint32_t marks_of;				/* whose they are: an index */
	uint32_t mark_count;
	struct observation_mark marks[OBSERVATION_MARKS_MAX]; /* newest first, some time apart */
	struct observation_routes routes;
	struct observation_hooks hooks;
};

/* A deep copy; `to` is overwritten, and released by observation_fini(). */
void observation_copy(struct observation *to, const struct observation *from);
void observation_fini(struct observation *seen);

/* Notes what server `server`, the primary, has, unless the newest mark is less than apart_us old. Marks of another
 * server are dropped. */
void observation_mark(struct observation *seen, uint32_t server, uint64_t apart_us);

/* Answers now: a status that was read in the present watch. false for SERVER_NONE too. */
bool observation_answers(const struct observation *seen, uint32_t server);
