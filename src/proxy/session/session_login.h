/* Lets a client in: greeting, authentication by the account snapshot, and the server's own yes. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct session;

/* The steps of session_run(): true when another step may follow at once. */
bool session_login_greet(struct session *session); /* SESSION_WAITS_ACCOUNTS */
bool session_login_run(struct session *session);   /* SESSION_LOGIN */

/* A COM_CHANGE_USER, with its command byte: authenticates anew, then enters with a fresh state. */
void session_login_change_user(struct session *session, struct str payload);

/* The server has let the session in: passes its OK on. */
void session_login_entered(struct session *session);

/* Releases what only a log-in needs. */
void session_login_fini(struct session *session);
