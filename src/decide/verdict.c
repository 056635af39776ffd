#include "decide/verdict.h"

#define UP EVIDENCE_ANSWERS
#define WRITES (EVIDENCE_ANSWERS | EVIDENCE_OVERDUE)

/* clang-format off */
const struct verdict_row verdict_rows[] = {
	{ 3010, EVIDENCE_NO_PROCESS,                 VERDICT_DEAD,         TREAT_FAIL_OVER,      "down: nobody listens", "find out why it ended in its error log, and start it again" },
	{ 3020, EVIDENCE_SILENT | EVIDENCE_WITNESS,  VERDICT_CUT_OFF,      TREAT_TELL,           "no answer here, but a replica still receives from it", "mend the network between the manager and this server" },
	{ 3030, EVIDENCE_SILENT,                     VERDICT_SILENT,       TREAT_FAIL_OVER,      "no answer", "look at the host and its network" },
	{ 3040, EVIDENCE_HUNG | EVIDENCE_WITNESS,    VERDICT_HUNG,         TREAT_TELL,           "hangs: connected, no answer, but a replica still receives from it", "look at the server's threads and at its load" },
	{ 3050, EVIDENCE_HUNG,                       VERDICT_HUNG,         TREAT_FAIL_OVER,      "hangs: connected, no answer", "end the process, find out why it hung, and start it again" },
	{ 3060, EVIDENCE_NAME,                       VERDICT_NAME,         TREAT_TELL,           "its name can't be resolved", "mend the name service, or register the server by its address" },
	{ 3070, EVIDENCE_LEAVING,                    VERDICT_LEAVING,      TREAT_TELL,           "is shutting down", "" },
	{ 3080, EVIDENCE_REFUSED | EVIDENCE_CROWDED, VERDICT_FULL_HOUSE,   TREAT_TELL,           "alive: too many connections, ours is turned away", "raise max_connections, end idle sessions, or give the server an extra_port (MariaDB) or admin_address (MySQL)" },
	{ 3090, EVIDENCE_REFUSED,                    VERDICT_REFUSES_US,   TREAT_TELL,           "alive, but refuses our log-in", "mend the manager's account on this server" },
	{ 3100, EVIDENCE_MISSED,                     VERDICT_SLOW,         TREAT_TELL,           "answers late", "" },

	{ 3210, UP | EVIDENCE_READ_ONLY,             VERDICT_READ_ONLY,    TREAT_REPAIR,         "is read-only", "if somebody set read_only, let them clear it: the group opens its primary again by itself" },
	{ 3220, WRITES | EVIDENCE_MOVES,             VERDICT_SLOW,         TREAT_TELL,           "the probe's write waits, but others get through", "" },
	{ 3230, WRITES | EVIDENCE_LOCK,              VERDICT_LOCKED,       TREAT_TELL,           "its writes wait for a global lock", "end the session that holds it (KILL), or let the backup finish" },
	{ 3240, WRITES | EVIDENCE_QUEUE,             VERDICT_PROBE_FAILS,  TREAT_TELL,           "somebody holds a lock on the heartbeat row", "end the session that holds a lock on muster.heartbeat" },
	{ 3250, WRITES | EVIDENCE_NO_ACK,            VERDICT_SEMISYNC,     TREAT_REPAIR,         "its writes wait for an acknowledgement that no replica gives", "start replication on a replica that acknowledges" },
	{ 3260, WRITES | EVIDENCE_DISK_FULL,         VERDICT_DISK_FULL,    TREAT_FAIL_OVER_LATE, "its disk is full: writes hang or fail", "free space on the file system of its data or binary log" },
	{ 3270, WRITES | EVIDENCE_DISK_STALLED,      VERDICT_DISK_STALLED, TREAT_FAIL_OVER_LATE, "its disk takes no writes: commits hang", "look at the disk or the storage behind it, and at the free space" },
	{ 3280, WRITES | EVIDENCE_WRITE_REFUSED,     VERDICT_PROBE_FAILS,  TREAT_TELL,           "the write probe is refused: nothing is known of its writes", "give the manager's account its privileges on muster.*" },
	{ 3290, WRITES,                              VERDICT_WRITES_HANG,  TREAT_TELL,           "its writes hang, and nothing says why", "look at its process list" },

	{ 3310, UP | EVIDENCE_CROWDED,               VERDICT_FULL_HOUSE,   TREAT_TELL,           "too many connections: clients are turned away", "raise max_connections, or end idle sessions" },
	{ 3320, UP | EVIDENCE_SLOW,                  VERDICT_SLOW,         TREAT_TELL,           "answers late", "" },
	{ 3330, UP,                                  VERDICT_UP,           TREAT_NOTHING,        "ok", "" },
	{ 3340, 0,                                   VERDICT_UNKNOWN,      TREAT_NOTHING,        "not looked at yet", "" },
};
/* clang-format on */

const uint32_t verdict_rows_count = sizeof(verdict_rows) / sizeof(verdict_rows[0]);

enum {
	ERRNO_CONNECTIONS = 1040,
	ERRNO_SHUTDOWN = 1053,
	ERRNO_USER_CONNECTIONS = 1203,
	ERRNO_USER_LIMIT = 1226,
};

const struct verdict_row *verdict_match(uint32_t evidence)
{
	uint32_t last = verdict_rows_count - 1;
	for (uint32_t i = 0; i < last; i++) {
		if ((evidence & verdict_rows[i].need) == verdict_rows[i].need) {
			return &verdict_rows[i];
		}
	}
	return &verdict_rows[last];
}

static uint32_t trouble_evidence(enum write_trouble trouble)
{
	switch (trouble) {
	case WRITE_LOCKED:
		return EVIDENCE_LOCK;
	case WRITE_QUEUED:
		return EVIDENCE_QUEUE;
	case WRITE_UNACKNOWLEDGED:
		return EVIDENCE_NO_ACK;
	case WRITE_DISK_FULL:
		return EVIDENCE_DISK_FULL;
	case WRITE_DISK_STALLED:
		return EVIDENCE_DISK_STALLED;
	case WRITE_READ_ONLY:
		return EVIDENCE_READ_ONLY;
	case WRITE_REFUSED:
		return EVIDENCE_WRITE_REFUSED;
	case WRITE_THROUGH:
	case WRITE_UNEXPLAINED:
	case WRITE_TROUBLE_COUNT_:
		break;
	}
	return 0;
}

/* Some write got through since the probe's was overdue: the server's own, or one that a replica received. */
static bool has_moved(const struct record *record, const struct observation *seen, uint32_t server)
{
	uint64_t late_us = seen->servers[server].write.late_us;
	for (uint32_t i = 0; i < record->server_count; i++) {
		bool tells = i == server || record_follows(record, seen, i, server);
		if (tells && seen->servers[i].moved_us > late_us) {
			return true;
		}
	}
	return false;
}

static uint32_t write_evidence(const struct record *record, const struct observation *seen,
			       uint32_t server)
{
	const struct observation_write *write = &seen->servers[server].write;
	/* Nobody asks a replica to write: what was found when it was the primary says nothing of now. */
	if (server != record->primary || write->since_us == 0) {
		return 0;
	}
	uint32_t set = EVIDENCE_OVERDUE | trouble_evidence(write->trouble);
	return has_moved(record, seen, server) ? set | EVIDENCE_MOVES : set;
}

static bool has_witness(const struct record *record, const struct observation *seen,
			const struct decide_options *options, uint32_t server, uint64_t now_us)
{
	for (uint32_t i = 0; i < record->server_count; i++) {
		const struct observation_server *one = &seen->servers[i];
		if (i != server && observation_answers(seen, i) &&
		    record_follows(record, seen, i, server) && one->status.replica.io == IO_YES &&
		    one->stream_us > seen->started_us &&
		    now_us - one->stream_us < options->stream_silence_us) {
			return true;
		}
	}
	return false;
}

static uint32_t refusal_evidence(uint32_t server_errno)
{
	switch (server_errno) {
	case ERRNO_CONNECTIONS:
	case ERRNO_USER_CONNECTIONS:
	case ERRNO_USER_LIMIT:
		return EVIDENCE_REFUSED | EVIDENCE_CROWDED;
	case ERRNO_SHUTDOWN:
		return EVIDENCE_REFUSED | EVIDENCE_LEAVING;
	}
	return EVIDENCE_REFUSED;
}

/* Of a server whose newest contact brought no status. */
static uint32_t contact_evidence(const struct observation *seen,
				 const struct decide_options *options, uint32_t server,
				 uint64_t now_us)
{
	const struct observation_server *one = &seen->servers[server];
	uint64_t answered_us =
		one->answered_us > seen->started_us ? one->answered_us : seen->started_us;
	bool long_enough = one->misses > 0 && now_us - answered_us >= options->silence_us;
	if (one->contact_us < seen->started_us) {
		return 0;
	}
	switch (one->reach) {
	case REACH_NOBODY_LISTENS:
		return one->misses >= 2 ? EVIDENCE_NO_PROCESS : EVIDENCE_MISSED;
	case REACH_SILENT:
		return long_enough ? EVIDENCE_SILENT : EVIDENCE_MISSED;
	case REACH_HUNG:
		return long_enough ? EVIDENCE_HUNG : EVIDENCE_MISSED;
	case REACH_REFUSES_US:
		return refusal_evidence(one->refused_errno);
	case REACH_NAME:
		return EVIDENCE_NAME;
	case REACH_UNKNOWN:
	case REACH_ANSWERS:
	case REACH_COUNT_:
		break;
	}
	return 0;
}

/* Of a server that answers, from what it says and from its writes. */
static uint32_t answer_evidence(const struct record *record, const struct observation *seen,
				uint32_t server)
{
	const struct server_status *status = &seen->servers[server].status;
	uint32_t set = EVIDENCE_ANSWERS | write_evidence(record, seen, server);
	if (status->sessions_max != 0 && status->sessions >= status->sessions_max) {
		set |= EVIDENCE_CROWDED;
	}
	if (server == record->primary && status->read_only) {
		set |= EVIDENCE_READ_ONLY;
	}
	return set;
}

uint32_t verdict_evidence(const struct record *record, const struct observation *seen,
			  const struct decide_options *options, uint32_t server, uint64_t now_us)
{
	const struct observation_server *one = &seen->servers[server];
	uint32_t set = has_witness(record, seen, options, server, now_us) ? EVIDENCE_WITNESS : 0;
	if (!observation_answers(seen, server)) {
		return set | contact_evidence(seen, options, server, now_us);
	}
	bool slow = one->status_end_us - one->status_us >= options->slow_us ||
		    one->write.took_us >= options->slow_us;
	set |= slow && options->slow_us != 0 ? EVIDENCE_SLOW : 0;
	return set | answer_evidence(record, seen, server);
}

const struct verdict_row *verdict_find(const struct record *record, const struct observation *seen,
				       const struct decide_options *options, uint32_t server,
				       uint64_t now_us)
{
	return verdict_match(verdict_evidence(record, seen, options, server, now_us));
}

const struct verdict_row *verdict_of_answers(const struct record *record,
					     const struct observation *seen, uint32_t server)
{
	return verdict_match(answer_evidence(record, seen, server));
}

bool verdict_is_harm(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_UP:
	case VERDICT_SLOW:
	case VERDICT_PROBE_FAILS:
		return false;
	case VERDICT_UNKNOWN:
	case VERDICT_FULL_HOUSE:
	case VERDICT_REFUSES_US:
	case VERDICT_LEAVING:
	case VERDICT_READ_ONLY:
	case VERDICT_LOCKED:
	case VERDICT_SEMISYNC:
	case VERDICT_DISK_FULL:
	case VERDICT_DISK_STALLED:
	case VERDICT_WRITES_HANG:
	case VERDICT_HUNG:
	case VERDICT_CUT_OFF:
	case VERDICT_SILENT:
	case VERDICT_DEAD:
	case VERDICT_NAME:
	case VERDICT_COUNT_:
		break;
	}
	return true;
}

bool verdict_is_stalled(const struct record *record, const struct observation *seen,
			uint32_t server)
{
	return verdict_of_answers(record, seen, server)->treatment == TREAT_FAIL_OVER_LATE;
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICT_COUNT_] = {
		[VERDICT_UNKNOWN] = "unknown",
		[VERDICT_UP] = "up",
		[VERDICT_SLOW] = "slow",
		[VERDICT_FULL_HOUSE] = "too-many-connections",
		[VERDICT_REFUSES_US] = "refuses-us",
		[VERDICT_LEAVING] = "shutting-down",
		[VERDICT_READ_ONLY] = "read-only",
		[VERDICT_LOCKED] = "locked",
		[VERDICT_SEMISYNC] = "semisync-blocked",
		[VERDICT_DISK_FULL] = "disk-full",
		[VERDICT_DISK_STALLED] = "disk-stalled",
		[VERDICT_WRITES_HANG] = "writes-hang",
		[VERDICT_PROBE_FAILS] = "probe-fails",
		[VERDICT_HUNG] = "hung",
		[VERDICT_CUT_OFF] = "cut-off",
		[VERDICT_SILENT] = "silent",
		[VERDICT_DEAD] = "dead",
		[VERDICT_NAME] = "name",
	};
	return verdict < VERDICT_COUNT_ ? names[verdict] : "?";
}

const char *verdict_treatment_name(enum treatment treatment)
{
	static const char *const names[TREAT_COUNT_] = {
		[TREAT_NOTHING] = "nothing",	 [TREAT_TELL] = "tell",
		[TREAT_REPAIR] = "repair",	 [TREAT_FAIL_OVER_LATE] = "fail over late",
		[TREAT_FAIL_OVER] = "fail over",
	};
	return treatment < TREAT_COUNT_ ? names[treatment] : "?";
}

const char *verdict_evidence_name(uint32_t bit_index)
{
	static const char *const names[EVIDENCE_COUNT_] = {
		"ANSWERS", "REFUSED",	"CROWDED",   "LEAVING",	     "NO_PROCESS",
		"SILENT",  "HUNG",	"MISSED",    "NAME",	     "WITNESS",
		"SLOW",	   "READ_ONLY", "OVERDUE",   "MOVES",	     "LOCK",
		"QUEUE",   "NO_ACK",	"DISK_FULL", "DISK_STALLED", "WRITE_REFUSED",
	};
	return bit_index < EVIDENCE_COUNT_ ? names[bit_index] : "?";
}
