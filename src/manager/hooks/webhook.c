#include "manager/hooks/webhook.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "manager/records/wall_time.h"
#include "os/thread.h"

enum {
	BATCH = 32, /* events read at once */
	IDLE_MS = 60000,
	RETRY_FIRST_MS = 250,
	RETRY_MAX_MS = 30000,
	HEADER_BYTES_MAX = 192,
	WHERE_BYTES_MAX = 128,
	HTTP_TIMEOUT = 408,
	HTTP_TOO_MANY = 429,
	HTTP_SERVER_ERROR = 500,
};

/* The way to one URL. */
struct receiver {
	struct webhooks *all;
	struct thread thread;
	char url[WEBHOOK_TEXT_BYTES_MAX];
	char where[WHERE_BYTES_MAX]; /* scheme and host: what may be shown, a URL may hold a key */
	CURL *curl;
	uint64_t seen_id;   /* all events up to it are dealt with */
	uint64_t delivered; /* counts */
	uint64_t dropped;
};

struct webhooks {
	struct webhook_options options;
	struct event_log *events;
	const struct clock *clock;
	pthread_mutex_t mutex;
	pthread_cond_t ending;
	atomic_bool stopping;
	size_t count;
	struct receiver receivers[WEBHOOK_URLS_MAX];
};

/* ---------------------------------------------------------------- configuration */

bool webhook_wants(const struct webhook_options *options, const char *evt)
{
	struct str rest = str_of(options->events);
	struct str prefix;
	if (str_starts_with(str_of(evt), STR("webhook."))) {
		return false; /* else each failure would be the cause of the next */
	}
	if (str_trim(rest).len == 0) {
		return true;
	}
	while (str_next(&rest, ',', &prefix)) {
		prefix = str_trim(prefix);
		if (prefix.len && str_starts_with(str_of(evt), prefix)) {
			return true;
		}
	}
	return false;
}

static enum err read_where(const char *url, char where[WHERE_BYTES_MAX], struct err_ctx *err)
{
	CURLU *parts = curl_url();
	char *scheme = NULL;
	char *host = NULL;
	char *port = NULL;
	check(parts);
	bool right = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		     curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		     curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		     curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		     (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	if (right) {
		(void)snprintf(where, WHERE_BYTES_MAX, "%s://%s:%s", scheme, host, port);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
	return right ? ERR_OK
		     : err_set(err, ERR_CONFIG,
			       "[hooks] webhook: '%.24s...' is no URL with http:// or https://",
			       url);
}

/* ret: [WEBHOOK_URLS_MAX] */
static enum err read_urls(const struct webhook_options *options, struct receiver *ret,
			  size_t *ret_count, struct err_ctx *err)
{
	struct str rest = str_of(options->urls);
	struct str url;
	size_t count = 0;
	while (str_next(&rest, ' ', &url)) {
		if (url.len == 0) {
			continue;
		}
		if (count == WEBHOOK_URLS_MAX) {
			return err_set(err, ERR_CONFIG, "[hooks] webhook: more than %d URLs",
				       (int)WEBHOOK_URLS_MAX);
		}
		check(str_copy(url, ret[count].url, sizeof(ret[count].url)) == ERR_OK);
		enum err rc = read_where(ret[count].url, ret[count].where, err);
		if (rc != ERR_OK) {
			return rc;
		}
		count++;
	}
	*ret_count = count;
	return ERR_OK;
}

enum err webhook_check(const struct webhook_options *options, struct err_ctx *err)
{
	struct receiver receivers[WEBHOOK_URLS_MAX] = { 0 };
	size_t count = 0;
	for (const char *at = options->events; *at; at++) {
		bool part = (*at >= 'a' && *at <= 'z') || strchr("._, ", *at);
		if (!part) {
			return err_set(err, ERR_CONFIG,
				       "[hooks] webhook-events: '%s' is no list of event names",
				       options->events);
		}
	}
	return read_urls(options, receivers, &count, err);
}

/* ---------------------------------------------------------------- one delivery */

static size_t ignore_body(const void *bytes, size_t size, size_t count, void *ctx)
{
	(void)bytes;
	(void)ctx;
	return size * count;
}

static int on_progress(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
		       curl_off_t up)
{
	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	const struct webhooks *all = ctx;
	return atomic_load(&all->stopping) ? 1 : 0;
}

/* The receiver computes the same over the bytes of the body, and so knows who sent it. */
static void sign(const struct secret *secret, struct str body, char *ret, size_t bytes)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	struct buf out;
	check(HMAC(EVP_sha256(), secret->text, (int)strlen(secret->text),
		   (const unsigned char *)body.ptr, body.len, digest, &length));
	buf_init_fixed(&out, ret, bytes);
	buf_add_text(&out, "X-Muster-Signature: sha256=");
	for (unsigned int i = 0; i < length; i++) {
		buf_printf(&out, "%02x", digest[i]);
	}
	(void)buf_text(&out);
}

static void set_options(struct receiver *to)
{
	const struct webhook_options *options = &to->all->options;
	CURL *curl = to->curl;
	(void)curl_easy_setopt(curl, CURLOPT_URL, to->url);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, to->all);
	if (options->ca_file[0]) {
		(void)curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
	}
}

/* One try. again: whether another one may do better. */
static bool try_once(struct receiver *to, const char *evt, uint64_t id, struct str body, char *why,
		     size_t why_bytes, bool *again)
{
	char headers[3][HEADER_BYTES_MAX];
	size_t count = 2;
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	(void)snprintf(headers[0], HEADER_BYTES_MAX, "X-Muster-Event: %s", evt);
	(void)snprintf(headers[1], HEADER_BYTES_MAX, "X-Muster-Id: %" PRIu64, id);
	if (to->all->options.secret.text[0]) {
		sign(&to->all->options.secret, body, headers[count++], HEADER_BYTES_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		list = curl_slist_append(list, headers[i]);
	}
	(void)curl_easy_setopt(to->curl, CURLOPT_HTTPHEADER, list);
	(void)curl_easy_setopt(to->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	(void)curl_easy_setopt(to->curl, CURLOPT_POSTFIELDS, body.ptr);
	CURLcode code = curl_easy_perform(to->curl);
	long status = 0;
	(void)curl_easy_getinfo(to->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	if (code != CURLE_OK) {
		(void)snprintf(why, why_bytes, "%s", curl_easy_strerror(code));
		*again = true;
		return false;
	}
	(void)snprintf(why, why_bytes, "HTTP status %ld", status);
	*again = status >= HTTP_SERVER_ERROR || status == HTTP_TIMEOUT || status == HTTP_TOO_MANY;
	return status >= 200 && status < 300;
}

/* false when the end has come. */
static bool wait_ms(struct webhooks *all, uint64_t ms)
{
	const struct timespec until = thread_moment(ms * US_PER_MS);
	int rc = 0;
	(void)pthread_mutex_lock(&all->mutex);
	while (!atomic_load(&all->stopping) && rc == 0) {
		rc = pthread_cond_timedwait(&all->ending, &all->mutex, &until);
	}
	(void)pthread_mutex_unlock(&all->mutex);
	return !atomic_load(&all->stopping);
}

static void tell_dropped(struct receiver *to, uint64_t count, const char *why)
{
	char text[256];
	to->dropped += count;
	(void)snprintf(text, sizeof(text),
		       "%s: %" PRIu64 " not delivered: %s; %" PRIu64 " delivered and %" PRIu64
		       " dropped so far",
		       to->where, count, why, to->delivered, to->dropped);
	const struct event event = { .level = LOG_WARN, .evt = "webhook.dropped", .message = text };
	event_log_add(to->all->events, &event);
}

static bool is_too_old(const struct webhooks *all, const json_t *event)
{
	uint64_t now_us = clock_wall_us(all->clock);
	uint64_t then_us = wall_time_from_json(json_object_get(event, "time"));
	return now_us > then_us && now_us - then_us >= (uint64_t)all->options.keep_s * US_PER_S;
}

/* Until it is delivered or given up; at least one try. */
static void deliver(struct receiver *to, const json_t *event, uint64_t id)
{
	const char *evt = json_string_value(json_object_get(event, "evt"));
	char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(6));
	char why[CURL_ERROR_SIZE] = "";
	bool again = true;
	uint64_t pause_ms = RETRY_FIRST_MS;
	bool done = false;
	do {
		done = try_once(to, evt, id, str_of(text), why, sizeof(why), &again);
		if (done || !again || is_too_old(to->all, event)) {
			break;
		}
		again = wait_ms(to->all, pause_ms);
		pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
	} while (again);
	if (done) {
		to->delivered++;
	} else if (!atomic_load(&to->all->stopping)) {
		tell_dropped(to, 1, why);
	}
	mem_free(text);
}

static void take_events(struct receiver *to, const json_t *events)
{
	size_t i;
	const json_t *event;
	json_array_foreach(events, i, event)
	{
		uint64_t id = (uint64_t)json_integer_value(json_object_get(event, "id"));
		const char *evt = json_string_value(json_object_get(event, "evt"));
		if (atomic_load(&to->all->stopping)) {
			return;
		}
		if (id > to->seen_id + 1) {
			tell_dropped(to, id - to->seen_id - 1, "too many events in the meantime");
		}
		to->seen_id = id;
		if (evt && webhook_wants(&to->all->options, evt)) {
			deliver(to, event, id);
		}
	}
}

/* Of several managers on one store only the one that leads tells; the others' log comes from the store. */
static void skip_what_others_tell(struct receiver *to)
{
	uint64_t after_id = 0;
	bool leads = event_log_leads(to->all->events, &after_id);
	if (!leads || to->seen_id < after_id) {
		to->seen_id = after_id;
	}
}

static void run(void *ctx)
{
	struct receiver *to = ctx;
	struct webhooks *all = to->all;
	set_options(to);
	while (!atomic_load(&all->stopping)) {
		skip_what_others_tell(to);
		/* A closed log makes this return at once, and then the end is near. */
		if (!event_log_wait(all->events, to->seen_id, (uint64_t)IDLE_MS * US_PER_MS)) {
			(void)wait_ms(all, 1);
			continue;
		}
		skip_what_others_tell(to);
		json_t *events = event_log_read(all->events, NULL, to->seen_id, BATCH);
		take_events(to, events);
		json_decref(events);
	}
}

/* ---------------------------------------------------------------- start and stop */

enum err webhook_start(const struct webhook_options *options, struct event_log *events,
		       const struct clock *clock, struct webhooks **ret, struct err_ctx *err)
{
	*ret = NULL;
	if (str_trim(str_of(options->urls)).len == 0) {
		return ERR_OK;
	}
	struct webhooks *all = mem_need(sizeof(*all));
	all->options = *options;
	all->events = events;
	all->clock = clock;
	check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	check(pthread_mutex_init(&all->mutex, NULL) == 0);
	pthread_condattr_t attributes;
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(&all->ending, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
	size_t count = 0;
	uint64_t after_id = 0;
	enum err rc = webhook_check(options, err);
	rc = rc ? rc : read_urls(options, all->receivers, &count, err);
	for (size_t i = 0; i < count && rc == ERR_OK; i++) {
		struct receiver *to = &all->receivers[i];
		all->count = i + 1;
		to->all = all;
		(void)event_log_leads(events, &after_id);
		to->seen_id = after_id;
		to->curl = curl_easy_init();
		check(to->curl);
		rc = thread_start(&to->thread, "webhook", run, to, err);
	}
	if (rc != ERR_OK) {
		(void)webhook_stop(all);
		return rc;
	}
	*ret = all;
	return ERR_OK;
}

struct webhooks *webhook_stop(struct webhooks *webhooks)
{
	if (!webhooks) {
		return NULL;
	}
	(void)pthread_mutex_lock(&webhooks->mutex);
	atomic_store(&webhooks->stopping, true);
	(void)pthread_cond_broadcast(&webhooks->ending);
	(void)pthread_mutex_unlock(&webhooks->mutex);
	for (size_t i = 0; i < webhooks->count; i++) {
		thread_join(&webhooks->receivers[i].thread);
		curl_easy_cleanup(webhooks->receivers[i].curl);
	}
	secret_wipe(&webhooks->options.secret);
	(void)pthread_cond_destroy(&webhooks->ending);
	(void)pthread_mutex_destroy(&webhooks->mutex);
	return mem_free(webhooks);
}
