/* The times and limits of a decision; from the configuration. All in microseconds. */
#pragma once

#include <stdint.h>

struct decide_options {
	uint64_t silence_us; /* the primary hasn't answered for so long: silent */
	uint64_t
		stream_silence_us; /* nothing (heartbeats come often) came over a stream for so long: lost */
	uint64_t slow_us;	   /* an answer that takes so long is slow */
	uint64_t
		write_stall_us; /* a disk that takes no writes for so long: another primary; 0: never */
	uint64_t revoke_us; /* to reach enough of the sync set, before the failover is refused */
	uint64_t
		feed_us; /* for a preferred candidate to get what it lacks, before the next best is taken */
	uint64_t open_us;   /* to make the new primary, before another one is looked for */
	uint64_t moment_us; /* switchover: for the replicas to have next to no backlog */
	uint64_t drain_us;  /* switchover: for open transactions to end */
	uint64_t freeze_us; /* switchover: for read-only and catch-up */
	uint64_t
		rush_us; /* all clients come to a new primary at once: it is spared the rest for so long */
	uint64_t press_us;    /* a new primary is spared what no commit waits for so long at most */
	uint64_t undo_us;     /* switchover: to reopen the old primary */
	uint64_t parent_us;   /* a parent has been sound for so long: a server goes back below it */
	uint64_t base_us;     /* so often what every member has is put on the record */
	uint64_t alone_us;    /* no replica acknowledges for so long: the primary goes on alone */
	uint64_t extra_us;    /* transactions too many are believed after so long */
	uint64_t cooldown_us; /* between two automatic failovers, unless healthy in between */
	uint32_t
		failovers_max; /* automatic ones within failover_window_us; 0: as many as it takes */
	uint64_t failover_window_us;
};
