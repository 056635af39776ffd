/* What this node was told to do with floating addresses, and how far it is: the managers' orders on one side, the
 * holder of addresses (floating.h) on the other.
 *
 * Orders name every address that concerns this node, to be held or to be let go; they stay in force until
 * others come. What is to be held is held for the node's lease, and renewed with it. The holder is started with the
 * first address that is named; where it can't be, the reports say that this node is not able, and why.
 * Everything but the callback belongs to one thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/floating.h"

struct duty;

struct duty_options {
	bool hold;			 /* false: this node never holds an address */
	struct floating_options holding; /* changed and ctx are set by duty_new() */
	/* An address' state has changed: report it. Called from another thread; must not block. May be NULL. */
	void (*changed)(void *ctx);
	void *ctx;
};

/* Never NULL. A node that lacks the capabilities says so in the log, once. */
struct duty *duty_new(const struct duty_options *options);

/* Lets all addresses go first. Takes NULL, returns NULL. */
struct duty *duty_free(struct duty *duty);

/* Takes the orders of an answer in, if it has any: "addresses", a list of {"address", "hold"}, and "addresses_tag".
 * What is to be let go is let go at once; what is to be held waits for duty_renew().
 * Errors: ERR_PROTOCOL; the orders before stay in force then. */
MUST_CHECK enum err duty_take(struct duty *duty, const json_t *answer, struct err_ctx *err);

/* The node's lease holds until then (clock_system). */
void duty_renew(struct duty *duty, uint64_t until_us);

/* All that was told is done, or can't be done. */
bool duty_is_settled(struct duty *duty);

/* For a report, as "addresses": {"able", "why", "have": the newest orders' tag, "leaving", "slack",
 * "list": [{"address", "state", "able", "why", "interface", "rival", "contested"}]}. A new reference. */
json_t *duty_to_json(struct duty *duty);

/* Lets everything go, waits until it is gone (bounded), and takes nothing up any more. */
void duty_leave(struct duty *duty);
