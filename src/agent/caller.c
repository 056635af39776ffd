#include "agent/caller.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { URL_BYTES_MAX = 256, POLL_MS = 1000, CONNECT_TO_BYTES_MAX = 768, STATUS_OK = 200 };

struct caller {
	CURL *curl;   /* with its connections */
	CURLM *multi; /* of several calls at once, with theirs */
	bool has_identity;
	bool has_authority;
	struct identity identity;
	char authority[IDENTITY_PEM_BYTES_MAX];
};

struct transfer {
	struct buf body;
	bool overflow;
	char url[URL_BYTES_MAX];
	char words[CURL_ERROR_SIZE];
	struct curl_slist *headers;
	struct curl_slist *connect_to;
};

struct caller *caller_new(const struct identity *identity, const char *authority)
{
	struct caller *caller = mem_need(sizeof(*caller));
	caller->curl = curl_easy_init();
	caller->multi = curl_multi_init();
	check(caller->curl && caller->multi);
	if (identity) {
		caller->identity = *identity;
		caller->has_identity = true;
		authority = identity->authority;
	}
	if (authority) {
		check(str_copy(str_of(authority), caller->authority, sizeof(caller->authority)) ==
		      ERR_OK);
		caller->has_authority = true;
	}
	return caller;
}

struct caller *caller_free(struct caller *caller)
{
	if (!caller) {
		return NULL;
	}
	curl_easy_cleanup(caller->curl);
	(void)curl_multi_cleanup(caller->multi);
	identity_wipe(&caller->identity);
	return mem_free(caller);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *transfer = ctx;
	buf_add(&transfer->body, bytes, size * count);
	return buf_finish(&transfer->body) == ERR_OK ? size * count : 0;
}

static struct curl_blob blob_of(const char *text)
{
	union {
		const char *text;
		void *data;
	} view = { .text = text };
	return (struct curl_blob){ .data = view.data,
				   .len = strlen(text),
				   .flags = CURL_BLOB_COPY };
}

static CURLcode set_tls(const struct caller *caller, CURL *curl)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (!caller->has_authority) {
		/* What comes is compared with a fingerprint by who calls. */
		code = code ? code : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		return code ? code : curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	struct curl_blob authority = blob_of(caller->authority);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &authority);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	if (caller->has_identity) {
		struct curl_blob certificate = blob_of(caller->identity.certificate);
		struct curl_blob key = blob_of(caller->identity.key);
		code = code ? code : curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
		code = code ? code : curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
	}
	return code;
}

static void set_up(const struct caller *caller, CURL *curl, struct transfer *transfer,
		   const struct caller_address *to, const char *path, const char *body,
		   uint32_t timeout_ms)
{
	char connect_to[CONNECT_TO_BYTES_MAX];
	bool bare_v6 = strchr(to->host, ':') != NULL;
	(void)snprintf(transfer->url, sizeof(transfer->url), "https://%s:%u/node/v1/%s",
		       to->tls_name, (unsigned)to->port, path);
	(void)snprintf(connect_to, sizeof(connect_to), "%s:%u:%s%s%s:%u", to->tls_name,
		       (unsigned)to->port, bare_v6 ? "[" : "", to->host, bare_v6 ? "]" : "",
		       (unsigned)to->port);
	transfer->connect_to = curl_slist_append(NULL, connect_to);
	transfer->headers = curl_slist_append(NULL, "Content-Type: application/json");
	transfer->headers = curl_slist_append(transfer->headers, "Expect:");
	CURLcode code = set_tls(caller, curl);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_CONNECT_TO, transfer->connect_to);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_PROXY, "");
	code = code ? code : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	code = code ? code
		    : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms / 2 + 1);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->words);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
	code = code ? code : curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
	if (body) {
		code = code ? code : curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	} else {
		code = code ? code : curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	}
	check(code == CURLE_OK);
}

static void transfer_fini(struct transfer *transfer)
{
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->connect_to);
	buf_fini(&transfer->body);
}

static bool was_refused(CURL *curl, CURLcode code)
{
	long os_errno = 0;
	(void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
	return code == CURLE_COULDNT_CONNECT && os_errno == ECONNREFUSED;
}

/* What the other side said is wrong. */
static enum err take_error(const struct caller_address *to, const json_t *value, long status,
			   struct err_ctx *err)
{
	const json_t *error = json_object_get(value, "error");
	const char *name = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));
	if (!name || !text) {
		return err_set(err, ERR_PROTOCOL, "what answers at %s:%u is no muster: status %ld",
			       to->host, (unsigned)to->port, status);
	}
	enum err rc = err_from_name(name);
	return err_set(err, rc == ERR_OK ? ERR_FAILED : rc, "%s", text);
}

static enum err judge(CURL *curl, const struct transfer *transfer, CURLcode code,
		      const struct caller_address *to, json_t **ret, struct err_ctx *err)
{
	long status = 0;
	if (code == CURLE_OPERATION_TIMEDOUT) {
		return err_set(err, ERR_DEADLINE, "%s:%u doesn't answer in time", to->host,
			       (unsigned)to->port);
	}
	if (code != CURLE_OK) {
		return err_set(err, ERR_UNREACHABLE, "%s:%u: %s", to->host, (unsigned)to->port,
			       transfer->words[0] ? transfer->words : curl_easy_strerror(code));
	}
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	json_t *value = json_loadb((const char *)transfer->body.ptr, transfer->body.len, 0, NULL);
	if (status != STATUS_OK || !json_is_object(value)) {
		enum err rc = take_error(to, value, status, err);
		json_decref(value);
		return rc;
	}
	*ret = value;
	return ERR_OK;
}

enum err caller_call(struct caller *caller, const struct caller_address *to, const char *path,
		     const json_t *body, uint32_t timeout_ms, json_t **ret, bool *ret_refused,
		     struct err_ctx *err)
{
	struct transfer transfer = { 0 };
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	check(!body || text);
	buf_init(&transfer.body, CALLER_ANSWER_BYTES_MAX);
	curl_easy_reset(caller->curl); /* keeps the connections */
	set_up(caller, caller->curl, &transfer, to, path, text, timeout_ms);
	CURLcode code = curl_easy_perform(caller->curl);
	enum err rc = judge(caller->curl, &transfer, code, to, ret, err);
	if (ret_refused) {
		*ret_refused = was_refused(caller->curl, code);
	}
	transfer_fini(&transfer);
	mem_free(text);
	return rc;
}

/* Several calls that are under way at once. */
struct calls {
	struct caller_call *calls;
	size_t count;
	struct transfer *transfers; /* [count] */
	CURL *handles[CALLER_CALLS_MAX];
};

/* Takes in what has ended. true: nobody has to be waited for any more. */
static bool take_ended(const struct caller *caller, const struct calls *all,
		       bool (*enough)(const struct caller_call *call))
{
	bool done = false;
	int left = 0;
	const CURLMsg *message = NULL;
	while ((message = curl_multi_info_read(caller->multi, &left)) != NULL) {
		struct caller_call *call = NULL;
		CURL *handle = message->easy_handle;
		if (message->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &call) != CURLE_OK) {
			continue;
		}
		call->refused = was_refused(handle, message->data.result);
		call->rc = judge(handle, &all->transfers[call - all->calls], message->data.result,
				 &call->to, &call->answer, NULL);
		done = done || (enough && enough(call));
	}
	return done;
}

static void run_all(const struct caller *caller, const struct calls *all,
		    bool (*enough)(const struct caller_call *call))
{
	int running = 1;
	while (running) {
		CURLMcode code = curl_multi_perform(caller->multi, &running);
		if (take_ended(caller, all, enough)) {
			return;
		}
		if (code == CURLM_OK && running) {
			code = curl_multi_poll(caller->multi, NULL, 0, POLL_MS, NULL);
		}
		if (code != CURLM_OK) {
			return;
		}
	}
}

void caller_call_all(struct caller *caller, struct caller_call *calls, size_t count,
		     const char *path, const json_t *body, uint32_t timeout_ms,
		     bool (*enough)(const struct caller_call *call))
{
	check(count <= CALLER_CALLS_MAX);
	struct calls all = { .calls = calls,
			     .count = count,
			     .transfers = mem_need(CALLER_CALLS_MAX * sizeof(*all.transfers)) };
	char *text = json_dumps(body, JSON_COMPACT);
	check(text);
	for (size_t i = 0; i < count; i++) {
		CURL *handle = curl_easy_init();
		check(handle);
		all.handles[i] = handle;
		buf_init(&all.transfers[i].body, CALLER_ANSWER_BYTES_MAX);
		set_up(caller, handle, &all.transfers[i], &calls[i].to, path, text, timeout_ms);
		calls[i].rc = ERR_DEADLINE;
		calls[i].answer = NULL;
		calls[i].refused = false;
		check(curl_easy_setopt(handle, CURLOPT_PRIVATE, &calls[i]) == CURLE_OK);
		check(curl_multi_add_handle(caller->multi, handle) == CURLM_OK);
	}
	run_all(caller, &all, enough);
	for (size_t i = 0; i < count; i++) {
		(void)curl_multi_remove_handle(caller->multi, all.handles[i]);
		curl_easy_cleanup(all.handles[i]);
		transfer_fini(&all.transfers[i]);
	}
	mem_free(text);
	mem_free(all.transfers);
}

enum err caller_parse_address(struct str text, struct caller_address *ret, struct err_ctx *err)
{
	struct str trimmed = str_trim(text);
	size_t colon = trimmed.len;
	uint32_t port = 0;
	while (colon > 0 && trimmed.ptr[colon - 1] != ':') {
		colon--;
	}
	struct str host = str_slice(trimmed, 0, colon ? colon - 1 : 0);
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
		host = str_slice(host, 1, host.len - 1);
	}
	struct caller_address address = { .tls_name = IDENTITY_MANAGER_NAME };
	if (host.len == 0 ||
	    str_parse_u32(str_slice(trimmed, colon, trimmed.len), 1, UINT16_MAX, &port) != ERR_OK ||
	    str_copy(host, address.host, sizeof(address.host)) != ERR_OK) {
		struct str shown = str_slice(trimmed, 0, 100);
		return err_set(err, ERR_USAGE, "'%.*s' is no HOST:PORT", STR_ARG(shown));
	}
	address.port = (uint16_t)port;
	*ret = address;
	return ERR_OK;
}
