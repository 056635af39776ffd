/* What would follow from a record and an observation if nothing else happened: the decision is taken again and again
 * on copies, and each step is taken to succeed at once. Pure; for dry runs and explanations, never for a decision.
 *
 * It is a forecast, not a promise: servers that answer go on answering, those that don't stay away, appliers catch up,
 * open transactions end, and hooks that have not answered say go.
 */
#pragma once

#include "decide/decide.h"

enum { FORESEE_MOVES_MAX = 16, FORESEE_STEPS_MAX = 96, FORESEE_TEXT_BYTES_MAX = 512 };

/* A state that the group comes to. */
struct foresee_move {
	const struct rule *rule; /* that leads there; NULL: the state it is in at the beginning */
	enum group_state state;
	uint64_t epoch;
	uint32_t primary; /* SERVER_NONE: none in that state */
};

/* A step that is done in the state that moves[move] led to. */
struct foresee_step {
	uint32_t move;
	uint32_t server;
	enum step step;
	const char *why;
};

struct foresee {
	uint32_t move_count; /* at least 1 */
	struct foresee_move moves[FORESEE_MOVES_MAX];
	uint32_t step_count;
	struct foresee_step steps[FORESEE_STEPS_MAX];
	bool settled; /* it ends in a steady group that has nothing left to do */
	bool cut;     /* there was more than there is room for */
	/* Why what was asked for is given up, or what is waited for where it ends; "" otherwise. */
	char refusal[FORESEE_TEXT_BYTES_MAX];
};

/* record, seen: as they are now, borrowed and left alone; record->ask is what to foresee. */
void foresee_run(const struct record *record, const struct observation *seen,
		 const struct decide_options *options, uint64_t now_us, struct foresee *ret);

/* The same, if the primary's process died this moment; the record has a primary. */
void foresee_death(const struct record *record, const struct observation *seen,
		   const struct decide_options *options, uint64_t now_us, struct foresee *ret);
