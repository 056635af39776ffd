#include "store/store_place.h"

#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "store/store_sqlite.h"

enum { TIMEOUT_MS_MIN = 50, TIMEOUT_MS_MAX = 60000, TIMEOUT_MS_DEFAULT = 1000 };

struct store_etcd_options store_place_etcd(const struct store_place *place,
					   const struct clock *clock)
{
	return (struct store_etcd_options){
		.endpoints = place->endpoints,
		.prefix = place->prefix,
		.ca_file = place->ca_file,
		.cert_file = place->cert_file,
		.key_file = place->key_file,
		.user = place->user,
		.password = &place->password,
		.timeout_ms = place->timeout_ms,
		.clock = clock,
	};
}

enum err store_place_read_password(struct store_place *place, struct err_ctx *err)
{
	char memory[SECRET_BYTES_MAX];
	struct buf text;
	struct str rest;
	struct str line = STR("");
	if (!place->password_file[0]) {
		return ERR_OK;
	}
	buf_init_fixed(&text, memory, sizeof(memory));
	struct err_ctx why = { 0 };
	enum err rc = file_read(place->password_file, &text, &why);
	rest = buf_str(&text);
	(void)str_next(&rest, '\n', &line);
	rc = rc ? err_set(err, ERR_CONFIG, "the store's password: %s", why.text)
		: secret_set(&place->password, str_trim(line));
	explicit_bzero(memory, sizeof(memory));
	return rc;
}

enum err store_place_open(const struct store_place *place, const char *writer,
			  const struct clock *clock, struct store **ret, struct err_ctx *err)
{
	const struct store_etcd_options etcd = store_place_etcd(place, clock);
	switch (place->kind) {
	case STORE_SQLITE:
		return store_open_sqlite(place->path, ret, err);
	case STORE_ETCD:
		return store_open_etcd(&etcd, writer, ret, err);
	}
	return err_set(err, ERR_CONFIG, "unknown kind of store");
}

void store_place_text(const struct store_place *place, char *ret, size_t ret_bytes)
{
	if (place->kind == STORE_SQLITE) {
		(void)snprintf(ret, ret_bytes, "sqlite:%s", place->path);
	} else {
		(void)snprintf(ret, ret_bytes, "etcd:%s%s", place->endpoints, place->prefix);
	}
}

bool store_place_is(const struct store_place *a, const struct store_place *b)
{
	if (a->kind != b->kind) {
		return false;
	}
	return a->kind == STORE_SQLITE ? strcmp(a->path, b->path) == 0
				       : strcmp(a->endpoints, b->endpoints) == 0 &&
						 strcmp(a->prefix, b->prefix) == 0;
}

/* ---------------------------------------------------------------- as JSON */

struct field {
	const char *name;
	size_t offset;
	size_t bytes;
};

#define FIELD(name) \
	{ \
#name, offsetof(struct store_place, name), \
			sizeof(((struct store_place *)NULL)->name) \
	}
static const struct field fields[] = {
	FIELD(path),	  FIELD(endpoints), FIELD(prefix), FIELD(ca_file),
	FIELD(cert_file), FIELD(key_file),  FIELD(user),   FIELD(password_file),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

json_t *store_place_to_json(const struct store_place *place)
{
	json_t *json =
		json_pack("{s:s, s:i}", "kind", place->kind == STORE_SQLITE ? "sqlite" : "etcd",
			  "timeout_ms", (int)place->timeout_ms);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const char *text = (const char *)place + fields[i].offset;
		if (text[0]) {
			(void)json_object_set_new(json, fields[i].name, json_string(text));
		}
	}
	return json;
}

enum err store_place_from_json(const json_t *json, struct store_place *ret, struct err_ctx *err)
{
	struct store_place place = { 0 };
	const char *kind = json_string_value(json_object_get(json, "kind"));
	const json_t *timeout = json_object_get(json, "timeout_ms");
	json_int_t timeout_ms = timeout ? json_integer_value(timeout) : TIMEOUT_MS_DEFAULT;
	if (!kind || (strcmp(kind, "sqlite") != 0 && strcmp(kind, "etcd") != 0)) {
		return err_set(err, ERR_USAGE, "store: `kind` is none of sqlite, etcd");
	}
	place.kind = strcmp(kind, "sqlite") == 0 ? STORE_SQLITE : STORE_ETCD;
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const json_t *value = json_object_get(json, fields[i].name);
		struct str text = { json_string_value(value), json_string_length(value) };
		if (value && (!json_is_string(value) || memchr(text.ptr, 0, text.len) ||
			      str_copy(text, (char *)&place + fields[i].offset, fields[i].bytes) !=
				      ERR_OK)) {
			return err_set(err, ERR_USAGE, "store: `%s` is no text, or too long",
				       fields[i].name);
		}
	}
	if (timeout_ms < TIMEOUT_MS_MIN || timeout_ms > TIMEOUT_MS_MAX) {
		return err_set(err, ERR_USAGE, "store: `timeout_ms`: %d to %d is needed",
			       (int)TIMEOUT_MS_MIN, (int)TIMEOUT_MS_MAX);
	}
	if (place.kind == STORE_SQLITE ? !place.path[0] : !place.endpoints[0]) {
		return err_set(err, ERR_USAGE, "store: `%s` is missing",
			       place.kind == STORE_SQLITE ? "path" : "endpoints");
	}
	place.timeout_ms = (uint32_t)timeout_ms;
	*ret = place;
	return ERR_OK;
}
