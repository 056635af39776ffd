#include "agent/announce.h"

#include <stddef.h>

#include "base/clock.h"

/* Seconds after the first round. */
static const uint64_t again_s[] = { 1, 5, 10, 30 };
enum { AGAIN_COUNT = sizeof(again_s) / sizeof(again_s[0]), EVERY_S = 60 };

void announce_begin(struct announce *announce, uint64_t now_us)
{
	*announce = (struct announce){ .begun_us = now_us, .next_us = now_us };
}

void announce_stop(struct announce *announce)
{
	*announce = (struct announce){ .next_us = UINT64_MAX };
}

uint32_t announce_due(struct announce *announce, uint64_t now_us)
{
	if (now_us < announce->next_us) {
		return 0;
	}
	uint32_t count = announce->rounds == 0 ? ANNOUNCE_BURST : 1;
	if (announce->rounds < AGAIN_COUNT) {
		announce->next_us = announce->begun_us + again_s[announce->rounds] * US_PER_S;
		announce->rounds++;
	} else {
		announce->next_us = now_us + (uint64_t)EVERY_S * US_PER_S;
	}
	/* A round that was missed is not made up for. */
	if (announce->next_us <= now_us) {
		announce->next_us = now_us + US_PER_S;
	}
	return count;
}
