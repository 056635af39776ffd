/* Relays a server's reply to the client as it comes. */
#pragma once

#include <stdbool.h>

struct session;

/* The step of session_run() in SESSION_REPLY: true when another may follow at once. */
bool session_reply_relay(struct session *session);
