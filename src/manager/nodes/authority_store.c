#include "manager/nodes/authority_store.h"

#include <jansson.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/store.h"

#define AUTHORITY_KEY "authority"

enum { VALUE_BYTES_MAX = 4 * IDENTITY_PEM_BYTES_MAX };

static enum err read(struct store *store, struct authority *ret, struct err_ctx *err)
{
	struct buf text;
	uint64_t version = 0;
	buf_init(&text, VALUE_BYTES_MAX);
	enum err rc = store_get(store, STR(AUTHORITY_KEY), &text, &version, err);
	json_t *json = rc == ERR_OK ? json_loadb((const char *)text.ptr, text.len, 0, NULL) : NULL;
	const char *key = json_string_value(json_object_get(json, "key"));
	const char *certificate = json_string_value(json_object_get(json, "certificate"));
	if (rc == ERR_OK &&
	    (!key || !certificate || str_copy(str_of(key), ret->key, sizeof(ret->key)) != ERR_OK ||
	     str_copy(str_of(certificate), ret->certificate, sizeof(ret->certificate)) != ERR_OK)) {
		rc = err_set(err, ERR_PARSE, "the store's '%s' can't be read", AUTHORITY_KEY);
	}
	json_decref(json);
	if (text.len) {
		explicit_bzero(text.ptr, text.len);
	}
	buf_fini(&text);
	return rc;
}

static enum err make(struct store *store, uint64_t wall_us, struct err_ctx *err)
{
	struct authority made;
	enum err rc = authority_make(wall_us, &made, err);
	if (rc != ERR_OK) {
		return rc;
	}
	json_t *json = json_pack("{s:s, s:s}", "key", made.key, "certificate", made.certificate);
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	check(text);
	const struct store_change change = { .key = STR(AUTHORITY_KEY),
					     .value = str_of(text),
					     .check_version = true };
	rc = store_commit(store, &change, 1, err);
	explicit_bzero(text, strlen(text));
	mem_free(text);
	explicit_bzero(&made, sizeof(made));
	/* Somebody else was faster: theirs is read. */
	return rc == ERR_CONFLICT ? ERR_OK : rc;
}

enum err authority_store_load(struct store *store, uint64_t wall_us, struct authority *ret,
			      struct err_ctx *err)
{
	enum err rc = read(store, ret, err);
	if (rc != ERR_NOT_FOUND) {
		return rc;
	}
	rc = make(store, wall_us, err);
	return rc ? rc : read(store, ret, err);
}
