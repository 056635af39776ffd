/* Which server connection stands behind which session, for KILL: the ids that clients know are the
 * proxy's own. One table a worker, behind a mutex that is taken when a session comes or goes, gets a
 * server connection, or is named by a KILL; never for another statement.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name {
	uint32_t session_id;
	uint32_t thread_id;  /* the server's; 0: none */
	uint32_t killed;     /* a thread_id whose end is to end the session; 0: none */
	bool ends;	     /* it had no server connection when it was killed */
	const void *account; /* who it is: told apart by address alone */
};

struct names {
	pthread_mutex_t mutex;
	struct name *items; /* [count] by ascending session_id; owned */
	size_t count;
	size_t cap;
	atomic_bool ends; /* some name has it */
};

/* Memory is the caller's; an empty table. */
void names_init(struct names *names);
/* Releases it; nobody may use it any more. */
void names_fini(struct names *names);

/* Sets the server's id for a session of this account, adding it. Without memory the session can't be named. */
void names_set(struct names *names, uint32_t session_id, uint32_t thread_id, const void *account);
void names_remove(struct names *names, uint32_t session_id); /* harmless when it isn't there */

/* The server's id for a session; 0 when there is none. mark: its end is to end the session. */
uint32_t names_find(struct names *names, uint32_t session_id, bool mark);

/* The session has no server connection, and is of this account: it is to end. false: it isn't so. */
bool names_end(struct names *names, uint32_t session_id, const void *account);

/* Was that asked for? */
bool names_is_ended(struct names *names, uint32_t session_id);

/* Takes a mark back. */
void names_unmark(struct names *names, uint32_t session_id);

/* Was the end of this connection asked for by KILL? */
bool names_is_killed(struct names *names, uint32_t session_id, uint32_t thread_id);
