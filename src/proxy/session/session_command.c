/* From the client's bytes to the server's: begin, wait, send. */
#include "proxy/session/session_command.h"

#include <string.h>

#include "base/check.h"
#include "proxy/session/session.h"
#include "proxy/session/session_effect.h"
#include "proxy/session/session_judge.h"
#include "proxy/session/session_login.h"
#include "proxy/session/session_loss.h"
#include "proxy/session/session_prepared.h"

enum { COMMAND_BYTES_MIN = PACKET_HEADER_BYTES + 1 };

static void begin(struct session *session, uint16_t type)
{
	struct buf error = session->command.error;
	buf_clear(&error);
	session->command = (struct session_command){
		.type = type,
		.has_reply = true,
		.sequence_next = 1,
		.since_us = session->worker->now_us,
		.error = error,
		.statement = { .kind = OUTCOME_SESSION, .single = true },
	};
}

void session_command_enter(struct session *session)
{
	uint8_t sequence = session->sequence;
	begin(session, SESSION_COMMAND_ENTER);
	session->command.sequence_next = sequence;
	session->command.retained = true;
	session->phase = SESSION_HELD;
}

void session_command_finish(struct session *session)
{
	struct session_command *command = &session->command;
	if (command->retained && command->wire_bytes) {
		buf_consume(&session->in, command->wire_bytes);
	}
	command->wire_bytes = 0;
	command->stmt = NULL;
	session->phase = SESSION_IDLE;
}

/* All that the client sends for the command has come. */
static bool is_received(const struct session_command *command)
{
	return (command->retained && !command->is_file) || command->scanned_whole;
}

static void send_error(struct session *session)
{
	struct session_command *command = &session->command;
	bool enters = command->type == SESSION_COMMAND_ENTER;
	session->sequence = command->sequence_next;
	if (command->has_reply) {
		session_send_packet(session, buf_str(&command->error));
	}
	if (session->phase != SESSION_DEAD) {
		session_command_finish(session);
		session->phase = enters ? SESSION_CLOSING : SESSION_IDLE;
	}
}

static void answer_error(struct session *session)
{
	if (is_received(&session->command)) {
		send_error(session);
	} else {
		session->phase = SESSION_DISCARD;
	}
}

void session_answer_refusal(struct session *session, enum refusal refusal, const char *detail)
{
	buf_clear(&session->command.error);
	refusal_write(&session->command.error, refusal, detail, true);
	answer_error(session);
}

void session_answer_payload(struct session *session, struct str err_payload)
{
	buf_clear(&session->command.error);
	buf_add_str(&session->command.error, err_payload);
	answer_error(session);
}

void session_answer_ok(struct session *session)
{
	enum { OK_BYTES_MAX = 64 };
	uint8_t memory[OK_BYTES_MAX];
	struct buf payload;
	struct reply_ok ok = { .status = session->state.autocommit ? STATUS_AUTOCOMMIT : 0 };
	buf_init_fixed(&payload, memory, sizeof(memory));
	reply_ok_encode(&payload, &ok, session->caps);
	session->sequence = session->command.sequence_next;
	session_effect_success(session);
	session_send_packet(session, buf_str(&payload));
	if (session->phase != SESSION_DEAD) {
		session_command_finish(session);
	}
}

/* Reads until the next command's start is there: all of it, or of a long one the prefix.
 * ERR_AGAIN when more is needed than there is, ERR_PROTOCOL when the session has ended. */
static enum err find_command(struct session *session, struct packet *ret)
{
	struct buf *in = &session->in;
	size_t retained_max = session->worker->held_bytes > WORKER_HELD_BYTES_MAX
				      ? (size_t)SESSION_PREFIX_BYTES
				      : (size_t)SESSION_RETAINED_BYTES_MAX;
	for (;;) {
		enum err rc = packet_find(in->ptr, in->len, retained_max, ret, NULL);
		if (rc == ERR_OK) {
			return ERR_OK;
		}
		size_t wanted = SESSION_READ_BYTES;
		if (rc == ERR_LIMIT) {
			if (in->len >= SESSION_PREFIX_BYTES) {
				*ret = (struct packet){ 0 };
				return ERR_OK;
			}
			wanted = SESSION_PREFIX_BYTES - in->len;
		} else if (rc != ERR_AGAIN) {
			session_malformed(session, "frames of a command out of order");
			return ERR_PROTOCOL;
		} else if (in->len >= PACKET_HEADER_BYTES) {
			size_t whole = PACKET_HEADER_BYTES +
				       (size_t)packet_header_read(in->ptr).payload_bytes;
			wanted = whole - in->len > wanted ? whole - in->len : wanted;
		}
		enum transport_result got = session_read(session, wanted);
		if (got != TRANSPORT_OK) {
			return got == TRANSPORT_BLOCKED ? ERR_AGAIN : ERR_PROTOCOL;
		}
	}
}

/* Finds out how much of `in` belongs to the streamed command or file. */
static void scan_streamed(struct session *session)
{
	struct session_command *command = &session->command;
	struct buf *in = &session->in;
	struct cursor cur =
		cursor_of(in->ptr + command->scanned_bytes, in->len - command->scanned_bytes);
	struct packet_piece piece;
	while (!command->scanned_whole && packet_scan_next(&command->scan, &cur, &piece)) {
		if (piece.ends_packet) {
			bool empty = piece.offset + piece.payload.len == 0;
			command->scanned_whole = !command->is_file || empty;
			command->sequence_next = (uint8_t)(piece.sequence + 1);
		}
	}
	command->scanned_bytes = in->len - cursor_left(&cur);
}

/* What the command's first bytes say: payload without the header, cut where it streams. */
static bool begin_command(struct session *session, const struct packet *packet)
{
	struct session_command *command = &session->command;
	struct str payload = { (const char *)session->in.ptr + PACKET_HEADER_BYTES, 0 };
	begin(session, session->in.ptr[PACKET_HEADER_BYTES]);
	if (packet->wire_bytes) {
		command->retained = true;
		command->wire_bytes = packet->wire_bytes;
		command->sequence_next = packet->sequence_next;
		payload.len = packet->payload_bytes;
	} else {
		packet_scan_init(&command->scan);
		scan_streamed(session);
		payload.len = session->in.len - PACKET_HEADER_BYTES;
	}
	session->phase = SESSION_HELD;
	return session_judge_command(session, payload);
}

bool session_command_next(struct session *session)
{
	struct packet packet = { 0 };
	enum err rc = find_command(session, &packet);
	if (rc) {
		return false;
	}
	struct packet_header header = packet_header_read(session->in.ptr);
	if (!header.payload_bytes || header.sequence != 0) {
		session_malformed(session, "a command that is empty or out of order");
		return false;
	}
	check(session->in.len >= COMMAND_BYTES_MIN);
	if (!begin_command(session, &packet)) {
		return session->phase != SESSION_DEAD;
	}
	return !session_settle_losses(session) || session->phase != SESSION_DEAD;
}

/* Ends a wait that has taken too long. */
static void give_up(struct session *session, const struct routing_answer *answer)
{
	const char *why = "the server could not be reached in time";
	if (answer->server == ROUTING_NOWHERE) {
		why = "there is no primary";
	} else if (answer->hold) {
		why = "the primary takes no statements at the moment";
	}
	session_answer_refusal(session, REFUSAL_NO_SERVER, why);
	if (session->upstream && session->upstream->phase != UPSTREAM_READY) {
		session_lose_upstream(session, true); /* it may hang */
	}
}

/* Sees to a connection to where the answer points. false: not yet. */
static bool have_upstream(struct session *session, const struct routing_answer *answer)
{
	struct worker *worker = session->worker;
	if (session->upstream) {
		return session->upstream->phase == UPSTREAM_READY;
	}
	if (answer->server == ROUTING_NOWHERE || worker->now_us < session->command.retry_us ||
	    worker->connecting_count >= WORKER_LOGINS_MAX) {
		return false;
	}
	if (session->role == PROXY_SPLIT) {
		if (pool_take(session, answer->server, answer->to_primary)) {
			session_check_upstream(session);
			return session->upstream && session->upstream->phase == UPSTREAM_READY;
		}
		if (pool_is_full(worker, answer->server)) {
			pool_wait(session);
			return false;
		}
	}
	session->upstream = upstream_open(session, answer->server, answer->to_primary);
	session->command.retry_us = worker->now_us + (uint64_t)SESSION_RETRY_MS * US_PER_MS;
	return false;
}

/* A replica answers only when it has what the session wrote before. */
static bool needs_causal(struct session *session)
{
	uint32_t bit = UINT32_C(1) << session->upstream->server;
	if (session->role != PROXY_SPLIT || session->upstream->as_primary ||
	    session->state.in_transaction || !session->causal.gtids ||
	    !session->worker->shared->options.causal_ms_max || (session->causal.waited & bit)) {
		return false;
	}
	session->causal.waited |= bit; /* taken back when it proves to be behind */
	return true;
}

/* Sees to what the statement needs on this connection. false: under way, or answered. */
static bool have_setup(struct session *session)
{
	struct upstream *upstream = session->upstream;
	struct stmt *stmt = session->command.stmt;
	bool needs_stmt = stmt && stmt->serial != upstream->serial;
	if (needs_stmt && !stmt->sql) {
		session_answer_refusal(session, REFUSAL_NEEDS_REPREPARE, NULL);
		return false;
	}
	struct upstream_setup setup = { .stmt = needs_stmt ? stmt : NULL,
					.causal = needs_causal(session) };
	if (!upstream->tracking || setup.stmt || setup.causal) {
		upstream_set_up(upstream, &setup);
		session_check_upstream(session);
		return false;
	}
	return true;
}

bool session_command_advance(struct session *session)
{
	struct session_command *command = &session->command;
	struct worker *worker = session->worker;
	if (session->io.hung_up) {
		session_close(session); /* nobody waits for the answer */
		return false;
	}
	struct routing_answer answer = session_route(session);
	if (session->upstream && answer.drop && pool_can_park(session)) {
		pool_park(session);
	}
	if (session->upstream && answer.drop) {
		session_lose_upstream(session, true);
		return session->phase != SESSION_DEAD;
	}
	if (worker->now_us - command->since_us >=
	    (uint64_t)worker->shared->options.hold_ms_max * US_PER_MS) {
		give_up(session, &answer);
		return true;
	}
	bool ready = have_upstream(session, &answer) && !answer.hold &&
		     worker->now_us >= command->retry_us;
	if (command->type == COMMAND_PING && !ready) {
		session_answer_ok(session);
		return true;
	}
	if (!ready) {
		return false;
	}
	if (command->type == SESSION_COMMAND_ENTER) {
		session_login_entered(session);
		return true;
	}
	if (!have_setup(session)) {
		return session->phase != SESSION_HELD ||
		       (session->upstream && session->upstream->phase == UPSTREAM_READY);
	}
	return session_begin_send(session);
}

/* Writes a retained command. TRANSPORT_OK: it is sent whole. */
static enum transport_result send_retained(struct session *session)
{
	struct session_command *command = &session->command;
	while (command->sent_bytes < command->wire_bytes) {
		size_t count = 0;
		enum transport_result rc =
			upstream_write(session->upstream, session->in.ptr + command->sent_bytes,
				       command->wire_bytes - command->sent_bytes, &count);
		if (rc != TRANSPORT_OK) {
			return rc;
		}
		command->sent_bytes += count;
		command->sent = OUTCOME_SENT_PART;
	}
	return TRANSPORT_OK;
}

/* Writes what there is of a streamed command or file, reads more. TRANSPORT_OK: sent whole. */
static enum transport_result send_streamed(struct session *session)
{
	struct session_command *command = &session->command;
	for (;;) {
		scan_streamed(session);
		while (command->scanned_bytes) {
			size_t count = 0;
			enum transport_result rc = upstream_write(
				session->upstream, session->in.ptr, command->scanned_bytes, &count);
			if (rc != TRANSPORT_OK) {
				return rc;
			}
			command->sent = OUTCOME_SENT_PART;
			command->scanned_bytes -= count;
			buf_consume(&session->in, count);
		}
		if (command->scanned_whole) {
			return TRANSPORT_OK;
		}
		if (session_read(session, SESSION_PREFIX_BYTES) != TRANSPORT_OK) {
			return TRANSPORT_BLOCKED;
		}
	}
}

static void begin_reply(struct session *session)
{
	struct session_command *command = &session->command;
	struct upstream *upstream = session->upstream;
	bool was_file = command->is_file;
	command->sent = OUTCOME_SENT_WHOLE;
	if (!command->has_reply) {
		session_effect_success(session);
		session_command_finish(session);
		return;
	}
	if (!was_file) {
		(void)reply_walk_start(&upstream->walk, (uint8_t)command->type, upstream->caps);
	}
	if (was_file || !command->retained) {
		reply_walk_client_spoke(&upstream->walk, (uint8_t)(command->sequence_next - 1));
	}
	session->phase = SESSION_REPLY;
}

bool session_command_send(struct session *session)
{
	struct session_command *command = &session->command;
	struct upstream *upstream = session->upstream;
	bool streams = command->is_file || !command->retained;
	enum transport_result rc = TRANSPORT_CLOSED;
	if (upstream_flush(upstream)) {
		rc = upstream->out.len ? TRANSPORT_BLOCKED
		     : streams	       ? send_streamed(session)
				       : send_retained(session);
	}
	if (session->phase == SESSION_DEAD) {
		return false;
	}
	switch (rc) {
	case TRANSPORT_OK:
		begin_reply(session);
		return true;
	case TRANSPORT_BLOCKED:
		return false;
	case TRANSPORT_CLOSED:
		break;
	}
	worker_report_trouble(session->worker, upstream->server);
	session_lose_upstream(session, false);
	return session->phase != SESSION_DEAD;
}

void session_command_begin_file(struct session *session)
{
	struct session_command *command = &session->command;
	/* The statement itself has done its part; behind it in `in` comes the file. */
	if (command->retained) {
		buf_consume(&session->in, command->wire_bytes);
		command->wire_bytes = 0;
	}
	command->is_file = true;
	command->scanned_whole = false;
	command->scanned_bytes = 0;
	command->visible = false; /* after the file the client takes an error as well as an OK */
	command->sent = OUTCOME_SENT_PART;
	packet_scan_init(&command->scan);
	session->phase = SESSION_INFILE;
}

bool session_command_discard(struct session *session)
{
	struct session_command *command = &session->command;
	for (;;) {
		scan_streamed(session);
		buf_consume(&session->in, command->scanned_bytes);
		command->scanned_bytes = 0;
		if (command->scanned_whole) {
			send_error(session);
			return session->phase != SESSION_DEAD;
		}
		if (session_read(session, SESSION_PREFIX_BYTES) != TRANSPORT_OK) {
			return false;
		}
	}
}
