/* Effects, by command. */
#include "proxy/session/session_effect.h"

#include "base/cursor.h"
#include "proxy/session/session.h"
#include "proxy/session/session_kill.h"

enum { ERRNO_DEADLOCK = 1213 };

/* The payload of a retained command behind its first byte. */
static struct str argument_of(const struct session *session)
{
	const struct session_command *command = &session->command;
	if (!command->retained || command->wire_bytes <= PACKET_HEADER_BYTES + 1) {
		return (struct str){ "", 0 };
	}
	return (struct str){ (const char *)session->in.ptr + PACKET_HEADER_BYTES + 1,
			     command->wire_bytes - PACKET_HEADER_BYTES - 1 };
}

/* Keeps a bit of `losses` only while some statement still stands for it. */
static void recount_stmts(struct session *session)
{
	uint32_t losses = 0;
	for (size_t i = 0; i < session->stmts.count; i++) {
		const struct stmt *stmt = session->stmts.items[i];
		losses |= stmt->long_data ? STATE_LONG_DATA : 0;
		losses |= stmt->cursor ? STATE_CURSOR : 0;
	}
	session->state.losses &= ~(uint32_t)(STATE_LONG_DATA | STATE_CURSOR);
	session->state.losses |= losses;
}

static void set_option(struct session *session)
{
	enum { MULTI_STATEMENTS_OFF = 1 };
	struct cursor cur = cursor_of_str(argument_of(session));
	uint16_t option = 0;
	if (cursor_u16(&cur, &option) != ERR_OK) {
		return;
	}
	/* A later log-in brings it about by capability. */
	if (option == MULTI_STATEMENTS_OFF) {
		session->caps &= ~CAP_MULTI_STATEMENTS;
	} else {
		session->caps |= CAP_MULTI_STATEMENTS;
	}
	upstream_take_caps(session->upstream);
	pool_leave(session);
}

static void reset(struct session *session)
{
	state_reset(&session->state);
	stmts_fini(&session->stmts);
	session->transaction_lost = false;
	session->lost = 0;
	session->keeps_last = false;
	pool_leave(session);
	if (session->upstream) {
		session->upstream->tracking = false;
		upstream_renew_serial(session->upstream);
	}
}

static void take_cursor(struct session *session, struct stmt *stmt)
{
	if (!session->upstream) {
		return;
	}
	uint16_t status = session->upstream->walk.scan.status;
	if (status & STATUS_CURSOR_EXISTS) {
		stmt->cursor = true;
	}
	if (status & STATUS_LAST_ROW_SENT) {
		stmt->cursor = false;
	}
}

void session_effect_success(struct session *session)
{
	struct session_command *command = &session->command;
	struct stmt *stmt = command->stmt;
	session->state.losses |= command->statement.losses;
	session->state.losses &= ~command->statement.regains;
	if (command->statement.sets_literals) {
		statement_keep_literals(argument_of(session), session_sql_mode(session),
					&session->state);
	}
	if (!session->state.in_transaction &&
	    !(command->statement.losses & STATE_NEXT_TRANSACTION)) {
		session->state.losses &= ~(uint32_t)STATE_NEXT_TRANSACTION;
	}
	switch (command->type) {
	case COMMAND_INIT_DB:
		state_set_schema(&session->state, argument_of(session));
		return;
	case COMMAND_SET_OPTION:
		set_option(session);
		return;
	case COMMAND_RESET_CONNECTION:
		reset(session);
		return;
	case COMMAND_STMT_SEND_LONG_DATA:
		stmt->long_data = true;
		session->state.losses |= STATE_LONG_DATA;
		return;
	case COMMAND_STMT_CLOSE:
		stmts_remove(&session->stmts, stmt);
		command->stmt = NULL;
		recount_stmts(session);
		return;
	case COMMAND_STMT_EXECUTE:
		if (stmt->long_data) {
			stmt->long_data = false;
			recount_stmts(session);
		}
		if (session->upstream &&
		    session->upstream->walk.scan.status & STATUS_CURSOR_EXISTS) {
			take_cursor(session, stmt);
			recount_stmts(session);
		}
		return;
	case COMMAND_STMT_FETCH:
		take_cursor(session, stmt);
		recount_stmts(session);
		return;
	case COMMAND_STMT_RESET:
		stmt->long_data = false;
		stmt->cursor = false;
		recount_stmts(session);
		return;
	default:
		return;
	}
}

void session_effect_failure(struct session *session, unsigned server_errno)
{
	struct session_command *command = &session->command;
	session_kill_failed(session);
	/* An ERR carries no status. A deadlock is the one error that always ends the transaction. */
	if (server_errno == ERRNO_DEADLOCK) {
		session->state.in_transaction = false;
	}
	if (command->type == COMMAND_STMT_EXECUTE && command->stmt->long_data) {
		command->stmt->long_data = false;
		recount_stmts(session);
	}
}
