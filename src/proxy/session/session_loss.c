/* Lost connections: the facts are gathered here, outcome.c decides. */
#include "proxy/session/session_loss.h"

#include <stdio.h>

#include "proxy/session/session.h"
#include "proxy/session/session_command.h"

enum { LOSS_WORDS_BYTES_MAX = 512 };

/* Errors of a log-in that say "not now" rather than "no": too many connections, shutting down,
 * and a server that is still starting. */
static bool is_passing_refusal(uint16_t server_errno)
{
	static const uint16_t numbers[] = { 1040, 1053, 1129, 1152, 1203, 1226, 3032, 3168 };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i] == server_errno) {
			return true;
		}
	}
	return false;
}

static void lose_with_trouble(struct session *session)
{
	struct worker *worker = session->worker;
	uint32_t server = session->upstream->server;
	if (server < ROUTE_SERVERS_MAX) {
		worker->avoid_until_us[server] = worker->now_us + US_PER_S;
	}
	worker_report_trouble(worker, server);
	session_lose_upstream(session, false);
}

/* The server answered a log-in with an error. */
static void take_refusal(struct session *session)
{
	struct upstream *upstream = session->upstream;
	struct reply_err error = { 0 };
	bool enters =
		session->phase == SESSION_HELD && session->command.type == SESSION_COMMAND_ENTER;
	bool known = reply_err_decode(buf_str(&upstream->refusal), &error, NULL) == ERR_OK;
	log_event(session->worker->shared->options.log, LOG_WARN, "proxy.server.refused",
		  "a server refused a client's log-in", LOG_TEXT("server", upstream->host),
		  LOG_U64("port", upstream->port), LOG_U64("errno", error.server_errno),
		  LOG_U64("session", session->id));
	if (known && is_passing_refusal(error.server_errno) &&
	    (!enters || error.server_errno == 1053)) {
		session_lose_upstream(session, false);
		return;
	}
	if (session->phase == SESSION_HELD) {
		session_answer_payload(session, buf_str(&upstream->refusal));
	}
	session_drop_upstream(session, false);
}

static void take_progress(struct session *session, enum upstream_progress progress)
{
	switch (progress) {
	case UPSTREAM_WAITS:
	case UPSTREAM_IS_READY:
		return;
	case UPSTREAM_LOST:
		lose_with_trouble(session);
		return;
	case UPSTREAM_REFUSED:
	case UPSTREAM_BROKEN:
		take_refusal(session);
		return;
	case UPSTREAM_BEHIND:
		session->causal.waited = 0;
		session->command.statement.replica = false; /* the primary has it */
		return;
	case UPSTREAM_STATE_REFUSED:
		session->causal.waited = 0;
		session->lost |= STATE_NOT_RESTORED;
		if (session->phase == SESSION_HELD) {
			(void)session_settle_losses(session);
		}
		return;
	case UPSTREAM_STMT_REFUSED:
		session->causal.waited = 0;
		if (session->phase == SESSION_HELD) {
			session_answer_payload(session, buf_str(&session->upstream->refusal));
		}
		return;
	}
}

void session_check_upstream(struct session *session)
{
	struct upstream *upstream = session->upstream;
	if (!upstream) {
		return;
	}
	if (upstream->phase != UPSTREAM_READY) {
		take_progress(session, upstream_run(upstream));
		return;
	}
	if (session->phase == SESSION_SEND || session->phase == SESSION_REPLY ||
	    session->phase == SESSION_INFILE) {
		return;
	}
	/* An idle server says only one thing: that it ends the connection, with or without a word. */
	uint8_t word = 0;
	size_t count = 0;
	switch (transport_read(&upstream->io, &word, sizeof(word), &count)) {
	case TRANSPORT_BLOCKED:
		return;
	case TRANSPORT_OK:
		session_lose_upstream(session, false);
		return;
	case TRANSPORT_CLOSED:
		lose_with_trouble(session);
		return;
	}
}

static void resolve_flying(struct session *session, bool was_in_transaction)
{
	struct session_command *command = &session->command;
	struct outcome_facts facts = {
		.kind = command->statement.kind,
		.sent = command->sent,
		.visible = command->visible,
		.retained = command->retained && !command->is_file,
		.in_transaction = was_in_transaction || command->in_transaction,
		.autocommit = session->state.autocommit,
	};
	switch (outcome_decide(&facts)) {
	case OUTCOME_RESEND:
		command->sent = OUTCOME_SENT_NOTHING;
		command->sent_bytes = 0;
		session->phase = SESSION_HELD;
		(void)session_settle_losses(session);
		return;
	case OUTCOME_ROLLED_BACK:
		session_answer_refusal(session, REFUSAL_ROLLED_BACK, session->lost_server);
		return;
	case OUTCOME_UNKNOWN:
		session_answer_refusal(session, REFUSAL_OUTCOME_UNKNOWN, session->lost_server);
		return;
	case OUTCOME_DONE:
		session_answer_ok(session);
		return;
	case OUTCOME_CLOSE:
	case OUTCOME_COUNT_:
		break;
	}
	log_event(session->worker->shared->options.log, LOG_WARN, "proxy.client.cut",
		  "a client had a part of a reply whose server connection was lost",
		  LOG_TEXT("client", session->address), LOG_U64("session", session->id));
	session_close(session);
}

void session_lose_upstream(struct session *session, bool reset)
{
	struct upstream *upstream = session->upstream;
	bool was_in_transaction = session->state.in_transaction;
	session->causal.waited = 0; /* a wait may have been under way on it */
	(void)snprintf(session->lost_server, sizeof(session->lost_server), "%.200s:%u",
		       upstream->host, (unsigned)upstream->port);
	if (names_is_killed(&session->worker->names, session->id, upstream->thread_id)) {
		session_close(session); /* that is what KILL asked for */
		return;
	}
	session->lost |= session->state.losses;
	session->state.losses = 0;
	session->state.in_transaction = false;
	session_drop_upstream(session, reset);
	switch (session->phase) {
	case SESSION_WAITS_ACCOUNTS:
	case SESSION_LOGIN:
	case SESSION_CLOSING:
	case SESSION_DEAD:
		return;
	case SESSION_IDLE:
	case SESSION_DISCARD:
		session->transaction_lost |= was_in_transaction;
		return;
	case SESSION_HELD:
		session->transaction_lost |= was_in_transaction;
		session->command.retry_us =
			session->worker->now_us + (uint64_t)SESSION_RETRY_MS * US_PER_MS;
		(void)session_settle_losses(session);
		return;
	case SESSION_SEND:
	case SESSION_REPLY:
	case SESSION_INFILE:
		resolve_flying(session, was_in_transaction);
		return;
	}
}

bool session_settle_losses(struct session *session)
{
	const struct session_command *command = &session->command;
	bool rolls_back = command->statement.kind == OUTCOME_ROLLBACK;
	if (command->type == SESSION_COMMAND_ENTER || command->type == COMMAND_PING ||
	    !command->has_reply) {
		return false;
	}
	if (session->transaction_lost) {
		session->transaction_lost = false;
		if (rolls_back) {
			session_answer_ok(session);
		} else {
			session_answer_refusal(session, REFUSAL_ROLLED_BACK, session->lost_server);
		}
		return true;
	}
	if (!session->lost || rolls_back) {
		return false;
	}
	char memory[LOSS_WORDS_BYTES_MAX];
	struct buf words;
	buf_init_fixed(&words, memory, sizeof(memory));
	state_write_losses(session->lost, &words);
	buf_printf(&words, " (of %.200s)", session->lost_server);
	session->lost = 0;
	session_answer_refusal(session, REFUSAL_STATE_LOST, buf_text(&words));
	return true;
}
