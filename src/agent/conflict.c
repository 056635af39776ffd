#include "agent/conflict.h"

#include "base/clock.h"

enum { LATE_MS = 500, UNANSWERED_MIN = 2 };

void conflict_probing_begin(struct conflict_probing *probing, uint64_t now_us)
{
	*probing = (struct conflict_probing){ .next_us = now_us };
}

enum conflict_step conflict_probing_next(struct conflict_probing *probing, uint64_t now_us)
{
	if (now_us < probing->next_us) {
		return CONFLICT_WAIT;
	}
	if (probing->sent > 0 && now_us - probing->next_us >= (uint64_t)LATE_MS * US_PER_MS) {
		conflict_probing_begin(probing, now_us);
	}
	if (probing->sent == CONFLICT_PROBES) {
		return CONFLICT_NOBODY;
	}
	probing->sent++;
	probing->next_us = now_us + (uint64_t)CONFLICT_PROBE_EVERY_MS * US_PER_MS;
	return CONFLICT_SEND;
}

void conflict_watch_begin(struct conflict_watch *watch, uint64_t now_us)
{
	*watch = (struct conflict_watch){
		.probe_us = now_us + (uint64_t)CONFLICT_WATCH_EVERY_MS * US_PER_MS,
	};
}

bool conflict_watch_heard(struct conflict_watch *watch, const struct mac *rival, uint64_t now_us)
{
	bool defend = watch->defended_us == 0 ||
		      now_us - watch->defended_us >= (uint64_t)CONFLICT_DEFEND_EVERY_MS * US_PER_MS;
	if (!watch->contested) {
		watch->probe_us = now_us + (uint64_t)CONFLICT_WATCH_HARD_EVERY_MS * US_PER_MS;
	}
	watch->contested = true;
	watch->rival = *rival;
	watch->heard_us = now_us;
	watch->unanswered = 0;
	if (defend) {
		watch->defended_us = now_us;
	}
	return defend;
}

bool conflict_watch_probe_due(struct conflict_watch *watch, uint64_t now_us)
{
	if (now_us < watch->probe_us) {
		return false;
	}
	watch->unanswered++;
	watch->probe_us = now_us + (uint64_t)(watch->contested ? CONFLICT_WATCH_HARD_EVERY_MS
							       : CONFLICT_WATCH_EVERY_MS) *
					   US_PER_MS;
	return true;
}

bool conflict_watch_is_over(struct conflict_watch *watch, uint64_t now_us)
{
	if (!watch->contested || watch->unanswered < UNANSWERED_MIN ||
	    now_us - watch->heard_us < (uint64_t)CONFLICT_OVER_MS * US_PER_MS) {
		return false;
	}
	watch->contested = false;
	return true;
}
