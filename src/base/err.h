/* Error codes and the words that go with them.
 *
 * A fallible function returns MUST_CHECK enum err and, when the caller wants words for people,
 * fills a struct err_ctx. `ret_*` results are written on success only, `err` on failure only.
 * An error is wrapped at most once per layer and logged once, by who decides what happens next.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index) \
	__attribute__((format(printf, format_index, first_index)))

enum err {
#define X(name, exit_status, http_status, retryable, text) name,
#include "base/err.def"
#undef X
	ERR_COUNT_
};

enum { ERR_TEXT_BYTES_MAX = 1024 };

/* Words about one failure. Plain data: `struct err_ctx err = {0};` */
struct err_ctx {
	enum err code;
	unsigned server_errno; /* the database server's error number, 0 when there is none */
	char text[ERR_TEXT_BYTES_MAX]; /* NUL-terminated; cut with "..." when too long */
};

/* Sets the words and returns `code`. err may be NULL. */
PRINTF_LIKE(3, 4) enum err err_set(struct err_ctx *err, enum err code, const char *format, ...);

/* Puts "<format>: " in front of the words that `err` has already, returns `code`. err may be NULL. */
PRINTF_LIKE(3, 4) enum err err_wrap(struct err_ctx *err, enum err code, const char *format, ...);

/* The words for people: err->text, or the table's text when there are none. Never NULL. */
const char *err_text(enum err code, const struct err_ctx *err);

const char *err_name(enum err code); /* "ERR_REFUSED" */
int err_exit_status(enum err code);  /* documented in docs/exit-status.md */
unsigned err_http_status(enum err code);
bool err_is_retryable(enum err code);

/* The code named `name` ("ERR_REFUSED"), ERR_FAILED when there is none: for codes read from JSON. */
enum err err_from_name(const char *name);
