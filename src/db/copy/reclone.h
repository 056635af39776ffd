/* Makes a server anew with the data of another one, over SQL connections alone: no agent, no shell.
 *
 * MySQL copies itself by its clone plugin; MariaDB is copied table by table from one consistent snapshot. Afterwards the
 * server has the donor's transactions by GTID, no source, and is read-only: the caller repoints it. Broken off anywhere
 * it can be begun again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "db/conn.h"
#include "db/server/server.h"

struct reclone_progress {
	const char *doing; /* static text: "copying" */
	char what[256];	   /* the table at hand, or "" */
	uint32_t tables;   /* 0: not known */
	uint32_t tables_done;
	uint64_t rows;
	uint64_t bytes;
};

enum reclone_point {
	RECLONE_CHECKED,  /* nothing stands in the way; nothing is changed yet. May block. */
	RECLONE_DESTROYS, /* the next statement destroys data */
};

struct reclone_options {
	const struct conn_options *server; /* to be made anew; the manager's account on both */
	const struct conn_options *donor;
	uint64_t wait_us; /* longest silence of a server that works */
	uint64_t
		restart_us; /* MySQL: longest time in which the server has to be back after its restart */
	bool resumes;	    /* an earlier one was broken off */
	/* Called at each point; an error ends it there. */
	enum err (*at)(void *ctx, enum reclone_point point, struct err_ctx *err);
	bool (*is_cancelled)(void *ctx);
	void (*on_progress)(void *ctx, const struct reclone_progress *progress);
	void *ctx;
};

/* Does all of it; blocks.
 * Errors: ERR_REFUSED (what stands in the way and the remedy), ERR_PRIVILEGE (with the GRANT), ERR_AGAIN
 * (cancelled), ERR_DEADLINE, those of conn_query(). */
MUST_CHECK enum err reclone_run(const struct reclone_options *options, struct err_ctx *err);
