#include "api/door.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/json_text.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "os/net.h"

#define DOOR_PREFIX "/node/v1/"

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024 };

struct door {
	struct door_options options;
	struct identity identity;
	struct MHD_Daemon *daemon;
	pthread_mutex_t mutex; /* guards `daemon` while it is exchanged */
	uint16_t port;
	int listen_fd;
};

struct request {
	struct buf body;
};

const char *door_path_name(enum door_path path)
{
	static const char *const names[DOOR_PATH_COUNT_] = { "authority", "join",    "renew",
							     "report",	  "consent", "call" };
	return path < DOOR_PATH_COUNT_ ? names[path] : "?";
}

static enum door_path find_path(const char *path)
{
	unsigned found = 0;
	struct str word = str_of(path);
	if (!str_starts_with(word, STR(DOOR_PREFIX))) {
		return DOOR_PATH_COUNT_;
	}
	word = str_slice(word, sizeof(DOOR_PREFIX) - 1, word.len);
	while (found < DOOR_PATH_COUNT_ &&
	       !str_equal(word, str_of(door_path_name((enum door_path)found)))) {
		found++;
	}
	return (enum door_path)found;
}

/* ---------------------------------------------------------------- answers */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, json_t *value)
{
	struct buf text;
	buf_init(&text, ANSWER_BYTES_MAX);
	json_text_add(&text, value, JSON_COMPACT);
	json_decref(value);
	struct MHD_Response *response =
		buf_finish(&text) == ERR_OK
			? MHD_create_response_from_buffer(text.len, text.ptr, MHD_RESPMEM_MUST_COPY)
			: NULL;
	if (text.len) {
		explicit_bzero(text.ptr, text.len);
	}
	buf_fini(&text);
	if (!response) {
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	enum MHD_Result queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, enum err rc,
				    const struct err_ctx *err)
{
	json_t *text = json_string(err_text(rc, err));
	json_t *value = json_pack("{s:{s:s, s:o}}", "error", "code", err_name(rc), "text",
				  text ? text : json_string(err_text(rc, NULL)));
	check(value);
	return answer(connection, err_http_status(rc), value);
}

/* ---------------------------------------------------------------- who asks */

static void print_address(struct MHD_Connection *connection, char ret[NET_ADDRESS_TEXT_BYTES_MAX])
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const char *text = NULL;
	if (info && info->client_addr->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, info->client_addr, sizeof(v4));
		text = inet_ntop(AF_INET, &v4.sin_addr, ret, NET_ADDRESS_TEXT_BYTES_MAX);
	} else if (info && info->client_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, info->client_addr, sizeof(v6));
		text = inet_ntop(AF_INET6, &v6.sin6_addr, ret, NET_ADDRESS_TEXT_BYTES_MAX);
		if (text && str_starts_with(str_of(ret), STR("::ffff:"))) {
			memmove(ret, ret + 7, strlen(ret + 7) + 1);
		}
	}
	if (!text) {
		ret[0] = 0;
	}
}

/* The certificate that the other side has shown and that our authority has signed. */
static enum err read_peer(struct MHD_Connection *connection, struct identity_facts *ret,
			  struct err_ctx *err)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned status = 0;
	unsigned count = 0;
	gnutls_session_t session = info ? info->tls_session : NULL;
	if (!session || gnutls_certificate_verify_peers2(session, &status) != GNUTLS_E_SUCCESS ||
	    status != 0) {
		return err_set(err, ERR_PRIVILEGE,
			       "a certificate that these managers signed is needed: join first");
	}
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0) {
		return err_set(err, ERR_PRIVILEGE, "no certificate was shown");
	}
	union {
		const unsigned char *bytes;
		const char *text;
	} view = { .bytes = chain[0].data };
	return identity_read_der((struct str){ view.text, chain[0].size }, ret, err);
}

/* ---------------------------------------------------------------- requests */

static enum err read_body(const struct request *request, json_t **ret, struct err_ctx *err)
{
	if (buf_finish(&request->body) != ERR_OK) {
		return err_set(err, ERR_LIMIT, "the body is longer than %d bytes",
			       (int)DOOR_BODY_BYTES_MAX);
	}
	json_t *body = request->body.len == 0
			       ? json_object()
			       : json_loadb((const char *)request->body.ptr, request->body.len,
					    JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		return err_set(err, ERR_USAGE, "the body is no JSON object");
	}
	*ret = body;
	return ERR_OK;
}

static enum MHD_Result dispatch(struct door *door, struct MHD_Connection *connection,
				const char *path_text, const struct request *request)
{
	enum door_path path = find_path(path_text);
	struct identity_facts peer = { 0 };
	char from[NET_ADDRESS_TEXT_BYTES_MAX];
	struct err_ctx err = { 0 };
	json_t *params = NULL;
	json_t *result = NULL;
	bool open = path == DOOR_AUTHORITY || path == DOOR_JOIN;
	enum err rc = ERR_OK;
	if (path == DOOR_PATH_COUNT_) {
		rc = err_set(&err, ERR_NOT_FOUND, "there is nothing here");
	} else if (!open) {
		rc = read_peer(connection, &peer, &err);
	}
	rc = rc ? rc : read_body(request, &params, &err);
	if (rc == ERR_OK) {
		print_address(connection, from);
		rc = door->options.handler(door->options.ctx, path, open ? NULL : &peer, from,
					   params, &result, &err);
	}
	json_decref(params);
	if (rc == ERR_OK) {
		return answer(connection, MHD_HTTP_OK, result);
	}
	if (rc == ERR_PRIVILEGE) {
		log_event(door->options.log, LOG_WARN, "door.refused", err.text,
			  LOG_TEXT("path", path_text), LOG_TEXT("name", peer.name));
	}
	return answer_error(connection, rc, &err);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *piece,
				  size_t *piece_bytes, void **request_ctx)
{
	(void)version;
	(void)method;
	struct request *request = *request_ctx;
	if (!request) {
		request = mem_try(sizeof(*request));
		if (!request) {
			return MHD_NO;
		}
		buf_init(&request->body, DOOR_BODY_BYTES_MAX);
		*request_ctx = request;
		return MHD_YES;
	}
	if (*piece_bytes) {
		buf_add(&request->body, piece, *piece_bytes);
		*piece_bytes = 0;
		return MHD_YES;
	}
	return dispatch(ctx, connection, path, request);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request_ctx,
			 enum MHD_RequestTerminationCode why)
{
	(void)ctx;
	(void)connection;
	(void)why;
	struct request *request = *request_ctx;
	if (request) {
		if (request->body.len) {
			explicit_bzero(request->body.ptr, request->body.len); /* a token's secret */
		}
		buf_fini(&request->body);
		*request_ctx = mem_free(request);
	}
}

PRINTF_LIKE(2, 0) static void on_log(void *ctx, const char *format, va_list args)
{
	const struct door *door = ctx;
	char text[256];
	if (log_wants(door->options.log, LOG_DEBUG)) {
		(void)vsnprintf(text, sizeof(text), format, args);
		text[strcspn(text, "\n")] = 0;
		log_event(door->options.log, LOG_DEBUG, "door.http", text);
	}
}

/* ---------------------------------------------------------------- start and stop */

static enum err start_daemon(struct door *door, struct err_ctx *err)
{
	int fd = dup(door->listen_fd); /* the daemon closes what it is given */
	if (fd >= 0) {
		door->daemon = MHD_start_daemon(
			MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
				MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG | MHD_USE_TLS,
			0, NULL, NULL, on_request, door, MHD_OPTION_EXTERNAL_LOGGER, on_log,
			(void *)door, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
			(unsigned)DOOR_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
			(unsigned)DOOR_CONNECTIONS_PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
			(unsigned)DOOR_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
			(void *)door, MHD_OPTION_HTTPS_MEM_KEY, door->identity.key,
			MHD_OPTION_HTTPS_MEM_CERT, door->identity.certificate,
			MHD_OPTION_HTTPS_MEM_TRUST, door->identity.authority,
			MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
			MHD_OPTION_END);
	}
	if (!door->daemon) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return err_set(err, ERR_IO, "the HTTPS server does not start");
	}
	return ERR_OK;
}

enum err door_start(const struct door_options *options, struct door **ret, struct err_ctx *err)
{
	struct door *door = mem_need(sizeof(*door));
	door->options = *options;
	door->identity = *options->identity;
	door->options.identity = NULL;
	door->options.host = NULL;
	check(pthread_mutex_init(&door->mutex, NULL) == 0);
	door->listen_fd = -1;
	enum err rc = net_listen(options->host, options->port, false, &door->listen_fd, err);
	if (rc == ERR_OK) {
		door->port = net_local_port(door->listen_fd);
		rc = start_daemon(door, err);
	}
	if (rc != ERR_OK) {
		(void)door_stop(door);
		return rc;
	}
	*ret = door;
	return ERR_OK;
}

uint16_t door_port(const struct door *door)
{
	return door->port;
}

enum err door_set_identity(struct door *door, const struct identity *identity, struct err_ctx *err)
{
	(void)pthread_mutex_lock(&door->mutex);
	/* The socket stays open all the while: nobody is refused, some wait a little. */
	MHD_stop_daemon(door->daemon);
	door->daemon = NULL;
	door->identity = *identity;
	enum err rc = start_daemon(door, err);
	(void)pthread_mutex_unlock(&door->mutex);
	return rc;
}

struct door *door_stop(struct door *door)
{
	if (!door) {
		return NULL;
	}
	(void)pthread_mutex_lock(&door->mutex);
	if (door->daemon) {
		MHD_stop_daemon(door->daemon);
	}
	(void)pthread_mutex_unlock(&door->mutex);
	if (door->listen_fd >= 0) {
		(void)close(door->listen_fd);
	}
	(void)pthread_mutex_destroy(&door->mutex);
	identity_wipe(&door->identity);
	return mem_free(door);
}
