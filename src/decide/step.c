#include "decide/step.h"

static const struct {
	const char *key;
	const char *text;
} rows[STEP_COUNT_ + 1] = {
#define X(name, key, text) [name] = { key, text },
#include "decide/steps.def"
#undef X
	[STEP_NONE] = { "none", "nothing" },
};

const char *step_key(enum step step)
{
	return rows[step].key;
}

const char *step_text(enum step step)
{
	return rows[step].text;
}

enum step step_from_key(struct str key)
{
	for (enum step step = 0; step < STEP_COUNT_; step++) {
		if (str_equal(key, str_of(rows[step].key))) {
			return step;
		}
	}
	return STEP_NONE;
}
