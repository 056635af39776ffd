#include "store/store_watch.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/thread.h"
#include "store/etcd_client.h"
#include "store/etcd_message.h"

enum {
	SILENCE_MS = 3000, /* the leader renews more often: who hears nothing asks another member */
	PAUSE_MS = 300,	   /* after a break */
};

struct store_watch {
	struct thread thread;
	struct etcd_client *client;
	char prefix[STORE_ETCD_PREFIX_BYTES_MAX];
	store_watch_cb on_change;
	void *ctx;
	atomic_bool stopping;
	pthread_mutex_t mutex;
	pthread_cond_t stopped;
};

static bool take_key(void *ctx, struct str key, struct str value, uint64_t version)
{
	struct store_watch *watch = ctx;
	(void)value;
	(void)version;
	watch->on_change(watch->ctx, str_slice(key, strlen(watch->prefix), key.len));
	return true;
}

static bool take_line(void *ctx, const json_t *line)
{
	struct store_watch *watch = ctx;
	bool created = false;
	enum err rc = etcd_message_read_event(line, take_key, watch, &created, NULL);
	if (rc == ERR_OK && created) {
		watch->on_change(watch->ctx, STR(""));
	}
	return rc == ERR_OK && !atomic_load(&watch->stopping);
}

static void rest(struct store_watch *watch)
{
	const struct timespec until = thread_moment((uint64_t)PAUSE_MS * US_PER_MS);
	(void)pthread_mutex_lock(&watch->mutex);
	int rc = 0;
	while (!atomic_load(&watch->stopping) && rc == 0) {
		rc = pthread_cond_timedwait(&watch->stopped, &watch->mutex, &until);
	}
	(void)pthread_mutex_unlock(&watch->mutex);
}

static void run(void *ctx)
{
	struct store_watch *watch = ctx;
	struct buf request;
	struct buf end;
	buf_init(&request, (size_t)8 * STORE_ETCD_PREFIX_BYTES_MAX);
	buf_init(&end, STORE_ETCD_PREFIX_BYTES_MAX);
	etcd_message_end_of(str_of(watch->prefix), &end);
	etcd_message_watch(&request, str_of(watch->prefix), buf_str(&end));
	while (!atomic_load(&watch->stopping)) {
		/* Why it broke is told by those who read and write; the watch only gets the news sooner. */
		(void)!etcd_client_stream(watch->client, "/v3/watch", buf_str(&request), SILENCE_MS,
					  &watch->stopping, take_line, watch, NULL);
		rest(watch);
	}
	buf_fini(&request);
	buf_fini(&end);
}

static struct store_watch *watch_free(struct store_watch *watch)
{
	(void)etcd_client_free(watch->client);
	(void)pthread_mutex_destroy(&watch->mutex);
	(void)pthread_cond_destroy(&watch->stopped);
	return mem_free(watch);
}

enum err store_watch_start(const struct store_etcd_options *options, store_watch_cb on_change,
			   void *ctx, struct store_watch **ret, struct err_ctx *err)
{
	struct store_watch *watch = mem_need(sizeof(*watch));
	watch->on_change = on_change;
	watch->ctx = ctx;
	thread_condition_init(&watch->mutex, &watch->stopped);
	enum err rc = str_copy(str_of(options->prefix), watch->prefix, sizeof(watch->prefix));
	rc = rc ? err_set(err, ERR_CONFIG, "store: the prefix in etcd is too long")
		: etcd_client_new(options, &watch->client, err);
	rc = rc ? rc : thread_start(&watch->thread, "store-watch", run, watch, err);
	if (rc != ERR_OK) {
		(void)watch_free(watch);
		return rc;
	}
	*ret = watch;
	return ERR_OK;
}

struct store_watch *store_watch_stop(struct store_watch *watch)
{
	if (!watch) {
		return NULL;
	}
	(void)pthread_mutex_lock(&watch->mutex);
	atomic_store(&watch->stopping, true);
	(void)pthread_cond_signal(&watch->stopped);
	(void)pthread_mutex_unlock(&watch->mutex);
	etcd_client_wake(watch->client);
	thread_join(&watch->thread);
	return watch_free(watch);
}
