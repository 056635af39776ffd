/* Child and other processes: start, recognise, signal, wait.
 *
 * A process is known by its pid together with its start time, so that a pid that was given to another
 * program meanwhile is never signalled.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process_id {
	pid_t pid;	      /* 0: none */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat, clock ticks since boot */
};

struct process_options {
	const char *const
		*argv; /* NULL-terminated; argv[0] is looked for in PATH unless it has a '/' */
	const char *const
		*env;	    /* NULL-terminated NAME=VALUE added to our environment; NULL: none */
	const char *folder; /* working folder; NULL: ours */
	const char *input;  /* file for standard input; NULL: /dev/null */
	const char
		*output; /* file that standard output and error are appended to; NULL: /dev/null */
	mode_t output_mode; /* of a new output file; 0: 0600 */
	const int *
		standard; /* [3]: descriptors to be 0, 1 and 2, each above 2; NULL: the files above */
	bool own_group;	  /* the first of a process group of its own */
	bool detach; /* its own session, and not our child: it outlives us and never becomes a zombie */
};

/* Starts a program. Signals are unblocked and at their defaults in it, no file descriptors but 0, 1 and 2
 * are handed on.
 *
 * Errors: ERR_NOT_FOUND when there is no such program, ERR_IO; both name argv[0].
 */
MUST_CHECK enum err process_spawn(const struct process_options *options, struct process_id *ret,
				  struct err_ctx *err);

/* Starts a program and waits for its end until deadline_us (clock_system, monotonic), then kills it.
 *
 * Errors: as process_spawn(); ERR_DEADLINE; ERR_FAILED when it ends with another status than 0.
 */
MUST_CHECK enum err process_run(const struct process_options *options, uint64_t deadline_us,
				struct err_ctx *err);

/* The identity of a running process. Errors: ERR_NOT_FOUND. */
MUST_CHECK enum err process_identify(pid_t pid, struct process_id *ret, struct err_ctx *err);

/* Is this very process still running? A zombie isn't, once all of its threads have ended: until then it may hold its ports. */
bool process_is_alive(const struct process_id *id);

/* Is it stopped by SIGSTOP? */
bool process_is_stopped(const struct process_id *id);

/* Sends a signal. Errors: ERR_NOT_FOUND when this very process is gone, ERR_PRIVILEGE, ERR_IO. */
MUST_CHECK enum err process_signal(const struct process_id *id, int signal_number,
				   struct err_ctx *err);

/* Waits until it has ended (our child is reaped), until deadline_us (clock_system, monotonic).
 *
 * ret_status: may be NULL; as waitpid() gives it, 0 for a process that isn't our child.
 * Errors:     ERR_DEADLINE.
 */
MUST_CHECK enum err process_wait(const struct process_id *id, uint64_t deadline_us, int *ret_status,
				 struct err_ctx *err);

/* SIGKILL, and waits up to deadline_us for the end. Fine when it is gone already.
 * Errors: ERR_PRIVILEGE, ERR_DEADLINE, ERR_IO. */
MUST_CHECK enum err process_kill(const struct process_id *id, uint64_t deadline_us,
				 struct err_ctx *err);

/* Writes the identity as one line "PID START". Errors: ERR_IO. */
MUST_CHECK enum err process_write_pidfile(const char *path, const struct process_id *id,
					  struct err_ctx *err);

/* Reads what process_write_pidfile() wrote; the process may be gone. Errors: ERR_NOT_FOUND, ERR_PARSE,
 * ERR_IO. */
MUST_CHECK enum err process_read_pidfile(const char *path, struct process_id *ret,
					 struct err_ctx *err);
