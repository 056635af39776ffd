#include "agent/holding.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"

enum {
	RETRY_MS = 1000,
	/* Who has it may be a dead process' kernel, for the rest of its second: asked soon, at first. */
	RETRY_SOON_MS = 250,
	RETRY_SOON_TIMES = 10,
	RETRY_JITTER_MS = 250,
	RETRY_PROGRAM_MS = 5000,
	RETRY_REMOVE_MS = 200,
	REFRESH_BEFORE_MS = 500, /* the kernel's lifetime ends */
};

static void say(struct holding *holding, const char *words)
{
	struct str text = str_of(words);
	text = str_slice(text, 0, sizeof(holding->words) - 1);
	/* It fits: it was cut. */
	(void)!str_copy(text, holding->words, sizeof(holding->words));
}

static void move(struct holding *holding, enum holding_phase phase)
{
	holding->phase = phase;
}

static void become(struct holding *holding, enum holding_phase phase, enum holding_state state,
		   const char *words)
{
	move(holding, phase);
	holding->state = state;
	say(holding, words);
}

void holding_init(struct holding *holding, bool native, bool check, bool program, uint64_t seed)
{
	*holding = (struct holding){
		.native = native,
		.check = native && check,
		.program = program,
		.jitter = { seed },
		.phase = PHASE_REMOVE,
		.state = HOLDING_UNKNOWN,
		/* What an earlier process told it isn't known: releasing twice does no harm. */
		.program_tried = program,
	};
	announce_stop(&holding->announce);
}

void holding_want(struct holding *holding, uint64_t until_us, bool lapsed, uint64_t now_us)
{
	holding->lapsed = holding->lapsed || lapsed;
	holding->until_us = until_us;
	if (until_us && holding->phase == PHASE_HELD && until_us >= now_us + US_PER_S) {
		holding->refresh_us = now_us;
	}
}

bool holding_is_leaving(const struct holding *holding, uint64_t now_us)
{
	return !holding->until_us || holding->lapsed || now_us >= holding->until_us;
}

/* How long the kernel may keep it: never beyond the lease by more than its own second of slack. */
static uint32_t lifetime(const struct holding *holding, uint64_t now_us)
{
	uint64_t left_s = holding->until_us > now_us ? (holding->until_us - now_us) / US_PER_S : 0;
	return left_s < INT32_MAX ? (uint32_t)left_s : INT32_MAX;
}

static void begin_remove(struct holding *holding, const char *words)
{
	announce_stop(&holding->announce);
	move(holding, PHASE_REMOVE);
	if (!holding->failing) {
		holding->state =
			holding->state == HOLDING_UNKNOWN ? HOLDING_UNKNOWN : HOLDING_RELEASING;
		say(holding, words);
	}
}

/* A try failed: undo what it may have done, wait, try again. */
static void fail(struct holding *holding, uint64_t retry_ms, const char *words, uint64_t now_us)
{
	holding->failing = true;
	holding->failed_retry_us = now_us + retry_ms * US_PER_MS;
	holding->state = HOLDING_FAILED;
	say(holding, words);
	begin_remove(holding, words);
}

/* Everything is undone. */
static void end_release(struct holding *holding, uint64_t now_us)
{
	bool failing = holding->failing;
	holding->failing = false;
	holding->lapsed = false;
	holding->program_tried = false;
	holding->program_killed = false;
	if (failing && holding->until_us && now_us < holding->until_us) {
		holding->retry_us = holding->failed_retry_us;
		move(holding, PHASE_FAILED);
		return;
	}
	if (holding->until_us && now_us >= holding->until_us) {
		holding->until_us = 0;
		become(holding, PHASE_IDLE, HOLDING_ABSENT, "its lease is over");
		return;
	}
	become(holding, PHASE_IDLE, HOLDING_ABSENT, "");
}

static void leave(struct holding *holding)
{
	const char *words = holding->until_us ? "its lease is over" : "";
	switch (holding->phase) {
	case PHASE_LOOK:
	case PHASE_PROBE:
	case PHASE_RIVAL:
	case PHASE_FAILED:
	case PHASE_PROGRAM_HOLD:
	case PHASE_PUT:
	case PHASE_HELD:
		holding->failing = false;
		begin_remove(holding, words);
		break;
	case PHASE_IDLE:
	case PHASE_PROGRAM_HOLDS:
	case PHASE_REMOVE:
	case PHASE_REMOVE_AGAIN:
	case PHASE_PROGRAM_RELEASE:
	case PHASE_PROGRAM_RELEASES:
	case PHASE_RELEASE_AGAIN:
		break;
	}
}

static void begin_held(struct holding *holding, uint64_t now_us)
{
	become(holding, PHASE_HELD, HOLDING_HELD, "");
	holding->refresh_us = UINT64_MAX;
	conflict_watch_begin(&holding->watch, now_us);
	if (holding->native) {
		announce_begin(&holding->announce, now_us);
	}
}

static void begin_program_or_put(struct holding *holding, uint64_t now_us)
{
	if (holding->program) {
		move(holding, PHASE_PROGRAM_HOLD);
	} else if (holding->native) {
		move(holding, PHASE_PUT);
	} else {
		begin_held(holding, now_us);
	}
}

static uint64_t min_us(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static enum holding_action next_while_held(struct holding *holding, uint64_t now_us,
					   uint64_t *ret_wake_us)
{
	if (holding->native && now_us >= holding->refresh_us) {
		holding->refresh_us = UINT64_MAX;
		holding->lifetime_s = lifetime(holding, now_us);
		if (holding->lifetime_s) {
			return HOLDING_PUT;
		}
	}
	if (conflict_watch_is_over(&holding->watch, now_us)) {
		say(holding, "");
		announce_begin(&holding->announce, now_us);
	}
	holding->announcements = announce_due(&holding->announce, now_us);
	if (holding->announcements) {
		return HOLDING_ANNOUNCE;
	}
	if (holding->may_probe && conflict_watch_probe_due(&holding->watch, now_us)) {
		return HOLDING_PROBE;
	}
	uint64_t wake = min_us(holding->until_us, holding->refresh_us);
	wake = min_us(wake, holding->announce.next_us);
	*ret_wake_us = holding->may_probe ? min_us(wake, holding->watch.probe_us) : wake;
	return HOLDING_WAIT;
}

/* Where a wait ends and the next phase begins. */
static void pass_time(struct holding *holding, uint64_t now_us)
{
	bool is_over = now_us >= holding->retry_us;
	if (holding->phase == PHASE_IDLE) {
		holding->lapsed = false;
		if (holding->until_us && now_us >= holding->until_us) {
			holding->until_us = 0;
		} else if (holding->until_us && lifetime(holding, now_us) > 0) {
			holding->rival_count = 0;
			become(holding, PHASE_LOOK, HOLDING_PROBING, "");
		}
	} else if ((holding->phase == PHASE_RIVAL || holding->phase == PHASE_FAILED) && is_over) {
		/* The state stays until the outcome is known. */
		move(holding, PHASE_LOOK);
	} else if (holding->phase == PHASE_REMOVE_AGAIN && is_over) {
		move(holding, PHASE_REMOVE);
	} else if (holding->phase == PHASE_RELEASE_AGAIN && now_us < holding->until_us) {
		/* Wanted here again: the program need not release it first. */
		holding->lapsed = false;
		move(holding, PHASE_LOOK);
	} else if (holding->phase == PHASE_RELEASE_AGAIN && is_over) {
		move(holding, PHASE_PROGRAM_RELEASE);
	}
}

enum holding_action holding_next(struct holding *holding, uint64_t now_us, uint64_t *ret_wake_us)
{
	bool leaving = holding_is_leaving(holding, now_us);
	if (leaving) {
		leave(holding);
	}
	pass_time(holding, now_us);
	*ret_wake_us = UINT64_MAX;
	if (holding->phase == PHASE_PROBE) {
		enum conflict_step step = conflict_probing_next(&holding->probing, now_us);
		if (step == CONFLICT_SEND) {
			return HOLDING_PROBE;
		}
		if (step == CONFLICT_WAIT) {
			*ret_wake_us = min_us(holding->probing.next_us, holding->until_us);
			return HOLDING_WAIT;
		}
		begin_program_or_put(holding, now_us);
	}
	switch (holding->phase) {
	case PHASE_IDLE:
	case PHASE_PROBE:
		break;
	case PHASE_LOOK:
		return HOLDING_LOOK;
	case PHASE_RIVAL:
	case PHASE_FAILED:
		*ret_wake_us = min_us(holding->retry_us, holding->until_us);
		break;
	case PHASE_PROGRAM_HOLD:
		move(holding, PHASE_PROGRAM_HOLDS);
		holding->program_tried = true;
		holding->program_killed = false;
		return HOLDING_PROGRAM_HOLD;
	case PHASE_PROGRAM_HOLDS:
		if (leaving && !holding->program_killed) {
			holding->program_killed = true;
			return HOLDING_PROGRAM_STOP;
		}
		*ret_wake_us = leaving ? UINT64_MAX : holding->until_us;
		break;
	case PHASE_PUT:
		holding->lifetime_s = lifetime(holding, now_us);
		if (holding->lifetime_s) {
			return HOLDING_PUT;
		}
		/* Less than a second of the lease is left: a renewal is waited for. */
		*ret_wake_us = holding->until_us;
		break;
	case PHASE_HELD:
		return next_while_held(holding, now_us, ret_wake_us);
	case PHASE_REMOVE:
		return HOLDING_REMOVE;
	case PHASE_REMOVE_AGAIN:
	case PHASE_RELEASE_AGAIN:
		*ret_wake_us = holding->retry_us;
		break;
	case PHASE_PROGRAM_RELEASE:
		move(holding, PHASE_PROGRAM_RELEASES);
		return HOLDING_PROGRAM_RELEASE;
	case PHASE_PROGRAM_RELEASES:
		break;
	}
	return HOLDING_WAIT;
}

void holding_looked(struct holding *holding, enum err rc, bool can_probe, const char *words,
		    uint64_t now_us)
{
	if (rc) {
		fail(holding, RETRY_MS, words, now_us);
		return;
	}
	holding->may_probe = holding->check && can_probe;
	if (holding->may_probe) {
		conflict_probing_begin(&holding->probing, now_us);
		move(holding, PHASE_PROBE);
	} else {
		begin_program_or_put(holding, now_us);
	}
}

void holding_probe_failed(struct holding *holding, const char *words, uint64_t now_us)
{
	/* Silence on a question that nobody heard proves nothing. */
	if (holding->phase == PHASE_PROBE) {
		fail(holding, RETRY_MS, words, now_us);
	}
}

void holding_put(struct holding *holding, enum err rc, const char *words, uint64_t now_us)
{
	if (rc) {
		fail(holding, RETRY_MS, words, now_us);
		return;
	}
	if (holding->phase == PHASE_PUT) {
		begin_held(holding, now_us);
	}
	/* Once more before the kernel's time is up, when the lease is then still good for a second. */
	uint64_t again_us = now_us + holding->lifetime_s * (uint64_t)US_PER_S -
			    (uint64_t)REFRESH_BEFORE_MS * US_PER_MS;
	if (again_us + US_PER_S <= holding->until_us) {
		holding->refresh_us = again_us;
	}
}

void holding_removed(struct holding *holding, enum err rc, const char *words, uint64_t now_us)
{
	if (rc) {
		holding->retry_us = now_us + (uint64_t)RETRY_REMOVE_MS * US_PER_MS;
		become(holding, PHASE_REMOVE_AGAIN, HOLDING_FAILED, words);
		return;
	}
	bool begins = holding->state == HOLDING_UNKNOWN && !holding_is_leaving(holding, now_us);
	if (holding->program_tried && !begins) {
		move(holding, PHASE_PROGRAM_RELEASE);
		return;
	}
	end_release(holding, now_us);
}

void holding_program_ended(struct holding *holding, enum err rc, const char *words, uint64_t now_us)
{
	if (holding->phase == PHASE_PROGRAM_HOLDS) {
		if (holding_is_leaving(holding, now_us)) {
			begin_remove(holding, holding->until_us ? "its lease is over" : "");
		} else if (rc || holding->program_killed) {
			fail(holding, RETRY_PROGRAM_MS, words, now_us);
		} else if (holding->native) {
			move(holding, PHASE_PUT);
		} else {
			begin_held(holding, now_us);
			say(holding, words);
		}
	} else if (holding->phase == PHASE_PROGRAM_RELEASES) {
		if (rc) {
			holding->retry_us = now_us + (uint64_t)RETRY_PROGRAM_MS * US_PER_MS;
			become(holding, PHASE_RELEASE_AGAIN, HOLDING_FAILED, words);
		} else {
			end_release(holding, now_us);
		}
	}
}

void holding_heard(struct holding *holding, enum frame_word word, const struct mac *from,
		   uint64_t now_us)
{
	if (holding->phase == PHASE_PROBE && word != FRAME_NOTHING) {
		/* Two that probe at the same time both step back, and not for the same time. */
		uint64_t pause_ms =
			holding->rival_count < RETRY_SOON_TIMES ? RETRY_SOON_MS : RETRY_MS;
		pause_ms += prng_below(&holding->jitter, RETRY_JITTER_MS);
		holding->rival_count++;
		holding->retry_us = now_us + pause_ms * US_PER_MS;
		holding->watch.rival = *from;
		become(holding, PHASE_RIVAL, HOLDING_CONFLICT,
		       word == FRAME_CLAIM ? "somebody else has it"
					   : "somebody else is about to take it");
	} else if (holding->phase == PHASE_HELD && word == FRAME_CLAIM) {
		if (conflict_watch_heard(&holding->watch, from, now_us) &&
		    holding->announce.next_us > now_us) {
			holding->announce.next_us = now_us;
		}
		say(holding, "somebody else has it, too");
	}
}

void holding_lost(struct holding *holding, uint64_t now_us)
{
	if (holding->phase == PHASE_HELD && holding->native) {
		/* The lease is good, so nobody else was given it: back with it. */
		holding->refresh_us = now_us;
		announce_begin(&holding->announce, now_us);
	}
}

void holding_carrier(struct holding *holding, uint64_t now_us)
{
	if (holding->phase == PHASE_HELD && holding->native) {
		announce_begin(&holding->announce, now_us);
	}
}

void holding_announce(struct holding *holding, uint64_t now_us)
{
	holding_carrier(holding, now_us);
}

const char *holding_state_name(enum holding_state state)
{
	static const char *const names[HOLDING_STATE_COUNT_] = {
		[HOLDING_UNKNOWN] = "unknown", [HOLDING_ABSENT] = "absent",
		[HOLDING_PROBING] = "probing", [HOLDING_CONFLICT] = "conflict",
		[HOLDING_HELD] = "held",       [HOLDING_RELEASING] = "releasing",
		[HOLDING_FAILED] = "failed",
	};
	return names[state];
}
