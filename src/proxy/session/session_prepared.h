/* Prepared statements on their way: ids and bound types as the server connection in hand needs them. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

struct session;

/* The command in hand may go: makes its bytes fit the server connection, and SESSION_SEND. Returns
 * as the steps of session_run(). */
bool session_begin_send(struct session *session);

/* The server has answered a PREPARE: gives the statement an id of the proxy's own and writes it over
 * the server's. payload: PREPARE_OK, in place. false: no more statements fit. */
bool session_take_prepared(struct session *session, uint8_t *payload);
