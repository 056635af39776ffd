/* A node as it stands in the store: one JSON object under node/NAME. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/identity.h"
#include "base/err.h"
#include "decide/record.h"
#include "proxy/service/service.h"

enum { NODE_RECORD_FORMAT = 1 };

enum node_role {
	NODE_PROXY = 1u << 0,	/* may carry clients */
	NODE_AGENT = 1u << 1,	/* may register the server and the services of its host */
	NODE_MANAGER = 1u << 2, /* takes part in deciding */
};

struct node_record {
	char name[NODE_NAME_BYTES_MAX];
	char id[NODE_ID_BYTES_MAX]; /* of its certificate: an earlier one's is refused */
	uint32_t roles;		    /* enum node_role */
	char host[HOST_BYTES_MAX];  /* where it answers other nodes; empty: not known yet */
	uint16_t port;
	char group[NAME_BYTES_MAX]; /* the group whose clients it carries; empty: none */
	bool draining;
	bool removed;	    /* its certificate is refused; forgotten when its lease is over */
	uint64_t joined_us; /* wall clock */
	char server_group[NAME_BYTES_MAX]; /* the group of the server registered on it; or empty */
	char server[NAME_BYTES_MAX];	   /* its name there */
	/* The services that its proxy listens for: until it says otherwise, or is removed, it may send clients there. */
	uint32_t service_count;
	char services[SERVICES_MAX][SERVICE_NAME_BYTES_MAX];
};

json_t *node_record_write(const struct node_record *record); /* a new reference */

/* Errors: ERR_PARSE. */
MUST_CHECK enum err node_record_read(const json_t *json, struct node_record *ret,
				     struct err_ctx *err);

json_t *node_record_roles(uint32_t roles); /* ["proxy", ...], a new reference */

/* "proxy,agent". Errors: ERR_USAGE. */
MUST_CHECK enum err node_record_parse_roles(struct str text, uint32_t *ret, struct err_ctx *err);
