/* Making a sandbox: real servers in a folder of its own, `muster run`, and a group of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "sandbox/flavor.h"
#include "sandbox/sandbox_state.h"

struct sandbox_hooks {
	void (*say)(void *ctx, const char *line); /* progress, for people; may be NULL */
	bool (*is_cancelled)(void *ctx);	  /* polled while it waits; may be NULL */
	void *ctx;
};

struct sandbox_up_options {
	const char *name;
	size_t servers;		/* 1..SANDBOX_SERVERS_MAX */
	enum flavor flavor;	/* FLAVOR_ANY: as flavor_find() */
	const char *binaries;	/* NULL: looked for */
	bool async;		/* policy async in place of lossless */
	bool pair;		/* an active-passive pair, each with what is below it */
	const char *add_config; /* file with further lines for the configuration; NULL: none */
	bool keep;		/* leave the folder, with the logs, when it fails */
	const char *muster;	/* the program for `muster run` */
	struct sandbox_hooks hooks;
};

/* Makes it, from nothing to a healthy group.
 *
 * Errors: ERR_EXISTS, ERR_USAGE, and whatever a part of it says; everything that was started is ended
 * and, unless `keep`, the folder removed.
 */
MUST_CHECK enum err sandbox_up(const struct sandbox_up_options *options, struct sandbox *ret,
			       struct err_ctx *err);

/* The short line for hooks, built like printf. */
PRINTF_LIKE(2, 3) void sandbox_up_say(const struct sandbox_hooks *hooks, const char *format, ...);
