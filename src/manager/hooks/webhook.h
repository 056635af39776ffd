/* Tells URLs of events: a POST of each event's JSON, in the order in which they happened.
 *
 * One thread per URL; the event log is the queue, so that nobody ever waits for a receiver. What can't be delivered in
 * time, or falls out of the log before, is dropped, counted and told. docs/hooks.md has what a receiver gets.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "manager/records/event_log.h"

enum { WEBHOOK_URLS_MAX = 8, WEBHOOK_TEXT_BYTES_MAX = 256 };

/* From the configuration. */
struct webhook_options {
	char urls[WEBHOOK_TEXT_BYTES_MAX]; /* separated by blanks; "": none */
	char events
		[WEBHOOK_TEXT_BYTES_MAX]; /* prefixes of event names, separated by commas; "": all */
	char ca_file[WEBHOOK_TEXT_BYTES_MAX]; /* authorities to trust; "": the system's */
	struct secret secret;		      /* signs each body; empty: no signature */
	uint32_t timeout_ms;		      /* of one try */
	uint32_t keep_s;		      /* an event that is older is not tried again */
};

struct webhooks;

/* ERR_CONFIG unless each URL is one of http or https, and the prefixes are names. */
MUST_CHECK enum err webhook_check(const struct webhook_options *options, struct err_ctx *err);

/* Starts to tell of what happens from now on. *ret: NULL where there is no URL.
 * events: outlives it. Errors: as webhook_check(), ERR_NOMEM. */
MUST_CHECK enum err webhook_start(const struct webhook_options *options, struct event_log *events,
				  const struct clock *clock, struct webhooks **ret,
				  struct err_ctx *err);

/* Ends the threads; a try that is under way is broken off. What has not been delivered is lost. Takes NULL, returns
 * NULL. event_log_close() comes first. */
struct webhooks *webhook_stop(struct webhooks *webhooks);

/* Whether an event of that name is told: by the prefixes, and never one about webhooks themselves. */
bool webhook_wants(const struct webhook_options *options, const char *evt);
