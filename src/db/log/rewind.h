/* Takes back what a crashed lossless MySQL primary had written but nobody acknowledged.
 *
 * With wait point AFTER_SYNC a transaction is prepared in the engine and written to the binary log
 * before it waits; crash recovery commits what it finds in the binary log. When another server became
 * primary meanwhile, those transactions are errant. Cutting them off the end of the last binary log
 * file, before the server starts, makes crash recovery roll them back. (MariaDB does it by itself when
 * started with --rpl-semi-sync-slave-enabled=1 --init-rpl-role=SLAVE.)
 *
 * Works on a stopped server's files. Refuses, and touches nothing, when anything is odd. Source and
 * measurements: docs/rejoin-facts.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gtid/gtid_set.h"

struct rewind_options {
	const char *index_path;	     /* the binary log's index file: "<datadir>/binlog.index" */
	const char *datadir;	     /* relative names in the index are relative to it */
	const struct gtid_set *kept; /* what the present primary has executed */
	const char *tail_path;	     /* the cut-off bytes go here first; must not exist */
	bool dry_run;		     /* find and verify only */
};

struct rewind_result {
	bool needed;		 /* false: nothing in the last file is errant */
	char file[512];		 /* that is cut */
	uint64_t cut_offset;	 /* its new length */
	uint64_t cut_bytes;	 /* written to tail_path */
	uint32_t transactions;	 /* cut off */
	struct gtid_set removed; /* their GTIDs; init by the caller */
};

/* Looks at the last file of the index only: the server begins a new one when all of the one before is
 * committed in the engine. Refuses (ERR_REFUSED) when the server runs, earlier files hold something
 * errant, a kept transaction follows an errant one, the log was closed by a shutdown, or the tail
 * holds what the engine can't roll back (DDL, non-transactional tables, XA, compressed transactions).
 * Errors besides: ERR_IO, ERR_EXISTS (tail_path), ERR_LIMIT.
 *
 * What the old primary had committed in its engine all the same (sessions that were killed while they
 * waited) is not undone: compare gtid_executed after the start. ret->removed must be initialised. */
MUST_CHECK enum err rewind_binlog(const struct rewind_options *options, struct rewind_result *ret,
				  struct err_ctx *err);
