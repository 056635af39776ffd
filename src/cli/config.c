#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/env.h"

const struct config_key config_keys[CONFIG_KEY_COUNT_] = {
#define SECTION(name, help)
#define TEXT(section, key, field, default_value, apply, help) \
	{ #section,    key, \
	  CONFIG_TEXT, default_value, \
	  NULL,	       0, \
	  0,	       0, \
	  "",	       CONFIG_##apply, \
	  help,	       offsetof(struct config_values, section##_##field) },
#define CHOICE(section, key, field, default_value, choices, apply, help) \
	{ #section, \
	  key, \
	  CONFIG_CHOICE, \
	  default_value, \
	  choices, \
	  0, \
	  0, \
	  0, \
	  "", \
	  CONFIG_##apply, \
	  help, \
	  offsetof(struct config_values, section##_##field) },
#define NUMBER(section, key, field, default_value, min, max, unit, apply, help) \
	{ #section,	 key, \
	  CONFIG_NUMBER, NULL, \
	  NULL,		 default_value, \
	  min,		 max, \
	  unit,		 CONFIG_##apply, \
	  help,		 offsetof(struct config_values, section##_##field) },
#include "base/config.def"
#undef SECTION
#undef TEXT
#undef CHOICE
#undef NUMBER
};

struct config_section {
	const char *name;
	const char *help;
};

static const struct config_section sections[] = {
#define SECTION(name, help) { #name, help },
#define TEXT(section, key, field, default_value, apply, help)
#define CHOICE(section, key, field, default_value, choices, apply, help)
#define NUMBER(section, key, field, default_value, min, max, unit, apply, help)
#include "base/config.def"
#undef SECTION
#undef TEXT
#undef CHOICE
#undef NUMBER
};
enum { SECTION_COUNT = sizeof(sections) / sizeof(sections[0]) };

/* A text on its way through inih. */
struct reading {
	struct config *config;
	const char *name;
	struct str rest;
	uint32_t line; /* the last one handed out, from 1 */
	bool failed;
	struct err_ctx err;
};

static char *text_field(struct config *config, const struct config_key *key)
{
	return (char *)&config->values + key->offset;
}

static uint32_t *number_field(struct config *config, const struct config_key *key)
{
	return (uint32_t *)(void *)((char *)&config->values + key->offset);
}

void config_init(struct config *config)
{
	*config = (struct config){ 0 };
	for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_key *key = &config_keys[i];
		if (key->kind == CONFIG_NUMBER) {
			*number_field(config, key) = key->default_number;
		} else {
			check(str_copy(str_of(key->default_text), text_field(config, key),
				       CONFIG_TEXT_BYTES_MAX) == ERR_OK);
		}
	}
}

static bool is_choice(const char *choices, struct str value)
{
	struct str rest = str_of(choices);
	struct str choice;
	while (str_next(&rest, '|', &choice)) {
		if (str_equal(choice, value)) {
			return true;
		}
	}
	return false;
}

static enum err value_set(struct config *config, const struct config_key *key, struct str value,
			  struct err_ctx *err)
{
	switch (key->kind) {
	case CONFIG_NUMBER:
		if (str_parse_u32(value, key->min, key->max, number_field(config, key)) != ERR_OK) {
			return err_set(err, ERR_CONFIG,
				       "'%s' is a whole number from %u to %u, not '%.*s'",
				       key->name, key->min, key->max, STR_ARG(value));
		}
		return ERR_OK;
	case CONFIG_CHOICE:
		if (!is_choice(key->choices, value)) {
			return err_set(err, ERR_CONFIG, "'%s' is one of %s, not '%.*s'", key->name,
				       key->choices, STR_ARG(value));
		}
		break;
	case CONFIG_TEXT:
		break;
	}
	if (str_copy(value, text_field(config, key), CONFIG_TEXT_BYTES_MAX) != ERR_OK) {
		return err_set(err, ERR_CONFIG, "'%s' is longer than %d bytes", key->name,
			       (int)CONFIG_TEXT_BYTES_MAX - 1);
	}
	return ERR_OK;
}

static enum err unknown_section(const char *section, struct err_ctx *err)
{
	const char *names[SECTION_COUNT];
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		names[i] = sections[i].name;
	}
	const char *nearest = str_nearest(str_of(section), names, SECTION_COUNT);
	if (section[0] == 0) {
		return err_set(err, ERR_CONFIG, "this key stands before the first [section]");
	}
	if (!nearest) {
		char all[256];
		struct buf list;
		buf_init_fixed(&list, all, sizeof(all));
		for (size_t i = 0; i < SECTION_COUNT; i++) {
			buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
		}
		return err_set(err, ERR_CONFIG, "no section [%s]: there are %s", section,
			       buf_text(&list));
	}
	return err_set(err, ERR_CONFIG, "no section [%s]: did you mean [%s]?", section, nearest);
}

/* The value is not in the message: it may be a password that stands where none belongs. */
static enum err unknown_key(const char *section, struct str name, struct err_ctx *err)
{
	const char *names[CONFIG_KEY_COUNT_];
	size_t count = 0;
	for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
		if (strcmp(config_keys[i].section, section) == 0) {
			names[count++] = config_keys[i].name;
		}
		if (str_equal(str_of(config_keys[i].name), name)) {
			return err_set(err, ERR_CONFIG, "'%s' belongs to section [%s]",
				       config_keys[i].name, config_keys[i].section);
		}
	}
	if (str_ends_with(name, STR("password"))) {
		return err_set(err, ERR_CONFIG,
			       "no key '%.*s' in [%s]: a password stands in a file of its own, see"
			       " 'manager-password-file'",
			       STR_ARG(name), section);
	}
	const char *nearest = str_nearest(name, names, count);
	if (!nearest) {
		return err_set(err, ERR_CONFIG, "no key '%.*s' in [%s]: see muster config sample",
			       STR_ARG(name), section);
	}
	return err_set(err, ERR_CONFIG, "no key '%.*s' in [%s]: did you mean '%s'?", STR_ARG(name),
		       section, nearest);
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		if (strcmp(sections[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* my.cnf takes '#' behind a value too, and '_' for '-' in a name. */
static struct str without_comment(struct str value)
{
	for (size_t i = 1; i < value.len; i++) {
		if (value.ptr[i] == '#' && (value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t')) {
			return str_trim(str_slice(value, 0, i));
		}
	}
	return value;
}

static enum err take_pair(struct reading *reading, const char *section, const char *name,
			  const char *value)
{
	char normal[CONFIG_TEXT_BYTES_MAX];
	if (!is_section(section)) {
		return unknown_section(section, &reading->err);
	}
	if (str_copy(str_of(name), normal, sizeof(normal)) != ERR_OK) {
		return err_set(&reading->err, ERR_CONFIG, "the key is too long");
	}
	for (char *c = normal; *c; c++) {
		*c = *c == '_' ? '-' : *c;
	}
	for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
		if (strcmp(config_keys[i].section, section) != 0 ||
		    strcmp(config_keys[i].name, normal) != 0) {
			continue;
		}
		if (reading->config->lines[i]) {
			return err_set(&reading->err, ERR_CONFIG, "'%s' is set already in line %u",
				       normal, reading->config->lines[i]);
		}
		reading->config->lines[i] = reading->line;
		return value_set(reading->config, &config_keys[i], without_comment(str_of(value)),
				 &reading->err);
	}
	return unknown_key(section, str_of(normal), &reading->err);
}

static enum err fail_at_line(struct reading *reading, enum err rc)
{
	reading->failed = true;
	return err_wrap(&reading->err, rc, "%s: line %u", reading->name, reading->line);
}

/* inih's handler: 0 stops the reading. */
static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;
	if (reading->failed) {
		return 0;
	}
	enum err rc = take_pair(reading, section, name, value ? value : "");
	if (rc != ERR_OK) {
		(void)fail_at_line(reading, rc);
		return 0;
	}
	return 1;
}

/* inih's reader: one line a call, so that the handler knows where it is. Leading blanks go, since inih
 * takes an indented line for the continuation of the one before. */
static char *next_line(char *to, int bytes, void *stream)
{
	struct reading *reading = stream;
	struct str line;
	if (reading->failed || !str_next(&reading->rest, '\n', &line)) {
		return NULL;
	}
	reading->line++;
	line = str_trim(line);
	if (line.len && memchr(line.ptr, 0, line.len)) {
		(void)fail_at_line(reading, err_set(&reading->err, ERR_CONFIG, "a zero byte"));
		return NULL;
	}
	if (str_copy(line, to, (size_t)bytes) != ERR_OK) {
		(void)fail_at_line(reading, err_set(&reading->err, ERR_CONFIG,
						    "longer than %d bytes", bytes - 1));
		return NULL;
	}
	return to;
}

enum err config_parse(struct str text, const char *name, struct config *ret, struct err_ctx *err)
{
	CLEANUP(mem_freep) struct config *config = mem_need(sizeof(*config));
	struct reading reading = { .config = config, .name = name, .rest = text };
	config_init(config);
	int line = ini_parse_stream(next_line, &reading, on_pair, &reading);
	/* inih goes on behind a line that it can't read, and returns the first one. */
	if (line > 0 && (!reading.failed || (uint32_t)line < reading.line)) {
		reading.line = (uint32_t)line;
		(void)err_set(&reading.err, ERR_CONFIG, "neither '[section]' nor 'key = value'");
		(void)fail_at_line(&reading, ERR_CONFIG);
	}
	if (reading.failed) {
		return err_set(err, ERR_CONFIG, "%s", reading.err.text);
	}
	if (str_copy(str_of(name), config->path, sizeof(config->path)) != ERR_OK) {
		return err_set(err, ERR_CONFIG, "%.100s...: path too long", name);
	}
	*ret = *config;
	return ERR_OK;
}

static enum err read_file(const char *path, size_t bytes_max, struct buf *out, struct err_ctx *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, ERR_CONFIG, "%s: %s", path, strerrordesc_np(errno));
	}
	ssize_t count = 1;
	buf_init(out, bytes_max + 1);
	while (count > 0 && out->len <= bytes_max) {
		uint8_t *to = buf_reserve(out, 1);
		size_t room = to ? out->cap - out->len : 0;
		count = room ? read(fd, to, room) : 0;
		buf_commit(out, count > 0 ? (size_t)count : 0);
	}
	int read_errno = errno;
	(void)close(fd);
	if (count < 0 || out->len > bytes_max) {
		bool too_long = out->len > bytes_max;
		buf_fini(out);
		return too_long ? err_set(err, ERR_CONFIG, "%s: longer than %zu bytes", path,
					  bytes_max)
				: err_set(err, ERR_CONFIG, "%s: %s", path,
					  strerrordesc_np(read_errno));
	}
	return ERR_OK;
}

/* The file to read; empty when there is none and none was named. */
static enum err find_path(const char *path, char *ret, size_t ret_bytes, struct err_ctx *err)
{
	const char *named = path ? path : env_get("MUSTER_CONFIG");
	const char *home = env_get("HOME");
	int length = 0;
	if (named && named[0]) {
		length = snprintf(ret, ret_bytes, "%s", named);
		if (length < 0 || (size_t)length >= ret_bytes) {
			return err_set(err, ERR_CONFIG, "%.100s...: path too long", named);
		}
		return ERR_OK;
	}
	if (home && home[0]) {
		length = snprintf(ret, ret_bytes, "%s/.config/muster/muster.cnf", home);
		if (length > 0 && (size_t)length < ret_bytes && access(ret, F_OK) == 0) {
			return ERR_OK;
		}
	}
	(void)snprintf(ret, ret_bytes, "/etc/muster/muster.cnf");
	if (access(ret, F_OK) != 0) {
		ret[0] = 0;
	}
	return ERR_OK;
}

enum err config_load(const char *path, struct config *ret, struct err_ctx *err)
{
	char found[CONFIG_PATH_BYTES_MAX];
	enum err rc = find_path(path, found, sizeof(found), err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!found[0]) {
		config_init(ret);
		return ERR_OK;
	}
	struct buf text;
	rc = read_file(found, CONFIG_FILE_BYTES_MAX, &text, err);
	if (rc == ERR_OK) {
		rc = config_parse(buf_str(&text), found, ret, err);
		buf_fini(&text);
	}
	return rc;
}

static void warn_if_open(const char *path, config_warn_cb warn, void *ctx)
{
	struct stat stat_of;
	char text[CONFIG_PATH_BYTES_MAX];
	if (stat(path, &stat_of) == 0 && (stat_of.st_mode & S_IROTH)) {
		(void)snprintf(text, sizeof(text),
			       "%s: everybody may read this password: chmod 600", path);
		warn(ctx, text);
	}
}

/* Where the password of one account comes from, and goes to. */
struct secret_source {
	const char *user;
	const char *variable;
	enum config_index file_key;
	struct secret *to;
};

static enum err secret_from_file(const struct config *config, const struct secret_source *source,
				 config_warn_cb warn, void *ctx, struct err_ctx *err)
{
	const struct config_key *key = &config_keys[source->file_key];
	const char *path = (const char *)&config->values + key->offset;
	struct buf text = { 0 };
	struct str password = STR("");
	if (read_file(path, SECRET_BYTES_MAX, &text, err) != ERR_OK) {
		return err_wrap(err, ERR_CONFIG, "%s: line %u: '%s'", config->path,
				config->lines[source->file_key], key->name);
	}
	warn_if_open(path, warn, ctx);
	struct str rest = buf_str(&text);
	(void)str_next(&rest, '\n', &password);
	enum err rc = secret_set(source->to, str_trim(password));
	if (text.ptr) {
		explicit_bzero(text.ptr, text.cap);
	}
	buf_fini(&text);
	return rc == ERR_OK ? rc : err_set(err, ERR_CONFIG, "%s: the password is too long", path);
}

static enum err load_secret(const struct config *config, const struct secret_source *source,
			    bool needed, config_warn_cb warn, void *ctx, struct err_ctx *err)
{
	const struct config_key *key = &config_keys[source->file_key];
	const char *path = (const char *)&config->values + key->offset;
	const char *value = env_get(source->variable);
	if (value) {
		return secret_set(source->to, str_of(value)) == ERR_OK
			       ? ERR_OK
			       : err_set(err, ERR_CONFIG, "%s is longer than %d bytes",
					 source->variable, (int)SECRET_BYTES_MAX - 1);
	}
	if (path[0]) {
		return secret_from_file(config, source, warn, ctx, err);
	}
	struct err_ctx why = { 0 };
	enum err rc = err_set(&why, ERR_CONFIG,
			      "no password for account '%s': set '%s' in [accounts] or %s",
			      source->user, key->name, source->variable);
	if (needed) {
		return err_set(err, rc, "%s", why.text);
	}
	warn(ctx, why.text);
	return ERR_OK;
}

enum err config_load_secrets(struct config *config, bool needed, config_warn_cb warn, void *ctx,
			     struct err_ctx *err)
{
	const struct secret_source sources[] = {
		{ config->values.accounts_manager_user, "MUSTER_MANAGER_PASSWORD",
		  CONFIG_accounts_manager_password_file, &config->manager_password },
		{ config->values.accounts_replication_user, "MUSTER_REPLICATION_PASSWORD",
		  CONFIG_accounts_replication_password_file, &config->replication_password },
	};
	const struct secret_source webhook = { .file_key = CONFIG_hooks_webhook_secret_file,
					       .to = &config->webhook_secret };
	enum err rc = ERR_OK;
	if (config->values.hooks_webhook_secret_file[0]) {
		rc = secret_from_file(config, &webhook, warn, ctx, err);
	}
	if (rc == ERR_OK && config->values.hooks_webhook_secret_file[0] &&
	    config->webhook_secret.text[0] == 0) {
		rc = err_set(err, ERR_CONFIG, "%s: its first line is empty",
			     config->values.hooks_webhook_secret_file);
	}
	for (size_t i = 0; rc == ERR_OK && i < sizeof(sources) / sizeof(sources[0]); i++) {
		rc = load_secret(config, &sources[i], needed, warn, ctx, err);
	}
	return rc;
}

void config_value_text(const struct config *config, enum config_index index, struct buf *out)
{
	const struct config_key *key = &config_keys[index];
	const void *field = (const char *)&config->values + key->offset;
	if (key->kind == CONFIG_NUMBER) {
		buf_printf(out, "%u", *(const uint32_t *)field);
	} else {
		buf_add_text(out, field);
	}
}

static void add_default(const struct config_key *key, struct buf *out)
{
	if (key->kind == CONFIG_NUMBER) {
		buf_printf(out, "%u", key->default_number);
	} else {
		buf_add_text(out, key->default_text);
	}
}

static void add_range(const struct config_key *key, struct buf *out)
{
	switch (key->kind) {
	case CONFIG_NUMBER:
		buf_printf(out, "%u to %u%s%s", key->min, key->max, key->unit[0] ? " " : "",
			   key->unit);
		break;
	case CONFIG_CHOICE: {
		struct str rest = str_of(key->choices);
		struct str choice;
		for (bool first = true; str_next(&rest, '|', &choice); first = false) {
			buf_printf(out, "%s%.*s", first ? "" : ", ", STR_ARG(choice));
		}
		break;
	}
	case CONFIG_TEXT:
		buf_add_text(out, "text");
		break;
	}
}

void config_sample(struct buf *out)
{
	buf_add_text(
		out,
		"# Configuration of muster. A line without '#' takes the place of the default.\n");
	for (size_t s = 0; s < SECTION_COUNT; s++) {
		buf_printf(out, "\n# %s\n[%s]\n", sections[s].help, sections[s].name);
		for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
			const struct config_key *key = &config_keys[i];
			if (strcmp(key->section, sections[s].name) != 0) {
				continue;
			}
			buf_printf(out, "# %s (", key->help);
			add_range(key, out);
			buf_printf(out, ")\n#%s =", key->name);
			buf_add_text(out,
				     key->kind == CONFIG_NUMBER || key->default_text[0] ? " " : "");
			add_default(key, out);
			buf_add_char(out, '\n');
		}
	}
}

void config_page(struct buf *out)
{
	buf_add_text(out, "# The configuration\n\n"
			  "Made by `muster internal dump-docs config` from `src/base/config.def`; "
			  "a test compares them.\n\n"
			  "A file in the style of my.cnf: `[section]`, `key = value`, comments "
			  "behind `#` or `;`; in names `_` is as\n"
			  "good as `-`. It is the one that `--config` or `$MUSTER_CONFIG` names, "
			  "else `~/.config/muster/muster.cnf`,\n"
			  "else `/etc/muster/muster.cnf`, else the defaults hold. `muster config "
			  "check` finds mistakes,\n"
			  "`muster config show` tells what is in force, `muster config sample` "
			  "prints a file to begin with.\n");
	for (size_t s = 0; s < SECTION_COUNT; s++) {
		buf_printf(out, "\n## [%s]\n\n%s\n\n", sections[s].name, sections[s].help);
		buf_add_text(out, "| key | default | values | in force | meaning |\n"
				  "| --- | --- | --- | --- | --- |\n");
		for (size_t i = 0; i < CONFIG_KEY_COUNT_; i++) {
			const struct config_key *key = &config_keys[i];
			if (strcmp(key->section, sections[s].name) != 0) {
				continue;
			}
			buf_printf(out, "| `%s` | ", key->name);
			add_default(key, out);
			buf_add_text(out, " | ");
			add_range(key, out);
			buf_printf(out, " | %s | %s |\n",
				   key->apply == CONFIG_LIVE ? "at once" : "at the next start",
				   key->help);
		}
	}
}
