/* One run of the program that moves an address where the kernel can't: in a cloud, by BGP.
 *
 *   PROGRAM hold|release ADDRESS INTERFACE
 *
 * It runs in a thread of its own, so that an address that hangs in a cloud doesn't hold up the others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/address.h"
#include "base/err.h"

enum { ERRAND_WORDS_BYTES_MAX = 200, ERRAND_WORDS_MAX = 16, ERRAND_COMMAND_BYTES_MAX = 512 };

struct errand;

struct errand_options {
	const char *command;	/* cut at its blanks; borrowed for the call */
	bool hold;		/* else release */
	struct address address; /* argument ADDRESS without prefix; with it in MUSTER_ADDRESS */
	const char *interface;	/* "-": none is known; borrowed for the call */
	uint64_t limit_us;	/* then it is killed with its process group */
	int done_fd;		/* an eventfd that is written to when it has ended */
};

/* Errors: ERR_NOMEM, ERR_LIMIT (too many words), ERR_IO. Release with errand_free(). */
MUST_CHECK enum err errand_start(const struct errand_options *options, struct errand **ret,
				 struct err_ctx *err);

/* Has it killed; it still ends in its own time, which is short. */
void errand_stop(struct errand *errand);

/* false while it runs. ret_words: what it printed last, or what went wrong; one line, printable. ret_rc: ERR_OK when
 * it ended with status 0, ERR_DEADLINE when it took too long, ERR_NOT_FOUND without such a program, ERR_FAILED. */
bool errand_ended(struct errand *errand, enum err *ret_rc, char ret_words[ERRAND_WORDS_BYTES_MAX]);

/* Kills it if it runs, waits for its end. Takes NULL, returns NULL. */
struct errand *errand_free(struct errand *errand);
