/* KILL and COM_PROCESS_KILL: from the ids that the proxy gives to those of the server. */
#pragma once

#include <stdbool.h>

struct session;

/* The command in hand names a connection: puts the server's id in, in place. Other ids stay: a server's
 * own, as CONNECTION_ID() and the process list show them, are right as they are. */
void session_translate_kill(struct session *session);

/* The session meant has no server connection, and may be ended by this one: that is asked for. false: it isn't so. */
bool session_kill_idle(struct session *session);

/* The server has refused the KILL in hand. */
void session_kill_failed(struct session *session);
