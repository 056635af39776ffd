/* One read from the server, one walk over the headers, one write to the client. The few packets that
 * say more to the proxy than to the client are rewritten where they lie, never longer than before. */
#include "proxy/session/session_reply.h"

#include <string.h>

#include "proxy/session/session.h"
#include "proxy/session/session_command.h"
#include "proxy/session/session_effect.h"
#include "proxy/session/session_loss.h"
#include "proxy/session/session_prepared.h"

enum {
	ERRNO_SHUTDOWN = 1053,
	ERRNO_OPTION_PREVENTS = 1290,
	ERRNO_READ_ONLY_MODE = 1836,
	READ_ONLY_RETRY_MS = 20,
};

/* What is in the worker's scratch memory, and what of it has been judged. */
struct relay {
	uint8_t *bytes; /* [count] */
	size_t count;
	size_t judged; /* bytes that may go to the client */
	bool done;     /* the reply ends at `judged` */
	bool file;     /* the client speaks next */
	bool over;     /* the statement has been resolved otherwise; nothing is left to do */
};

/* Writes a new payload over the packet whose payload is at `at`; the bytes behind it move up. */
static void replace_payload(struct relay *relay, size_t at, size_t old_bytes, struct str payload)
{
	struct packet_header header = packet_header_read(relay->bytes + at - PACKET_HEADER_BYTES);
	header.payload_bytes = (uint32_t)payload.len;
	packet_header_write(header, relay->bytes + at - PACKET_HEADER_BYTES);
	memcpy(relay->bytes + at, payload.ptr, payload.len);
	memmove(relay->bytes + at + payload.len, relay->bytes + at + old_bytes,
		relay->count - at - old_bytes);
	relay->count -= old_bytes - payload.len;
}

/* An OK as the client asked for it: without the session state that only the proxy wants to know.
 * Returns by how much the packet has become shorter. */
static size_t rewrite_ok(struct session *session, struct relay *relay, size_t at,
			 struct str payload, const struct reply_ok *ok)
{
	bool tracks = (session->caps & CAP_SESSION_TRACK) != 0;
	bool server_tracks = (session->upstream->caps & CAP_SESSION_TRACK) != 0;
	if (tracks == server_tracks && !ok->session_state.len) {
		return 0;
	}
	struct buf state;
	struct buf fresh;
	struct reply_ok mine = *ok;
	size_t saved = 0;
	buf_init(&state, RESULT_SCAN_PAYLOAD_BYTES_MAX);
	buf_init(&fresh, RESULT_SCAN_PAYLOAD_BYTES_MAX);
	if (tracks) {
		state_filter(&session->state, ok, &state);
	}
	mine.session_state = buf_str(&state);
	reply_ok_encode(&fresh, &mine, session->caps);
	if (buf_finish(&fresh) == ERR_OK && fresh.len <= payload.len) {
		replace_payload(relay, at, payload.len, buf_str(&fresh));
		saved = payload.len - fresh.len;
	}
	buf_fini(&state);
	buf_fini(&fresh);
	return saved;
}

/* What an OK packet says to the proxy. */
static void take_ok(struct session *session, const struct reply_ok *ok)
{
	if (ok->insert_id) {
		session->state.last_insert_id = ok->insert_id;
	}
	if (!ok->session_state.len) {
		return;
	}
	bool changed = false;
	bool explained = session->command.statement.explains_changes;
	struct reply_states states = reply_states_of(ok);
	struct reply_state entry;
	while (reply_state_next(&states, &entry, NULL) == ERR_OK) {
		changed |= entry.kind == REPLY_STATE_CHANGED;
		bool gtid = entry.kind == REPLY_STATE_GTIDS ||
			    (entry.kind == REPLY_STATE_VARIABLE &&
			     str_equal(entry.name, STR("last_gtid")));
		if (gtid && session->role == PROXY_SPLIT && session->upstream->as_primary) {
			causal_take(&session->causal, entry.value);
		}
	}
	if (state_take_ok(&session->state, ok)) {
		session->upstream->tracking = false;
	}
	if (changed && !explained) {
		session->state.losses |= STATE_UNTRACKED;
	}
}

/* A server's error that proves that the statement was not executed, on the way to the primary. */
static bool proves_nothing_done(const struct session *session, const struct reply_err *error)
{
	if (!session->upstream->as_primary || !session->command.statement.single ||
	    session->command.visible || session->upstream->walk.scan.result_count) {
		return false;
	}
	return error->server_errno == ERRNO_SHUTDOWN ||
	       error->server_errno == ERRNO_READ_ONLY_MODE ||
	       (error->server_errno == ERRNO_OPTION_PREVENTS &&
		str_contains_nocase(error->message, STR("read-only")));
}

/* Takes the statement back: it waits again, or its transaction is over. true: done so. */
static bool take_back(struct session *session, struct str payload)
{
	struct session_command *command = &session->command;
	struct reply_err error;
	if (reply_err_decode(payload, &error, NULL) != ERR_OK ||
	    !proves_nothing_done(session, &error)) {
		return false;
	}
	if (command->in_transaction) {
		session_lose_upstream(session, false);
		return true;
	}
	if (!command->retained) {
		return false;
	}
	session->upstream->walking = false;
	command->sent = OUTCOME_SENT_NOTHING;
	session->phase = SESSION_HELD;
	if (error.server_errno == ERRNO_SHUTDOWN) {
		session_lose_upstream(session, false);
	}
	if (session->phase == SESSION_HELD) {
		command->retry_us =
			session->worker->now_us + (uint64_t)READ_ONLY_RETRY_MS * US_PER_MS;
	}
	return true;
}

/* A packet that decides something ends at relay->judged (or is too long to be shown whole). */
static void take_packet(struct session *session, struct relay *relay,
			const struct reply_walk_step *step)
{
	size_t at = (size_t)((const uint8_t *)step->payload.ptr - relay->bytes);
	struct reply_ok ok;
	switch (step->packet) {
	case RESULT_PACKET_OK:
		if (!step->payload_cut &&
		    reply_ok_decode(step->payload, session->upstream->caps, &ok, NULL) == ERR_OK) {
			take_ok(session, &ok);
			relay->judged -= rewrite_ok(session, relay, at, step->payload, &ok);
		}
		return;
	case RESULT_PACKET_ERR:
		relay->over = take_back(session, step->payload);
		return;
	case RESULT_PACKET_PREPARED:
		if (!session_take_prepared(session, relay->bytes + at)) {
			session_malformed(session, "over the limit of prepared statements");
			relay->over = true;
		}
		return;
	case RESULT_PACKET_INFILE:
		if (!session->command.statement.infile) {
			session_malformed(session, "a server asked for a file nobody named");
			relay->over = true;
		}
		return;
	case RESULT_PACKET_EOF:
	case RESULT_PACKET_COLUMN_COUNT:
	case RESULT_PACKET_DEFINITION:
	case RESULT_PACKET_ROW:
	case RESULT_PACKET_PROGRESS:
	case RESULT_PACKET_AUTH:
	case RESULT_PACKET_TEXT:
	case RESULT_PACKET_EVENT:
		return;
	}
}

/* Walks over what is there. false: the server broke the protocol. */
static bool judge(struct session *session, struct relay *relay)
{
	struct reply_walk_step step;
	do {
		if (reply_walk_bytes(&session->upstream->walk, relay->bytes + relay->judged,
				     relay->count - relay->judged, &step, NULL) != ERR_OK) {
			return false;
		}
		relay->judged += step.used_bytes;
		if (step.has_packet) {
			take_packet(session, relay, &step);
		}
	} while (!relay->over && step.next == REPLY_WALK_AGAIN);
	relay->done = !relay->over && step.next == REPLY_WALK_DONE;
	relay->file = !relay->over && step.next == REPLY_WALK_CLIENT;
	return true;
}

/* Sends the judged bytes: at once what the client takes, the rest is queued. */
static void forward(struct session *session, const struct relay *relay)
{
	size_t count = 0;
	if (!relay->judged) {
		return;
	}
	session->command.visible = true;
	if (!session->out.len && transport_write(&session->io, relay->bytes, relay->judged,
						 &count) == TRANSPORT_CLOSED) {
		session_close(session);
		return;
	}
	buf_add(&session->out, relay->bytes + count, relay->judged - count);
	if (buf_finish(&session->out) != ERR_OK) {
		session_close(session);
	}
}

/* The reply is over: takes its result in. */
static void finish(struct session *session)
{
	const struct result_scan *scan = &session->upstream->walk.scan;
	/* SHOW WARNINGS tells of an error too, and to nobody else. */
	session->keeps_last =
		session->command.statement.leaves_last || scan->warnings || scan->failed;
	if (scan->has_status && !scan->failed) {
		session->status = scan->status;
		session->state.in_transaction = (scan->status & STATUS_IN_TRANSACTION) != 0;
		session->state.autocommit = (scan->status & STATUS_AUTOCOMMIT) != 0;
		if (scan->status & STATUS_SCHEMA_DROPPED) {
			state_set_schema(&session->state, (struct str){ NULL, 0 });
		}
	}
	if (scan->failed) {
		session_effect_failure(session, scan->server_errno);
	} else {
		session_effect_success(session);
	}
	session_command_finish(session);
}

/* Fills the scratch memory with what was left over and what the server has sent. */
static enum transport_result fill(struct session *session, struct relay *relay)
{
	struct upstream *upstream = session->upstream;
	size_t count = 0;
	/* Without a lease another primary may be open: what this one acknowledges now must not be believed. */
	if (!upstream->io.readable ||
	    (upstream->as_primary && !worker_lease_holds(session->worker))) {
		return TRANSPORT_BLOCKED;
	}
	relay->count = upstream->in.len;
	if (relay->count) {
		memcpy(relay->bytes, upstream->in.ptr, relay->count);
	}
	enum transport_result rc = transport_read(&upstream->io, relay->bytes + relay->count,
						  WORKER_SCRATCH_BYTES - relay->count, &count);
	if (rc == TRANSPORT_OK) {
		relay->count += count;
		buf_fini(&upstream->in);
	}
	return rc;
}

bool session_reply_relay(struct session *session)
{
	struct upstream *upstream = session->upstream;
	struct relay relay = { .bytes = session->worker->scratch };
	enum transport_result rc = fill(session, &relay);
	if (rc == TRANSPORT_BLOCKED) {
		return false;
	}
	if (rc == TRANSPORT_CLOSED || !judge(session, &relay)) {
		worker_report_trouble(session->worker, upstream->server);
		session_lose_upstream(session, false);
		return session->phase != SESSION_DEAD;
	}
	if (relay.over) {
		return session->phase != SESSION_DEAD;
	}
	buf_add(&upstream->in, relay.bytes + relay.judged, relay.count - relay.judged);
	forward(session, &relay);
	if (session->phase == SESSION_DEAD) {
		return false;
	}
	if (relay.file) {
		session_command_begin_file(session);
		return true;
	}
	if (relay.done) {
		finish(session);
		if (upstream->in.len) { /* more than the reply: no answer to anything */
			session_lose_upstream(session, false);
		}
	}
	return session->phase != SESSION_DEAD;
}
