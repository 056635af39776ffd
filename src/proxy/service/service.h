/* Services that are no databases: a name, and the back ends that it is balanced over. Plain data, and its words.
 *
 * The manager makes the table from its record, nodes carry it to their proxies, and those check the back ends
 * themselves: whether a path works only who goes it can tell.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "proxy/routing/route.h"

enum {
	SERVICES_MAX = 16,
	SERVICE_BACKENDS_MAX = 32,
	SERVICE_NAME_BYTES_MAX = ROUTE_NAME_BYTES_MAX,
	SERVICE_PATH_BYTES_MAX = 128,
	SERVICE_CHECK_TEXT_BYTES_MAX = SERVICE_PATH_BYTES_MAX + 8,
	SERVICE_WEIGHT_MAX = 1000,
	SERVICE_WEIGHT_DEFAULT = 100,
	SERVICE_ADDRESS_TEXT_BYTES_MAX = ROUTE_HOST_BYTES_MAX + 8,
};

enum service_check_kind {
	SERVICE_CHECK_TCP,  /* a connection is accepted */
	SERVICE_CHECK_HTTP, /* GET of a path is answered with a status of 200 to 399 */
};

struct service_check {
	enum service_check_kind kind;
	char path[SERVICE_PATH_BYTES_MAX]; /* of SERVICE_CHECK_HTTP */
};

struct service_backend {
	char host[ROUTE_HOST_BYTES_MAX];
	uint16_t port;
	uint32_t weight; /* 1 to SERVICE_WEIGHT_MAX */
	bool open;	 /* takes new connections when it is healthy; else what it has goes on */
	struct service_check check;
};

struct service {
	char name[SERVICE_NAME_BYTES_MAX];
	uint32_t backend_count;
	struct service_backend backends[SERVICE_BACKENDS_MAX];
};

/* Some hundred kilobytes: belongs on the heap. */
struct service_table {
	uint32_t service_count;
	struct service services[SERVICES_MAX];
};

/* One service that a proxy listens for. */
struct service_listen {
	char name[SERVICE_NAME_BYTES_MAX];
	uint16_t port; /* 0: any free one */
};

/* Letters, digits, '-', '_' and '.', and not too long. */
bool service_is_name(struct str name);

/* "tcp" or "http:/path". Errors: ERR_USAGE. */
MUST_CHECK enum err service_check_parse(struct str text, struct service_check *ret,
					struct err_ctx *err);
void service_check_print(const struct service_check *check, struct buf *out);

/* "HOST:PORT", with brackets around an IPv6 address. */
void service_address_print(const char *host, uint16_t port, struct buf *out);

/* "web:8080, api:9000"; empty: none. Errors: ERR_CONFIG: which word, and why. */
MUST_CHECK enum err service_listen_parse(struct str text, struct service_listen ret[SERVICES_MAX],
					 uint32_t *ret_count, struct err_ctx *err);

/* NULL: the table has none of this name. */
const struct service *service_find(const struct service_table *table, const char *name);
