/* What this manager says to nodes that ask the circle whether they may go on (decide/lease.h), and what it remembers of it.
 *
 * Answered in the asker's thread: the manager's own may be waiting for a store that is out of reach, which is just when nodes
 * ask. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "decide/lease.h"

struct consent;

struct consent *consent_new(const struct lease_terms *terms);
struct consent *consent_free(struct consent *consent); /* takes NULL, returns NULL */

/* From now on this process is asked whatever there is to be asked: its door is open. */
void consent_open(struct consent *consent, uint64_t now_us);

/* Since when; 0: not yet. */
uint64_t consent_answering_us(struct consent *consent);

/* The epoch of a group, as far as it is known here. */
void consent_set_epoch(struct consent *consent, struct str group, uint64_t epoch);

/* A question of `node`, about a group's route of `epoch`. leads: whether this manager leads at this moment; asked under the lock,
 * so that a leader that then looks at what was agreed to misses nothing. */
enum lease_answer consent_ask(struct consent *consent, struct str node, struct str group,
			      uint64_t epoch, bool (*leads)(void *ctx, uint64_t *ret_now_us),
			      void *ctx);

/* When all is over that was agreed to for this node; 0: nothing was. */
uint64_t consent_until_us(struct consent *consent, struct str node);
