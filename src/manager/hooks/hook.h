/* Programs of the people who run this: asked before, told before, told after. One run of one of them, in a thread. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "decide/observation.h"

struct hook_run;

enum {
	HOOK_LINE_BYTES_MAX = 256,
	HOOK_OUTPUT_BYTES_MAX = 4096, /* of standard output and of standard error, each */
	HOOK_TEXT_BYTES_MAX = 256,
};

enum hook_kind {
	HOOK_VETO_KIND, /* may it begin? */
	HOOK_BEFORE_KIND, /* it has begun (a switchover: it begins now); the new primary isn't open yet */
	HOOK_AFTER_KIND, /* it is over */
	HOOK_KIND_COUNT_
};

/* From the configuration. */
struct hook_options {
	char lines[HOOK_KIND_COUNT_][HOOK_LINE_BYTES_MAX]; /* program and arguments; "": none */
	uint32_t timeout_ms[HOOK_KIND_COUNT_];
	bool late_is_go;       /* what a veto hook that gave no answer stands for */
	uint32_t veto_again_s; /* after a veto it is asked again in so long */
};

/* "veto", "before", "after" */
const char *hook_name(enum hook_kind kind);

static inline bool hook_is_set(const struct hook_options *options, enum hook_kind kind)
{
	return options->lines[kind][0] != 0;
}

/* ERR_CONFIG unless each program is an absolute path to something that can be started. */
MUST_CHECK enum err hook_check(const struct hook_options *options, struct err_ctx *err);

/* What the manager gives to every run. */
struct hook_door {
	const struct hook_options *options;
	uint64_t *serials; /* the number of the newest run; owner's thread only */
	/* Called in the run's thread when the program has ended. The owner, who may have freed it meanwhile, knows it
	 * by its number. */
	void (*on_end)(void *ctx, uint64_t serial);
	void *ctx;
};

/* What is asked or told. */
struct hook_order {
	enum hook_kind kind;
	bool planned; /* a switchover, else a failover */
	uint64_t epoch;
	char group[NAME_BYTES_MAX];
	char from[NAME_BYTES_MAX]; /* "": nobody */
	char to[NAME_BYTES_MAX];   /* "": not known yet */
	json_t *input;		   /* for its standard input; owned by the run */
};

/* How it ended. */
struct hook_result {
	bool answered; /* it ended by itself in time */
	bool go;       /* it ended with 0 */
	uint64_t took_us;
	char words[HOOK_TEXT_BYTES_MAX]; /* its first line, or what went wrong */
	json_t *json;			 /* for the report; the run's */
};

/* Starts the program. door: outlives the run. Takes over order->input.
 * Errors: ERR_NOMEM when there is no thread to be had; the input is released then. */
MUST_CHECK enum err hook_start(const struct hook_door *door, const struct hook_order *order,
			       struct hook_run **ret, struct err_ctx *err);

/* What it was asked or told. */
const struct hook_order *hook_order_of(const struct hook_run *run);

/* Only of a run that has ended: on_end was called. */
const struct hook_result *hook_result_of(const struct hook_run *run);

/* Tells runs from one another: never used twice. 0 for NULL. */
uint64_t hook_serial_of(const struct hook_run *run);

/* Kills the program if it still runs, and releases. Takes NULL, returns NULL. */
struct hook_run *hook_free(struct hook_run *run);
