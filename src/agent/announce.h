/* When an address is announced. Pure.
 *
 * The caches of neighbours and switches hold the old place until somebody tells them of the new one, and any
 * single frame may be lost: so five at once, again after 1, 5, 10 and 30 s, and then each minute for as
 * long as the address is held. A conflict that ended starts it anew.
 */
#pragma once

#include <stdint.h>

enum { ANNOUNCE_BURST = 5 };

struct announce {
	uint64_t begun_us;
	uint64_t next_us; /* UINT64_MAX: never */
	uint32_t rounds;  /* done since begun_us */
};

void announce_begin(struct announce *announce,
		    uint64_t now_us); /* the first round is due at once */
void announce_stop(struct announce *announce);

/* How many times the address is to be announced now: 0 when nothing is due. The round counts as done. */
uint32_t announce_due(struct announce *announce, uint64_t now_us);
