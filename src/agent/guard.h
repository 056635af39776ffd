/* The fence of the database server on this host: when the node's lease is over and nobody has renewed it, the server is made
 * read-only and its clients are cut off, those too that connect past every proxy.
 *
 * A lease is renewed by a leading manager or by the consent of the whole circle (link.h); so managers that are merely down
 * change nothing. It is never opened from here: that is a manager's business; one that is seen read-only after the end of a lease
 * is left alone until the next end.
 * A process that has just started knows of no lease of the one before it, and waits a whole lease first.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"

struct guard;

struct guard_options {
	const char *host; /* of the server; borrowed, as all that follows, for the guard's life */
	uint16_t port;
	const char *socket_path; /* used instead; "": none */
	const char *user;
	const struct secret *password;
	uint32_t lease_ms;
	uint32_t fence_ms; /* one try to fence may take so long */
	const struct clock *clock;
	const struct log *log;
};

/* Errors: ERR_NOMEM. */
MUST_CHECK enum err guard_start(const struct guard_options *options, struct guard **ret,
				struct err_ctx *err);

/* The server is left as it is. Takes NULL, returns NULL. */
struct guard *guard_stop(struct guard *guard);

/* The node's lease holds until then. Any thread. */
void guard_renew(struct guard *guard, uint64_t until_us);

/* For a report, as "guard": {"ms", "fenced": how often, "ago_s": the newest time, "words": what the newest try said}. A new reference. Any thread. */
json_t *guard_to_json(struct guard *guard);
