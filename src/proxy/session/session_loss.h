/* What a session does when its server connection is lost, refused, or has to be given up. */
#pragma once

#include <stdbool.h>

#include "proxy/session/refusal.h"

struct session;

/* Lets a server connection that isn't carrying a statement go on, and notices its end. */
void session_check_upstream(struct session *session);

/* The server connection is gone, or must not be used any more: resolves the statement in flight
 * (outcome.h), remembers what is lost for the next one. reset: as in upstream_close(). */
void session_lose_upstream(struct session *session, bool reset);

/* Answers the command with what an earlier loss means for it. true: it is answered. */
bool session_settle_losses(struct session *session);
