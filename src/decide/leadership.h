/* Which of several managers leads: the rules of one who takes part. Pure.
 *
 * The store holds two keys. `term` is written by each claim, `beat` by each claim and each renewal; their versions (as
 * the store counts them) are all that matters here. A claim compares both versions with what was read, a renewal and every
 * other write of the leader compares the version of `term`: so a leader that was replaced can't write (fencing token).
 *
 * Time is that of one observer's own monotonic clock; no two clocks are compared. A leader counts its time from the begin
 * of the write that renewed it, a follower from the end of the read that showed the renewal: so the follower's
 * time ends later, and by the margin still does when the clocks run at different speeds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum leadership_act {
	LEADERSHIP_WAIT,  /* nothing to do before *ret_due_us */
	LEADERSHIP_READ,  /* what the store holds is not known: read both keys */
	LEADERSHIP_CLAIM, /* write both keys, compared with term_version and beat_version */
	LEADERSHIP_RENEW, /* write `beat`, compared with term_version */
	LEADERSHIP_STEP_DOWN, /* the time is over: decide nothing more; then leadership_stepped_down() */
	LEADERSHIP_ACT_COUNT_
};

struct leadership_terms {
	uint64_t duration_us; /* a renewal is good for so long */
	uint64_t renew_us;  /* from the begin of one renewal to the next; well below the duration */
	uint64_t margin_us; /* a follower waits so much longer */
};

struct leadership {
	bool known; /* the versions below were read or written, and no write's outcome is open */
	uint64_t term_version; /* 0: the key does not exist */
	uint64_t beat_version;
	uint64_t changed_us; /* when the read that showed the newest change ended; 0: none yet */
	bool mine;	     /* term_version was written by this process */
	bool leads;
	uint64_t since_us; /* leads since */
	/* Nobody's beat before this lead is younger: when the newest one was seen; since_us where nobody led before. */
	uint64_t former_us;
	uint64_t until_us; /* may act as the leader before this time */
	uint64_t begun_us; /* the begin of the newest confirmed renewal */
};

/* Whether this process may act as the leader now. Asked before each act, not once per turn. */
bool leadership_leads(const struct leadership *leadership, uint64_t now_us);

/* What is to be done now. ret_due_us: when to ask again at the latest. */
enum leadership_act leadership_next(const struct leadership *leadership,
				    const struct leadership_terms *terms, uint64_t now_us,
				    uint64_t *ret_due_us);

/* A read of both keys ended at now_us. mine: the value of `term` carries this process' own mark (a claim whose answer was
 * lost is recognised so). */
void leadership_saw(struct leadership *leadership, uint64_t term_version, uint64_t beat_version,
		    bool mine, uint64_t now_us);

/* A claim or renewal that was begun at begun_us is confirmed at now_us; the versions are those after it. A renewal that is
 * confirmed after its lead was over makes nobody a leader again: a new claim does. */
void leadership_wrote(struct leadership *leadership, const struct leadership_terms *terms,
		      uint64_t term_version, uint64_t beat_version, uint64_t begun_us,
		      uint64_t now_us);

/* The store is in force only since now_us, or not yet: who acted under another one until then is not known here. To be said
 * after each read that shows it. */
void leadership_anew(struct leadership *leadership, uint64_t now_us);

/* A write was refused by its comparison: somebody else has claimed. */
void leadership_lost(struct leadership *leadership);

/* A write's answer didn't come: it may have been carried out. The time that was granted before goes on. */
void leadership_doubts(struct leadership *leadership);

/* Leads no longer; what the store holds is known as before. */
void leadership_stepped_down(struct leadership *leadership);
