/* One row for each command of the protocol. */
#include "proxy/session/session_judge.h"

#include <stdio.h>

#include "base/cursor.h"
#include "proxy/session/session.h"
#include "proxy/session/session_command.h"
#include "proxy/session/session_login.h"

enum judge_how {
	JUDGE_REFUSED,	 /* not carried */
	JUDGE_PLAIN,	 /* sent on as `kind` */
	JUDGE_TEXT,	 /* SQL: its text decides */
	JUDGE_PREPARE,	 /* SQL that is only looked at */
	JUDGE_STATEMENT, /* of a prepared statement, named by its id */
	JUDGE_EXECUTE,	 /* the same, and runs it */
	JUDGE_CLOSE,	 /* the same, and forgets it */
	JUDGE_QUIT,
	JUDGE_CHANGE_USER,
};

struct judge_row {
	enum judge_how how;
	enum outcome_kind kind;
	const char *name; /* for people */
};

enum { JUDGE_ROWS = 0x20 };

/* clang-format off */
static const struct judge_row rows[JUDGE_ROWS] = {
	[COMMAND_SLEEP]               = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_SLEEP" },
	[COMMAND_QUIT]                = { JUDGE_QUIT, OUTCOME_SESSION, "COM_QUIT" },
	[COMMAND_INIT_DB]             = { JUDGE_PLAIN, OUTCOME_SESSION, "COM_INIT_DB" },
	[COMMAND_QUERY]               = { JUDGE_TEXT, OUTCOME_MAY_COMMIT, "COM_QUERY" },
	[COMMAND_FIELD_LIST]          = { JUDGE_PLAIN, OUTCOME_READ, "COM_FIELD_LIST" },
	[COMMAND_CREATE_DB]           = { JUDGE_PLAIN, OUTCOME_MAY_COMMIT, "COM_CREATE_DB" },
	[COMMAND_DROP_DB]             = { JUDGE_PLAIN, OUTCOME_MAY_COMMIT, "COM_DROP_DB" },
	[COMMAND_REFRESH]             = { JUDGE_PLAIN, OUTCOME_MAY_COMMIT, "COM_REFRESH" },
	[COMMAND_SHUTDOWN]            = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_SHUTDOWN" },
	[COMMAND_STATISTICS]          = { JUDGE_PLAIN, OUTCOME_SESSION, "COM_STATISTICS" },
	[COMMAND_PROCESS_INFO]        = { JUDGE_PLAIN, OUTCOME_READ, "COM_PROCESS_INFO" },
	[COMMAND_CONNECT]             = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_CONNECT" },
	[COMMAND_PROCESS_KILL]        = { JUDGE_PLAIN, OUTCOME_MAY_COMMIT, "COM_PROCESS_KILL" },
	[COMMAND_DEBUG]               = { JUDGE_PLAIN, OUTCOME_SESSION, "COM_DEBUG" },
	[COMMAND_PING]                = { JUDGE_PLAIN, OUTCOME_SESSION, "COM_PING" },
	[COMMAND_TIME]                = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_TIME" },
	[COMMAND_DELAYED_INSERT]      = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_DELAYED_INSERT" },
	[COMMAND_CHANGE_USER]         = { JUDGE_CHANGE_USER, OUTCOME_SESSION, "COM_CHANGE_USER" },
	[COMMAND_BINLOG_DUMP]         = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_BINLOG_DUMP" },
	[COMMAND_TABLE_DUMP]          = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_TABLE_DUMP" },
	[COMMAND_CONNECT_OUT]         = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_CONNECT_OUT" },
	[COMMAND_REGISTER_REPLICA]    = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_REGISTER_SLAVE" },
	[COMMAND_STMT_PREPARE]        = { JUDGE_PREPARE, OUTCOME_SESSION, "COM_STMT_PREPARE" },
	[COMMAND_STMT_EXECUTE]        = { JUDGE_EXECUTE, OUTCOME_MAY_COMMIT, "COM_STMT_EXECUTE" },
	[COMMAND_STMT_SEND_LONG_DATA] = { JUDGE_STATEMENT, OUTCOME_SESSION, "COM_STMT_SEND_LONG_DATA" },
	[COMMAND_STMT_CLOSE]          = { JUDGE_CLOSE, OUTCOME_SESSION, "COM_STMT_CLOSE" },
	[COMMAND_STMT_RESET]          = { JUDGE_STATEMENT, OUTCOME_SESSION, "COM_STMT_RESET" },
	[COMMAND_SET_OPTION]          = { JUDGE_PLAIN, OUTCOME_SESSION, "COM_SET_OPTION" },
	[COMMAND_STMT_FETCH]          = { JUDGE_STATEMENT, OUTCOME_SESSION, "COM_STMT_FETCH" },
	[COMMAND_DAEMON]              = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_DAEMON" },
	[COMMAND_BINLOG_DUMP_GTID]    = { JUDGE_REFUSED, OUTCOME_SESSION, "COM_BINLOG_DUMP_GTID" },
	/* Ends the transaction as ROLLBACK does, and all that can be lost. */
	[COMMAND_RESET_CONNECTION]    = { JUDGE_PLAIN, OUTCOME_ROLLBACK, "COM_RESET_CONNECTION" },
};
/* clang-format on */

static bool refuse(struct session *session, const struct judge_row *row, uint8_t type)
{
	enum { NUMBER_TEXT_BYTES = 32 };
	char number[NUMBER_TEXT_BYTES];
	(void)snprintf(number, sizeof(number), "command 0x%02x", (unsigned)type);
	session_answer_refusal(session, REFUSAL_UNKNOWN_COMMAND, row ? row->name : number);
	return false;
}

/* Commands of prepared statements: id(4) follows the command byte. */
static bool find_stmt(struct session *session, const struct judge_row *row, struct str payload)
{
	struct session_command *command = &session->command;
	struct cursor cur = cursor_of_str(payload);
	uint32_t id = 0;
	command->has_reply =
		command->type != COMMAND_STMT_SEND_LONG_DATA && command->type != COMMAND_STMT_CLOSE;
	if (cursor_skip(&cur, 1) || cursor_u32(&cur, &id)) {
		session_malformed(session, "a prepared statement's command without its id");
		return false;
	}
	command->stmt = stmts_find(&session->stmts, id);
	if (!command->stmt) {
		session_answer_refusal(session, REFUSAL_UNKNOWN_STATEMENT, row->name);
		return false;
	}
	return true;
}

/* Parked connections are told when they are used next. */
static void close_on_links(struct session *session, const struct stmt *stmt)
{
	for (size_t i = 0; i < POOL_LINKS; i++) {
		struct upstream *upstream = session->links[i];
		if (upstream && stmt->serial == upstream->serial) {
			upstream_queue_close(upstream, stmt->server_id);
		}
	}
}

/* The server is told only where it knows the statement. */
static bool judge_close(struct session *session)
{
	struct session_command *command = &session->command;
	close_on_links(session, command->stmt);
	if (session->upstream && session->upstream->phase == UPSTREAM_READY &&
	    command->stmt->serial == session->upstream->serial) {
		return true;
	}
	stmts_remove(&session->stmts, command->stmt);
	session_command_finish(session);
	return false;
}

/* It is prepared where it will be executed. */
static void judge_prepare(struct session *session, struct str payload)
{
	struct statement text;
	statement_judge(str_slice(payload, 1, payload.len), session->command.retained,
			session_sql_mode(session), &text);
	session->command.statement.replica = text.replica;
}

bool session_judge_command(struct session *session, struct str payload)
{
	struct session_command *command = &session->command;
	uint8_t type = (uint8_t)command->type;
	const struct judge_row *row = type < JUDGE_ROWS ? &rows[type] : NULL;
	if (!row) {
		return refuse(session, row, type);
	}
	command->statement.kind = row->kind;
	switch (row->how) {
	case JUDGE_REFUSED:
		return refuse(session, row, type);
	case JUDGE_PLAIN:
		return true;
	case JUDGE_TEXT:
		statement_judge(str_slice(payload, 1, payload.len), command->retained,
				session_sql_mode(session), &command->statement);
		return true;
	case JUDGE_PREPARE:
		judge_prepare(session, payload);
		return true;
	case JUDGE_STATEMENT:
		return find_stmt(session, row, payload);
	case JUDGE_EXECUTE:
		if (!find_stmt(session, row, payload)) {
			return false;
		}
		command->statement = command->stmt->judged;
		return true;
	case JUDGE_CLOSE:
		return find_stmt(session, row, payload) && judge_close(session);
	case JUDGE_QUIT:
		session_close(session);
		return false;
	case JUDGE_CHANGE_USER:
		session_login_change_user(session, payload);
		return false;
	}
	return false;
}
