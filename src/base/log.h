/* The log interface: one line per event, in fields. Where lines go is plugged in by main or a test.
 *
 *   log_event(log, LOG_INFO, "revoke.done", "enough of the sync set stopped",
 *             LOG_TEXT("group", name), LOG_U64("epoch", epoch));
 *
 * `evt` names are stable. Secrets have a type of their own (secret.h) that no field macro takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum log_level {
	LOG_ERROR, /* a person must act */
	LOG_WARN,  /* degraded, and what we do about it */
	LOG_INFO,  /* a state changed */
	LOG_DEBUG, /* for us */
	LOG_LEVEL_COUNT_
};

struct log_field {
	const char *key;
	const char *text; /* NULL: number counts */
	uint64_t number;
};

#define LOG_TEXT(key, value) ((struct log_field){ (key), (value), 0 })
#define LOG_U64(key, value) ((struct log_field){ (key), NULL, (value) })

/* One line's content, as handed to the sink. Borrowed for the call. */
struct log_line {
	enum log_level level;
	const char *evt;
	const char *message;
	const struct log_field *fields;
	size_t field_count;
};

struct log {
	enum log_level level;				       /* lines above it are not built */
	void (*write)(void *ctx, const struct log_line *line); /* called from any thread */
	void *ctx;
};

static inline bool log_wants(const struct log *log, enum log_level level)
{
	return log && level <= log->level;
}

/* What log_event() calls once the level is wanted; hands the line to the sink. */
void log_emit(const struct log *log, enum log_level level, const char *evt, const char *message,
	      const struct log_field *fields, size_t field_count);

/* Fields may be left out. */
#define log_event(log, level, evt, message, ...) \
	do { \
		if (log_wants(log, level)) { \
			const struct log_field fields_[] = { { NULL, NULL, 0 }, ##__VA_ARGS__ }; \
			log_emit(log, level, evt, message, fields_ + 1, \
				 sizeof(fields_) / sizeof(fields_[0]) - 1); \
		} \
	} while (0)

const char *log_level_name(enum log_level level); /* "info" */

/* The logfmt text of a line, without time and newline: level=info evt=... k=v msg="..." */
void log_format(const struct log_line *line, struct buf *out);
