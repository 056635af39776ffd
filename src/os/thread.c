#include "os/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

static void *run_named(void *arg)
{
	struct thread *thread = arg;
	/* Only for people who look at the process; without a name it works as well. */
	(void)pthread_setname_np(pthread_self(), thread->name);
	thread->run(thread->ctx);
	return NULL;
}

enum err thread_start(struct thread *thread, const char *name, void (*run)(void *ctx), void *ctx,
		      struct err_ctx *err)
{
	sigset_t all;
	sigset_t before;
	*thread = (struct thread){ .run = run, .ctx = ctx };
	(void)snprintf(thread->name, sizeof(thread->name), "%s", name);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread->id, NULL, run_named, thread);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		return err_set(err, ERR_NOMEM, "cannot start thread '%s': %s", name,
			       strerrordesc_np(error));
	}
	thread->started = true;
	return ERR_OK;
}

void thread_join(struct thread *thread)
{
	if (thread->started) {
		(void)pthread_join(thread->id, NULL);
		thread->started = false;
	}
}

struct timespec thread_moment(uint64_t wait_us)
{
	enum { NS_PER_US = 1000, NS_PER_S = 1000000000 };
	struct timespec moment;
	(void)clock_gettime(CLOCK_MONOTONIC, &moment);
	uint64_t ns = (uint64_t)moment.tv_nsec + wait_us % US_PER_S * NS_PER_US;
	moment.tv_sec += (time_t)(wait_us / US_PER_S + ns / NS_PER_S);
	moment.tv_nsec = (long)(ns % NS_PER_S);
	return moment;
}

void thread_condition_init(pthread_mutex_t *mutex, pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	check(pthread_mutex_init(mutex, NULL) == 0);
	check(pthread_condattr_init(&attributes) == 0);
	check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	check(pthread_cond_init(condition, &attributes) == 0);
	(void)pthread_condattr_destroy(&attributes);
}
