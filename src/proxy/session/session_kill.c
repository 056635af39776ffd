/* The number in a KILL is replaced by one of at most as many digits, and blanks. */
#include "proxy/session/session_kill.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "proxy/session/session.h"
#include "sql/sql_lexer.h"

enum { TEXT_AT = PACKET_HEADER_BYTES + 1, ID_BYTES = 4, ID_DIGITS_MAX = 10 };

static struct names *names_of(const struct session *session, uint32_t id)
{
	const struct worker_shared *shared = session->worker->shared;
	return &shared->workers[(id - SESSION_ID_FIRST) % shared->worker_count].names;
}

static uint32_t translate(struct session *session, uint32_t id, bool ends_session)
{
	uint32_t thread_id =
		id >= SESSION_ID_FIRST ? names_find(names_of(session, id), id, ends_session) : 0;
	session->command.killed_id = ends_session && id >= SESSION_ID_FIRST ? id : 0;
	return thread_id;
}

bool session_kill_idle(struct session *session)
{
	const struct worker_shared *shared = session->worker->shared;
	uint32_t id = session->command.killed_id;
	if (!id || id == session->id ||
	    !names_end(names_of(session, id), id, session->credential)) {
		return false;
	}
	worker_wake(&shared->workers[(id - SESSION_ID_FIRST) % shared->worker_count]);
	return true;
}

static void translate_binary(struct session *session)
{
	struct cursor cur =
		cursor_of(session->in.ptr + TEXT_AT, session->command.wire_bytes - TEXT_AT);
	uint32_t id = 0;
	if (cursor_u32(&cur, &id) != ERR_OK) {
		return;
	}
	uint32_t thread_id = translate(session, id, true);
	for (unsigned i = 0; thread_id && i < ID_BYTES; i++) {
		session->in.ptr[TEXT_AT + i] = (uint8_t)(thread_id >> (i * 8));
	}
}

/* KILL [HARD | SOFT] [CONNECTION | QUERY] number */
static void translate_text(struct session *session)
{
	uint8_t *text = session->in.ptr + TEXT_AT;
	struct sql_lexer lexer;
	bool ends_session = true;
	sql_lexer_init(&lexer,
		       (struct str){ (const char *)text, session->command.wire_bytes - TEXT_AT },
		       session_sql_mode(session), false);
	struct sql_token token = sql_lexer_next(&lexer);
	while (token.kind == SQL_TOKEN_WORD) {
		ends_session = ends_session && !sql_lexer_is_word(&token, STR("QUERY"));
		token = sql_lexer_next(&lexer);
	}
	uint32_t id = 0;
	if (token.kind != SQL_TOKEN_NUMBER ||
	    str_parse_u32(token.text, 0, UINT32_MAX, &id) != ERR_OK) {
		return;
	}
	uint32_t thread_id = translate(session, id, ends_session);
	char digits[ID_DIGITS_MAX + 1];
	int count = snprintf(digits, sizeof(digits), "%u", thread_id);
	if (thread_id && count > 0 && (size_t)count <= token.to - token.from) {
		memset(text + token.from, ' ', token.to - token.from);
		memcpy(text + token.from, digits, (size_t)count);
	}
}

void session_translate_kill(struct session *session)
{
	const struct session_command *command = &session->command;
	if (!command->retained) {
		return;
	}
	if (command->type == COMMAND_PROCESS_KILL) {
		translate_binary(session);
	} else if (command->type == COMMAND_QUERY && command->statement.kills) {
		translate_text(session);
	}
}

void session_kill_failed(struct session *session)
{
	if (session->command.killed_id) {
		names_unmark(names_of(session, session->command.killed_id),
			     session->command.killed_id);
	}
}
