/* The cluster record of one group: what has been decided so far. It alone survives a crash of the manager.
 *
 * The promise that makes a failover lossless: every commit that a client was told of is in `base`, or is held by
 * at least `acks` members of `sync_set`. The record never promises more than the servers do
 * (docs/decisions/0002-sync-set.md has the order of each change).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decide/observation.h"

enum {
	SERVER_NONE = SERVERS_MAX,
	FAILOVERS_KEPT = 10,
	DOWNTIME_BYTES_MAX = 128,
	PAIR_WORDS_BYTES_MAX = 128,
	PAIR_SCRIPT_BYTES_MAX = 72,
	PAIR_DOMAIN_DEFAULT = 1000,
	PROCESS_NONE = 1, /* began when there were no servers yet: no process is that one */
};

enum policy {
	POLICY_ASYNC,	 /* a failover may lose what no replica received; it is named by GTID */
	POLICY_LOSSLESS, /* no failover unless every acknowledged commit is proven to be there */
	POLICY_BOUNDED, /* as async, but by itself only what was committed in the last max_loss_s is lost */
	POLICY_COUNT_
};

enum group_state {
	GROUP_FORMING,	/* no primary has been made yet */
	GROUP_STEADY,	/* the primary of this epoch takes writes */
	GROUP_REVOKING, /* the old primary loses the power to acknowledge; the candidate is found */
	GROUP_REFUSED, /* no safe candidate: waits for servers to come back or a person to decide */
	GROUP_OPENING, /* the new primary is made */
	GROUP_DRAINING, /* switchover: new transactions are held, the running ones end */
	GROUP_FREEZING, /* switchover: the old primary is read-only, the candidate catches up */
	GROUP_UNDOING,	/* switchover given up: the old primary opens again */
	GROUP_STATE_COUNT_
};

enum ask {
	ASK_NONE,
	ASK_SWITCHOVER,
	ASK_FAILOVER, /* a person orders it: witnesses, pause, cool-down and cap don't matter */
	ASK_COUNT_
};

/* How far a change on the passive side of a pair has got; pair.c has the rules. */
enum pair_state {
	PAIR_NONE,	/* nothing is under way */
	PAIR_OUT,	/* the passive side leaves sync set and readers */
	PAIR_CHANGING,	/* it is changed: by a person, or by the statements of a file */
	PAIR_BACK,	/* the change is complete: the side comes back and catches up */
	PAIR_SWITCHING, /* the roles switch as in any planned switchover */
	PAIR_FOLLOWING, /* the other side gets the change by replication */
	PAIR_STATE_COUNT_
};

enum pair_ask { PAIR_ASK_NONE, PAIR_ASK_DONE, PAIR_ASK_ABORT, PAIR_ASK_COUNT_ };

/* Two servers that take turns in being the primary, each with what is below it: an active and a passive side. */
struct record_pair {
	bool set;
	uint32_t masters[2]; /* indexes */
	uint32_t domain;     /* MariaDB: what is changed is written in this GTID domain */
	enum pair_state state;
	uint32_t out; /* index of the master whose side is changed; SERVER_NONE: PAIR_NONE */
	enum pair_ask ask;
	bool discard; /* PAIR_ASK_ABORT: although something was changed */
	/* What `out` and those below it may have that the primary lacks. PAIR_CHANGING: whatever `out` numbers itself
	 * from now on; later: exactly what was changed. */
	struct gtid_set change;
	uint32_t home_domain;		    /* MariaDB: gtid_domain_id of `out` before */
	char what[PAIR_WORDS_BYTES_MAX];    /* for people: what is changed */
	char script[PAIR_SCRIPT_BYTES_MAX]; /* which statements are run; "": a person makes it */
	uint32_t script_done;		    /* so many of them are through */
	uint64_t script_mark; /* transactions of `change` when the next one was begun */
	uint32_t ended;	      /* id of the row that ended the newest change; 0: none has */

	/* Not stored. */
	uint64_t since_us; /* the state */
	uint64_t tried_us; /* a switchover was asked for; 0: none yet */
};

struct record_server {
	char name[NAME_BYTES_MAX];
	char host[HOST_BYTES_MAX];
	uint16_t port;
	uint32_t weight; /* share of the readers, and preference as a candidate */
	bool never_promote;
	bool diverged;	       /* has transactions that the primary lacks; kept out */
	struct gtid_set extra; /* of a diverged one: what it has too much */
	/* It was told to acknowledge, and was not seen with that switched off since: if it can't be looked at, it may
	 * still follow a primary that it was pointed to before, and acknowledge as soon as it gets there. */
	bool acknowledges;
	/* A former primary that fell over while `acks` was promised, and was not seen alive since: the tail of
	 * its binary log that the present primary lacks was never acknowledged, so it may be taken back. */
	bool may_rewind;
	/* Of a member of the sync set: when the process began that has all it acknowledged. With a process ends what it
	 * received and had not applied. 0: a record of an older version, then it counts; PROCESS_NONE: it doesn't. */
	uint64_t started_s;
	/* Its data are being replaced, or that was broken off: it is no server until it has ended. */
	bool recloning;
	char uuid
		[SERVER_UUID_BYTES_MAX]; /* MySQL: of the server that last took part here; "" when none did */
	uint32_t
		below; /* 1 + the index of its parent; 0: directly below the primary, whoever that is */
	char dc[NAME_BYTES_MAX]; /* data centre; "": not told */
	/* In downtime somebody works on it: it is never elected, not mended, and no alarm is raised about it; what it says
	 * counts all the same. Monotonic microseconds of this observer at which it ends; 0: not in downtime. */
	int64_t downtime_until_us;
	char downtime_why[DOWNTIME_BYTES_MAX];
	/* MariaDB: how it applied in parallel before it was told to apply in order; "": it wasn't. */
	char parallel_mode[PARALLEL_MODE_BYTES_MAX];
};

struct record {
	char group[NAME_BYTES_MAX];
	enum policy policy;
	uint32_t max_loss_s; /* POLICY_BOUNDED */
	bool stay_in_dc;     /* no automatic failover to another data centre than the primary's */
	bool paused;	     /* no automatic failover */
	uint64_t version;    /* grows with each change that has to be stored */
	uint64_t epoch;
	enum group_state state;
	uint32_t primary;  /* index; SERVER_NONE while there is none */
	uint32_t previous; /* the primary before; SERVER_NONE when there was none */
	uint32_t sync_set; /* bit i: server i may acknowledge commits of this epoch */
	uint32_t acks;	   /* acknowledgements that a commit needs; 0: the primary commits alone */
	struct gtid_set base; /* what was acknowledged before sync_set and acks came into force */
	enum ask ask;
	uint32_t ask_server; /* SERVER_NONE: the best */
	bool ask_accept_loss;
	/* The failovers that nobody ordered, newest first. Monotonic microseconds of this observer; below 0 when they
	 * are older than its clock. Stored as wall-clock time, so they survive the manager and its host. */
	uint32_t failover_count;
	int64_t failovers_us[FAILOVERS_KEPT];
	bool cooling; /* the group has not been healthy since the newest of them */
	bool stalled; /* `previous` lost the role when its disk took no writes: others are preferred to it */
	struct record_pair pair;
	uint32_t server_count;
	struct record_server servers[SERVERS_MAX];

	/* Not stored: set anew when the record is loaded. */
	uint64_t lost_us; /* when the primary before was lost, at the latest; 0: not known */
	uint32_t source
		[SERVERS_MAX]; /* 1 + the index of whom server i should follow; 0: the primary */
	uint32_t
		leaving; /* bit i: it is to follow another server, and has to cease acknowledging first */
	uint64_t sound_since_us[SERVERS_MAX];	/* others could follow server i since; 0: not */
	uint64_t unsound_since_us[SERVERS_MAX]; /* the opposite, while the group is steady */
	uint64_t cut_since_us
		[SERVERS_MAX];	       /* server i gets nothing from its source since; 0: it does */
	uint64_t left_us[SERVERS_MAX]; /* when it last left a parent for that */
	uint32_t left_count[SERVERS_MAX]; /* how often it did */
	bool handed; /* the primary got its role from one that handed over, read-only and whole */
	uint64_t stage; /* grows with each change of state: results of steps belong to one stage */
	uint64_t state_since_us;
	uint64_t allowed_since_us; /* the switchover that is asked for, by the hook; 0: not */
	uint64_t
		clients_none_since_us; /* the primary counts no acknowledging replica since; 0: it does */
	uint64_t based_us;	       /* when `base` was last looked at; 0: not yet */
	uint64_t restarted_us[SERVERS_MAX]; /* server i was seen as another process since; 0: not */
	uint64_t extra_since_us
		[SERVERS_MAX]; /* server i shows transactions that the primary lacks since; 0: not */
	uint64_t idle_since_us
		[SERVERS_MAX]; /* server i, which is to acknowledge no more, is seen not to since; 0: not */
};

/* An empty record; `fini` releases the GTID sets. */
void record_init(struct record *record);
void record_fini(struct record *record);

/* to: initialised; what it held is overwritten, and the memory of its sets used again. */
void record_copy(struct record *to, const struct record *from);

/* Notes a failover that nobody ordered. */
void record_note_failover(struct record *record, uint64_t now_us);

/* Forgets them: cool-down and cap begin anew. */
void record_forget_failovers(struct record *record);

/* The index of the server of that name, SERVER_NONE when there is none. */
uint32_t record_find(const struct record *record, const char *name);

/* Whether somebody works on it. */
bool record_in_downtime(const struct record *record, uint32_t server);

/* Whether both are told to be in the same data centre. */
bool record_same_dc(const struct record *record, uint32_t a, uint32_t b);

/* Whether the tail of the server's log may be taken back before it is started: another primary is in force, which is
 * proven to have every acknowledged commit. While there is none, the server may be the one that has them. */
bool record_may_rewind(const struct record *record, uint32_t server);

/* Whether a member of the sync set may have lost what it acknowledged: its process is not the one that is counted on. */
bool record_is_void(const struct record *record, const struct observation *seen, uint32_t server);

/* Whether `server` points at the server `source` of the record, by address. */
bool record_follows(const struct record *record, const struct observation *seen, uint32_t server,
		    uint32_t source);

const char *policy_name(enum policy policy);	      /* "lossless" */
const char *group_state_name(enum group_state state); /* "steady" */
const char *ask_name(enum ask ask);		      /* "switchover" */
const char *pair_state_name(enum pair_state state);   /* "changing" */
const char *pair_ask_name(enum pair_ask ask);	      /* "done" */

/* The server that it is set below; SERVER_NONE: directly below the primary. */
static inline uint32_t record_parent(const struct record *record, uint32_t server)
{
	return record->servers[server].below ? record->servers[server].below - 1 : SERVER_NONE;
}

static inline bool record_is_member(const struct record *record, uint32_t server)
{
	return server < SERVERS_MAX && (record->sync_set & (1u << server)) != 0;
}
