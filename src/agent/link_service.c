/* Services on the link: what the proxy listens for and how its back ends are goes up, the table comes down. */
#include <string.h>

#include "agent/link_internal.h"
#include "agent/service_json.h"
#include "base/check.h"
#include "base/mem.h"

static const char *const state_names[] = {
	[BALANCE_UNKNOWN] = "checking", [BALANCE_UP] = "up", [BALANCE_DOWN] = "down"
};

json_t *link_service_row(const struct proxy_backend *backend)
{
	json_t *json = json_pack("{s:s, s:s, s:i, s:s, s:I, s:s}", "service", backend->service,
				 "host", backend->host, "port", (int)backend->port, "state",
				 state_names[backend->state], "connections",
				 (json_int_t)backend->connections, "why", backend->why);
	check(json);
	return json;
}

static void add_row(void *ctx, const struct proxy_backend *backend)
{
	json_t *rows = ctx;
	check(json_array_append_new(rows, link_service_row(backend)) == 0);
}

void link_service_report(struct link *link, json_t *report)
{
	struct proxy *proxy = link->options.proxy;
	json_t *names = json_array();
	json_t *rows = json_array();
	const char *name = NULL;
	for (size_t i = 0; proxy && (name = proxy_service(proxy, i)); i++) {
		check(json_array_append_new(names, json_string(name)) == 0);
	}
	/* Whether the table is in force is asked first: what is counted after that only falls where it isn't open. */
	bool in_force = proxy && proxy_services_in_force(proxy);
	if (json_array_size(names)) {
		proxy_each_backend(proxy, add_row, rows);
	}
	json_t *json = json_pack("{s:o, s:s, s:b, s:o}", "names", names, "tag", link->services_tag,
				 "in_force", (int)in_force, "backends", rows);
	check(json && json_object_set_new(report, "services", json) == 0);
}

enum err link_service_take(struct link *link, const json_t *answer, struct err_ctx *err)
{
	const json_t *json = json_object_get(answer, "services");
	const char *tag = json_string_value(json_object_get(answer, "services_tag"));
	if (!json || !link->options.proxy) {
		return ERR_OK;
	}
	CLEANUP(mem_freep) struct service_table *table = mem_need(sizeof(*table));
	enum err rc = service_json_read(json, table, err);
	if (rc != ERR_OK) {
		return err_wrap(err, ERR_PROTOCOL, "services");
	}
	if (!tag ||
	    str_copy(str_of(tag), link->services_tag, sizeof(link->services_tag)) != ERR_OK) {
		return err_set(err, ERR_PROTOCOL, "the services' tag is missing or too long");
	}
	proxy_publish_services(link->options.proxy, table);
	return ERR_OK;
}
