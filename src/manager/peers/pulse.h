/* The pulse of one server: a thread that writes the heartbeat row where it is the primary, and reads it elsewhere.
 *
 * Apart from the watcher, so that a write that hangs hides no status. At most one write is outstanding: one that
 * doesn't come back is waited for, and the reason looked for over a second connection.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/health/heartbeat.h"
#include "manager/peers/contact.h"

struct pulse;

enum pulse_role {
	PULSE_OFF,
	PULSE_READ,  /* a replica */
	PULSE_WRITE, /* the primary of the epoch, seen writable */
};

/* What one beat found. */
struct pulse_report {
	enum pulse_role role;
	uint64_t epoch;
	struct observation_write write; /* PULSE_WRITE */
	struct heartbeat row;		/* written, or read; not found: nothing is known */
	uint64_t
		at_us; /* PULSE_READ: when reading began; PULSE_WRITE: when the write was acknowledged */
};

struct pulse_options {
	struct contact *contact;	  /* outlives the pulse */
	const char *group;		  /* copied */
	const struct conn_permit *permit; /* asked before each write; NULL: always given */
	uint32_t interval_ms;		  /* between two beats */
	uint32_t timeout_ms; /* a write that takes longer is overdue, a reading is given up */
	const struct clock *clock;
	void (*on_report)(void *ctx,
			  const struct pulse_report *report); /* from the pulse's thread */
	void *ctx;
};

/* Starts with PULSE_OFF. Never NULL. */
struct pulse *pulse_start(const struct pulse_options *options);

/* Ends the thread: at most what is under way is waited for. Takes NULL, returns NULL. */
struct pulse *pulse_stop(struct pulse *pulse);

/* What the server is from now on. A write that is outstanding under another role or epoch is ended. */
void pulse_set(struct pulse *pulse, enum pulse_role role, uint64_t epoch);
