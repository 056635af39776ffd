/* Which of several managers on one store leads: a thread of its own, with a connection of its own to the store, carries
 * out the rules of decide/leadership.h. A slow commit of the manager holds up no renewal.
 *
 * Keys: `leader/term` and `leader/beat` as the rules say, with who leads and where as their value; `leader/moved`
 * once the record has moved to another store, `leader/filling` while it is moving here: then nobody leads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/store_etcd.h"

struct leader;

#define LEADER_TERM_KEY "leader/term"
#define LEADER_MOVED_KEY "leader/moved"
#define LEADER_FILLING_KEY "leader/filling"

enum { LEADER_NAME_BYTES_MAX = 128, LEADER_ADDRESS_BYTES_MAX = 256 };

struct leader_options {
	const struct store_etcd_options *store; /* borrowed for the call of leader_start() */
	const char *node;			/* the name of this manager, different for each */
	const char *address;			/* where its commands are taken, for people */
	uint32_t lease_ms;			/* who isn't heard of for so long leads no longer */
	const struct clock *clock;
	const struct log *log;
	/* Called from the leader's thread when somebody else leads, or something else of the view has changed. */
	void (*changed)(void *ctx);
	void *ctx;
};

struct leader_view {
	bool leads;				/* this one */
	uint64_t term;				/* version of LEADER_TERM_KEY: the fencing token */
	uint64_t former_us;			/* of the rules: of this one's newest claim */
	char node[LEADER_NAME_BYTES_MAX];	/* who leads, or led last; "": nobody yet */
	char address[LEADER_ADDRESS_BYTES_MAX]; /* of it */
	uint64_t seen_us;		  /* when its newest sign of life was seen; 0: never */
	char trouble[ERR_TEXT_BYTES_MAX]; /* why the store can't be used; "": it can */
	char moved
		[STORE_TEXT_BYTES_MAX]; /* the store that the record has moved to; "": it has not */
	char filling
		[STORE_TEXT_BYTES_MAX]; /* the store that the record is moving here from; "": it is not */
};

/* Starts to take part. Errors: ERR_CONFIG (a name, address or option), ERR_NOMEM. */
MUST_CHECK enum err leader_start(const struct leader_options *options, struct leader **ret,
				 struct err_ctx *err);

/* Takes part no longer; another one may lead when the lease is over. Takes NULL, returns NULL. */
struct leader *leader_stop(struct leader *leader);

/* Whether this process may act as the leader at this moment: to be asked before each act. Any thread. */
bool leader_leads(const struct leader *leader, uint64_t now_us);

/* The begin of the newest beat that its right to lead rests upon; 0: it doesn't lead. Any thread. */
uint64_t leader_beat_us(const struct leader *leader);

/* The version of LEADER_TERM_KEY in whose name it leads, or last did. Any thread. */
uint64_t leader_term(const struct leader *leader);

/* What is known now. Any thread. */
void leader_look(struct leader *leader, struct leader_view *ret);

/* Makes it look at the store at once: a write was refused. Any thread. */
void leader_doubt(struct leader *leader);
