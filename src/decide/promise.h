/* The promise of a steady group: which servers acknowledge, and whether the primary waits for them. Pure. */
#pragma once

#include "decide/observation.h"
#include "decide/options.h"
#include "decide/record.h"

/* Brings sync_set, acks and base in line with what the servers do, so that the record never promises more.
 * Returns why it changed, NULL when it didn't. */
const char *promise_update(struct record *record, const struct observation *seen,
			   const struct decide_options *options, uint64_t now_us);

/* What the primary has to do about it: STEP_SEMISYNC_SOURCE_ON, _OFF, or STEP_NONE. */
enum step promise_step(const struct record *record, const struct observation *seen);

/* The process that a member is counted on by: record_server.started_s. PROCESS_NONE while it can't be told from another one: a
 * server says to the second when it began, so in its first second it may end, and one that looks the same begin. */
uint64_t promise_process(const struct server_status *status);

/* Notices members that were restarted, and counts on them again once they have received what the primary had after that.
 * Returns whether the record changed. */
bool promise_count_processes(struct record *record, const struct observation *seen,
			     const struct decide_options *options, uint64_t now_us);

/* Puts on the record, now and then, what the primary and every member have: no future primary may lack it, not even this one
 * when it comes back from a backup. Returns whether the record changed. */
bool promise_advance_base(struct record *record, const struct observation *seen,
			  const struct decide_options *options, uint64_t now_us);

/* Whether a server that nobody orders to may acknowledge commits of `primary`: it is seen to be set up so, or it can't be
 * looked at and was told to acknowledge before. A process that is gone acknowledges nothing, and starts so. */
bool promise_may_acknowledge(const struct record *record, const struct observation *seen,
			     uint32_t server, uint32_t primary);

/* Whether a new primary is to be spared what brings no acknowledgement, because a change of source costs commits tens of
 * milliseconds on MySQL, on the same disk or processor: for decide_options.press_us while nobody acknowledges yet, for rush_us
 * once somebody does. Never while only the former primary could: then its return is what commits wait for. */
bool promise_is_pressed(const struct record *record, const struct observation *seen,
			const struct decide_options *options, uint64_t now_us);

/* The promise for a primary that is about to be made: `members` will acknowledge, it holds `base`. */
void promise_begin(struct record *record, const struct observation *seen, uint32_t members,
		   const struct gtid_set *base);
