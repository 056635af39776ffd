#include "manager/services/service_record.h"

#include <string.h>

#include "agent/service_json.h"
#include "base/check.h"
#include "base/mem.h"

json_t *service_record_write(const struct service_record *record)
{
	json_t *backends = json_array();
	for (uint32_t i = 0; i < record->count; i++) {
		const struct service_entry *entry = &record->entries[i];
		json_t *one = service_json_write_backend(&entry->backend);
		check(json_object_del(one, "open") == 0);
		check(json_object_set_new(one, "node", json_string(entry->node)) == 0);
		check(json_object_set_new(one, "draining", json_boolean(entry->draining)) == 0);
		check(json_object_set_new(one, "leaving", json_boolean(entry->leaving)) == 0);
		check(json_array_append_new(backends, one) == 0);
	}
	json_t *json = json_pack("{s:i, s:s, s:o}", "format", SERVICE_RECORD_FORMAT, "name",
				 record->name, "backends", backends);
	check(json);
	return json;
}

static enum err read_entry(const json_t *json, struct service_entry *ret, struct err_ctx *err)
{
	const char *node = json_string_value(json_object_get(json, "node"));
	enum err rc = service_json_read_backend(json, &ret->backend, err);
	if (rc == ERR_OK &&
	    (!node || str_copy(str_of(node), ret->node, sizeof(ret->node)) != ERR_OK)) {
		rc = err_set(err, ERR_PARSE, "'node' is missing or too long");
	}
	ret->draining = json_is_true(json_object_get(json, "draining"));
	ret->leaving = json_is_true(json_object_get(json, "leaving"));
	return rc;
}

enum err service_record_read(const json_t *json, struct service_record *ret, struct err_ctx *err)
{
	CLEANUP(mem_freep) struct service_record *record = mem_need(sizeof(*record));
	const json_t *format = json_object_get(json, "format");
	const json_t *backends = json_object_get(json, "backends");
	struct str name = str_of(json_string_value(json_object_get(json, "name")));
	if (!json_is_integer(format) || json_integer_value(format) != SERVICE_RECORD_FORMAT) {
		return err_set(err, ERR_PARSE, "'format' is not %d", (int)SERVICE_RECORD_FORMAT);
	}
	if (!service_is_name(name) ||
	    str_copy(name, record->name, sizeof(record->name)) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'name' is no service's name");
	}
	if (!json_is_array(backends) || json_array_size(backends) > SERVICE_BACKENDS_MAX) {
		return err_set(err, ERR_PARSE, "'backends' is no list of at most %d",
			       (int)SERVICE_BACKENDS_MAX);
	}
	record->count = (uint32_t)json_array_size(backends);
	for (uint32_t i = 0; i < record->count; i++) {
		enum err rc = read_entry(json_array_get(backends, i), &record->entries[i], err);
		if (rc != ERR_OK) {
			return err_wrap(err, rc, "back end %u", i);
		}
	}
	*ret = *record;
	return ERR_OK;
}

struct service_entry *service_record_find(struct service_record *record, const char *host,
					  uint16_t port)
{
	for (uint32_t i = 0; i < record->count; i++) {
		if (record->entries[i].backend.port == port &&
		    strcmp(record->entries[i].backend.host, host) == 0) {
			return &record->entries[i];
		}
	}
	return NULL;
}
