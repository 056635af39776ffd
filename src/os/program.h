/* A program that is asked something: bytes on its standard input, what it prints taken up to a bound, a time limit. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct program_options {
	const char *const *argv; /* as in process_options */
	const char *const *env;
	struct str input;
	size_t output_bytes_max; /* of standard output and of standard error, each; the rest is dropped */
	uint64_t deadline_us; /* clock_system, monotonic */
	int stop_fd;	      /* once it is readable the program is ended; -1: none */
};

enum program_end {
	PROGRAM_EXITED,	  /* by itself: `number` is its exit status */
	PROGRAM_SIGNALED, /* by signal `number`, not ours */
	PROGRAM_LATE, /* killed at the deadline, with all that it started and that stayed in its group */
	PROGRAM_STOPPED, /* killed since stop_fd said so */
};

struct program_result {
	enum program_end end;
	int number;
	struct buf output; /* standard output; released by program_result_fini() */
	struct buf error;  /* standard error */
	bool cut;	   /* some of it was dropped */
};

/* Starts the program in a process group of its own and waits for its end; what it left behind in the background is
 * not waited for.
 *
 * ret:    written whole; on success to be released by program_result_fini().
 * Errors: ERR_NOT_FOUND when there is no such program, ERR_IO.
 */
MUST_CHECK enum err program_run(const struct program_options *options, struct program_result *ret,
				struct err_ctx *err);
void program_result_fini(struct program_result *result);

/* Cuts a line at its blanks into at most words_max - 1 words, NULL-terminated, all in `line` itself. There is no
 * quoting. ERR_LIMIT when there are more. */
MUST_CHECK enum err program_split(char *line, const char **ret_words, size_t words_max);
