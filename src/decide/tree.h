/* Who replicates from whom: a server may be set below another one, its parent, instead of the primary. Pure.
 *
 * It follows its parent while that one is sound, else the nearest sound one above that, in the end the primary; and it
 * goes back once its parent has been sound for a while. Before a switchover the primary's other replicas move below its
 * successor: to repoint them afterwards would make every commit wait for it.
 */
#pragma once

#include "decide/observation.h"
#include "decide/options.h"
#include "decide/record.h"

/* Finds record->source, `leaving` and the times behind them anew. Does nothing while there is no primary. */
void tree_update(struct record *record, const struct observation *seen,
		 const struct decide_options *options, uint64_t now_us);

/* Whom the server should replicate from: another server, SERVER_NONE while there is no primary. */
uint32_t tree_source(const struct record *record, uint32_t server);

/* Whether the server may acknowledge commits: it follows the primary itself, stays there, and applies without delay. */
bool tree_may_acknowledge(const struct record *record, const struct observation *seen,
			  uint32_t server);

/* Whether all that are to be below the successor of a switchover, before it takes over, are there and replicate. */
bool tree_is_gathered(const struct record *record, const struct observation *seen);

/* Whether the server's source would, by the settings, be below itself when it is set below `parent`. */
bool tree_makes_circle(const struct record *record, uint32_t server, uint32_t parent);
