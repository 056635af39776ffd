#include "agent/json_read.h"

#include "base/str.h"

enum err json_read_text(const json_t *json, const char *key, char *to, size_t bytes,
			struct err_ctx *err)
{
	const char *text = json_string_value(json_object_get(json, key));
	if (!text || str_copy(str_of(text), to, bytes) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'%s' is missing or too long", key);
	}
	return ERR_OK;
}

enum err json_read_number(const json_t *json, const char *key, uint64_t max, uint64_t *ret,
			  struct err_ctx *err)
{
	const json_t *value = json_object_get(json, key);
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max) {
		return err_set(err, ERR_PARSE, "'%s' is no number up to %llu", key,
			       (unsigned long long)max);
	}
	*ret = (uint64_t)json_integer_value(value);
	return ERR_OK;
}
