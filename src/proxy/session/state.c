/* Session state: variables by name and value, in the order of their first change. */
#include "proxy/session/state.h"

#include <string.h>

#include "base/mem.h"

/* What servers report unless told otherwise (session_track_system_variables' default). MariaDB 11
 * adds redirect_url, which would lead clients around the proxy and is never passed on. */
static const char default_track[] =
	"autocommit,character_set_client,character_set_connection,character_set_results,time_zone";

static const char *const loss_names[STATE_LOSS_COUNT] = {
	"temporary tables",
	"user variables",
	"user-level locks",
	"table locks",
	"an open HANDLER",
	"an open cursor",
	"statements prepared by text",
	"parameters sent in pieces",
	"a SET TRANSACTION for the next transaction",
	"the active role",
	"more session variables than the proxy keeps",
	"session state that the server changed by itself",
	"a session variable that the server did not take again",
};

void state_init(struct state *state)
{
	*state = (struct state){ .autocommit = true, .track_schema = true };
}

/* FNV-1a, 64 bits. Source: RFC 9923. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	static const uint64_t prime = 0x100000001b3;
	do {
		hash = (hash ^ (uint8_t)*text) * prime;
	} while (*text++);
	return hash;
}

/* The order in which variables were set is of no matter. Without schema and variables it is 0. */
static void rehash(struct state *state)
{
	static const uint64_t basis = 0xcbf29ce484222325;
	state->hash = state->schema ? hash_text(basis, state->schema) : 0;
	for (size_t i = 0; i < state->variable_count; i++) {
		const struct state_variable *variable = &state->variables[i];
		state->hash += hash_text(hash_text(basis, variable->name), variable->value);
	}
}

static void clear_variables(struct state *state)
{
	for (size_t i = 0; i < state->variable_count; i++) {
		(void)mem_free(state->variables[i].name);
		(void)mem_free(state->variables[i].value);
	}
	state->variables = mem_free(state->variables);
	state->variable_count = 0;
}

void state_fini(struct state *state)
{
	clear_variables(state);
	state->schema = mem_free(state->schema);
	state->track_variables = mem_free(state->track_variables);
}

void state_reset(struct state *state)
{
	char *schema = TAKE(state->schema);
	state_fini(state);
	state_init(state);
	state->schema = schema;
	rehash(state);
}

void state_set_schema(struct state *state, struct str schema)
{
	if (str_equal(schema, str_of(state->schema ? state->schema : ""))) {
		return;
	}
	(void)mem_free(state->schema);
	state->schema = schema.len ? mem_dup_text(schema.ptr, schema.len) : NULL;
	rehash(state);
}

static void replace_text(char **text, struct str value)
{
	(void)mem_free(*text);
	*text = mem_dup_text(value.len ? value.ptr : "", value.len);
}

static bool is_on(struct str value)
{
	return str_equal_nocase(value, STR("ON")) || str_equal(value, STR("1"));
}

/* The four variables by which the proxy itself is told; true when it was one of them. */
static bool take_tracking(struct state *state, struct str name, struct str value)
{
	if (str_equal_nocase(name, STR("session_track_system_variables"))) {
		replace_text(&state->track_variables, value);
		return true;
	}
	if (str_equal_nocase(name, STR("session_track_schema"))) {
		state->track_schema = is_on(value);
		return true;
	}
	if (str_equal_nocase(name, STR("session_track_state_change"))) {
		state->track_change = is_on(value);
		return true;
	}
	if (str_equal_nocase(name, STR("session_track_gtids"))) {
		state->track_gtids = !str_equal_nocase(value, STR("OFF"));
		return !state->track_gtids;
	}
	return false;
}

/* Values of one statement only, values that report and can't be set, and what the proxy restores by
 * itself. */
static bool is_passing(struct str name)
{
	static const char *const names[] = { "identity",       "insert_id",    "last_gtid",
					     "last_insert_id", "redirect_url", "statement_id" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_equal_nocase(name, str_of(names[i]))) {
			return true;
		}
	}
	return false;
}

bool state_set_variable(struct state *state, struct str name, struct str value)
{
	if (take_tracking(state, name, value)) {
		return true;
	}
	if (is_passing(name)) {
		return false;
	}
	if (name.len > STATE_NAME_BYTES_MAX || value.len > STATE_VALUE_BYTES_MAX) {
		state->losses |= STATE_OVER_LIMIT;
		return false;
	}
	for (size_t i = 0; i < state->variable_count; i++) {
		if (str_equal_nocase(str_of(state->variables[i].name), name)) {
			replace_text(&state->variables[i].value, value);
			rehash(state);
			return false;
		}
	}
	if (state->variable_count >= STATE_VARIABLES_MAX) {
		state->losses |= STATE_OVER_LIMIT;
		return false;
	}
	size_t bytes = (state->variable_count + 1) * sizeof(*state->variables);
	struct state_variable *variables = mem_resize(state->variables, bytes);
	if (!variables) {
		state->losses |= STATE_OVER_LIMIT;
		return false;
	}
	state->variables = variables;
	variables[state->variable_count++] = (struct state_variable){
		.name = mem_dup_text(name.ptr, name.len),
		.value = mem_dup_text(value.len ? value.ptr : "", value.len),
	};
	rehash(state);
	return false;
}

bool state_take_ok(struct state *state, const struct reply_ok *ok)
{
	bool undone = false;
	struct reply_states states = reply_states_of(ok);
	struct reply_state entry;
	while (reply_state_next(&states, &entry, NULL) == ERR_OK) {
		if (entry.kind == REPLY_STATE_VARIABLE) {
			undone |= state_set_variable(state, entry.name, entry.value);
		} else if (entry.kind == REPLY_STATE_SCHEMA) {
			state_set_schema(state, entry.value);
		}
	}
	return undone;
}

static bool wants_variable(const struct state *state, struct str name)
{
	struct str rest = str_of(state->track_variables ? state->track_variables : default_track);
	struct str word;
	if (str_equal_nocase(name, STR("redirect_url"))) {
		return false;
	}
	while (str_next(&rest, ',', &word)) {
		word = str_trim(word);
		if (str_equal(word, STR("*")) || str_equal_nocase(word, name)) {
			return true;
		}
	}
	return false;
}

void state_filter(const struct state *state, const struct reply_ok *ok, struct buf *out)
{
	struct reply_states states = reply_states_of(ok);
	struct reply_state entry;
	while (reply_state_next(&states, &entry, NULL) == ERR_OK) {
		bool wanted = true;
		if (entry.kind == REPLY_STATE_VARIABLE) {
			wanted = wants_variable(state, entry.name);
		} else if (entry.kind == REPLY_STATE_SCHEMA) {
			wanted = state->track_schema;
		} else if (entry.kind == REPLY_STATE_CHANGED) {
			wanted = state->track_change;
		} else if (entry.kind == REPLY_STATE_GTIDS) {
			wanted = state->track_gtids;
		}
		if (wanted) {
			reply_state_add(out, &entry);
		}
	}
}

static bool is_number(struct str value)
{
	size_t at = value.len && value.ptr[0] == '-' ? 1 : 0;
	bool digits = false;
	bool point = false;
	for (; at < value.len; at++) {
		if (value.ptr[at] >= '0' && value.ptr[at] <= '9') {
			digits = true;
		} else if (value.ptr[at] == '.' && !point) {
			point = true;
		} else {
			return false;
		}
	}
	return digits;
}

/* A string literal that means the same under every sql_mode and character set: what isn't plain
 * goes as hexadecimal digits. */
static void write_literal(struct str value, struct buf *out)
{
	bool plain = true;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		plain = plain && c >= ' ' && c <= '~' && c != '\'' && c != '\\' && c != '"';
	}
	if (plain) {
		buf_add_char(out, '\'');
		buf_add_str(out, value);
		buf_add_char(out, '\'');
		return;
	}
	buf_add_text(out, "0x");
	for (size_t i = 0; i < value.len; i++) {
		buf_printf(out, "%02x", (unsigned)(uint8_t)value.ptr[i]);
	}
}

void state_write_set(const struct state *state, size_t index, struct buf *out)
{
	struct str name = str_of(state->variables[index].name);
	struct str value = str_of(state->variables[index].value);
	if (name.len && name.ptr[0] == '@') {
		buf_add_text(out, "SET ");
		buf_add_str(out, name);
		buf_add_char(out, '=');
		buf_add_str(out, value);
		return;
	}
	buf_add_text(out, "SET SESSION `");
	buf_add_str(out, name);
	buf_add_text(out, "`=");
	if (is_number(value)) {
		buf_add_str(out, value);
	} else if (!value.len && str_equal_nocase(name, STR("character_set_results"))) {
		buf_add_text(out, "NULL");
	} else {
		write_literal(value, out);
	}
}

const char *state_tracking_sql(size_t index)
{
	static const char *const statements[] = {
		"SET SESSION session_track_system_variables='*', session_track_schema=1, "
		"session_track_state_change=1 /*!50700 , session_track_gtids=OWN_GTID */",
	};
	return index < sizeof(statements) / sizeof(statements[0]) ? statements[index] : NULL;
}

void state_write_losses(uint32_t losses, struct buf *out)
{
	bool first = true;
	for (size_t i = 0; i < STATE_LOSS_COUNT; i++) {
		if (losses & (UINT32_C(1) << i)) {
			buf_add_text(out, first ? "" : ", ");
			buf_add_text(out, loss_names[i]);
			first = false;
		}
	}
}
