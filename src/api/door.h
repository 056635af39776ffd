/* The door between nodes: HTTPS with JSON, who calls is known by a certificate of the managers' authority.
 *
 * Every connection has a thread of its own, so a call may block until its deadline. Connections are bounded, in
 * all and by address, and one on which nothing happens is closed.
 */
#pragma once

#include <jansson.h>

#include "agent/identity.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

struct door;

enum {
	DOOR_BODY_BYTES_MAX = 1024 * 1024,
	DOOR_CONNECTIONS_MAX = 512,
	DOOR_CONNECTIONS_PER_ADDRESS_MAX = 64,
	DOOR_IDLE_S = 10,
};

/* What can be asked for; the path behind /node/v1/. */
enum door_path {
	DOOR_AUTHORITY, /* the authority's certificate: anybody */
	DOOR_JOIN,	/* a certificate for a token: anybody */
	DOOR_RENEW,	/* from here on: nodes with a certificate only */
	DOOR_REPORT,
	DOOR_CONSENT,
	DOOR_CALL,
	DOOR_PATH_COUNT_
};

/* Answers one request. peer: who asks, NULL where anybody may; from: its IP address. params: a JSON object, borrowed.
 * ret: a new reference. Called from any thread. */
typedef enum err (*door_handler)(void *ctx, enum door_path path, const struct identity_facts *peer,
				 const char *from, json_t *params, json_t **ret,
				 struct err_ctx *err);

struct door_options {
	const char *host; /* to listen on; borrowed for the start */
	uint16_t port;
	const struct identity *identity; /* copied */
	const struct clock *clock;
	const struct log *log;
	door_handler handler;
	void *ctx;
};

/* Errors: ERR_EXISTS when the port is in use, ERR_IO. */
MUST_CHECK enum err door_start(const struct door_options *options, struct door **ret,
			       struct err_ctx *err);

/* The port that it listens on. */
uint16_t door_port(const struct door *door);

/* Begins to show another certificate to new connections. */
MUST_CHECK enum err door_set_identity(struct door *door, const struct identity *identity,
				      struct err_ctx *err);

/* Waits for the calls under way. Takes NULL, returns NULL. */
struct door *door_stop(struct door *door);

const char *door_path_name(enum door_path path); /* "report" */
