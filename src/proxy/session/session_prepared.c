/* Rewriting of COM_STMT_* packets and of PREPARE's answer, in place where the length allows it. */
#include "proxy/session/session_prepared.h"

#include <string.h>

#include "base/cursor.h"
#include "proxy/session/session.h"
#include "proxy/session/session_command.h"
#include "proxy/session/session_kill.h"

enum {
	ID_AT = PACKET_HEADER_BYTES + 1, /* in COM_STMT_*, from the start of the frame */
	EXECUTE_FIXED_BYTES = 1 + 4 + 1 + 4,
	PREPARED_ID_AT = 1, /* in PREPARE_OK's payload */
	TYPE_BYTES = 2,
};

static void write_u32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < sizeof(value); i++) {
		at[i] = (uint8_t)(value >> (i * 8));
	}
}

/* Sends the first frame again with the remembered types in it: where they belong is `at`, counted
 * from the frame's start, behind new-params-bound. false: the frame would be too long. */
static bool insert_types(struct session *session, size_t at)
{
	struct session_command *command = &session->command;
	const struct stmt *stmt = command->stmt;
	struct upstream *upstream = session->upstream;
	struct packet_header header = packet_header_read(session->in.ptr);
	size_t types_bytes = (size_t)stmt->params * TYPE_BYTES;
	uint8_t raw[PACKET_HEADER_BYTES];
	if (header.payload_bytes + types_bytes >= PACKET_FRAME_BYTES_MAX) {
		return false;
	}
	header.payload_bytes += (uint32_t)types_bytes;
	packet_header_write(header, raw);
	buf_add(&upstream->out, raw, sizeof(raw));
	buf_add(&upstream->out, session->in.ptr + PACKET_HEADER_BYTES,
		at - 1 - PACKET_HEADER_BYTES);
	buf_add_u8(&upstream->out, 1);
	buf_add(&upstream->out, stmt->types, types_bytes);
	if (command->retained) {
		buf_add(&upstream->out, session->in.ptr + at, command->wire_bytes - at);
		command->sent_bytes = command->wire_bytes;
		command->sent = OUTCOME_SENT_PART;
	} else {
		buf_consume(&session->in, at);
		command->scanned_bytes -= at;
	}
	return buf_finish(&upstream->out) == ERR_OK;
}

/* EXECUTE: remembers the types it binds; brings them along where the server hasn't got them. */
static bool fit_execute(struct session *session)
{
	struct session_command *command = &session->command;
	struct stmt *stmt = command->stmt;
	if (!stmt->params) {
		return true;
	}
	size_t available = command->retained ? command->wire_bytes : command->scanned_bytes;
	size_t bound_at =
		(size_t)PACKET_HEADER_BYTES + EXECUTE_FIXED_BYTES + ((size_t)stmt->params + 7) / 8;
	size_t types_at = bound_at + 1;
	if (available < types_at) {
		return true; /* the server says what is wrong with it */
	}
	if (session->in.ptr[bound_at]) {
		if (available >= types_at + (size_t)stmt->params * TYPE_BYTES) {
			stmt_bind_types(stmt, session->in.ptr + types_at);
			stmt->types_bound = true;
		}
		return true;
	}
	if (stmt->types_bound || !stmt->types) {
		return true;
	}
	stmt->types_bound = true;
	return insert_types(session, types_at);
}

bool session_begin_send(struct session *session)
{
	struct session_command *command = &session->command;
	command->in_transaction = session->state.in_transaction;
	command->sent_bytes = 0;
	session_translate_kill(session);
	if (session_kill_idle(session)) {
		session_answer_ok(session);
		return session->phase != SESSION_DEAD;
	}
	if (command->stmt) {
		write_u32(session->in.ptr + ID_AT, command->stmt->server_id);
		if (command->type == COMMAND_STMT_EXECUTE && !fit_execute(session)) {
			session_answer_refusal(session, REFUSAL_NEEDS_REPREPARE, NULL);
			return true;
		}
	}
	session_set_held(session, false);
	session->phase = SESSION_SEND;
	return true;
}

bool session_take_prepared(struct session *session, uint8_t *payload)
{
	struct session_command *command = &session->command;
	struct upstream *upstream = session->upstream;
	struct str sql = { NULL, 0 };
	if (command->retained) {
		sql = (struct str){ (const char *)session->in.ptr + ID_AT,
				    command->wire_bytes - ID_AT };
	}
	struct stmt *stmt = stmts_add(&session->stmts, sql);
	if (!stmt) {
		return false;
	}
	stmt->server_id = upstream->walk.scan.statement_id;
	stmt->serial = upstream->serial;
	upstream->statements++;
	stmt->params = upstream->walk.scan.statement_params;
	stmt->judged = (struct statement){ .kind = OUTCOME_MAY_COMMIT };
	if (stmt->sql) {
		statement_judge(sql, true, session_sql_mode(session), &stmt->judged);
		/* SET by EXECUTE: its text isn't looked at again. */
		if (stmt->judged.sets_literals) {
			stmt->judged.sets_literals = false;
			stmt->judged.losses |= STATE_USER_VARIABLE;
		}
	}
	write_u32(payload + PREPARED_ID_AT, stmt->id);
	return true;
}
