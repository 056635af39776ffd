#include "proxy/service/service.h"

#include <string.h>

bool service_is_name(struct str name)
{
	bool good = name.len > 0 && name.len < SERVICE_NAME_BYTES_MAX;
	for (size_t i = 0; good && i < name.len; i++) {
		char c = name.ptr[i];
		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		       (i > 0 && (c == '-' || c == '_' || c == '.'));
	}
	return good;
}

/* What may stand in a request's first line as it is: no blank, no control byte. */
static bool is_path(struct str path)
{
	bool good = path.len > 0 && path.len < SERVICE_PATH_BYTES_MAX && path.ptr[0] == '/';
	for (size_t i = 0; good && i < path.len; i++) {
		good = path.ptr[i] > ' ' && path.ptr[i] < 0x7f;
	}
	return good;
}

enum err service_check_parse(struct str text, struct service_check *ret, struct err_ctx *err)
{
	static const struct str http = { "http:", 5 };
	struct service_check check = { .kind = SERVICE_CHECK_TCP };
	if (str_equal(text, STR("tcp"))) {
		*ret = check;
		return ERR_OK;
	}
	struct str path = str_slice(text, http.len, text.len);
	if (!str_starts_with(text, http) || !is_path(path)) {
		return err_set(err, ERR_USAGE,
			       "check '%.*s' is neither 'tcp' nor 'http:/path' of at most %d bytes",
			       (int)(text.len < 80 ? text.len : 80), text.len ? text.ptr : "",
			       (int)SERVICE_PATH_BYTES_MAX - 1);
	}
	check.kind = SERVICE_CHECK_HTTP;
	enum err rc = str_copy(path, check.path, sizeof(check.path));
	if (rc == ERR_OK) {
		*ret = check;
	}
	return rc;
}

void service_check_print(const struct service_check *check, struct buf *out)
{
	if (check->kind == SERVICE_CHECK_HTTP) {
		buf_printf(out, "http:%s", check->path);
	} else {
		buf_add_text(out, "tcp");
	}
}

void service_address_print(const char *host, uint16_t port, struct buf *out)
{
	if (strchr(host, ':')) {
		buf_printf(out, "[%s]:%u", host, (unsigned)port);
	} else {
		buf_printf(out, "%s:%u", host, (unsigned)port);
	}
}

static enum err parse_one(struct str word, struct service_listen *ret, struct err_ctx *err)
{
	struct str rest = word;
	struct str name = STR("");
	uint32_t port = 0;
	if (!str_next(&rest, ':', &name) || !service_is_name(name) ||
	    str_parse_u32(rest, 0, UINT16_MAX, &port) != ERR_OK) {
		return err_set(err, ERR_CONFIG, "'%.*s' is no NAME:PORT like web:8080",
			       (int)(word.len < 80 ? word.len : 80), word.len ? word.ptr : "");
	}
	*ret = (struct service_listen){ .port = (uint16_t)port };
	return str_copy(name, ret->name, sizeof(ret->name));
}

enum err service_listen_parse(struct str text, struct service_listen ret[SERVICES_MAX],
			      uint32_t *ret_count, struct err_ctx *err)
{
	struct service_listen list[SERVICES_MAX] = { 0 };
	struct str rest = str_trim(text);
	struct str word;
	uint32_t count = 0;
	while (str_next(&rest, ',', &word)) {
		if (count == SERVICES_MAX) {
			return err_set(err, ERR_CONFIG, "more than %d services", (int)SERVICES_MAX);
		}
		enum err rc = parse_one(str_trim(word), &list[count], err);
		for (uint32_t i = 0; rc == ERR_OK && i < count; i++) {
			if (strcmp(list[i].name, list[count].name) == 0) {
				rc = err_set(err, ERR_CONFIG, "service '%s' stands there twice",
					     list[i].name);
			}
		}
		if (rc != ERR_OK) {
			return rc;
		}
		count++;
	}
	memcpy(ret, list, count * sizeof(list[0]));
	*ret_count = count;
	return ERR_OK;
}

const struct service *service_find(const struct service_table *table, const char *name)
{
	for (uint32_t i = 0; i < table->service_count; i++) {
		if (strcmp(table->services[i].name, name) == 0) {
			return &table->services[i];
		}
	}
	return NULL;
}
