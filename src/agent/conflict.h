/* Does somebody else hold the address? Asked before it is taken, and watched while it is held. Pure.
 *
 * Before: three probes, 100 ms apart; silence until 300 ms after the first means that nobody does. (RFC 5227
 * waits for seconds, for links that come up slowly; here an interface that isn't up is not probed at all.)
 * While held: a probe every 2 s, which whoever has the address too answers, so that two holders notice each
 * other soon after the network between them is whole again, whoever else is down.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/frame.h"

enum {
	CONFLICT_PROBES = 3,
	CONFLICT_PROBE_EVERY_MS = 100,
	CONFLICT_WATCH_EVERY_MS = 2000,
	CONFLICT_WATCH_HARD_EVERY_MS = 250, /* while there is a rival */
	CONFLICT_OVER_MS = 600, /* that long nothing was heard of the rival, though asked */
	CONFLICT_DEFEND_EVERY_MS = 10000, /* RFC 5227, 1.1: DEFEND_INTERVAL */
};

/* Before the claim. */
struct conflict_probing {
	uint32_t sent;
	uint64_t next_us;
};

enum conflict_step { CONFLICT_WAIT, CONFLICT_SEND, CONFLICT_NOBODY };

/* The first probe is due at once. */
void conflict_probing_begin(struct conflict_probing *probing, uint64_t now_us);

/* What is to be done now; CONFLICT_SEND counts as done. A process that slept in the middle begins anew: silence that nobody
 * listened to proves nothing. */
enum conflict_step conflict_probing_next(struct conflict_probing *probing, uint64_t now_us);

/* While the address is held. */
struct conflict_watch {
	bool contested; /* a rival holds it too */
	struct mac rival;
	uint64_t heard_us; /* of it */
	uint64_t probe_us; /* the next probe */
	uint64_t defended_us;
	uint64_t unanswered; /* probes since it was heard */
};

/* The address is held, and no rival known. */
void conflict_watch_begin(struct conflict_watch *watch, uint64_t now_us);

/* A rival says that it has the address. true: announce it once, to defend it. */
bool conflict_watch_heard(struct conflict_watch *watch, const struct mac *rival, uint64_t now_us);

/* Whether a probe is to be sent now; it counts as sent. */
bool conflict_watch_probe_due(struct conflict_watch *watch, uint64_t now_us);

/* true, once: the rival is silent, so that the address is to be announced anew. */
bool conflict_watch_is_over(struct conflict_watch *watch, uint64_t now_us);
