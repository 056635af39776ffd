/* The floating addresses of this host: one thread that holds any number of them, each for as long as its lease.
 *
 * Who may hold an address is decided elsewhere (decide/address.h) and comes in as floating_hold() with the
 * time until which it holds, and again with a later time at each renewal. What this promises:
 * - The address is gone from this host, at the latest, one second after the last `until`: this thread drops
 *   it at that time; where the process was killed or stopped, the kernel does.
 * - Before it is taken everybody on the network is asked whether he has it; who has it keeps it.
 * - "absent" was read back from the kernel (and the program, if there is one, said so): another node may take the
 *   address on that word.
 * - A lease that ended, be it for a moment, is never taken up where it was: the address is dropped, and
 *   probed for anew.
 * It does not decide anything, and it knows no manager.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/address.h"
#include "agent/frame.h"
#include "agent/holding.h"
#include "agent/netlink.h"
#include "base/err.h"
#include "base/log.h"

enum { FLOATING_ADDRESSES_MAX = 32 };

struct floating;

/* One address, as it is. A copy: the caller's. */
struct floating_view {
	char address[ADDRESS_BYTES_MAX]; /* as first named, in the one form: "192.0.2.10/24%eth0" */
	char interface[ADDRESS_INTERFACE_BYTES_MAX]; /* that it is or was to be on; "": not known yet */
	enum holding_state state;
	bool contested;			/* held, and a stranger says that he has it, too */
	char rival[MAC_TEXT_BYTES_MAX]; /* who: in HOLDING_CONFLICT, and when contested; else "" */
	char words[HOLDING_WORDS_BYTES_MAX]; /* why; "" when there is nothing to say */
	uint64_t since_us;		     /* of this state (clock_system) */
	uint64_t until_us;		     /* the lease; 0: none */
};

struct floating_options {
	bool native; /* put addresses on interfaces; false: the program alone does it */
	bool check; /* probe for others, watch for others. Off where the network answers for everybody (clouds) */
	const char *
		program; /* NULL or "": none. PROGRAM hold|release ADDRESS INTERFACE: errand.h. Copied */
	uint64_t program_limit_us;
	const struct log *log; /* NULL: none */
	/* Called from floating's thread at each change of a state, of `contested` or of the words. It must
	 * not block; it may call everything here but floating_stop(). NULL: nobody. */
	void (*changed)(void *ctx, const struct floating_view *view);
	void *ctx;
};

/* Starts the thread, after what an earlier process left on the interfaces is removed.
 *
 * Errors: ERR_PRIVILEGE with one line that names the capabilities (only where `native`); ERR_EXISTS when another
 *         process holds floating addresses in this network namespace; ERR_CONFIG without native and program;
 *         ERR_IO, ERR_NOMEM.
 */
MUST_CHECK enum err floating_start(const struct floating_options *options, struct floating **ret,
				   struct err_ctx *err);

/* Releases everything, waits until it is absent (bounded: a second, and the program's limit where there is one),
 * ends the thread. Takes NULL, returns NULL. What could not be released is logged, and left to the kernel's
 * lifetime. */
struct floating *floating_stop(struct floating *floating);

/* Could it be held here? Capabilities and interface, as of now; changes nothing. May be called before
 * floating_start(), from any thread; asks the kernel only.
 *
 * Errors: ERR_PARSE, ERR_PRIVILEGE, ERR_NOT_FOUND (no such interface, no interface in the subnet), ERR_EXISTS (on
 *         this host already, and muster did not put it there), ERR_IO.
 */
MUST_CHECK enum err floating_check(const struct floating_options *options, const char *address,
				   struct err_ctx *err);

/* The address is to be held until then (clock_system, monotonic). Never blocks; the newest word counts. Less than a
 * second is too short to begin with.
 *
 * Errors: ERR_PARSE; ERR_LIMIT when FLOATING_ADDRESSES_MAX others were named before; ERR_CONFLICT when it was named
 *         with another prefix or interface and is not absent.
 */
MUST_CHECK enum err floating_hold(struct floating *floating, const char *address, uint64_t until_us,
				  struct err_ctx *err);

/* The address is to be gone. Never blocks; done when its state is HOLDING_ABSENT. Also for one that was never held
 * here: its absence is then proven once. Errors: as floating_hold(). */
MUST_CHECK enum err floating_release(struct floating *floating, const char *address,
				     struct err_ctx *err);

/* Announce it anew, from the start, if it is held: for the caller who knows that the network was broken. Never blocks.
 * Errors: ERR_PARSE, ERR_NOT_FOUND when it was never named. */
MUST_CHECK enum err floating_announce(struct floating *floating, const char *address,
				      struct err_ctx *err);

/* How the address is. Never blocks. Errors: ERR_PARSE, ERR_NOT_FOUND when it was never named. */
MUST_CHECK enum err floating_look(struct floating *floating, const char *address,
				  struct floating_view *ret, struct err_ctx *err);

/* All that were named, in that order; returns how many, at most FLOATING_ADDRESSES_MAX. */
size_t floating_list(struct floating *floating,
		     struct floating_view ret_views[FLOATING_ADDRESSES_MAX]);
