/* What the commands that talk to `muster run` have in common: which socket, which group, which call. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "api/client.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/config.h"

enum { REQUEST_TIMEOUT_S = 30, REQUEST_GROUP_BYTES_MAX = 256 };

struct request {
	struct cli *cli;
	struct client client;
	char socket_path[CONFIG_TEXT_BYTES_MAX];
	char group[REQUEST_GROUP_BYTES_MAX]; /* set by request_group() */
};

/* Finds the socket: --socket, $MUSTER_SOCKET, the configuration, its default. */
MUST_CHECK enum err request_open(struct cli *cli, const struct args *args, struct request *ret);

/* Sets the group: `word`, or where it is NULL the only one that there is.
 * Errors: ERR_USAGE when there are several (names them), ERR_NOT_FOUND when there is none. */
MUST_CHECK enum err request_group(struct request *request, const char *word);

/* One call; `path` behind /v1. body is borrowed and may be NULL; ret: a new reference. */
MUST_CHECK enum err request_call(struct request *request, const char *http_method, const char *path,
				 const json_t *body, json_t **ret);

/* One call about the group; `rest` stands behind /v1/groups/GROUP. */
MUST_CHECK enum err request_group_call(struct request *request, const char *http_method,
				       const char *rest, const json_t *body, json_t **ret);

/* The text of a field, "" where it is missing or none. */
const char *request_text(const json_t *object, const char *field);
