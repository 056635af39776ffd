#include "db/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/mem.h"
#include "os/thread.h"

/* Shared by the asking thread and the one that looks up; the last of the two frees it. */
struct lookup {
	pthread_mutex_t mutex;
	pthread_cond_t done_cond;
	unsigned references;
	bool done;
	int gai_error;
	struct resolve_addresses addresses;
	char *host; /* owned */
};

static atomic_uint lookups_running;

static void addresses_fill(const struct addrinfo *list, struct resolve_addresses *ret)
{
	*ret = (struct resolve_addresses){ .count = 0 };
	for (const struct addrinfo *ai = list; ai && ret->count < RESOLVE_ADDRESSES_MAX;
	     ai = ai->ai_next) {
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, ret->list[ret->count],
				RESOLVE_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST) == 0) {
			ret->count++;
		}
	}
}

static int look_up(const char *host, int flags, struct resolve_addresses *ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &list);
	if (rc != 0) {
		return rc;
	}
	addresses_fill(list, ret);
	freeaddrinfo(list);
	return ret->count > 0 ? 0 : EAI_NONAME;
}

/* Gives up one reference; called with the mutex held, which it releases. */
static void lookup_leave(struct lookup *lookup)
{
	bool last = --lookup->references == 0;
	(void)pthread_mutex_unlock(&lookup->mutex);
	if (last) {
		(void)pthread_cond_destroy(&lookup->done_cond);
		(void)pthread_mutex_destroy(&lookup->mutex);
		(void)mem_free(lookup->host);
		(void)mem_free(lookup);
	}
}

static void *lookup_thread(void *arg)
{
	struct lookup *lookup = arg;
	struct resolve_addresses addresses = { .count = 0 };
	int rc = look_up(lookup->host, AI_ADDRCONFIG, &addresses);
	(void)pthread_mutex_lock(&lookup->mutex);
	lookup->addresses = addresses;
	lookup->gai_error = rc;
	lookup->done = true;
	(void)pthread_cond_signal(&lookup->done_cond);
	lookup_leave(lookup);
	(void)atomic_fetch_sub(&lookups_running, 1);
	return NULL;
}

/* NULL when there are too many already or no thread can be made. */
static struct lookup *lookup_start(const char *host)
{
	if (atomic_fetch_add(&lookups_running, 1) >= RESOLVE_THREADS_MAX) {
		(void)atomic_fetch_sub(&lookups_running, 1);
		return NULL;
	}
	struct lookup *lookup = mem_need(sizeof(*lookup));
	lookup->references = 2;
	lookup->host = mem_dup_text(host, strlen(host));
	pthread_condattr_t attr;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&lookup->done_cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)pthread_mutex_init(&lookup->mutex, NULL);
	pthread_attr_t thread_attr;
	(void)pthread_attr_init(&thread_attr);
	(void)pthread_attr_setdetachstate(&thread_attr, PTHREAD_CREATE_DETACHED);
	pthread_t thread;
	int rc = pthread_create(&thread, &thread_attr, lookup_thread, lookup);
	(void)pthread_attr_destroy(&thread_attr);
	if (rc != 0) {
		(void)atomic_fetch_sub(&lookups_running, 1);
		(void)pthread_mutex_lock(&lookup->mutex);
		lookup->references = 1;
		lookup_leave(lookup);
		return NULL;
	}
	return lookup;
}

enum err resolve_name(const char *host, const struct clock *clock, uint64_t deadline_us,
		      struct resolve_addresses *ret, struct err_ctx *err)
{
	struct resolve_addresses addresses = { .count = 0 };
	if (look_up(host, AI_NUMERICHOST, &addresses) == 0) {
		*ret = addresses;
		return ERR_OK;
	}
	struct lookup *lookup = lookup_start(host);
	if (!lookup) {
		return err_set(err, ERR_LIMIT, "name '%s' not looked up: too many look-ups hang",
			       host);
	}
	uint64_t at_us = clock_monotonic_us(clock);
	struct timespec until = thread_moment(deadline_us > at_us ? deadline_us - at_us : 0);
	(void)pthread_mutex_lock(&lookup->mutex);
	while (!lookup->done) {
		if (pthread_cond_timedwait(&lookup->done_cond, &lookup->mutex, &until) != 0) {
			break;
		}
	}
	bool done = lookup->done;
	int gai_error = lookup->gai_error;
	addresses = lookup->addresses;
	lookup_leave(lookup);
	if (!done) {
		return err_set(err, ERR_DEADLINE, "name '%s' not resolved in time", host);
	}
	if (gai_error != 0) {
		return err_set(err, ERR_UNREACHABLE, "name '%s' cannot be resolved: %s", host,
			       gai_strerror(gai_error));
	}
	*ret = addresses;
	return ERR_OK;
}
