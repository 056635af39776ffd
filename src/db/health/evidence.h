/* An error number is a fact about liveness: the table that maps errors to what they prove.
 *
 * Pure. The reach of a contact says what its outcome proves about the server's process, nothing about
 * whose fault it was. Source: docs/evidence.md.
 */
#pragma once

#include <stdbool.h>

#include "decide/observation.h"

/* How far a contact had come when it ended. */
enum contact_phase {
	CONTACT_RESOLVING,  /* the name */
	CONTACT_CONNECTING, /* TCP or Unix connect */
	CONTACT_GREETING,   /* connected, not a byte received */
	CONTACT_LOGIN,	    /* the greeting is there */
	CONTACT_QUERY,
	CONTACT_PHASE_COUNT_
};

/* How a contact ended. */
struct contact_end {
	enum contact_phase phase;
	unsigned
		server_errno; /* number in an error packet, or the client library's (2000-2999); 0: none */
	int os_errno;	      /* 0: unknown or none */
	bool deadline;	      /* our own deadline passed first */
};

/* What that proves. REACH_UNKNOWN: nothing by itself (an established connection that ended may have
 * been killed, or the server died: a new connection tells). */
enum reach evidence_reach(const struct contact_end *end);

/* Whether the number is in the table of numbers by which a living server refuses us. */
bool evidence_is_refusal(unsigned server_errno);

/* Whether the number says that a privilege is missing. */
bool evidence_is_privilege(unsigned server_errno);

const char *evidence_reach_name(enum reach reach);	   /* "nobody listens" */
const char *evidence_phase_name(enum contact_phase phase); /* "connecting" */
