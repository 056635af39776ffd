/* The table of the proxy's own errors: numbers and states that servers have for the like. */
#include "proxy/session/refusal.h"

#include "base/check.h"
#include "wire/packet.h"
#include "wire/reply.h"

struct refusal_row {
	uint16_t server_errno;
	const char *sqlstate;
	const char *before; /* the detail */
	const char *after;
};

/* clang-format off */
static const struct refusal_row rows[REFUSAL_COUNT_] = {
	[REFUSAL_TOO_MANY_SESSIONS]      = { 1040, "08004", "Too many connections", "" },
	[REFUSAL_ACCESS_DENIED]          = { 1045, "28000", "Access denied for user ", "" },
	[REFUSAL_ACCOUNT_LOCKED]         = { 3118, "HY000", "Access denied for user ", ". Account is locked." },
	[REFUSAL_ACCOUNT_LOCKED_MARIADB] = { 4151, "HY000", "Access denied, this account is locked", "" },
	[REFUSAL_LOGIN_TIMEOUT]          = { 1159, "08S01", "Got timeout reading communication packets", "" },
	[REFUSAL_BAD_HANDSHAKE]          = { 1043, "08S01", "Bad handshake", "" },
	[REFUSAL_TLS_REQUIRED]           = { 3159, "HY000", "Connections using insecure transport are prohibited while tls-required=on", "" },
	[REFUSAL_MALFORMED]              = { 1835, "HY000", "Malformed communication packet", "" },
	[REFUSAL_UNKNOWN_COMMAND]        = { 1047, "08S01", "Unknown command: the proxy does not carry ", "" },
	[REFUSAL_UNKNOWN_STATEMENT]      = { 1243, "HY000", "Unknown prepared statement handler given to ", "" },
	[REFUSAL_TOO_MANY_STATEMENTS]    = { 1461, "42000", "Can't create more prepared statements in one session", "" },
	[REFUSAL_NEEDS_REPREPARE]        = { 1615, "HY000", "Prepared statement needs to be re-prepared", "" },
	[REFUSAL_ROLLED_BACK]            = { 1213, "40001", "The transaction was rolled back: the connection to ", " was lost before COMMIT was sent; try restarting transaction" },
	[REFUSAL_OUTCOME_UNKNOWN]        = { 1180, "08007", "Transaction resolution unknown: the connection to ", " was lost while the statement was running; it may have been committed" },
	[REFUSAL_STATE_LOST]             = { 1105, "HY000", "The session moved to another server and lost: ", ". The statement was not executed; the session goes on without" },
	[REFUSAL_NO_SERVER]              = { 1836, "HY000", "The statement was not executed: ", "" },
	[REFUSAL_SERVER_LOGIN]           = { 1105, "HY000", "The proxy could not log in to the server: ", "" },
	[REFUSAL_REPLY_OVER_LIMIT]       = { 1105, "HY000", "The server's reply was over a limit of the proxy: ", "" },
};
/* clang-format on */

void refusal_write(struct buf *out, enum refusal refusal, const char *detail, bool with_state)
{
	enum { TEXT_BYTES_MAX = 1024 };
	check(refusal < REFUSAL_COUNT_);
	const struct refusal_row *row = &rows[refusal];
	char memory[TEXT_BYTES_MAX];
	struct buf text;
	buf_init_fixed(&text, memory, sizeof(memory));
	buf_add_text(&text, row->before);
	buf_add_text(&text, detail ? detail : "");
	buf_add_text(&text, row->after);
	struct reply_err error = { .server_errno = row->server_errno, .message = buf_str(&text) };
	for (size_t i = 0; i < sizeof(error.sqlstate); i++) {
		error.sqlstate[i] = row->sqlstate[i];
	}
	reply_err_encode(out, &error, with_state);
}

void refusal_add(struct buf *out, uint8_t *sequence, enum refusal refusal, const char *detail,
		 bool with_state)
{
	size_t mark = packet_begin(out);
	refusal_write(out, refusal, detail, with_state);
	packet_end(out, mark, sequence);
}

uint16_t refusal_errno(enum refusal refusal)
{
	return rows[refusal].server_errno;
}
