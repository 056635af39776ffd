/* The commands of a session: taken from the client, held back or sent, answered where they end here. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "proxy/session/refusal.h"

struct session;

/* The steps of session_run(): true when another step may follow at once. */
bool session_command_next(struct session *session);    /* SESSION_IDLE: begins a command */
bool session_command_advance(struct session *session); /* SESSION_HELD: sends it when it may go */
bool session_command_send(struct session *session);    /* SESSION_SEND, SESSION_INFILE */
bool session_command_discard(struct session *session); /* SESSION_DISCARD */

/* Begins the pseudo-command that ends a log-in. */
void session_command_enter(struct session *session);

/* The server wants a file: what the client sends next is its content. */
void session_command_begin_file(struct session *session);

/* Answers the command in hand; what the client still has to send for it is read off first. */
void session_answer_refusal(struct session *session, enum refusal refusal, const char *detail);
void session_answer_payload(struct session *session, struct str err_payload);
void session_answer_ok(struct session *session); /* and what the command's success means */

/* The command is over: makes room for the next. */
void session_command_finish(struct session *session);
