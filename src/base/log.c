#include "base/log.h"

#include <inttypes.h>
#include <string.h>

static const char *const level_names[LOG_LEVEL_COUNT_] = { "error", "warn", "info", "debug" };

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_emit(const struct log *log, enum log_level level, const char *evt, const char *message,
	      const struct log_field *fields, size_t field_count)
{
	const struct log_line line = { level, evt, message, fields, field_count };
	log->write(log->ctx, &line);
}

static bool needs_quotes(const char *text)
{
	return text[0] == 0 || strpbrk(text, " \"=\\\n\t") != NULL;
}

static void add_value(struct buf *out, const char *text)
{
	if (!needs_quotes(text)) {
		buf_add_text(out, text);
		return;
	}
	buf_add_char(out, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '\n') {
			buf_add_text(out, "\\n");
			continue;
		}
		if (*c == '"' || *c == '\\') {
			buf_add_char(out, '\\');
		}
		buf_add_char(out, *c);
	}
	buf_add_char(out, '"');
}

void log_format(const struct log_line *line, struct buf *out)
{
	buf_printf(out, "level=%s evt=%s", log_level_name(line->level), line->evt);
	for (size_t i = 0; i < line->field_count; i++) {
		const struct log_field *field = &line->fields[i];
		buf_printf(out, " %s=", field->key);
		if (field->text) {
			add_value(out, field->text);
		} else {
			buf_printf(out, "%" PRIu64, field->number);
		}
	}
	buf_add_text(out, " msg=");
	add_value(out, line->message);
}
