/* A fake of the manager for tests of the doors to it: answers what it was told to, remembers what it was
 * asked. It decides nothing and knows no servers. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "manager/manager.h"

struct fake_answer {
	const char *method;
	enum err rc;
	const char *text; /* JSON of the result; words of the error */
};

enum { FAKE_ANSWERS_MAX = 16 };

struct fake_manager {
	struct fake_answer answers[FAKE_ANSWERS_MAX]; /* the first row of a method counts */
	const char *events;			      /* JSON array */
	char last_method[64];
	json_t *last_params; /* owned */
	uint64_t last_deadline_us;
	int calls;
};

extern struct fake_manager fake_manager;

/* Forgets everything. */
void fake_manager_reset(void);

/* To be given as struct manager *. */
struct manager *fake_manager_handle(void);

/* The parameters of the last call, as compact JSON with sorted keys; valid until the next call. */
const char *fake_manager_params(void);
