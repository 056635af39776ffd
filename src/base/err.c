#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
	const char *name;
	int exit_status;
	unsigned http_status;
	bool retryable;
	const char *text;
};

static const struct err_row rows[ERR_COUNT_] = {
#define X(name, exit_status, http_status, retryable, text) \
	[name] = { #name, exit_status, http_status, retryable, text },
#include "base/err.def"
#undef X
};

static void text_cut(char *text, int wanted)
{
	if (wanted >= ERR_TEXT_BYTES_MAX) {
		memcpy(text + ERR_TEXT_BYTES_MAX - 4, "...", 4);
	}
}

enum err err_set(struct err_ctx *err, enum err code, const char *format, ...)
{
	if (!err) {
		return code;
	}
	va_list args;
	va_start(args, format);
	int wanted = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	text_cut(err->text, wanted);
	err->code = code;
	err->server_errno = 0;
	return code;
}

enum err err_wrap(struct err_ctx *err, enum err code, const char *format, ...)
{
	if (!err) {
		return code;
	}
	char inner[ERR_TEXT_BYTES_MAX];
	memcpy(inner, err->text, sizeof(inner));
	va_list args;
	va_start(args, format);
	int outer_bytes = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (outer_bytes < 0) {
		outer_bytes = 0;
	}
	if (outer_bytes < ERR_TEXT_BYTES_MAX) {
		size_t used = (size_t)outer_bytes;
		int rest = snprintf(err->text + used, sizeof(err->text) - used, ": %s",
				    inner[0] ? inner : rows[code].text);
		outer_bytes += rest > 0 ? rest : 0;
	}
	text_cut(err->text, outer_bytes);
	err->code = code;
	return code;
}

const char *err_text(enum err code, const struct err_ctx *err)
{
	return err && err->text[0] ? err->text : rows[code].text;
}

const char *err_name(enum err code)
{
	return rows[code].name;
}

int err_exit_status(enum err code)
{
	return rows[code].exit_status;
}

unsigned err_http_status(enum err code)
{
	return rows[code].http_status;
}

bool err_is_retryable(enum err code)
{
	return rows[code].retryable;
}

enum err err_from_name(const char *name)
{
	for (enum err code = 0; code < ERR_COUNT_; code++) {
		if (strcmp(rows[code].name, name) == 0) {
			return code;
		}
	}
	return ERR_FAILED;
}
