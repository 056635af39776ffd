#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct number_option {
	const char *name;
	uint32_t min;
	uint32_t max;
	uint32_t *value;
};

struct text_option {
	const char *name;
	const char **value;
};

static const char *environment(const char *name, const char *otherwise)
{
	/* Read before any thread is started. */
	const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
	return value && value[0] ? value : otherwise;
}

static enum err take(struct options *ret, const char *name, const char *value, struct err_ctx *err)
{
	const struct number_option numbers[] = {
		{ "--port", 1, 65535, &ret->port },
		{ "--clients", 1, CLIENTS_MAX, &ret->clients },
		{ "--seconds", 0, 86400, &ret->seconds },
		{ "--pause-us", 0, 60000000, &ret->pause_us },
		{ "--timeout", 1, 3600, &ret->timeout_s },
		{ "--knock-ms", 0, 60000, &ret->knock_ms },
	};
	const struct text_option texts[] = {
		{ "--host", &ret->host },
		{ "--user", &ret->user },
		{ "--database", &ret->database },
		{ "--ledger", &ret->ledger_path },
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct number_option *row = &numbers[i];
		if (strcmp(row->name, name) == 0) {
			if (str_parse_u32(str_of(value), row->min, row->max, row->value) ==
			    ERR_OK) {
				return ERR_OK;
			}
			return err_set(err, ERR_USAGE, "%s: '%s' is not a number from %u to %u",
				       name, value, row->min, row->max);
		}
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(texts[i].name, name) == 0) {
			*texts[i].value = value;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_USAGE, "unknown option '%s'", name);
}

enum err options_read(int argc, char **argv, struct options *ret, struct err_ctx *err)
{
	struct options options = {
		.mode = argc > 1 ? argv[1] : "",
		.host = environment("MUSTER_HOST", "127.0.0.1"),
		.user = environment("MUSTER_USER", "root"),
		.password = environment("MUSTER_PASSWORD", ""),
		.database = "bench",
		.ledger_path = "ledger.txt",
		.clients = 8,
		.timeout_s = 60,
	};
	const char *port = environment("MUSTER_WRITE_PORT", "3306");
	if (str_parse_u32(str_of(port), 1, 65535, &options.port) != ERR_OK) {
		return err_set(err, ERR_USAGE, "MUSTER_WRITE_PORT: '%s' is not a port", port);
	}
	if (strcmp(options.mode, "prepare") != 0 && strcmp(options.mode, "run") != 0 &&
	    strcmp(options.mode, "verify") != 0) {
		return err_set(err, ERR_USAGE, "'%s' is not one of prepare, run, verify",
			       options.mode);
	}
	for (int i = 2; i < argc; i += 2) {
		if (i + 1 == argc) {
			return err_set(err, ERR_USAGE, "option '%s' wants a value", argv[i]);
		}
		enum err rc = take(&options, argv[i], argv[i + 1], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	*ret = options;
	return ERR_OK;
}
