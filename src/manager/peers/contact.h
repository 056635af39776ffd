/* How a server is reached: one set of options for all threads that deal with it, and the side door that is taken when
 * its connections are used up. Thread-safe. */
#pragma once

#include <pthread.h>

#include "db/server/server.h"

struct contact {
	struct conn_options options; /* what it points at outlives the contact */
	pthread_mutex_t mutex;	     /* guards what follows */
	bool asked;		     /* the server told of its side door */
	struct server_side_door side_door;
};

/* options: copied; what it points at is borrowed. `fini` ends nothing that was opened. */
void contact_init(struct contact *contact, const struct conn_options *options);
void contact_fini(struct contact *contact);

/* As conn_open(); a server that has no connection left for us is tried at its side door. */
MUST_CHECK enum err contact_open(struct contact *contact, uint64_t deadline_us, struct conn **ret,
				 enum reach *ret_reach, struct err_ctx *err);
