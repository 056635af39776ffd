/* One floating address, as a machine: what was asked and what happened go in, the next action comes out. Pure.
 *
 *   absent -> looking -> probing -> program -> putting -> held
 *      ^         |          |          |          |        |
 *      +---------+----- removing, program's release <------+
 *
 * Whatever went wrong, and however the lease ended, the way back to "absent" leads through a removal that was
 * read back: "absent" is a proof that another node may rely on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/announce.h"
#include "agent/conflict.h"
#include "base/err.h"
#include "base/prng.h"

enum { HOLDING_WORDS_BYTES_MAX = 256 };

enum holding_state {
	HOLDING_UNKNOWN,   /* not looked yet: what an earlier process left may be there */
	HOLDING_ABSENT,	   /* proven: read back from the kernel; the program, if any, said so too */
	HOLDING_PROBING,   /* on the way to be held */
	HOLDING_CONFLICT,  /* somebody else has it: not taken, tried again */
	HOLDING_HELD,	   /* `watch.contested`: and somebody else has it, too */
	HOLDING_RELEASING, /* on the way to be absent */
	HOLDING_FAILED,	   /* see `words`; tried again */
	HOLDING_STATE_COUNT_
};

enum holding_action {
	HOLDING_WAIT,		 /* nothing to do before ret_wake_us */
	HOLDING_LOOK,		 /* find the interface; answer with holding_looked() */
	HOLDING_PROBE,		 /* send one probe; say so when it can't be sent */
	HOLDING_PROGRAM_HOLD,	 /* start the program; answer with holding_program_ended() */
	HOLDING_PROGRAM_RELEASE, /* likewise */
	HOLDING_PROGRAM_STOP,	 /* kill the one that runs; it still ends */
	HOLDING_PUT, /* add it, or renew its lifetime, for `lifetime_s`; answer with holding_put() */
	HOLDING_REMOVE,	  /* remove it, read back that it is gone; answer with holding_removed() */
	HOLDING_ANNOUNCE, /* `announcements` times */
};

enum holding_phase {
	PHASE_IDLE,
	PHASE_LOOK,
	PHASE_PROBE,
	PHASE_RIVAL,	     /* waits before it tries again */
	PHASE_FAILED,	     /* likewise */
	PHASE_PROGRAM_HOLD,  /* about to be started */
	PHASE_PROGRAM_HOLDS, /* it runs */
	PHASE_PUT,	     /* for the first time */
	PHASE_HELD,
	PHASE_REMOVE,
	PHASE_REMOVE_AGAIN,    /* it failed: waits */
	PHASE_PROGRAM_RELEASE, /* about to be started */
	PHASE_PROGRAM_RELEASES,
	PHASE_RELEASE_AGAIN, /* it failed: waits */
};

struct holding {
	bool native;  /* put it on the interface; else the program alone does it all */
	bool check;   /* probe for others */
	bool program; /* there is one */
	struct prng jitter;

	uint64_t until_us; /* the lease; 0: to be released */
	bool lapsed; /* the lease ended in between: it must be given back before it is taken again */
	enum holding_phase phase;
	enum holding_state state;
	char words[HOLDING_WORDS_BYTES_MAX]; /* why it is so; "" when there is nothing to say */
	uint64_t retry_us;
	uint32_t rival_count; /* tries that met a rival */
	bool may_probe;	      /* check, and the interface can */
	bool program_tried;   /* so it is to be told to release, too */
	bool program_killed;
	bool failing; /* on the way back from a failure */
	uint64_t failed_retry_us;
	uint32_t lifetime_s;
	uint32_t announcements;
	uint64_t refresh_us; /* UINT64_MAX: not by ourselves */
	struct conflict_probing probing;
	struct conflict_watch watch; /* rival: also in HOLDING_CONFLICT */
	struct announce announce;
};

/* The state is unknown, and the first action leads to a proof. seed: for the pause after a conflict. */
void holding_init(struct holding *holding, bool native, bool check, bool program, uint64_t seed);

/* Hold it until then (clock_system); 0: release it. lapsed: the former lease ended before this one was given. */
void holding_want(struct holding *holding, uint64_t until_us, bool lapsed, uint64_t now_us);

/* Whether it must go: asked, or the lease is over. Its actions come before everything else. */
bool holding_is_leaving(const struct holding *holding, uint64_t now_us);

/* The next action. Do it, answer where an answer is due, and ask again, until it is HOLDING_WAIT. */
enum holding_action holding_next(struct holding *holding, uint64_t now_us, uint64_t *ret_wake_us);

/* Answers. words: of a failure. */
void holding_looked(struct holding *holding, enum err rc, bool can_probe, const char *words,
		    uint64_t now_us);
void holding_probe_failed(struct holding *holding, const char *words, uint64_t now_us);
void holding_put(struct holding *holding, enum err rc, const char *words, uint64_t now_us);
void holding_removed(struct holding *holding, enum err rc, const char *words, uint64_t now_us);
void holding_program_ended(struct holding *holding, enum err rc, const char *words,
			   uint64_t now_us);

/* What happened by itself. */
void holding_heard(struct holding *holding, enum frame_word word, const struct mac *from,
		   uint64_t now_us);
void holding_lost(struct holding *holding, uint64_t now_us);	/* it is on no interface any more */
void holding_carrier(struct holding *holding, uint64_t now_us); /* its interface is up again */
void holding_announce(struct holding *holding, uint64_t now_us); /* somebody asks for it */

const char *holding_state_name(enum holding_state state); /* "held" */
