/* The configuration: a file in the style of my.cnf, declared in base/config.def.
 *
 * Every error names file and line, and the nearest valid key where one is unknown. Passwords are never
 * in the file itself, are read by config_load_secrets() alone, and no function here prints them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

enum {
	CONFIG_TEXT_BYTES_MAX = 256,
	CONFIG_PATH_BYTES_MAX = 1024,
	CONFIG_FILE_BYTES_MAX = 256 * 1024
};

/* A field for each row, named SECTION_FIELD. */
struct config_values {
#define SECTION(name, help)
#define TEXT(section, key, field, default_value, apply, help) \
	char section##_##field[CONFIG_TEXT_BYTES_MAX];
#define CHOICE(section, key, field, default_value, choices, apply, help) \
	char section##_##field[CONFIG_TEXT_BYTES_MAX];
#define NUMBER(section, key, field, default_value, min, max, unit, apply, help) \
	uint32_t section##_##field;
#include "base/config.def"
#undef SECTION
#undef TEXT
#undef CHOICE
#undef NUMBER
};

enum config_index {
#define SECTION(name, help)
#define TEXT(section, key, field, default_value, apply, help) CONFIG_##section##_##field,
#define CHOICE(section, key, field, default_value, choices, apply, help) CONFIG_##section##_##field,
#define NUMBER(section, key, field, default_value, min, max, unit, apply, help) \
	CONFIG_##section##_##field,
#include "base/config.def"
#undef SECTION
#undef TEXT
#undef CHOICE
#undef NUMBER
	CONFIG_KEY_COUNT_
};

struct config {
	char path[CONFIG_PATH_BYTES_MAX]; /* the file that was read; empty: none, all defaults */
	struct config_values values;
	uint32_t lines[CONFIG_KEY_COUNT_]; /* where each key stands in the file; 0: default */
	struct secret manager_password;	   /* filled by config_load_secrets() */
	struct secret replication_password;
	struct secret webhook_secret;
};

enum config_kind { CONFIG_TEXT, CONFIG_CHOICE, CONFIG_NUMBER };
enum config_apply { CONFIG_RESTART, CONFIG_LIVE };

struct config_key {
	const char *section;
	const char *name;
	enum config_kind kind;
	const char *default_text;
	const char *choices; /* "a|b" of CONFIG_CHOICE */
	uint32_t default_number;
	uint32_t min;
	uint32_t max;
	const char *unit;
	enum config_apply apply;
	const char *help;
	size_t offset; /* in struct config_values */
};

extern const struct config_key config_keys[CONFIG_KEY_COUNT_];

void config_init(struct config *config); /* all defaults, no file */

/* Reads the file that `path` names; NULL: $MUSTER_CONFIG, else the first that is there of
 * ~/.config/muster/muster.cnf and /etc/muster/muster.cnf, else all defaults.
 * Errors: ERR_CONFIG: file, line, what is wrong, the nearest valid word. ret is untouched then. */
MUST_CHECK enum err config_load(const char *path, struct config *ret, struct err_ctx *err);

/* The same from text in memory; `name` stands for the file in messages. */
MUST_CHECK enum err config_parse(struct str text, const char *name, struct config *ret,
				 struct err_ctx *err);

/* What is called for each warning. */
typedef void (*config_warn_cb)(void *ctx, const char *text);

/* Fills the secret of the webhooks from its file, and the two passwords from $MUSTER_MANAGER_PASSWORD and $MUSTER_REPLICATION_PASSWORD, else from the
 * files that are configured; warns of a file that everybody may read.
 *
 * needed: an account without any password configured is an error; otherwise `warn` is told.
 * Errors: ERR_CONFIG.
 */
MUST_CHECK enum err config_load_secrets(struct config *config, bool needed, config_warn_cb warn,
					void *ctx, struct err_ctx *err);

/* The value of a key as text. */
void config_value_text(const struct config *config, enum config_index index, struct buf *out);

void config_sample(struct buf *out); /* a file with every key, its default and its meaning */
void config_page(struct buf *out);   /* docs/config.md */
