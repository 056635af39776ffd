/* What a command's success changes in what the proxy knows of the session. */
#pragma once

struct session;

/* The command in hand has succeeded (its reply is over, or it has none). */
void session_effect_success(struct session *session);

/* The command in hand was answered with error `server_errno`. */
void session_effect_failure(struct session *session, unsigned server_errno);
