/* What the evidence says of one server, and what may be done about it: a table, first match wins. Pure.
 *
 * Row ids are never reused: events and docs/evidence.md name rows by them.
 */
#pragma once

#include <stdint.h>

#include "decide/observation.h"
#include "decide/options.h"
#include "decide/record.h"

enum verdict {
	VERDICT_UNKNOWN,
	VERDICT_UP,
	VERDICT_SLOW,	    /* it answers, late */
	VERDICT_FULL_HOUSE, /* too many connections */
	VERDICT_REFUSES_US, /* alive, and turns our log-in away */
	VERDICT_LEAVING,    /* alive, shutting down */
	VERDICT_READ_ONLY,  /* a primary that is read-only */
	VERDICT_LOCKED,	    /* its writes wait for a lock on all of it */
	VERDICT_SEMISYNC,   /* its writes wait for an acknowledgement */
	VERDICT_DISK_FULL,
	VERDICT_DISK_STALLED,
	VERDICT_WRITES_HANG, /* nobody knows why */
	VERDICT_PROBE_FAILS, /* the write probe cannot be done; nothing is known of writes */
	VERDICT_HUNG,	     /* connected or connectable, and then silence */
	VERDICT_CUT_OFF,     /* not reachable from here, but a replica receives from it */
	VERDICT_SILENT,	     /* no answer at all */
	VERDICT_DEAD,	     /* nobody listens */
	VERDICT_NAME,	     /* its name cannot be resolved */
	VERDICT_COUNT_
};

/* What the decision may do about it when the server is the primary. */
enum treatment {
	TREAT_NOTHING,
	TREAT_TELL,   /* an event and a line in the status; never a failover by itself */
	TREAT_REPAIR, /* the rules for replicas and acknowledgements mend it; never a failover */
	TREAT_FAIL_OVER_LATE, /* when it lasts for `write_stall_us`, and another server can take over */
	TREAT_FAIL_OVER,      /* as soon as every witness lost it too */
	TREAT_COUNT_
};

/* Evidence: a set bit is a proof. */
enum evidence {
	EVIDENCE_ANSWERS = 1u << 0, /* a status was read now */
	EVIDENCE_REFUSED = 1u << 1, /* an error packet instead of a log-in */
	EVIDENCE_CROWDED =
		1u << 2, /* no connection is left: an error number, or by its own count */
	EVIDENCE_LEAVING = 1u << 3,    /* it said that it shuts down */
	EVIDENCE_NO_PROCESS = 1u << 4, /* refused twice in a row */
	EVIDENCE_SILENT = 1u << 5,     /* no answer to the connect, for long enough */
	EVIDENCE_HUNG = 1u << 6,       /* connected, no answer, for long enough */
	EVIDENCE_MISSED = 1u << 7,     /* a contact without an answer, not for long enough */
	EVIDENCE_NAME = 1u << 8,
	EVIDENCE_WITNESS = 1u << 9,    /* a replica still receives from it */
	EVIDENCE_SLOW = 1u << 10,      /* the newest answer or write took too long */
	EVIDENCE_READ_ONLY = 1u << 11, /* a primary, and read-only by its own word */
	EVIDENCE_OVERDUE = 1u << 12,   /* a write of the probe isn't through */
	EVIDENCE_MOVES = 1u << 13,     /* other writes got through since that one was overdue */
	EVIDENCE_LOCK = 1u << 14,
	EVIDENCE_QUEUE = 1u << 15, /* somebody holds the probe's own row or table */
	EVIDENCE_NO_ACK = 1u << 16,
	EVIDENCE_DISK_FULL = 1u << 17,
	EVIDENCE_DISK_STALLED = 1u << 18,
	EVIDENCE_WRITE_REFUSED = 1u << 19,
	EVIDENCE_COUNT_ = 20
};

struct verdict_row {
	uint32_t id;
	uint32_t need; /* bits of enum evidence */
	enum verdict verdict;
	enum treatment treatment;
	const char *text;   /* what is wrong, for people; "ok" when nothing is */
	const char *remedy; /* what a person can do; "" when there is nothing to be done */
};

extern const struct verdict_row verdict_rows[];
extern const uint32_t verdict_rows_count;

/* Never NULL: the last row needs nothing. */
const struct verdict_row *verdict_match(uint32_t evidence);

/* All that is proven about one server. */
uint32_t verdict_evidence(const struct record *record, const struct observation *seen,
			  const struct decide_options *options, uint32_t server, uint64_t now_us);
const struct verdict_row *verdict_find(const struct record *record, const struct observation *seen,
				       const struct decide_options *options, uint32_t server,
				       uint64_t now_us);

/* By what it says of itself and what its writes say, whatever the time: never NULL. */
const struct verdict_row *verdict_of_answers(const struct record *record,
					     const struct observation *seen, uint32_t server);

/* Whether it keeps its group from being healthy. */
bool verdict_is_harm(enum verdict verdict);

/* Whether its writes, when last asked for, did not get onto its disk. */
bool verdict_is_stalled(const struct record *record, const struct observation *seen,
			uint32_t server);

const char *verdict_name(enum verdict verdict);		      /* "disk-full": in JSON and events */
const char *verdict_treatment_name(enum treatment treatment); /* "fail over late" */
const char *verdict_evidence_name(uint32_t bit_index);	      /* "DISK_FULL" */
