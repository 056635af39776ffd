/* The statements of a change, run on the passive side of a pair one after the other.
 *
 * How far it has got is on the record before and after each statement, with what the server had numbered by then: so the
 * same command goes on after a break of itself, of `muster run` or of the server, and no statement runs twice.
 */
#pragma once

#include "base/secret.h"
#include "cli/request.h"

enum { PAIR_SCRIPT_STATEMENTS_MAX = 1000, PAIR_SCRIPT_TEXT_BYTES_MAX = 4 * 1024 * 1024 };

struct pair_script {
	struct buf text;				   /* of all statements; owned */
	struct str statements[PAIR_SCRIPT_STATEMENTS_MAX]; /* views */
	size_t count;
	char id[64]; /* the same for the same text */
	const char *user;
	struct secret password;
	const char *socket_path; /* of the server; NULL: its address on the record */
};

/* Reads a file ("-": standard input), or takes `statement` where that is not NULL.
 * Errors: ERR_NOT_FOUND, ERR_LIMIT, ERR_IO, ERR_USAGE when there is no statement in it or it can't be taken apart. */
MUST_CHECK enum err pair_script_read(const char *path, const char *statement,
				     struct pair_script *ret, struct err_ctx *err);
void pair_script_fini(struct pair_script *script);

/* Runs what is left of it; the passive side is out and open. show: what `pair show` says of the pair.
 * Errors: ERR_SERVER with the statement that failed; ERR_CONFLICT when another script was begun; ERR_DEADLINE when the
 * server or `muster run` doesn't come back. */
MUST_CHECK enum err pair_script_run(struct request *request, const struct pair_script *script,
				    const json_t *show);

/* Reads the pair until its change is open, patient with a `muster run` that is away for a while. done: called with each
 * new reading; true ends the waiting. ret: a new reference. */
typedef bool (*pair_script_until)(const json_t *pair);
MUST_CHECK enum err pair_script_wait(struct request *request, pair_script_until done, json_t **ret);
