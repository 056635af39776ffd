/* The clients' own record of what they were told: one line per write.
 *
 *   OUTCOME ID STARTED_US ENDED_US ERRNO
 *
 * OUTCOME is A (acknowledged), R (refused: the error says that it did not happen) or U (unknown: the
 * answer was lost). Times are CLOCK_MONOTONIC, so that other programs of this machine can compare
 * them with their own. Lines are appended with one write() each, from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ledger_outcome { LEDGER_ACKNOWLEDGED, LEDGER_REFUSED, LEDGER_UNKNOWN, LEDGER_OUTCOME_COUNT_ };

struct ledger_line {
	enum ledger_outcome outcome;
	uint64_t id;
	uint64_t started_us;
	uint64_t ended_us;
	unsigned server_errno;
};

/* The ids of one outcome, sorted. */
struct ledger_ids {
	uint64_t *ids; /* [count], owned */
	size_t count;
	size_t cap;
};

struct ledger {
	struct ledger_ids by_outcome[LEDGER_OUTCOME_COUNT_];
};

/* Appends one line to the open file `fd`. Errors: ERR_IO. */
MUST_CHECK enum err ledger_append(int fd, const struct ledger_line *line);

/* Reads a whole file into *ret, to be released with ledger_fini(). A last line that was cut short by
 * the writer's death is an error too: nothing may be guessed about it.
 *
 * Errors: ERR_IO, ERR_PARSE (err names the line). */
MUST_CHECK enum err ledger_read(const char *path, struct ledger *ret, struct err_ctx *err);

/* Releases what ledger_read() made; takes {0}. */
void ledger_fini(struct ledger *ledger);

/* Is `id` among the (sorted) ids? Says where in *ret_index. */
bool ledger_find(const struct ledger_ids *ids, uint64_t id, size_t *ret_index);
