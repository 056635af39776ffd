/* What a session has set up at its server, as far as it can be told: enough to set it up again on
 * another connection, or to say by name what can't be.
 *
 * Sources of knowledge: the session state that servers report in OK packets (values of system
 * variables, the schema), and what the classifier says of a statement's text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "wire/reply.h"

enum {
	STATE_VARIABLES_MAX = 256,
	STATE_NAME_BYTES_MAX = 256,
	STATE_VALUE_BYTES_MAX = 16384,
};

/* What is lost with a connection: bits. state_loss_name() has the words. */
enum state_loss {
	STATE_TEMPORARY_TABLE = 1u << 0,
	STATE_USER_VARIABLE = 1u << 1, /* of a value that only the server knows */
	STATE_USER_LOCK = 1u << 2,
	STATE_TABLE_LOCK = 1u << 3,
	STATE_HANDLER = 1u << 4,
	STATE_CURSOR = 1u << 5,
	STATE_TEXT_PREPARED = 1u << 6,
	STATE_LONG_DATA = 1u << 7,
	STATE_NEXT_TRANSACTION = 1u << 8, /* SET TRANSACTION for the next one only */
	STATE_ROLE = 1u << 9,
	STATE_OVER_LIMIT = 1u << 10,   /* more than the limits above */
	STATE_UNTRACKED = 1u << 11,    /* the server reports a change that no text explains */
	STATE_NOT_RESTORED = 1u << 12, /* a server refused to take a value again */
};
enum { STATE_LOSS_COUNT = 13 };

struct state_variable {
	char *name;  /* owned; of a user variable with its @ */
	char *value; /* owned; as reported, or the literal of a user variable */
};

struct state {
	struct state_variable *variables; /* [variable_count], in order of first change; owned */
	size_t variable_count;
	char *schema;		 /* owned; NULL: none */
	uint32_t losses;	 /* enum state_loss bits */
	uint64_t last_insert_id; /* 0: none */
	uint64_t
		hash; /* of schema and variables: two sessions with the same one are set up alike */
	bool autocommit;
	bool in_transaction; /* by the last status flags */
	/* What the client itself asked to be told; the proxy asks for more on its own account. */
	char *track_variables; /* owned; NULL: the servers' default */
	bool track_gtids;
	bool track_schema;
	bool track_change;
};

void state_init(struct state *state);
void state_fini(struct state *state); /* takes {0} */

/* Forgets all but the schema: what COM_RESET_CONNECTION does. */
void state_reset(struct state *state);

/* schema: empty is none. */
void state_set_schema(struct state *state, struct str schema);

/* Records a reported system variable or a user variable ('@' first) that was set to a literal.
 * true when the change undoes the proxy's own tracking, which then has to be switched on again. */
bool state_set_variable(struct state *state, struct str name, struct str value);

/* Takes in the session state of one OK packet. true as above. */
bool state_take_ok(struct state *state, const struct reply_ok *ok);

/* Appends the session state that the client asked for, in the form of reply_ok.session_state. */
void state_filter(const struct state *state, const struct reply_ok *ok, struct buf *out);

/* The SQL that sets variable `index` again (index < variable_count), without a terminator. */
void state_write_set(const struct state *state, size_t index, struct buf *out);

/* The SQL that makes a server report what the proxy needs: state_tracking_sql(0), (1), ...; NULL at
 * the end. */
const char *state_tracking_sql(size_t index);

/* What is lost, in words: "temporary tables, a user-level lock". */
void state_write_losses(uint32_t losses, struct buf *out);
