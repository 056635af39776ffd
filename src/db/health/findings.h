/* Building a list of findings, and those findings that both dialects share. */
#pragma once

#include "db/server/server.h"

/* Adds one; the text is printf-built. A full list drops it. */
PRINTF_LIKE(5, 6)
void findings_add(struct server_findings *findings, const char *id, enum finding_severity severity,
		  const char *remedy, const char *format, ...);

/* Applies with too few threads to keep up; how many are enough differs by dialect. */
void findings_add_appliers(struct server_findings *findings, uint64_t threads, const char *remedy);

/* innodb_flush_log_at_trx_commit and sync_binlog. */
void findings_add_durability(struct server_findings *findings, uint64_t flush_log,
			     uint64_t sync_binlog);

/* What a status shows. */
void findings_add_status(struct server_findings *findings, const struct server_status *status);
