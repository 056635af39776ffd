/* What bench_load is told on its command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { CLIENTS_MAX = 1024 };

struct options {
	const char *mode; /* "prepare", "run" or "verify" */
	const char *host;
	uint32_t port;
	const char *user;
	const char *password; /* from MUSTER_PASSWORD, never from the command line */
	const char *database;
	const char *ledger_path; /* one line per write */
	uint32_t clients;
	uint32_t seconds;   /* 0: until SIGINT or SIGTERM */
	uint32_t pause_us;  /* of a client after each write */
	uint32_t timeout_s; /* of one statement, on the client's side */
	uint32_t
		knock_ms; /* before it connects again it knocks so often until somebody opens; 0: it just connects */
};

/* Reads the command line and the environment (MUSTER_HOST, MUSTER_WRITE_PORT, MUSTER_USER,
 * MUSTER_PASSWORD) into *ret, which then borrows from both.
 *
 * Errors: ERR_USAGE (err says which word). */
MUST_CHECK enum err options_read(int argc, char **argv, struct options *ret, struct err_ctx *err);
