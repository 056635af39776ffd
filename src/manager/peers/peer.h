/* One server of one group, as the manager's threads deal with it: a watcher thread that observes it and an
 * actor thread that carries out steps, each with its own connection, and a pulse (pulse.h). None ever blocks the
 * manager.
 *
 * Reference-counted: the manager drops its reference and goes on; the threads end when they can.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "decide/observation.h"
#include "decide/step.h"
#include "manager/peers/pulse.h"
#include "proxy/login/accounts.h"

struct peer;
struct conn_permit;

/* What the watcher saw at one contact. Owned by the receiver, sighting_free(). */
struct sighting {
	enum reach reach;
	uint32_t misses;
	uint64_t contact_us;
	uint64_t answered_us;
	uint32_t server_errno; /* of a failure that the server answered with; 0: none */
	uint64_t stream_us;    /* when the stream was last seen to bring something; 0: never */
	bool has_status;       /* status is fresh: asked for at contact_us */
	struct server_status status;
	char words[SERVER_ERROR_BYTES_MAX]; /* of the failure, "" otherwise */
};

/* One step to carry out. */
struct task {
	enum step step;
	uint64_t stage; /* of the record when it was started */
	uint64_t epoch;
	uint64_t started_us;
	uint64_t deadline_us;
	char source_host[HOST_BYTES_MAX]; /* STEP_REPOINT, STEP_FEED: whom to replicate from */
	uint16_t source_port;
	bool acknowledge; /* the server acknowledges as a replica (STEP_REPOINT, STEP_FEED: from the start) */
	bool was_primary; /* STEP_REPOINT, STEP_FEED: what it wrote itself counts into where it goes on */
	bool in_order; /* STEP_REPOINT, STEP_FEED: it applies one after the other */
	char parallel_mode[PARALLEL_MODE_BYTES_MAX]; /* STEP_APPLY_AS_BEFORE */
	uint32_t domain;     /* STEP_ADMIT_CHANGE, STEP_END_CHANGE: MariaDB's GTID domain */
	bool wait_for_acks;  /* STEP_PROMOTE: as the record says */
	bool handed;	     /* STEP_PROMOTE: the former primary handed over, with all it had */
	struct gtid_set set; /* STEP_CATCH_UP: to be applied */
};

/* What became of it. Owned by the receiver, outcome_free(). */
struct outcome {
	enum step step;
	uint64_t stage;
	uint64_t epoch;
	uint64_t started_us;
	uint64_t ended_us;
	enum err rc;
	struct err_ctx err;
	bool has_status; /* read right after the step, over the same connection */
	uint64_t status_us;
	struct server_status status;
};

struct peer_options {
	const char *host;
	uint16_t port;
	const char *user;
	const struct secret *password;
	const char *replication_user;
	const struct secret *replication_password;
	const char *group;
	uint32_t probe_timeout_ms;
	uint32_t write_probe_interval_ms; /* 0: the heartbeat row is neither written nor read */
	uint32_t write_probe_timeout_ms;
	uint32_t heartbeat_ms;
	uint32_t net_timeout_s;
	const struct clock *clock;
	const struct log *log;
	/* Asked before each statement of a step: false ends the step. NULL: always true. */
	const struct conn_permit *permit;
	/* Called from the peer's threads; each takes ownership of what it is given. */
	void (*on_sighting)(void *ctx, struct peer *peer, struct sighting *sighting);
	void (*on_outcome)(void *ctx, struct peer *peer, struct outcome *outcome);
	void (*on_pulse)(void *ctx, struct peer *peer, struct pulse_report *report);
	void (*on_accounts)(void *ctx, struct peer *peer, struct accounts *accounts);
	void *ctx;
};

/* Starts the threads. Never NULL. */
struct peer *peer_start(const struct peer_options *options, uint32_t interval_ms);

struct peer *peer_ref(struct peer *peer);
struct peer *peer_unref(struct peer *peer); /* returns NULL */

/* Tells the threads to end and waits until they have: at most for what is under way to reach its deadline. */
void peer_stop(struct peer *peer);

/* Time between two status reads from now on; a shorter one takes effect at once. */
void peer_set_interval(struct peer *peer, uint32_t interval_ms);

/* What the heartbeat row is to this server from now on. */
void peer_set_pulse(struct peer *peer, enum pulse_role role, uint64_t epoch);

/* Reads the status now. */
void peer_poke(struct peer *peer);

/* Hands a task to the actor; takes over task->set. false (and nothing taken) when it is busy. */
bool peer_begin(struct peer *peer, struct task *task);
bool peer_is_busy(const struct peer *peer);

/* Asks the actor for the accounts of this server; on_accounts() brings them when they can be read. */
void peer_ask_accounts(struct peer *peer);

struct sighting *sighting_free(struct sighting *sighting); /* takes NULL, returns NULL */
struct outcome *outcome_free(struct outcome *outcome);
