/* A service as it stands in the store: one JSON object under service/NAME, with all its back ends. */
#pragma once

#include <jansson.h>

#include "agent/identity.h"
#include "base/err.h"
#include "proxy/service/service.h"

enum { SERVICE_RECORD_FORMAT = 1 };

/* How a back end stands, as the manager sees it. */
enum service_state {
	SERVICE_UNTOLD,	  /* nobody was told of it yet: it was just read from the store */
	SERVICE_CHECKING, /* no proxy has ended a check of it, or none carries the service */
	SERVICE_UP,	  /* every proxy that carries the service reaches it */
	SERVICE_PARTLY,	  /* some do */
	SERVICE_DOWN,
	SERVICE_SILENT,	  /* the node that registered it has no lease */
	SERVICE_DRAINING, /* it, or its node, was drained by a person */
	SERVICE_LEAVING,  /* it was deregistered: it goes when nothing runs there any more */
	SERVICE_STATE_COUNT_
};

struct service_entry {
	struct service_backend backend; /* `open` is not stored: it follows from the rest */
	char node[NODE_NAME_BYTES_MAX]; /* that registered it; empty: somebody by hand */
	bool draining;
	bool leaving;
	enum service_state told; /* not stored */
};

struct service_record {
	char name[SERVICE_NAME_BYTES_MAX];
	uint32_t count;
	struct service_entry entries[SERVICE_BACKENDS_MAX];
};

json_t *service_record_write(const struct service_record *record); /* a new reference */

/* Errors: ERR_PARSE. */
MUST_CHECK enum err service_record_read(const json_t *json, struct service_record *ret,
					struct err_ctx *err);

/* NULL: it has none with this address. */
struct service_entry *service_record_find(struct service_record *record, const char *host,
					  uint16_t port);
