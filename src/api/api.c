#include "api/api.h"

#include <inttypes.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api_socket.h"
#include "api/json_text.h"
#include "api/route_table.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "manager/manager.h"

enum {
	STREAM_WAIT_US = 100 * US_PER_MS,   /* how soon a stream notices the end */
	STREAM_BATCH = 100,		    /* events taken at once */
	STREAM_BYTES_MAX = 8 * 1024 * 1024, /* of a batch */
	STREAM_BLOCK_BYTES = 16 * 1024,
	STREAM_IDLE_US =
		10 * US_PER_S, /* then an empty line finds out whether the client is there */
	ANSWER_BYTES_MAX = 64 * 1024 * 1024,
	IDLE_TIMEOUT_S = API_TIMEOUT_MS_MAX / 1000 + 60,
};

struct api {
	struct api_options options;
	struct MHD_Daemon *daemon;
	_Atomic bool stopping;
};

/* One request while its body arrives. */
struct request {
	struct buf body;
};

/* One client that follows the events. */
struct stream {
	struct api *api;
	char group[ROUTE_NAME_BYTES_MAX];
	bool has_group;
	uint64_t after_id;
	uint64_t idle_since_us;
	struct buf lines; /* not sent yet */
};

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
	/* Words of a server may hold bytes that are no UTF-8: then the code has to do. */
	json_t *text = json_string(err_text(rc, err));
	json_t *value = json_pack("{s:{s:s, s:o}}", "error", "code", err_name(rc), "text",
				  text ? text : json_string(err_text(rc, NULL)));
	check(value);
	return answer(connection, err_http_status(rc), value);
}

static const char *query(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum err query_number(struct MHD_Connection *connection, const char *name, uint64_t min,
			     uint64_t max, uint64_t *value, struct err_ctx *err)
{
	const char *text = query(connection, name);
	if (text && str_parse_u64(str_of(text), min, max, value) != ERR_OK) {
		return err_set(err, ERR_USAGE,
			       "'%s' is a whole number from %" PRIu64 " to %" PRIu64, name, min,
			       max);
	}
	return ERR_OK;
}

/* Fills `lines` with what came since, or waits a little. */
static void stream_refill(struct stream *stream)
{
	struct api *api = stream->api;
	json_t *events =
		manager_events(api->options.manager, stream->has_group ? stream->group : NULL,
			       stream->after_id, STREAM_BATCH);
	size_t index;
	json_t *event;
	uint64_t now_us = clock_monotonic_us(api->options.clock);
	json_array_foreach(events, index, event)
	{
		json_text_add(&stream->lines, event, JSON_COMPACT);
		buf_add_char(&stream->lines, '\n');
		stream->after_id = (uint64_t)json_integer_value(json_object_get(event, "id"));
		stream->idle_since_us = now_us;
	}
	if (json_array_size(events) == 0) {
		if (now_us - stream->idle_since_us > STREAM_IDLE_US) {
			buf_add_char(&stream->lines, '\n');
			stream->idle_since_us = now_us;
		} else {
			(void)manager_events_wait(api->options.manager, stream->after_id,
						  STREAM_WAIT_US);
		}
	}
	json_decref(events);
}

static ssize_t stream_read(void *ctx, uint64_t position, char *to, size_t bytes_max)
{
	(void)position;
	struct stream *stream = ctx;
	while (stream->lines.len == 0) {
		if (atomic_load(&stream->api->stopping)) {
			return MHD_CONTENT_READER_END_OF_STREAM;
		}
		stream_refill(stream);
		if (buf_finish(&stream->lines) != ERR_OK) {
			return MHD_CONTENT_READER_END_WITH_ERROR;
		}
	}
	size_t count = stream->lines.len < bytes_max ? stream->lines.len : bytes_max;
	memcpy(to, stream->lines.ptr, count);
	buf_consume(&stream->lines, count);
	return (ssize_t)count;
}

static void stream_free(void *ctx)
{
	struct stream *stream = ctx;
	buf_fini(&stream->lines);
	mem_free(stream);
}

static enum MHD_Result answer_stream(struct api *api, struct MHD_Connection *connection,
				     const char *group, uint64_t after_id)
{
	struct stream *stream = mem_need(sizeof(*stream));
	*stream = (struct stream){ .api = api,
				   .has_group = group != NULL,
				   .after_id = after_id,
				   .idle_since_us = clock_monotonic_us(api->options.clock) };
	buf_init(&stream->lines, STREAM_BYTES_MAX);
	if (group && str_copy(str_of(group), stream->group, sizeof(stream->group)) != ERR_OK) {
		stream_free(stream);
		struct err_ctx err = { 0 };
		enum err rc = err_set(&err, ERR_NOT_FOUND, "no group '%.100s'", group);
		return answer_error(connection, rc, &err);
	}
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, stream_read, stream, stream_free);
	if (!response) {
		stream_free(stream);
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				      "application/x-ndjson");
	enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result answer_events(struct api *api, struct MHD_Connection *connection)
{
	uint64_t after_id = 0;
	uint64_t limit = API_EVENTS_MAX;
	uint64_t follow = 0;
	struct err_ctx err = { 0 };
	if (!api->options.manager) {
		enum err rc = err_set(&err, ERR_REFUSED,
				      "there is no manager here: ask for the events on its host");
		return answer_error(connection, rc, &err);
	}
	enum err rc = query_number(connection, "after", 0, INT64_MAX, &after_id, &err);
	if (rc == ERR_OK) {
		rc = query_number(connection, "limit", 1, API_EVENTS_MAX, &limit, &err);
	}
	if (rc == ERR_OK) {
		rc = query_number(connection, "follow", 0, 1, &follow, &err);
	}
	if (rc != ERR_OK) {
		return answer_error(connection, rc, &err);
	}
	if (follow) {
		return answer_stream(api, connection, query(connection, "group"), after_id);
	}
	json_t *events = manager_events(api->options.manager, query(connection, "group"), after_id,
					(uint32_t)limit);
	json_t *value = json_pack("{s:o}", "events", events);
	check(value);
	return answer(connection, MHD_HTTP_OK, value);
}

/* The body's fields become parameters; those of the path stand. */
static enum err add_body(const struct request *request, json_t *params, struct err_ctx *err)
{
	json_error_t where;
	if (buf_finish(&request->body) != ERR_OK) {
		return err_set(err, ERR_LIMIT, "the body is longer than %d bytes",
			       (int)API_BODY_BYTES_MAX);
	}
	if (request->body.len == 0) {
		return ERR_OK;
	}
	json_t *body = json_loadb((const char *)request->body.ptr, request->body.len,
				  JSON_REJECT_DUPLICATES, &where);
	if (!body) {
		return err_set(err, ERR_USAGE, "the body is no JSON: line %d, column %d: %s",
			       where.line, where.column, where.text);
	}
	enum err rc = ERR_OK;
	if (!json_is_object(body)) {
		rc = err_set(err, ERR_USAGE, "the body is no JSON object");
	} else if (json_object_update_missing(params, body) != 0) {
		rc = err_set(err, ERR_NOMEM, "out of memory");
	}
	json_decref(body);
	return rc;
}

/* What changes something is logged with who asked. */
static void log_request(const struct api *api, struct MHD_Connection *connection,
			const struct route_row *row, const char *path)
{
	struct ucred peer = { 0 };
	socklen_t peer_bytes = sizeof(peer);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info) {
		(void)getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes);
	}
	enum log_level level = strcmp(row->http_method, "GET") == 0 ? LOG_DEBUG : LOG_INFO;
	log_event(api->options.log, level, "api.call", row->call, LOG_TEXT("path", path),
		  LOG_U64("pid", (uint64_t)peer.pid), LOG_U64("uid", peer.uid));
}

static enum err run_call(struct api *api, const char *method, json_t *params, uint64_t timeout_ms,
			 json_t **ret, struct err_ctx *err)
{
	const struct api_options *options = &api->options;
	if (!options->manager ||
	    (options->is_for_call && options->is_for_call(options->ctx, method, params))) {
		return api->options.call(api->options.ctx, method, params, (uint32_t)timeout_ms,
					 ret, err);
	}
	uint64_t deadline_us = clock_monotonic_us(api->options.clock) + timeout_ms * US_PER_MS;
	return manager_call(api->options.manager, method, params, deadline_us, ret, err);
}

static enum MHD_Result answer_call(struct api *api, struct MHD_Connection *connection,
				   const struct route_row *row, const char *path,
				   const struct request *request, json_t *params)
{
	uint64_t timeout_ms = API_TIMEOUT_MS;
	struct err_ctx err = { 0 };
	json_t *result = NULL;
	enum err rc =
		query_number(connection, "timeout_ms", 1, API_TIMEOUT_MS_MAX, &timeout_ms, &err);
	if (rc == ERR_OK) {
		rc = add_body(request, params, &err);
	}
	if (rc == ERR_OK) {
		log_request(api, connection, row, path);
		rc = run_call(api, row->call, params, timeout_ms, &result, &err);
	}
	return rc == ERR_OK ? answer(connection, MHD_HTTP_OK, result)
			    : answer_error(connection, rc, &err);
}

static enum MHD_Result dispatch(struct api *api, struct MHD_Connection *connection,
				const char *method, const char *path, const struct request *request)
{
	const struct route_row *row = NULL;
	struct err_ctx err = { 0 };
	enum MHD_Result done = MHD_NO;
	json_t *params = json_object();
	enum err rc = route_find(method, path, params, &row, &err);
	if (rc != ERR_OK) {
		json_decref(params);
		return answer_error(connection, rc, &err);
	}
	switch (row->kind) {
	case ROUTE_CALL:
		done = answer_call(api, connection, row, path, request, params);
		break;
	case ROUTE_EVENTS:
		done = answer_events(api, connection);
		break;
	case ROUTE_OPENAPI:
		done = answer(connection, MHD_HTTP_OK, route_openapi());
		break;
	}
	json_decref(params);
	return done;
}

/* Called by libmicrohttpd first with the headers, then with pieces of the body, then with none. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *piece,
				  size_t *piece_bytes, void **request_ctx)
{
	(void)version;
	struct request *request = *request_ctx;
	if (!request) {
		request = mem_need(sizeof(*request));
		buf_init(&request->body, API_BODY_BYTES_MAX);
		*request_ctx = request;
		return MHD_YES;
	}
	if (*piece_bytes) {
		buf_add(&request->body, piece, *piece_bytes);
		*piece_bytes = 0;
		return MHD_YES;
	}
	return dispatch(ctx, connection, method, path, request);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request_ctx,
			 enum MHD_RequestTerminationCode why)
{
	(void)ctx;
	(void)connection;
	(void)why;
	struct request *request = *request_ctx;
	if (request) {
		buf_fini(&request->body);
		*request_ctx = mem_free(request);
	}
}

PRINTF_LIKE(2, 0) static void on_log(void *ctx, const char *format, va_list args)
{
	const struct api *api = ctx;
	char text[256];
	if (log_wants(api->options.log, LOG_DEBUG)) {
		(void)vsnprintf(text, sizeof(text), format, args);
		text[strcspn(text, "\n")] = 0;
		log_event(api->options.log, LOG_DEBUG, "api.http", text);
	}
}

enum err api_start(const struct api_options *options, struct api **ret, struct err_ctx *err)
{
	int fd = -1;
	enum err rc = api_socket_listen(options->socket_path, &fd, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct api *api = mem_need(sizeof(*api));
	api->options = *options;
	/* The logger stands first, since the options behind it may already need it. */
	api->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
			MHD_USE_ITC | MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, api, MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)api,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)API_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, (void *)api,
		MHD_OPTION_END);
	if (!api->daemon) {
		(void)close(fd);
		(void)unlink(options->socket_path);
		mem_free(api);
		return err_set(err, ERR_IO, "socket '%s': the HTTP server does not start",
			       options->socket_path);
	}
	*ret = api;
	return ERR_OK;
}

struct api *api_stop(struct api *api)
{
	if (!api) {
		return NULL;
	}
	/* Nobody finds the socket any more before its process stops answering. */
	(void)unlink(api->options.socket_path);
	atomic_store(&api->stopping, true);
	MHD_stop_daemon(api->daemon);
	return mem_free(api);
}
