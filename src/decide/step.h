/* The steps: things to be done to one server. Names and texts are in steps.def. */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum step {
#define X(name, key, text) name,
#include "decide/steps.def"
#undef X
	STEP_COUNT_,
	STEP_NONE = STEP_COUNT_
};

const char *step_key(enum step step);  /* "stop_receiver"; "none" for STEP_NONE */
const char *step_text(enum step step); /* for people */

/* The step of that key; STEP_NONE when there is none. */
enum step step_from_key(struct str key);
