#include "agent/service_json.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

json_t *service_json_write_backend(const struct service_backend *backend)
{
	char text[SERVICE_CHECK_TEXT_BYTES_MAX];
	struct buf check_text;
	buf_init_fixed(&check_text, text, sizeof(text));
	service_check_print(&backend->check, &check_text);
	json_t *json = json_pack("{s:s, s:i, s:I, s:b, s:s}", "host", backend->host, "port",
				 (int)backend->port, "weight", (json_int_t)backend->weight, "open",
				 (int)backend->open, "check", buf_text(&check_text));
	check(json && buf_finish(&check_text) == ERR_OK);
	return json;
}

json_t *service_json_write(const struct service_table *table)
{
	json_t *services = json_array();
	for (uint32_t i = 0; i < table->service_count; i++) {
		const struct service *service = &table->services[i];
		json_t *backends = json_array();
		for (uint32_t k = 0; k < service->backend_count; k++) {
			check(json_array_append_new(backends, service_json_write_backend(
								      &service->backends[k])) == 0);
		}
		json_t *one = json_pack("{s:s, s:o}", "name", service->name, "backends", backends);
		check(one && json_array_append_new(services, one) == 0);
	}
	return services;
}

static enum err read_number(const json_t *json, const char *key, json_int_t min, json_int_t max,
			    uint32_t *ret, struct err_ctx *err)
{
	const json_t *value = json_object_get(json, key);
	if (!json_is_integer(value) || json_integer_value(value) < min ||
	    json_integer_value(value) > max) {
		return err_set(err, ERR_PARSE, "'%s' is no number from %lld to %lld", key,
			       (long long)min, (long long)max);
	}
	*ret = (uint32_t)json_integer_value(value);
	return ERR_OK;
}

enum err service_json_read_backend(const json_t *json, struct service_backend *ret,
				   struct err_ctx *err)
{
	struct service_backend backend = { .open = json_is_true(json_object_get(json, "open")) };
	const char *host = json_string_value(json_object_get(json, "host"));
	struct str check_text = str_of(json_string_value(json_object_get(json, "check")));
	uint32_t port = 0;
	if (!host || !host[0] ||
	    str_copy(str_of(host), backend.host, sizeof(backend.host)) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'host' is missing or too long");
	}
	enum err rc = read_number(json, "port", 1, UINT16_MAX, &port, err);
	rc = rc ? rc : read_number(json, "weight", 1, SERVICE_WEIGHT_MAX, &backend.weight, err);
	if (rc == ERR_OK && service_check_parse(check_text, &backend.check, err) != ERR_OK) {
		rc = ERR_PARSE;
	}
	if (rc == ERR_OK) {
		backend.port = (uint16_t)port;
		*ret = backend;
	}
	return rc;
}

static enum err read_service(const json_t *json, struct service *ret, struct err_ctx *err)
{
	struct str name = str_of(json_string_value(json_object_get(json, "name")));
	const json_t *backends = json_object_get(json, "backends");
	if (!service_is_name(name) || str_copy(name, ret->name, sizeof(ret->name)) != ERR_OK) {
		return err_set(err, ERR_PARSE, "'name' is no service's name");
	}
	if (!json_is_array(backends) || json_array_size(backends) > SERVICE_BACKENDS_MAX) {
		return err_set(err, ERR_PARSE, "'backends' is no list of at most %d",
			       (int)SERVICE_BACKENDS_MAX);
	}
	ret->backend_count = (uint32_t)json_array_size(backends);
	for (uint32_t i = 0; i < ret->backend_count; i++) {
		enum err rc = service_json_read_backend(json_array_get(backends, i),
							&ret->backends[i], err);
		if (rc != ERR_OK) {
			return err_wrap(err, rc, "back end %u", i);
		}
	}
	return ERR_OK;
}

enum err service_json_read(const json_t *json, struct service_table *ret, struct err_ctx *err)
{
	CLEANUP(mem_freep) struct service_table *table = mem_need(sizeof(*table));
	if (!json_is_array(json) || json_array_size(json) > SERVICES_MAX) {
		return err_set(err, ERR_PARSE, "the services are no list of at most %d",
			       (int)SERVICES_MAX);
	}
	table->service_count = (uint32_t)json_array_size(json);
	for (uint32_t i = 0; i < table->service_count; i++) {
		enum err rc = read_service(json_array_get(json, i), &table->services[i], err);
		if (rc != ERR_OK) {
			return err_wrap(err, rc, "service %u", i);
		}
	}
	*ret = *table;
	return ERR_OK;
}
