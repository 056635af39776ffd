#include "store/etcd_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/etcd_message.h"

enum {
	CONNECT_MS_MAX = 300,
	ATTEMPT_MS_MIN = 50,
	AGAIN_PAUSE_MS = 50, /* before all endpoints are asked once more */
	URL_BYTES_MAX = 256,
	TOKEN_BYTES_MAX = 4096,
	BODY_BYTES_MAX = 192 * 1024 * 1024,
	LINE_BYTES_MAX = 64 * 1024 * 1024,
	KEEP_ALIVE_S = 5,
	LOGIN_MS_MIN =
		3000, /* etcd's hash of a password takes its time, all the more on a busy host */
	WORDS_BYTES_MAX = 160, /* of an answer that isn't understood */
};

/* gRPC status codes. Source: grpc/codes. */
enum {
	CODE_CANCELLED = 1,
	CODE_INVALID = 3,
	CODE_DEADLINE = 4,
	CODE_PERMISSION = 7,
	CODE_EXHAUSTED = 8,
	CODE_UNAVAILABLE = 14,
	CODE_UNAUTHENTICATED = 16,
};

struct etcd_client {
	const struct clock *clock;
	char endpoints[STORE_ETCD_ENDPOINTS_MAX][URL_BYTES_MAX];
	size_t endpoint_count;
	size_t good; /* the one that answered last */
	char *ca_file;
	char *cert_file;
	char *key_file;
	char *user;
	struct secret password;
	char token[TOKEN_BYTES_MAX]; /* "": not logged in */
	CURL *curl;
	CURLM *multi; /* of streams */
	struct buf body;
	char words[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
	check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static enum err add_endpoint(struct etcd_client *client, struct str url, struct err_ctx *err)
{
	bool http = str_starts_with(url, STR("http://"));
	if (!http && !str_starts_with(url, STR("https://"))) {
		return err_set(err, ERR_CONFIG,
			       "etcd endpoint '%.*s': http://HOST:PORT or https://HOST:PORT is "
			       "needed",
			       STR_ARG(str_slice(url, 0, 200)));
	}
	while (str_ends_with(url, STR("/"))) {
		url.len--;
	}
	if (client->endpoint_count == STORE_ETCD_ENDPOINTS_MAX ||
	    str_copy(url, client->endpoints[client->endpoint_count], URL_BYTES_MAX) != ERR_OK) {
		return err_set(err, ERR_CONFIG,
			       "etcd endpoints: at most %d of at most %d characters each",
			       (int)STORE_ETCD_ENDPOINTS_MAX, (int)URL_BYTES_MAX - 1);
	}
	client->endpoint_count++;
	return ERR_OK;
}

static char *copy_or_null(const char *text)
{
	return text && text[0] ? mem_dup_text(text, strlen(text)) : NULL;
}

enum err etcd_client_new(const struct store_etcd_options *options, struct etcd_client **ret,
			 struct err_ctx *err)
{
	check(pthread_once(&curl_once, start_curl) == 0);
	struct etcd_client *client = mem_need(sizeof(*client));
	struct str rest = str_of(options->endpoints);
	struct str url;
	enum err rc = ERR_OK;
	while (rc == ERR_OK && str_next(&rest, ',', &url)) {
		url = str_trim(url);
		rc = url.len ? add_endpoint(client, url, err) : ERR_OK;
	}
	if (rc == ERR_OK && client->endpoint_count == 0) {
		rc = err_set(err, ERR_CONFIG, "no etcd endpoint is configured");
	}
	client->clock = options->clock;
	client->ca_file = copy_or_null(options->ca_file);
	client->cert_file = copy_or_null(options->cert_file);
	client->key_file = copy_or_null(options->key_file);
	client->user = copy_or_null(options->user);
	if (options->password) {
		client->password = *options->password;
	}
	buf_init(&client->body, BODY_BYTES_MAX);
	client->curl = curl_easy_init();
	client->multi = curl_multi_init();
	check(client->curl && client->multi);
	if (rc != ERR_OK) {
		(void)etcd_client_free(client);
		return rc;
	}
	*ret = client;
	return ERR_OK;
}

struct etcd_client *etcd_client_free(struct etcd_client *client)
{
	if (client) {
		curl_easy_cleanup(client->curl);
		(void)curl_multi_cleanup(client->multi);
		buf_fini(&client->body);
		secret_wipe(&client->password);
		explicit_bzero(client->token, sizeof(client->token));
		mem_free(client->ca_file);
		mem_free(client->cert_file);
		mem_free(client->key_file);
		mem_free(client->user);
	}
	return mem_free(client);
}

size_t etcd_client_endpoint_count(const struct etcd_client *client)
{
	return client->endpoint_count;
}

const char *etcd_client_endpoint(const struct etcd_client *client, size_t endpoint)
{
	return client->endpoints[endpoint];
}

/* ---------------------------------------------------------------- one request */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct etcd_client *client = ctx;
	buf_add(&client->body, bytes, size * count);
	return buf_finish(&client->body) == ERR_OK ? size * count : 0;
}

/* What all requests have in common. The strings stay the caller's until the request is over. */
static struct curl_slist *set_up(struct etcd_client *client, const char *url, const char *request)
{
	CURL *curl = client->curl;
	char header[TOKEN_BYTES_MAX + 32];
	curl_easy_reset(curl);
	client->words[0] = 0;
	buf_clear(&client->body);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	/* A member that has lost its leader says so at once instead of waiting for one.
	 * Source: etcd, etcdserver/api/v3rpc/rpctypes/md.go; grpc-gateway hands these headers on. */
	headers = curl_slist_append(headers, "Grpc-Metadata-hasleader: true");
	if (client->token[0]) {
		(void)snprintf(header, sizeof(header), "Authorization: %s", client->token);
		headers = curl_slist_append(headers, header);
		explicit_bzero(header, sizeof(header));
	}
	check(headers);
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	code = code ? code
		    : curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_PROXY, "");
	code = code ? code : curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, (long)KEEP_ALIVE_S);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->words);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
	code = code ? code
		    : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX);
	if (client->ca_file) {
		code = code ? code : curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
	}
	if (client->cert_file) {
		code = code ? code : curl_easy_setopt(curl, CURLOPT_SSLCERT, client->cert_file);
	}
	if (client->key_file) {
		code = code ? code : curl_easy_setopt(curl, CURLOPT_SSLKEY, client->key_file);
	}
	check(code == CURLE_OK);
	return headers;
}

static enum err say_curl(const struct etcd_client *client, const char *url, CURLcode code,
			 struct err_ctx *err)
{
	if (buf_finish(&client->body) != ERR_OK) {
		return err_set(err, ERR_LIMIT, "%s: the answer is too long", url);
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		return err_set(err, ERR_UNREACHABLE, "%s: no answer in time", url);
	}
	const char *words = client->words[0] ? client->words : curl_easy_strerror(code);
	return err_set(err, ERR_UNREACHABLE, "%s: %s", url, words);
}

/* What an error of etcd means here. */
static enum err say_etcd(const char *url, const char *words, int code, struct err_ctx *err)
{
	struct str text = str_of(words);
	if (str_starts_with(text, STR("etcdserver: "))) {
		words += sizeof("etcdserver: ") - 1;
	}
	if (str_contains(text, STR("database space exceeded"))) {
		return err_set(err, ERR_IO,
			       "%s: etcd's space quota is used up: compact, defragment and disarm "
			       "its alarm",
			       url);
	}
	if (str_contains(text, STR("too large")) || code == CODE_EXHAUSTED) {
		return err_set(err, ERR_LIMIT, "%s: %s", url, words);
	}
	if (code == CODE_PERMISSION || code == CODE_UNAUTHENTICATED ||
	    str_contains(text, STR("authentication failed")) ||
	    str_contains(text, STR("user name is empty"))) {
		return err_set(err, ERR_PRIVILEGE, "%s: %s", url, words);
	}
	if (code == CODE_UNAVAILABLE || code == CODE_DEADLINE || code == CODE_CANCELLED) {
		return err_set(err, ERR_UNREACHABLE, "%s: %s", url, words);
	}
	return err_set(err, code == CODE_INVALID ? ERR_PROTOCOL : ERR_SERVER, "%s: %s", url, words);
}

static bool wants_login(const char *words, int code)
{
	struct str text = str_of(words);
	return code == CODE_UNAUTHENTICATED || str_contains(text, STR("invalid auth token")) ||
	       str_contains(text, STR("auth store is old")) ||
	       str_contains(text, STR("user name is empty"));
}

static enum err read_answer(struct etcd_client *client, const char *url, json_t **ret,
			    bool *ret_login, struct err_ctx *err)
{
	const char *words = NULL;
	int grpc_code = 0;
	long status = 0;
	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	json_t *answer = json_loadb((const char *)client->body.ptr, client->body.len, 0, NULL);
	if (status == 200 && json_is_object(answer)) {
		*ret = answer;
		return ERR_OK;
	}
	enum err rc;
	if (json_is_object(answer) && etcd_message_is_error(answer, &words, &grpc_code)) {
		*ret_login = wants_login(words, grpc_code);
		rc = say_etcd(url, words, grpc_code, err);
	} else {
		struct str text = str_trim(str_slice(buf_str(&client->body), 0, WORDS_BYTES_MAX));
		rc = err_set(err, ERR_PROTOCOL,
			     "%s: that is no answer of etcd: HTTP status %ld: %.*s", url, status,
			     STR_ARG(text));
	}
	json_decref(answer);
	return rc;
}

/* One attempt at one endpoint. ret_login: it wants a new log-in. */
static enum err attempt(struct etcd_client *client, size_t endpoint, const char *path,
			const char *request, uint64_t deadline_us, json_t **ret, bool *ret_login,
			struct err_ctx *err)
{
	char url[URL_BYTES_MAX + 64];
	const char *base = client->endpoints[endpoint];
	uint64_t now_us = clock_monotonic_us(client->clock);
	uint64_t left_ms = deadline_us > now_us ? (deadline_us - now_us) / US_PER_MS : 0;
	*ret_login = false;
	(void)snprintf(url, sizeof(url), "%s%s", base, path);
	struct curl_slist *headers = set_up(client, url, request);
	check(curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS,
			       (long)(left_ms > ATTEMPT_MS_MIN ? left_ms : ATTEMPT_MS_MIN)) ==
	      CURLE_OK);
	CURLcode code = curl_easy_perform(client->curl);
	curl_slist_free_all(headers);
	return code == CURLE_OK ? read_answer(client, base, ret, ret_login, err)
				: say_curl(client, base, code, err);
}

static enum err log_in(struct etcd_client *client, size_t endpoint, uint64_t deadline_us,
		       struct err_ctx *err)
{
	bool ignored;
	json_t *answer = NULL;
	json_t *request =
		json_pack("{s:s, s:s}", "name", client->user, "password", client->password.text);
	char *text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	client->token[0] = 0;
	uint64_t least_us = clock_monotonic_us(client->clock) + (uint64_t)LOGIN_MS_MIN * US_PER_MS;
	enum err rc =
		attempt(client, endpoint, "/v3/auth/authenticate", text,
			deadline_us > least_us ? deadline_us : least_us, &answer, &ignored, err);
	explicit_bzero(text, strlen(text));
	mem_free(text);
	const char *token = json_string_value(json_object_get(answer, "token"));
	if (rc == ERR_OK &&
	    (!token || str_copy(str_of(token), client->token, TOKEN_BYTES_MAX) != ERR_OK)) {
		rc = err_set(err, ERR_PROTOCOL, "%s: no token in the answer to the log-in",
			     client->endpoints[endpoint]);
	}
	json_decref(answer);
	return rc;
}

/* One attempt with its log-in, if it needs one. */
static enum err attempt_logged_in(struct etcd_client *client, size_t endpoint, const char *path,
				  const char *request, uint64_t deadline_us, json_t **ret,
				  struct err_ctx *err)
{
	bool login = client->user && !client->token[0];
	for (unsigned logins = 0;; logins++) {
		if (login) {
			enum err rc = log_in(client, endpoint, deadline_us, err);
			if (rc != ERR_OK) {
				return rc;
			}
		}
		enum err rc =
			attempt(client, endpoint, path, request, deadline_us, ret, &login, err);
		if (rc == ERR_OK || !login || !client->user || logins > 0) {
			return rc;
		}
	}
}

enum err etcd_client_ask(struct etcd_client *client, size_t endpoint, const char *path,
			 struct str request, uint64_t deadline_us, json_t **ret,
			 struct err_ctx *err)
{
	char *text = mem_dup_text(request.ptr, request.len);
	enum err rc = attempt_logged_in(client, endpoint, path, text, deadline_us, ret, err);
	mem_free(text);
	return rc;
}

/* ---------------------------------------------------------------- several endpoints */

/* Half of what is left, as long as there are others to ask: a member that hangs doesn't use up all the time. */
static uint64_t share_of(uint64_t now_us, uint64_t deadline_us, size_t others)
{
	uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
	return now_us + (others ? left_us / 2 : left_us);
}

/* Asks each endpoint once. ret_again: one that may know better in a moment was among them. */
static enum err call_round(struct etcd_client *client, const char *path, const char *request,
			   uint64_t deadline_us, json_t **ret, bool *ret_again, struct err_ctx *err)
{
	size_t first = client->good;
	struct err_ctx all = { 0 };
	enum err worst = ERR_UNREACHABLE;
	*ret_again = false;
	check(client->endpoint_count > 0);
	for (size_t i = 0; i < client->endpoint_count; i++) {
		size_t endpoint = (first + i) % client->endpoint_count;
		struct err_ctx one = { 0 };
		uint64_t now_us = clock_monotonic_us(client->clock);
		uint64_t until_us = share_of(now_us, deadline_us, client->endpoint_count - i - 1);
		enum err rc =
			attempt_logged_in(client, endpoint, path, request, until_us, ret, &one);
		if (rc == ERR_OK) {
			client->good = endpoint;
			return ERR_OK;
		}
		if (rc != ERR_UNREACHABLE && rc != ERR_PROTOCOL) {
			client->good = endpoint;
			return err_set(err, rc, "%s", one.text);
		}
		long status = 0;
		(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
		*ret_again = *ret_again || status != 0;
		worst = rc;
		struct err_ctx before = all;
		(void)err_set(&all, rc, "%s%s%s", before.text, i ? "; " : "", one.text);
	}
	client->good = (first + 1) % client->endpoint_count;
	return err_set(err, worst, "%s", all.text);
}

enum err etcd_client_call(struct etcd_client *client, const char *path, struct str request,
			  uint64_t deadline_us, json_t **ret, struct err_ctx *err)
{
	const struct timespec pause = { 0, (long)AGAIN_PAUSE_MS * 1000000 };
	char *text = mem_dup_text(request.ptr, request.len);
	bool again = false;
	enum err rc = call_round(client, path, text, deadline_us, ret, &again, err);
	while (rc != ERR_OK && again &&
	       clock_monotonic_us(client->clock) + (uint64_t)2 * AGAIN_PAUSE_MS * US_PER_MS <
		       deadline_us) {
		(void)nanosleep(&pause, NULL);
		rc = call_round(client, path, text, deadline_us, ret, &again, err);
	}
	mem_free(text);
	return rc;
}

/* ---------------------------------------------------------------- streams */

struct stream {
	struct etcd_client *client;
	etcd_line_cb line;
	void *ctx;
	uint64_t heard_us;
	size_t lines; /* that the callback took */
	bool ended;   /* by the callback */
};

static size_t on_stream(char *bytes, size_t size, size_t count, void *ctx)
{
	struct stream *stream = ctx;
	struct buf *body = &stream->client->body;
	stream->heard_us = clock_monotonic_us(stream->client->clock);
	buf_add(body, bytes, size * count);
	if (buf_finish(body) != ERR_OK || body->len > LINE_BYTES_MAX) {
		return 0;
	}
	const uint8_t *end;
	while (!stream->ended && (end = memchr(body->ptr, '\n', body->len)) != NULL) {
		size_t length = (size_t)(end - body->ptr);
		json_t *line = json_loadb((const char *)body->ptr, length, 0, NULL);
		if (length) {
			stream->ended = !line || !stream->line(stream->ctx, line);
			stream->lines += stream->ended ? 0 : 1;
		}
		json_decref(line);
		buf_consume(body, length + 1);
	}
	return stream->ended ? 0 : size * count;
}

static CURLcode run_stream(struct etcd_client *client, struct stream *stream, uint32_t silence_ms,
			   const atomic_bool *stopping)
{
	int running = 1;
	check(curl_multi_add_handle(client->multi, client->curl) == CURLM_OK);
	stream->heard_us = clock_monotonic_us(client->clock);
	while (running && !atomic_load(stopping)) {
		if (curl_multi_perform(client->multi, &running) != CURLM_OK) {
			break;
		}
		uint64_t now_us = clock_monotonic_us(client->clock);
		if (now_us > stream->heard_us + (uint64_t)silence_ms * US_PER_MS) {
			break;
		}
		if (running) {
			(void)curl_multi_poll(client->multi, NULL, 0, (int)silence_ms, NULL);
		}
	}
	int left;
	const CURLMsg *message = curl_multi_info_read(client->multi, &left);
	CURLcode code = message && message->msg == CURLMSG_DONE ? message->data.result
								: CURLE_OPERATION_TIMEDOUT;
	(void)curl_multi_remove_handle(client->multi, client->curl);
	return code;
}

enum err etcd_client_stream(struct etcd_client *client, const char *path, struct str request,
			    uint32_t silence_ms, const atomic_bool *stopping, etcd_line_cb line,
			    void *ctx, struct err_ctx *err)
{
	char url[URL_BYTES_MAX + 64];
	size_t endpoint = client->good;
	struct stream stream = { .client = client, .line = line, .ctx = ctx };
	client->good = (endpoint + 1) % client->endpoint_count;
	if (client->user && !client->token[0]) {
		uint64_t until_us =
			clock_monotonic_us(client->clock) + (uint64_t)silence_ms * US_PER_MS;
		enum err rc = log_in(client, endpoint, until_us, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	(void)snprintf(url, sizeof(url), "%s%s", client->endpoints[endpoint], path);
	char *text = mem_dup_text(request.ptr, request.len);
	struct curl_slist *headers = set_up(client, url, text);
	check(curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_stream) == CURLE_OK &&
	      curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &stream) == CURLE_OK);
	CURLcode code = run_stream(client, &stream, silence_ms, stopping);
	curl_slist_free_all(headers);
	mem_free(text);
	if (stream.lines == 0) {
		client->token[0] = 0; /* perhaps the log-in has expired */
	}
	if (stream.ended || code == CURLE_OK || atomic_load(stopping)) {
		return ERR_OK;
	}
	return say_curl(client, client->endpoints[endpoint], code, err);
}

void etcd_client_wake(struct etcd_client *client)
{
	(void)curl_multi_wakeup(client->multi);
}
