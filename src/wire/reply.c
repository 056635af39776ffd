#include "wire/reply.h"

#include <string.h>

enum err reply_ok_decode(struct str payload, capabilities caps, struct reply_ok *ret,
			 struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct reply_ok ok = { 0 };
	uint8_t first;

	if (cursor_u8(&cur, &first) != ERR_OK ||
	    (first != REPLY_BYTE_OK && first != REPLY_BYTE_EOF)) {
		return err_set(err, ERR_PROTOCOL, "not an OK packet");
	}
	ok.ends_rows = first == REPLY_BYTE_EOF;
	if (cursor_lenenc(&cur, &ok.affected_rows) != ERR_OK ||
	    cursor_lenenc(&cur, &ok.insert_id) != ERR_OK ||
	    cursor_u16(&cur, &ok.status) != ERR_OK || cursor_u16(&cur, &ok.warnings) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "OK packet is cut short");
	}
	if (!(caps & CAP_SESSION_TRACK)) {
		ok.info = cursor_rest(&cur);
	} else if (cursor_left(&cur) > 0) {
		if (cursor_lenenc_str(&cur, &ok.info) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "OK packet with a broken message");
		}
		if (ok.status & STATUS_SESSION_STATE_CHANGED &&
		    cursor_lenenc_str(&cur, &ok.session_state) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "OK packet with a broken session state");
		}
	}
	*ret = ok;
	return ERR_OK;
}

void reply_ok_encode(struct buf *out, const struct reply_ok *ok, capabilities caps)
{
	bool tracks = caps & CAP_SESSION_TRACK && ok->session_state.len > 0;
	uint16_t status = (uint16_t)(ok->status & ~STATUS_SESSION_STATE_CHANGED);
	if (tracks) {
		status |= STATUS_SESSION_STATE_CHANGED;
	}
	buf_add_u8(out, ok->ends_rows ? REPLY_BYTE_EOF : REPLY_BYTE_OK);
	buf_add_lenenc(out, ok->affected_rows);
	buf_add_lenenc(out, ok->insert_id);
	buf_add_u16(out, status);
	buf_add_u16(out, ok->warnings);
	if (!(caps & CAP_SESSION_TRACK)) {
		buf_add_str(out, ok->info);
	} else if (tracks || ok->info.len > 0) {
		buf_add_lenenc_str(out, ok->info);
	}
	if (tracks) {
		buf_add_lenenc_str(out, ok->session_state);
	}
}

enum err reply_eof_decode(struct str payload, struct reply_eof *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct reply_eof eof;
	uint8_t first;
	if (payload.len > REPLY_EOF_BYTES_MAX || cursor_u8(&cur, &first) != ERR_OK ||
	    first != REPLY_BYTE_EOF) {
		return err_set(err, ERR_PROTOCOL, "not an EOF packet");
	}
	if (cursor_u16(&cur, &eof.warnings) != ERR_OK || cursor_u16(&cur, &eof.status) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "EOF packet is cut short");
	}
	*ret = eof;
	return ERR_OK;
}

void reply_eof_encode(struct buf *out, const struct reply_eof *eof)
{
	buf_add_u8(out, REPLY_BYTE_EOF);
	buf_add_u16(out, eof->warnings);
	buf_add_u16(out, eof->status);
}

void reply_end_encode(struct buf *out, uint16_t status, uint16_t warnings, capabilities caps)
{
	if (caps & CAP_DEPRECATE_EOF) {
		struct reply_ok ok = { .ends_rows = true, .status = status, .warnings = warnings };
		reply_ok_encode(out, &ok, caps);
	} else {
		struct reply_eof eof = { .warnings = warnings, .status = status };
		reply_eof_encode(out, &eof);
	}
}

enum err reply_err_decode(struct str payload, struct reply_err *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct reply_err error = { .sqlstate = { 'H', 'Y', '0', '0', '0' } };
	struct str state;
	uint8_t first;
	if (cursor_u8(&cur, &first) != ERR_OK || first != REPLY_BYTE_ERR) {
		return err_set(err, ERR_PROTOCOL, "not an ERR packet");
	}
	if (cursor_u16(&cur, &error.server_errno) != ERR_OK ||
	    error.server_errno == REPLY_ERRNO_PROGRESS) {
		return err_set(err, ERR_PROTOCOL, "ERR packet without an error number");
	}
	if (cursor_left(&cur) > sizeof(error.sqlstate) && *cur.at == '#' &&
	    cursor_skip(&cur, 1) == ERR_OK &&
	    cursor_bytes(&cur, sizeof(error.sqlstate), &state) == ERR_OK) {
		memcpy(error.sqlstate, state.ptr, sizeof(error.sqlstate));
	}
	error.message = cursor_rest(&cur);
	*ret = error;
	return ERR_OK;
}

void reply_err_encode(struct buf *out, const struct reply_err *error, bool with_state)
{
	buf_add_u8(out, REPLY_BYTE_ERR);
	buf_add_u16(out, error->server_errno);
	if (with_state) {
		buf_add_char(out, '#');
		buf_add(out, error->sqlstate, sizeof(error->sqlstate));
	}
	buf_add_str(out, error->message);
}

void reply_err_add(struct buf *out, uint16_t server_errno, const char *sqlstate, struct str message)
{
	struct reply_err error = { .server_errno = server_errno, .message = message };
	memcpy(error.sqlstate, sqlstate, sizeof(error.sqlstate));
	reply_err_encode(out, &error, true);
}

bool reply_is_progress(struct str payload)
{
	struct cursor cur = cursor_of_str(payload);
	uint8_t first;
	uint16_t number;
	return cursor_u8(&cur, &first) == ERR_OK && first == REPLY_BYTE_ERR &&
	       cursor_u16(&cur, &number) == ERR_OK && number == REPLY_ERRNO_PROGRESS;
}

/* After the error number stands a count of strings (always 1), then the fields. */
enum err reply_progress_decode(struct str payload, struct reply_progress *ret, struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(payload);
	struct reply_progress progress;
	uint8_t strings;
	if (!reply_is_progress(payload) || cursor_skip(&cur, 3) != ERR_OK ||
	    cursor_u8(&cur, &strings) != ERR_OK || cursor_u8(&cur, &progress.stage) != ERR_OK ||
	    cursor_u8(&cur, &progress.stages) != ERR_OK ||
	    cursor_u24(&cur, &progress.progress) != ERR_OK ||
	    cursor_lenenc_str(&cur, &progress.text) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "broken progress report");
	}
	*ret = progress;
	return ERR_OK;
}

void reply_progress_encode(struct buf *out, const struct reply_progress *progress)
{
	buf_add_u8(out, REPLY_BYTE_ERR);
	buf_add_u16(out, REPLY_ERRNO_PROGRESS);
	buf_add_u8(out, 1);
	buf_add_u8(out, progress->stage);
	buf_add_u8(out, progress->stages);
	buf_add_u24(out, progress->progress);
	buf_add_lenenc_str(out, progress->text);
}

struct reply_states reply_states_of(const struct reply_ok *ok)
{
	return (struct reply_states){ .blocks = cursor_of_str(ok->session_state) };
}

static enum err broken_state(struct err_ctx *err, uint8_t type)
{
	return err_set(err, ERR_PROTOCOL, "broken session state entry of type %u", type);
}

/* The next pair of a variables block. */
static enum err next_pair(struct reply_states *states, struct reply_state *ret, struct err_ctx *err)
{
	struct reply_state state = { .kind = REPLY_STATE_VARIABLE };
	if (cursor_lenenc_str(&states->pairs, &state.name) != ERR_OK ||
	    cursor_lenenc_str(&states->pairs, &state.value) != ERR_OK) {
		return broken_state(err, REPLY_STATE_VARIABLE);
	}
	*ret = state;
	return ERR_OK;
}

/* A block of one string; of the mere character "1" for a change. GTIDs have a byte in front that names
 * their encoding, of which only 0 exists. */
static enum err read_block(uint8_t type, struct str block, struct reply_state *ret,
			   struct err_ctx *err)
{
	struct cursor cur = cursor_of_str(block);
	struct reply_state state = { .kind = REPLY_STATE_UNKNOWN, .type = type, .value = block };
	uint8_t encoding = 0;
	if (type > REPLY_STATE_TRANSACTION) {
		*ret = state;
		return ERR_OK;
	}
	state.kind = (enum reply_state_kind)type;
	if (state.kind == REPLY_STATE_CHANGED) {
		*ret = state;
		return ERR_OK;
	}
	if (type == REPLY_STATE_GTIDS && (cursor_u8(&cur, &encoding) != ERR_OK || encoding != 0)) {
		return broken_state(err, type);
	}
	if (cursor_lenenc_str(&cur, &state.value) != ERR_OK) {
		return broken_state(err, type);
	}
	*ret = state;
	return ERR_OK;
}

enum err reply_state_next(struct reply_states *states, struct reply_state *ret, struct err_ctx *err)
{
	uint8_t type;
	struct str block;
	while (cursor_left(&states->pairs) == 0) {
		if (cursor_left(&states->blocks) == 0) {
			return err_set(err, ERR_NOT_FOUND, "no more session state");
		}
		if (cursor_u8(&states->blocks, &type) != ERR_OK ||
		    cursor_lenenc_str(&states->blocks, &block) != ERR_OK) {
			return err_set(err, ERR_PROTOCOL, "session state is cut short");
		}
		if (type != REPLY_STATE_VARIABLE) {
			return read_block(type, block, ret, err);
		}
		states->pairs = cursor_of_str(block);
	}
	return next_pair(states, ret, err);
}

static size_t lenenc_bytes(size_t value)
{
	return value < 0xfb ? 1 : value <= 0xffff ? 3 : value <= 0xffffff ? 4 : 9;
}

void reply_state_add(struct buf *out, const struct reply_state *state)
{
	size_t value_bytes = lenenc_bytes(state->value.len) + state->value.len;
	switch (state->kind) {
	case REPLY_STATE_VARIABLE:
		buf_add_u8(out, REPLY_STATE_VARIABLE);
		buf_add_lenenc(out, lenenc_bytes(state->name.len) + state->name.len + value_bytes);
		buf_add_lenenc_str(out, state->name);
		buf_add_lenenc_str(out, state->value);
		return;
	case REPLY_STATE_GTIDS:
		buf_add_u8(out, REPLY_STATE_GTIDS);
		buf_add_lenenc(out, 1 + value_bytes);
		buf_add_u8(out, 0);
		buf_add_lenenc_str(out, state->value);
		return;
	case REPLY_STATE_SCHEMA:
	case REPLY_STATE_CHARACTERISTICS:
	case REPLY_STATE_TRANSACTION:
		buf_add_u8(out, (uint8_t)state->kind);
		buf_add_lenenc(out, value_bytes);
		buf_add_lenenc_str(out, state->value);
		return;
	case REPLY_STATE_CHANGED:
	case REPLY_STATE_UNKNOWN:
		buf_add_u8(out,
			   state->kind == REPLY_STATE_CHANGED ? REPLY_STATE_CHANGED : state->type);
		buf_add_lenenc_str(out, state->value);
		return;
	}
}
