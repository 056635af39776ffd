#include "api/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/api_socket.h"
#include "api/json_text.h"
#include "base/check.h"

enum {
	CONNECT_TIMEOUT_MS = 5000,
	GRACE_MS = 1000, /* the other side's own deadline comes first: its words are better */
	PATH_BYTES_MAX = 4096,
	BODY_BYTES_MAX = 16 * 1024 * 1024,
};

/* One transfer. */
struct transfer {
	struct buf body;
	client_line_cb line; /* NULL: the body is collected */
	void *ctx;
	CURL *curl;
	bool ended;   /* by the line callback */
	bool too_big; /* a line or body over its limit */
};

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void client_add_word(struct buf *path, struct str word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (is_unreserved(word.ptr[i])) {
			buf_add_char(path, word.ptr[i]);
		} else {
			buf_printf(path, "%%%02X", (unsigned)(unsigned char)word.ptr[i]);
		}
	}
}

static void take_lines(struct transfer *transfer)
{
	while (!transfer->ended && transfer->body.len) {
		const uint8_t *end = memchr(transfer->body.ptr, '\n', transfer->body.len);
		if (!end) {
			return;
		}
		size_t count = (size_t)(end - transfer->body.ptr);
		if (count &&
		    !transfer->line(transfer->ctx, str_slice(buf_str(&transfer->body), 0, count))) {
			transfer->ended = true;
		}
		buf_consume(&transfer->body, count + 1);
	}
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *transfer = ctx;
	long status = 0;
	(void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	buf_add(&transfer->body, bytes, size * count);
	if (buf_finish(&transfer->body) != ERR_OK) {
		transfer->too_big = true;
		return 0;
	}
	if (transfer->line && status == 200) {
		take_lines(transfer);
	}
	return transfer->ended ? 0 : size * count;
}

static enum err say_transfer(const struct client *client, const struct transfer *transfer,
			     CURLcode code, const char *words, struct err_ctx *err)
{
	if (transfer->too_big) {
		return err_set(err, ERR_LIMIT, "the answer at '%s' is too long",
			       client->socket_path);
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		return err_set(err, ERR_DEADLINE, "no answer at '%s' within %u s",
			       client->socket_path, client->timeout_ms / 1000);
	}
	if (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
	    code == CURLE_PARTIAL_FILE) {
		return err_set(err, ERR_UNREACHABLE, "muster at '%s' ended during the call",
			       client->socket_path);
	}
	return err_set(err, ERR_PROTOCOL, "what answers at '%s' is no muster: %s",
		       client->socket_path, words[0] ? words : curl_easy_strerror(code));
}

/* The error object of an answer, or a plain one when there is none. */
static enum err say_answer(const struct client *client, long status,
			   const struct transfer *transfer, struct err_ctx *err)
{
	json_error_t where;
	json_t *value = json_loadb((const char *)transfer->body.ptr, transfer->body.len, 0, &where);
	const char *code = NULL;
	const char *text = NULL;
	enum err rc;
	if (value &&
	    json_unpack(value, "{s:{s:s, s:s}}", "error", "code", &code, "text", &text) == 0) {
		rc = err_set(err, err_from_name(code), "%s", text);
		rc = rc == ERR_OK ? ERR_FAILED : rc;
	} else {
		rc = err_set(err, ERR_PROTOCOL,
			     "what answers at '%s' is no muster: HTTP status %ld",
			     client->socket_path, status);
	}
	json_decref(value);
	return rc;
}

static void set_up(const struct client *client, struct transfer *transfer, const char *http_method,
		   const char *url, const char *body, char *words, struct curl_slist **headers)
{
	CURL *curl = transfer->curl;
	long timeout_ms = transfer->line ? 0 : (long)client->timeout_ms + GRACE_MS;
	*headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_URL, url);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, http_method);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_PROXY, "");
	code = code ? code
		    : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
	if (body) {
		code = code ? code : curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	}
	check(code == CURLE_OK);
}

/* Says in one line what is wrong with the socket, which libcurl's words do not. */
static enum err check_socket(const struct client *client, struct err_ctx *err)
{
	int fd = -1;
	struct err_ctx why = { 0 };
	enum err rc = api_socket_connect(client->socket_path, &fd, &why);
	if (rc != ERR_OK) {
		return err_set(err, rc, "%s; is `muster run` running?", why.text);
	}
	(void)close(fd);
	return ERR_OK;
}

static enum err perform(const struct client *client, struct transfer *transfer,
			const char *http_method, const char *path, const char *body,
			struct err_ctx *err)
{
	char url[PATH_BYTES_MAX];
	char words[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	long status = 0;
	int length = snprintf(url, sizeof(url), "http://muster%s%ctimeout_ms=%u", path,
			      strchr(path, '?') ? '&' : '?', client->timeout_ms);
	if (length < 0 || (size_t)length >= sizeof(url)) {
		return err_set(err, ERR_LIMIT, "the request is longer than %d bytes",
			       PATH_BYTES_MAX);
	}
	transfer->curl = curl_easy_init();
	check(transfer->curl);
	set_up(client, transfer, http_method, url, body, words, &headers);
	CURLcode code = curl_easy_perform(transfer->curl);
	(void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(transfer->curl);
	if (code == CURLE_COULDNT_CONNECT) {
		enum err rc = check_socket(client, err);
		return rc == ERR_OK ? err_set(err, ERR_UNREACHABLE, "'%s' cannot be reached: %s",
					      client->socket_path, words)
				    : rc;
	}
	if (code != CURLE_OK && !transfer->ended) {
		return say_transfer(client, transfer, code, words, err);
	}
	return status == 200 ? ERR_OK : say_answer(client, status, transfer, err);
}

enum err client_call(const struct client *client, const char *http_method, const char *path,
		     const json_t *body, json_t **ret, struct err_ctx *err)
{
	struct transfer transfer = { 0 };
	struct buf text;
	json_error_t where;
	buf_init(&text, BODY_BYTES_MAX);
	if (body) {
		json_text_add(&text, body, JSON_COMPACT);
	}
	if (buf_finish(&text) != ERR_OK) {
		buf_fini(&text);
		return err_set(err, ERR_LIMIT, "the request is longer than %d bytes",
			       BODY_BYTES_MAX);
	}
	buf_init(&transfer.body, CLIENT_ANSWER_BYTES_MAX);
	enum err rc =
		perform(client, &transfer, http_method, path, body ? buf_text(&text) : NULL, err);
	if (rc == ERR_OK) {
		json_t *value =
			json_loadb((const char *)transfer.body.ptr, transfer.body.len, 0, &where);
		if (value) {
			*ret = value;
		} else {
			rc = err_set(err, ERR_PROTOCOL,
				     "what answers at '%s' is no muster: no JSON",
				     client->socket_path);
		}
	}
	buf_fini(&text);
	buf_fini(&transfer.body);
	return rc;
}

enum err client_stream(const struct client *client, const char *path, client_line_cb line,
		       void *ctx, struct err_ctx *err)
{
	struct transfer transfer = { .line = line, .ctx = ctx };
	buf_init(&transfer.body, CLIENT_LINE_BYTES_MAX);
	enum err rc = perform(client, &transfer, "GET", path, NULL, err);
	buf_fini(&transfer.body);
	return rc;
}
